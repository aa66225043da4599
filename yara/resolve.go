package yara

import (
	"math"
	"strings"
)

type loopVar struct {
	name string
	typ  *typ
}

// importModule makes a module known to the namespace of a source.
func (b *builder) importModule(s Source, imp named) {
	m, ok := modules[imp.name]
	if !ok {
		b.fault(s.Name, imp.pos, "", "unknown module "+quote(imp.name))
		return
	}
	key := s.Namespace + "\x00" + imp.name
	if _, again := b.mods[key]; again {
		return
	}
	for i, have := range b.r.modules {
		if have == m {
			b.mods[key] = i
			return
		}
	}
	b.mods[key] = len(b.r.modules)
	b.r.modules = append(b.r.modules, m)
}

// unreferenced faults strings no condition looks at: they are mistakes. A name that begins with an underscore says that it is meant.
func (b *builder) unreferenced(d *ruleDecl) {
	for _, s := range d.strings {
		if !b.used[s.name] && !strings.HasPrefix(s.name, "_") {
			b.failf(s.pos, "unreferenced string $%s", s.name)
			return
		}
	}
}

// resolve binds names to strings, rules, variables, externals and fields of modules, checks types, and folds constants. It gives the type of e, nil after a fault.
func (b *builder) resolve(e *expr) *typ {
	switch e.op {
	case opConst:
		if e.val.kind == vInt {
			e.known = numberRight
		}
		return typeOf(e.val)
	case opIdent:
		return b.ident(e)
	case opField, opIndex, opCall:
		return b.field(e)
	case opRegex:
		e.op, e.val = opConst, value{kind: vRegex, obj: &object{re: e.re}}
		return typRegex
	case opOf, opForOf, opForIn:
		return b.quantified(e)
	case opFilesize, opEntry:
		return typInt
	case opString, opStringAt, opStringIn, opCount, opCountIn, opOffset, opLength:
		e.num = b.stringIndex(e)
		kinds := []typeKind{tyInt}
		if e.op == opOffset || e.op == opLength {
			kinds = append(kinds, tyFloat) // libyara takes it; there is no such match
		}
		for _, k := range e.kids {
			if !b.want(k, "an offset, an index or a bound", kinds...) {
				return nil
			}
		}
		b.note(e)
		if e.op == opString || e.op == opStringAt || e.op == opStringIn {
			return typBool
		}
		return typInt
	case opReader:
		if !b.want(e.kids[0], "an offset", tyInt) {
			return nil
		}
		return typInt
	}
	return b.operator(e)
}

func typeOf(v value) *typ {
	return map[valueKind]*typ{vInt: typInt, vFloat: typFloat, vString: typString, vBool: typBool, vRegex: typRegex}[v.kind]
}

// condition resolves an expression that is taken as true or false.
func (b *builder) condition(e *expr) bool {
	t := b.resolve(e)
	if t != nil && t.kind >= tyRegex {
		b.failf(e.pos, "a %s is no condition", typeNames[t.kind])
		return false
	}
	return t != nil
}

// want resolves an expression of one of the given types.
func (b *builder) want(e *expr, what string, kinds ...typeKind) bool {
	t := b.resolve(e)
	if t == nil {
		return false
	}
	for _, k := range kinds {
		if t.kind == k || t.kind == tyAny {
			return true
		}
	}
	b.failf(e.pos, "wrong type: %s cannot be a %s", what, typeNames[t.kind])
	return false
}

func (b *builder) operator(e *expr) *typ {
	switch e.op {
	case opAnd, opOr, opNot, opDefined:
		ok := true
		for _, k := range e.kids {
			ok = b.condition(k) && ok
		}
		if !ok {
			return nil
		}
		return typBool
	case opNeg, opInvert:
		return b.unaryType(e)
	case opMatches:
		if !b.want(e.kids[0], "the left side of matches", tyString) {
			return nil
		}
		return typBool
	}
	l, r := b.resolve(e.kids[0]), b.resolve(e.kids[1])
	if l == nil || r == nil {
		return nil
	}
	t := binaryType(e.op, l.kind, r.kind)
	if t == nil {
		b.failf(e.pos, "type mismatch: %s and %s", typeNames[l.kind], typeNames[r.kind])
		return nil
	}
	return b.fold(e, t)
}

func (b *builder) unaryType(e *expr) *typ {
	t := b.resolve(e.kids[0])
	if t == nil {
		return nil
	}
	if t.kind != tyInt && t.kind != tyAny && (t.kind != tyFloat || e.op == opInvert) {
		b.failf(e.pos, "wrong type: a %s cannot be negated or inverted", typeNames[t.kind])
		return nil
	}
	k := e.kids[0]
	if e.known = k.known; k.known != numberNone || k.op == opConst {
		e.val = unaryValue(e.op, k.val)
	}
	if k.op == opConst {
		e.op, e.kids = opConst, nil
	}
	return t
}

// binaryType gives the type of l o r, nil where the language has none.
func binaryType(o op, l, r typeKind) *typ {
	num := func(k typeKind) bool { return k == tyInt || k == tyFloat || k == tyAny }
	text := func(k typeKind) bool { return k == tyString || k == tyAny }
	switch {
	case o >= opContains && o <= opIEquals:
		if text(l) && text(r) {
			return typBool
		}
	case o >= opEq && o <= opGe:
		if num(l) && num(r) || text(l) && text(r) {
			return typBool
		}
	case o >= opAdd && o <= opDiv:
		if num(l) && num(r) {
			if l == tyFloat || r == tyFloat {
				return typFloat
			}
			return typInt
		}
	default:
		if num(l) && num(r) && l != tyFloat && r != tyFloat {
			return typInt
		}
	}
	return nil
}

// fold computes an operation on whole numbers that are known; what cannot have a value, whatever stands on the left, is a fault, as in libyara.
func (b *builder) fold(e *expr, t *typ) *typ {
	x, y := e.kids[0], e.kids[1]
	if y.known == numberNone || e.op < opAdd || e.op > opShr || t.kind != tyInt {
		return t
	}
	l, r := x.val.i, y.val.i
	switch shift := e.op == opShl || e.op == opShr; {
	case x.known != numberNone && overflows(e.op, l, r):
		b.failf(e.pos, "integer overflow")
		return nil
	case (e.op == opDiv || e.op == opMod) && r == 0:
		b.failf(e.pos, "division by zero")
		return nil
	case shift && r < 0:
		b.failf(e.pos, "shift by a negative number")
		return nil
	case shift && r >= 64: // whatever stands on the left, nothing is left of it
		e.known, e.val = y.known, intValue(0)
	case x.known != numberNone:
		e.known, e.val = min(x.known, y.known), intOp(e.op, l, r)
	}
	if wrong := l << (r & 63); e.op == opShr && e.known != numberNone && r < 64 && wrong != e.val.i {
		e.known, e.val = numberGuessed, intValue(wrong)
	}
	if e.known == numberRight && x.op == opConst && y.op == opConst {
		e.op, e.kids = opConst, nil
	}
	return t
}

func overflows(o op, a, b int64) bool {
	switch o {
	case opAdd:
		return b > 0 && a > math.MaxInt64-b || b < 0 && a < math.MinInt64-b
	case opSub:
		return b < 0 && a > math.MaxInt64+b || b > 0 && a < math.MinInt64+b
	case opMul:
		return a != 0 && b != 0 && (a*b/b != a || a == -1 && b == math.MinInt64 || b == -1 && a == math.MinInt64)
	case opDiv, opMod:
		return a == math.MinInt64 && b == -1
	}
	return false
}

// stringIndex gives the index of a string, or -1 for the current one of a loop.
func (b *builder) stringIndex(e *expr) int {
	if e.name == "" {
		if b.loop == 0 {
			b.failf(e.pos, "a string without a name may be used inside for..of only")
		}
		return -1
	}
	b.used[e.name] = true
	for i := range b.cur.decl.strings {
		if b.cur.decl.strings[i].name == e.name {
			return b.cur.first + i
		}
	}
	b.failf(e.pos, "undefined string $%s", e.name)
	return -1
}

// note keeps whether a string is asked for at one known place and nowhere else: then no other place of it counts, as in libyara. There a string without a name stands for
// all strings of the rule.
func (b *builder) note(e *expr) {
	if e.num >= 0 {
		b.asked(e.num, e)
		return
	}
	for i := range b.cur.decl.strings {
		b.asked(b.cur.first+i, e)
	}
}

func (b *builder) asked(i int, e *expr) {
	if e.op != opStringAt {
		b.everywhere(i)
		return
	}
	at, have := b.places[i]
	switch place := e.kids[0]; {
	case place.known == numberRight && !have:
		p := b.r.strings[i]
		b.places[i], p.fixed, p.place = place.val.i, true, place.val.i
	case place.known == numberRight && at == place.val.i:
	case e.num < 0 && !have: // an unknown place of any string: it is as if nothing had been asked
	default:
		b.everywhere(i)
	}
}

// everywhere keeps that all places of a string count.
func (b *builder) everywhere(i int) {
	b.r.strings[i].fixed = false
	b.places[i] = -1
}

func (b *builder) ident(e *expr) *typ {
	for i := len(b.vars) - 1; i >= 0; i-- {
		if b.vars[i].name == e.name {
			e.op, e.num = opVar, i
			return b.vars[i].typ
		}
	}
	key := b.cur.namespace + "\x00" + e.name
	if i, ok := b.names[key]; ok {
		e.op, e.num = opRule, i
		return typBool
	}
	if i, ok := b.mods[key]; ok {
		e.op, e.num = opModule, i
		return b.r.modules[i].root
	}
	if i, ok := b.ext[e.name]; ok {
		e.op, e.num = opExternal, i
		return typeOf(b.r.defaults[i])
	}
	if modules[e.name] != nil {
		b.failf(e.pos, "module %q is not imported", e.name)
	} else {
		b.failf(e.pos, "undefined identifier %q", e.name)
	}
	return nil
}

// field resolves base.name, base[index] and base(arguments).
func (b *builder) field(e *expr) *typ {
	base := e.kids[0]
	t := b.resolve(base)
	if t == nil {
		return nil
	}
	switch {
	case e.op == opField && t.kind == tyStruct:
		f := t.fields[e.name]
		if f == nil {
			b.failf(e.pos, "invalid field name %q", e.name)
			return nil
		}
		if f.constant != nil {
			e.op, e.val, e.kids = opConst, *f.constant, nil
		}
		return f
	case e.op == opIndex && (t.kind == tyArray || t.kind == tyDict):
		want := tyInt
		if t.kind == tyDict {
			want = tyString
		}
		if !b.want(e.kids[1], "an index of a "+typeNames[t.kind], want) {
			return nil
		}
		return t.elem
	case e.op == opCall && t.kind == tyFunc:
		return b.arguments(e, t)
	}
	b.failf(e.pos, "a %s has neither fields, elements nor arguments of this kind", typeNames[t.kind])
	return nil
}

// arguments picks the form of a function. The callee of a call is the structure that holds the function.
func (b *builder) arguments(e *expr, t *typ) *typ {
	have := ""
	for _, k := range e.kids[1:] {
		a := b.resolve(k)
		if a == nil {
			return nil
		}
		have += string("?ifsbr"[min(int(a.kind), 5)])
	}
	for _, f := range t.forms {
		if f.args == have {
			e.extras = &extras{fn: f.call}
			e.kids[0] = e.kids[0].kids[0]
			return f.result
		}
	}
	b.failf(e.pos, "wrong arguments for function %q", e.kids[0].name)
	return nil
}
