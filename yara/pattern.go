package yara

import (
	"errors"
	"fmt"
)

// pattern is a compiled string.
type pattern struct {
	place int64 // with fixed the only offset that counts
	name  string
	forms []form
	rule  int32
	mods  modifiers
	fixed bool
}

// form is one shape a string can take in data: a row of bytes, or an expression.
type form struct {
	lit  string
	mask string // bits of lit that count, "" for all
	re   *expression
	wide bool
}

// atomRef says which string a gram may be part of.
type atomRef struct {
	str      int32
	rule     int32
	form     int32
	from, to int32 // the match begins so many bytes before the gram
	slot     int32 // for a range: the starts that were tried already
	key      byte  // xor
}

const (
	slowProb    = 1.0 / 64 // an expression whose atoms are found more often is looked for by an automaton
	maxTogether = 1000     // instructions of expressions that share one automaton
)

// slowGroup is a set of expressions without good atoms that one automaton looks for, from the end of the data to its begin.
type slowGroup struct {
	prog   []inst
	starts []int32
	refs   []atomRef
	reach  int // bytes that a match may have
	pool   *setPool
	id     int
}

// pattern compiles a string and registers its atoms.
func (b *builder) pattern(d *stringDecl) error {
	p := b.kept.patterns.one(pattern{name: d.name, rule: int32(len(b.r.rules)), mods: d.mods})
	id := int32(len(b.r.strings))
	b.r.strings = append(b.r.strings, p)
	defer func() { p.forms = b.kept.forms.all(p.forms) }()
	if d.kind == textString {
		return b.textPattern(p, id, d)
	}
	if d.mods.wide {
		if err := b.nodePattern(p, id, d, true); err != nil {
			return err
		}
	}
	if d.mods.ascii || !d.mods.wide {
		return b.nodePattern(p, id, d, false)
	}
	return nil
}

// nodePattern compiles one form of an expression.
func (b *builder) nodePattern(p *pattern, id int32, d *stringDecl, wide bool) error {
	n := d.re
	if wide {
		n = widenNode(n)
	}
	if p.mods.nocase {
		n = foldNode(n)
	}
	ref := atomRef{str: id, rule: p.rule, form: int32(len(p.forms))}
	if row, ok := fixedRow(n, b.row[:0]); ok && plainRow(row) && !wildRow(row) {
		b.row = row
		f := form{wide: wide}
		f.lit, f.mask = packRow(row)
		p.forms = append(p.forms, f)
		b.longest(len(row))
		if !b.fixedAtom(row, ref) {
			b.slow(n, ref)
		}
		return nil
	}
	if programSize(n) > maxProgram {
		return errProgram
	}
	x := &b.kept.expressions.take(1)[0]
	x.src, x.flags, x.hex, x.nocase, x.wide, x.id = d.text, d.flags, d.kind == hexString, p.mods.nocase, wide, b.r.automata
	b.r.automata++
	p.forms = append(p.forms, form{re: x, wide: wide})
	found := atomsOf(n)
	if found.atoms == nil || found.prob > slowProb {
		b.slow(n, ref)
		return nil
	}
	for i := range found.atoms {
		b.atom(&found.atoms[i], ref)
	}
	return nil
}

// wildRow tells whether every byte of a row may be any: then there is nothing to look for it by.
func wildRow(row []cell) bool {
	for _, c := range row {
		if c.m != 0 {
			return false
		}
	}
	return true
}

// fixedRow lays an expression without choice out as a row.
func fixedRow(n *node, row []cell) ([]cell, bool) {
	if len(row) > MaxMatch {
		return row, false
	}
	ok := true
	switch n.op {
	case nSet:
		return append(row, cellOf(&n.set)), true
	case nRow:
		for i := range len(n.lit) {
			row = append(row, n.cell(i))
		}
		return row, true
	case nCat:
		for _, s := range n.subs {
			if row, ok = fixedRow(s, row); !ok {
				return row, false
			}
		}
		return row, true
	case nRepeat:
		for i := 0; ok && i < n.min && n.min == n.max; i++ {
			row, ok = fixedRow(n.subs[0], row)
		}
		return row, ok && n.min == n.max
	}
	return row, false
}

// plainRow tells whether masks alone describe the row.
func plainRow(row []cell) bool {
	for _, c := range row {
		if c.set != nil {
			return false
		}
	}
	return len(row) > 0
}

func packRow(row []cell) (lit, mask string) {
	l, m := make([]byte, len(row)), make([]byte, len(row))
	exact := true
	for i, c := range row {
		l[i], m[i] = c.v, c.m
		exact = exact && c.m == 0xFF
	}
	if exact {
		return string(l), ""
	}
	return string(l), string(m)
}

// fixedAtom registers the best gram of a row that is a whole match; it is false when there is none.
func (b *builder) fixedAtom(row []cell, ref atomRef) bool {
	part := row[:min(len(row), maxRow)]
	g := bestGram(part)
	if g.n == 0 {
		return false
	}
	b.atom(&atom{part, g, g.at, g.at}, ref)
	return true
}

// atom registers a gram.
func (b *builder) atom(a *atom, ref atomRef) {
	if a.to < 0 {
		a.to = MaxMatch
	}
	ref.from, ref.to = int32(a.from), int32(a.to)
	if ref.from != ref.to {
		ref.slot = int32(b.r.ranged)
		b.r.ranged++
	}
	at, mask, want := masked(a.row, a.gram)
	l := link{mask, want, int32(a.gram.at - at), int32(len(b.r.refs))}
	b.r.refs = append(b.r.refs, ref)
	list := &b.grams
	if a.gram.n == pairLength {
		list = &b.pairs
	}
	a.gram.keys(a.row, func(key uint32) { *list = append(*list, entry{key, l}) })
	if a.gram.n == gramLength && !b.dense {
		g, ok := a.gram.beside(a.row)
		if b.dense = !ok || len(b.grams)+len(b.beside) > maxMarked; b.dense {
			b.beside = nil
			return
		}
		g.keys(a.row, func(key uint32) { b.beside = append(b.beside, entry{key, l}) })
	}
}

// slow adds an expression to the last automaton with room.
func (b *builder) slow(n *node, ref atomRef) {
	k := len(b.r.slow)
	if k == 0 || len(b.r.slow[k-1].prog)+programSize(n) > maxTogether {
		b.r.slow = append(b.r.slow, newSlowGroup(b.r.automata))
		b.r.automata++
		k++
	}
	b.r.slow[k-1].add(n, ref)
}

func newSlowGroup(id int) *slowGroup { return &slowGroup{id: id, pool: newSetPool()} }

func (g *slowGroup) add(n *node, ref atomRef) {
	base := uint16(len(g.prog))
	g.starts = append(g.starts, int32(base))
	if _, hi := span(n); hi < 0 || hi > MaxMatch {
		g.reach = MaxMatch
	} else {
		g.reach = max(g.reach, hi)
	}
	if programSize(n) > maxBackward {
		n = relaxed(n)
	}
	c := compiler{pool: g.pool, back: true}
	for _, in := range c.program(n) {
		switch in.op {
		case iSplit:
			in.x, in.y = in.x+base, in.y+base
		case iJump:
			in.x += base
		case iMatch:
			in.x = uint16(len(g.refs))
		}
		g.prog = append(g.prog, in)
	}
	g.refs = append(g.refs, ref)
}

// relaxed gives an expression that counts no further than maxCount; it matches wherever n does.
func relaxed(n *node) *node {
	if len(n.subs) == 0 {
		return n
	}
	r := *n
	r.subs = make([]*node, len(n.subs))
	for i, s := range n.subs {
		r.subs[i] = relaxed(s)
	}
	if r.min = min(r.min, maxCount); r.max > maxCount {
		r.max = -1
	}
	return &r
}

func (b *builder) longest(n int) { b.r.overlap = max(b.r.overlap, n+4) }

func foldNode(n *node) *node {
	c := *n
	c.set.foldCase()
	c.subs = make([]*node, len(n.subs))
	for i, s := range n.subs {
		c.subs[i] = foldNode(s)
	}
	return &c
}

// textForms gives the shapes of a text string.
func textForms(d *stringDecl) ([]form, error) {
	m := &d.mods
	var plain []form
	if m.ascii || !m.wide {
		plain = append(plain, form{lit: d.text})
	}
	if m.wide {
		plain = append(plain, form{lit: widened(d.text), wide: true})
	}
	if !m.base64 && !m.base64wide {
		return plain, nil
	}
	var forms []form
	for i := range plain {
		list := base64Forms(plain[len(plain)-1-i].lit, d.alphabet)
		if list == nil {
			return nil, errors.New("bad base64 alphabet")
		}
		for _, f := range list {
			if m.base64 {
				forms = append(forms, form{lit: f})
			}
			if m.base64wide {
				forms = append(forms, form{lit: widened(f), wide: true})
			}
		}
	}
	return forms, nil
}

func (b *builder) textPattern(p *pattern, id int32, d *stringDecl) error {
	var err error
	if p.forms, err = textForms(d); err != nil {
		return err
	}
	for i := range p.forms {
		f := &p.forms[i]
		if len(f.lit) > maxLiteral {
			return fmt.Errorf("longer than %d bytes", maxLiteral)
		}
		if f.lit == "" {
			continue
		}
		b.longest(len(f.lit))
		ref := atomRef{str: id, rule: p.rule, form: int32(i)}
		if !p.mods.xor {
			b.fixedAtom(b.textRow(f.lit, 0, p.mods.nocase), ref)
			continue
		}
		for k := int(p.mods.xorMin); k <= int(p.mods.xorMax); k++ {
			ref.key = byte(k)
			b.fixedAtom(b.textRow(f.lit, byte(k), false), ref)
		}
	}
	return nil
}

// textRow lays a text out; it is void with the next call.
func (b *builder) textRow(s string, key byte, nocase bool) []cell {
	b.row = b.row[:0]
	for i := 0; i < min(len(s), maxRow); i++ {
		c := cell{v: s[i] ^ key, m: 0xFF}
		if folded := foldByte(s[i], true); nocase && 'a' <= folded && folded <= 'z' {
			c = cell{v: folded &^ 0x20, m: 0xDF}
		}
		b.row = append(b.row, c)
	}
	return b.row
}
