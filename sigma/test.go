package sigma

import (
	"bytes"
	"fmt"
	"net/netip"
	"regexp"
)

// testKind is how a test asks.
type testKind uint8

const (
	testLiteral   testKind = iota // folded text, found by the pre-filter
	testGlob                      // text with wildcards, or whose case counts
	testRegex                     // regular expression
	testNetwork                   // address within a network
	testNumber                    // comparison of numbers
	testTime                      // part of a date
	testReference                 // comparison with another field
	testExists                    // presence of a field
	testNull                      // absence of a value
)

// test is one question to one field of an event, or to each if the field is "" (a keyword). Tests that ask the same are one test in a compiled set.
type test struct {
	kind       testKind
	field      string
	text       string // literal
	needle     []byte // text
	begin, end bool   // literal, reference: stands at the beginning, at the end; a reference with both is contained
	cased      bool
	bytes      bool // bytes, of which only ASCII letters have case
	pattern    pattern
	glob       glob
	expr       string
	re         *regexp.Regexp
	network    netip.Prefix
	op         compareOp
	number     number
	unit       timeUnit
	other      string // field that is referred to
	want       bool
	guards     []*test // literals of which one must be there, or the test cannot hold; none: always ask

	// Set when the set is compiled.
	id         int32
	slot       int32 // of field
	otherSlot  int32
	guardTests []int32
}

// key is equal for tests that ask the same.
func (t *test) key() string {
	return fmt.Sprintf("%d %q %q %t%t%t%t %q %q %s %d %v %d %q %t", t.kind, t.field, t.text, t.begin, t.end, t.cased, t.bytes, t.pattern, t.expr, t.network, t.op, t.number, t.unit, t.other, t.want)
}

// nodeOp joins nodes.
type nodeOp uint8

const (
	opTest nodeOp = iota
	opAnd
	opOr
	opNot
	opAtLeast // n of the subs
)

// node is an expression over tests. Selections that a condition names more than once are shared.
type node struct {
	op   nodeOp
	subs []*node
	test *test // until compiled
	id   int32 // of the test, when compiled
	n    int
	seen bool // compiled already
	best *clause
}

func leaf(t *test) *node { return &node{op: opTest, test: t} }

// simple takes the only sub for the whole.
func (n *node) simple() *node {
	if (n.op == opAnd || n.op == opOr) && len(n.subs) == 1 {
		return n.subs[0]
	}
	return n
}

// in looks for a literal in a folded value.
func (t *test) in(b []byte) bool {
	switch n := len(t.text); {
	case len(b) < n, t.begin && t.end && len(b) != n:
		return false
	case t.begin:
		return string(b[:n]) == t.text
	case t.end:
		return string(b[len(b)-n:]) == t.text
	}
	return bytes.Contains(b, t.needle)
}
