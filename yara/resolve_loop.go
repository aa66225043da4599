package yara

import (
	"strconv"
	"strings"
)

func quote(s string) string { return strconv.Quote(s) }

// quantified resolves "Q of SET", "for Q of SET" and "for Q v in RANGE".
func (b *builder) quantified(e *expr) *typ {
	before := len(b.errs)
	if n := e.quant.n; n != nil && e.quant.percent {
		if b.want(n, "a percentage", tyInt) && n.known != numberNone && (n.val.i < 1 || n.val.i > 100) {
			b.failf(n.pos, "a percentage is from 1 to 100")
		}
	} else if n != nil {
		b.want(n, "a quantifier", tyInt, tyFloat)
	}
	switch e.op {
	case opForIn:
		b.forIn(e)
	case opForOf:
		b.resolveSet(e)
		if b.loop > 0 {
			b.failf(e.pos, "loops over strings cannot be nested")
		}
		b.loop++
		b.condition(e.kids[0])
		b.loop--
	default:
		b.resolveSet(e)
		for _, k := range e.kids {
			b.want(k, "an offset or a bound", tyInt)
		}
	}
	if len(b.errs) > before {
		return nil
	}
	return typBool
}

func (b *builder) forIn(e *expr) {
	items := e.kids[:len(e.kids)-1]
	vars := b.iterated(e, items)
	if vars == nil {
		return
	}
	if len(vars) != len(e.names) {
		b.failf(e.pos, "%d loop variables for %d values", len(e.names), len(vars))
		return
	}
	e.list = nil
	for i, name := range e.names {
		for _, v := range b.vars {
			if v.name == name {
				b.failf(e.pos, "duplicated loop identifier %q", name)
			}
		}
		e.list = append(e.list, len(b.vars))
		b.vars = append(b.vars, loopVar{name, vars[i]})
	}
	b.cur.vars = max(b.cur.vars, len(b.vars))
	b.condition(e.kids[len(e.kids)-1])
	b.vars = b.vars[:len(b.vars)-len(e.names)]
}

// iterated gives the types of the variables of a loop over items.
func (b *builder) iterated(e *expr, items []*expr) []*typ {
	switch e.num {
	case 1:
		if !b.want(items[0], "a bound", tyInt) || !b.want(items[1], "a bound", tyInt) {
			return nil
		}
		return []*typ{typInt}
	case 2:
		t := b.resolve(items[0])
		switch {
		case t == nil:
		case t.kind == tyArray:
			return []*typ{t.elem}
		case t.kind == tyDict:
			return []*typ{typString, t.elem}
		default:
			b.failf(items[0].pos, "a %s cannot be iterated", typeNames[t.kind])
		}
		return nil
	}
	var first *typ
	for _, k := range items {
		t := b.resolve(k)
		if t == nil {
			return nil
		}
		if first == nil {
			first = t
		}
		if t.kind != tyInt && t.kind != tyString || t.kind != first.kind {
			b.failf(k.pos, "wrong type for enumeration item")
			return nil
		}
	}
	return []*typ{first}
}

// resolveSet finds the members of a set: the strings of the rule, or rules that come before it.
func (b *builder) resolveSet(e *expr) {
	for _, want := range e.set {
		before := len(e.list)
		prefix, star := strings.CutSuffix(want, "*")
		if e.rules {
			for i, ru := range b.r.rules {
				if ru.namespace == b.cur.namespace && (ru.decl.name == want || star && strings.HasPrefix(ru.decl.name, prefix)) {
					e.list = append(e.list, i)
				}
			}
		} else {
			for i := range b.cur.decl.strings {
				name := b.cur.decl.strings[i].name
				if name == want && want != "" || star && strings.HasPrefix(name, prefix) {
					e.list = append(e.list, b.cur.first+i)
					b.used[name] = true
					b.everywhere(b.cur.first + i)
				}
			}
		}
		if len(e.list) == before {
			b.failf(e.pos, "no string or rule matches %q", want)
		}
	}
	e.set = nil
}
