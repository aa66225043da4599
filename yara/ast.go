package yara

import "math"

// op names what an expression does.
type op uint8

const (
	opConst op = iota
	opAnd
	opOr
	opNot
	opDefined
	opEq
	opNe
	opLt
	opLe
	opGt
	opGe
	opAdd
	opSub
	opMul
	opDiv
	opMod
	opBitAnd
	opBitOr
	opBitXor
	opShl
	opShr
	opNeg
	opInvert
	opContains // the string operators keep this order
	opIContains
	opStartsWith
	opIStartsWith
	opEndsWith
	opIEndsWith
	opIEquals
	opMatches
	opString   // $a
	opStringAt // $a at kids[0]
	opStringIn // $a in (kids[0]..kids[1])
	opCount    // #a
	opCountIn  // #a in (kids[0]..kids[1])
	opOffset   // @a[kids[0]]
	opLength   // !a[kids[0]]
	opOf       // quantifier of strings or rules, optional at or in
	opForOf    // for quantifier of strings : ( kids[last] )
	opForIn    // for quantifier v in ... : ( kids[last] )
	opReader   // uint32be(kids[0])
	opFilesize // filesize
	opIdent    // name: loop variable, rule, external; resolved when compiled
	opVar      // loop variable num
	opRule     // rule num
	opExternal // external variable, a constant once compiled
	opModule   // module num
	opField    // kids[0].name
	opIndex    // kids[0][kids[1]]
	opCall     // kids[0](kids[1:]...)
	opRegex    // a regular expression as an argument
	opEntry    // entrypoint
)

// quantifier says how many of a set must hold.
type quantifier struct {
	word    string // all, any, none or "" for a number
	n       *expr
	percent bool
}

// knowledge says what libyara knows of a whole number when it compiles: of what is written as a number and not of what is named; and that nothing is left of a shift by 64
// and more. That decides what is a fault and where a string is looked for.
type knowledge uint8

const (
	numberNone    knowledge = iota
	numberGuessed           // val is what libyara takes it for: it shifts to the left where >> is written
	numberRight             // val is the number, if it has a value at all
)

// expr is a node of a condition. Its kids are bounded in depth by the parser.
type expr struct {
	op    op
	known knowledge
	pos   pos
	kids  []*expr
	val   value // opConst, or what is known
	name  string
	num   int // index of string, rule, variable or reader
	*extras
}

// extras is what opOf, opForOf, opForIn, opMatches, opRegex and opCall need beside. Thousands of rules have some ten nodes each, most of others.
type extras struct {
	quant quantifier
	set   []string // names of strings ("" for them) or rules as written, * at the end for a prefix
	rules bool     // the set names rules
	list  []int    // the set resolved
	place op       // opStringAt, opStringIn or 0 for opOf
	re    *matcher
	fn    func(*call) value // opCall
	names []string          // loop variables of opForIn
}

type modifiers struct {
	ascii, wide, nocase, fullword, private bool
	xor                                    bool
	xorMin, xorMax                         byte
	base64, base64wide                     bool
}

type stringKind uint8

const (
	textString stringKind = iota
	hexString
	regexString
)

type stringDecl struct {
	name  string // without $, "" for anonymous
	pos   pos
	kind  stringKind
	text  string // of a text string, or the source of another
	flags string
	re    *node
	mods  modifiers
	// alphabet is that of base64 and base64wide, "" for the usual one.
	alphabet string
}

type ruleDecl struct {
	name            string
	pos             pos
	private, global bool
	tags            []string
	meta            string // the text of its meta section, see metasOf
	strings         []stringDecl
	cond            *expr
}

// Meta is one line of a rule's meta section. Value is a string, an int64 or a bool.
type Meta struct {
	Key   string
	Value any
}

type source struct {
	file     string
	imports  []named
	includes []named
	rules    []*ruleDecl
}

type named struct {
	name string
	pos  pos
}

type valueKind uint8

const (
	vUndef valueKind = iota
	vInt
	vFloat
	vString
	vBool
	vRegex
	vObject
)

type value struct {
	kind valueKind
	i    int64 // of a float its bits
	s    string
	obj  *object
}

func intValue(i int64) value     { return value{kind: vInt, i: i} }
func strValue(s string) value    { return value{kind: vString, s: s} }
func floatValue(f float64) value { return value{kind: vFloat, i: int64(math.Float64bits(f))} }

// float is the number of a float.
func (v value) float() float64 { return math.Float64frombits(uint64(v.i)) }

func boolValue(b bool) value {
	if b {
		return value{kind: vBool, i: 1}
	}
	return value{kind: vBool}
}

// truth is the value as a condition: undefined is false.
func (v value) truth() bool {
	switch v.kind {
	case vInt, vBool, vFloat: // -0.0 is true, as in libyara
		return v.i != 0
	case vString:
		return v.s != ""
	}
	return false
}
