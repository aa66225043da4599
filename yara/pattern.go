package yara

import (
	"errors"
	"fmt"
)

// pattern is a compiled string.
type pattern struct {
	name     string
	rule     int
	mods     modifiers
	forms    []form
	matchers []*matcher // ascii, wide
}

// form is one shape a text string can take in data.
type form struct {
	lit  string
	wide bool
}

// atomRef says which string a literal of the automaton may be part of.
type atomRef struct {
	str      int32
	form     int32 // index into forms or matchers
	from, to int   // the match begins so many bytes before the literal
	slot     int32 // for a range: the starts that were tried already
	key      byte  // xor
}

// pattern compiles a string and registers its atoms.
func (b *builder) pattern(d *stringDecl) error {
	p := &pattern{name: d.name, rule: len(b.r.rules), mods: d.mods}
	id := int32(len(b.r.strings))
	b.r.strings = append(b.r.strings, p)
	if d.kind == textString {
		return b.textPattern(p, id, d.text)
	}
	nodes := []*node{d.re}
	if d.mods.wide {
		nodes = []*node{widenNode(d.re)}
		if d.mods.ascii {
			nodes = append(nodes, d.re)
		}
	}
	for i, n := range nodes {
		if d.mods.nocase {
			n = foldNode(n)
		}
		m, err := newMatcher(n, d.lazy)
		if err != nil {
			return err
		}
		p.matchers = append(p.matchers, m)
		f := atomsOf(n)
		if f.atoms == nil || f.worth < 2 {
			if !contains(b.r.slow, id) {
				b.r.slow = append(b.r.slow, id)
			}
			continue
		}
		for _, a := range f.atoms {
			to := a.to
			if to < 0 {
				to = MaxMatch
			}
			b.atom(a.lit, atomRef{str: id, form: int32(i), from: a.from, to: to})
		}
	}
	return nil
}

func contains(list []int32, id int32) bool {
	return len(list) > 0 && list[len(list)-1] == id
}

func foldNode(n *node) *node {
	c := *n
	c.set.foldCase()
	c.subs = make([]*node, len(n.subs))
	for i, s := range n.subs {
		c.subs[i] = foldNode(s)
	}
	return &c
}

func (b *builder) textPattern(p *pattern, id int32, text string) error {
	m := p.mods
	if m.base64 || m.base64wide {
		plain := []string{text}
		if m.wide {
			plain = []string{widened(text)}
			if m.ascii {
				plain = append(plain, text)
			}
		}
		for _, s := range plain {
			forms := base64Forms(s, m.alphabet)
			if forms == nil {
				return errors.New("bad base64 alphabet")
			}
			for _, f := range forms {
				if m.base64 {
					p.forms = append(p.forms, form{lit: f})
				}
				if m.base64wide {
					p.forms = append(p.forms, form{lit: widened(f), wide: true})
				}
			}
		}
	} else {
		if m.ascii || !m.wide {
			p.forms = append(p.forms, form{lit: text})
		}
		if m.wide {
			p.forms = append(p.forms, form{lit: widened(text), wide: true})
		}
	}
	for i, f := range p.forms {
		if len(f.lit) > maxLiteral {
			return fmt.Errorf("longer than %d bytes", maxLiteral)
		}
		b.r.overlap = max(b.r.overlap, len(f.lit)+4)
		at, lit := bestWindow(f.lit)
		ref := atomRef{str: id, form: int32(i), from: at, to: at}
		if !m.xor {
			b.atom(foldString(lit), ref)
			continue
		}
		if len(lit) > 4 {
			lit = lit[:4]
		}
		for k := int(m.xorMin); k <= int(m.xorMax); k++ {
			ref.key = byte(k)
			b.atom(foldString(xored(lit, byte(k))), ref)
		}
	}
	return nil
}

func xored(s string, k byte) string {
	b := []byte(s)
	for i := range b {
		b[i] ^= k
	}
	return string(b)
}

func (b *builder) atom(lit string, ref atomRef) {
	if ref.from != ref.to {
		ref.slot = int32(b.r.ranged)
		b.r.ranged++
	}
	id, ok := b.lits[lit]
	if !ok {
		id = len(b.list)
		b.lits[lit] = id
		b.list = append(b.list, lit)
		b.r.refs = append(b.r.refs, nil)
	}
	b.r.refs[id] = append(b.r.refs[id], ref)
}

// verify tells the length of the match of form or matcher f at offset i of the view, or -1.
func (p *pattern) verify(v view, i int, ref *atomRef) int {
	if p.matchers != nil {
		n := p.matchers[ref.form].match(v, i)
		if n > 0 && p.mods.fullword && !p.word(v, i, n, p.mods.wide && ref.form == 0) {
			return -1
		}
		return n
	}
	f := &p.forms[ref.form]
	n := len(f.lit)
	if len(v.buf)-i < n || !equalText(v.buf[i:i+n], f.lit, ref.key, p.mods.nocase) {
		return -1
	}
	if p.mods.fullword && !p.word(v, i, n, f.wide) {
		return -1
	}
	return n
}

func equalText(b []byte, lit string, key byte, nocase bool) bool {
	if key == 0 && !nocase {
		return string(b) == lit
	}
	for k := range b {
		c, d := b[k]^key, lit[k]
		if c != d && !(nocase && foldByte(c, true) == foldByte(d, true)) {
			return false
		}
	}
	return true
}

func alnum(c byte) bool { return isIdent(c, false) && c != '_' }

// word tells whether the match stands between bytes that are no letters or digits (in the wide form: no wide ones).
func (p *pattern) word(v view, i, n int, wide bool) bool {
	if wide {
		before := i >= 2 && v.buf[i-1] == 0 && alnum(v.buf[i-2])
		after := i+n+1 < len(v.buf) && alnum(v.buf[i+n]) && v.buf[i+n+1] == 0
		return !before && !after
	}
	return (i == 0 || !alnum(v.buf[i-1])) && (i+n >= len(v.buf) || !alnum(v.buf[i+n]))
}
