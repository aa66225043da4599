package yara

// view is the part of the data that is at hand: buf begins at offset base of data that ends at total.
type view struct {
	buf   []byte
	base  int64
	total int64
}

// warm is how often a scanner tries an expression before it builds an automaton for it.
const warm = 16

// verify tells the length of the match of a form at offset i of the view, or -1.
func (s *scanner) verify(p *pattern, v view, i int, ref *atomRef) int {
	f := &p.forms[ref.form]
	var n int
	if f.re != nil {
		n = s.expression(f.re, v, i, ref)
	} else {
		n = f.fixed(v.buf[i:], ref.key, p.mods.nocase)
	}
	if n > 0 && f.wide && p.mods.ascii && s.asciiToo(p, v, i, ref.key) {
		return -1
	}
	if n > 0 && p.mods.fullword && !p.word(v, i, n, f.wide) {
		return -1
	}
	return n
}

// asciiToo tells whether a string with both forms matches in its ascii form, too, which then counts alone, as in libyara.
func (s *scanner) asciiToo(p *pattern, v view, i int, key byte) bool {
	for k := range p.forms {
		f := &p.forms[k]
		if f.wide {
			continue
		}
		if f.re != nil {
			return s.expression(f.re, v, i, nil) > 0
		}
		n := f.fixed(v.buf[i:], key, p.mods.nocase)
		return n > 0 && (!p.mods.fullword || p.word(v, i, n, false))
	}
	return false
}

// expression gives the length of the match of an expression at offset i, or -1. With ref it may be left for later.
func (s *scanner) expression(x *expression, v view, i int, ref *atomRef) int {
	m := x.matcher()
	if i >= len(v.buf) || !m.head.has(v.buf[i]) || m.place && m.outOfPlace(v, i) {
		return -1
	}
	if s.heat[x.id] < warm {
		s.heat[x.id]++
		return m.simulate(&s.threads, v, i)
	}
	d := s.forward(x)
	if ref != nil && s.late(d, ref, len(v.buf)) {
		return -1
	}
	n := d.match(v.buf, i)
	if m.last {
		if v.base+int64(i+n) != v.total {
			return -1
		}
		return n
	}
	if n > 0 && m.place {
		n = m.simulate(&s.threads, v, i)
		d.work += placeWork
	}
	return n
}

// outOfPlace tells whether a match that has to stand at the begin or the end of the data cannot begin at i.
func (m *matcher) outOfPlace(v view, i int) bool {
	at := v.base + int64(i)
	return m.begin && at > 0 || m.end && v.total-at > MaxMatch
}

// placeWork is what a simulation counts for, in bytes of an automaton.
const placeWork = 512

// late tells whether an expression was tried in vain so much in this window that the rest waits: an automaton that runs backwards over the window finds the starts then.
func (s *scanner) late(d *dfa, ref *atomRef, window int) bool {
	if d.window != s.window {
		d.window, d.work, d.trail.end = s.window, 0, -1
	}
	if s.waiting || d.work < int64(16*window+1<<16) {
		return false
	}
	if d.work < lateWork {
		d.work = lateWork
		s.waits = append(s.waits, *ref)
	}
	return true
}

const lateWork = 1 << 60

// catchUp looks for the expressions that were left waiting.
func (s *scanner) catchUp(v view) {
	s.waiting = true
	for i := range s.waits {
		ref := &s.waits[i]
		n := s.r.strings[ref.str].forms[ref.form].re.parse()
		g := newSlowGroup(-1)
		g.add(n, *ref)
		s.slowly(v, g)
	}
	s.waits, s.waiting = s.waits[:0], false
}

func (f *form) fixed(b []byte, key byte, nocase bool) int {
	n := len(f.lit)
	if len(b) < n {
		return -1
	}
	b = b[:n]
	ok := false
	switch {
	case f.mask != "":
		ok = equalMasked(b, f.lit, f.mask)
	case key == 0 && !nocase:
		ok = string(b) == f.lit
	default:
		ok = equalText(b, f.lit, key, nocase)
	}
	if !ok {
		return -1
	}
	return n
}

func equalMasked(b []byte, lit, mask string) bool {
	for k := range b {
		if b[k]&mask[k] != lit[k] {
			return false
		}
	}
	return true
}

func equalText(b []byte, lit string, key byte, nocase bool) bool {
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

// forward gives the automaton of an expression, made on its first use.
func (s *scanner) forward(x *expression) *dfa {
	if d := s.dfas[x.id]; d != nil {
		return d
	}
	m := x.matcher()
	return s.automaton(x.id, newDFA(m.prog, m.sets, []int32{0}, !m.place, &s.threads))
}

// automaton keeps an automaton; when there are too many or they are too large, the others are forgotten.
func (s *scanner) automaton(id int, d *dfa) *dfa {
	if len(s.made) >= maxAutomata || s.cells() > maxCells {
		for _, id := range s.made {
			s.dfas[id], s.heat[id] = nil, 0 // one that is tried now and then is not made anew each time
		}
		s.made = s.made[:0]
	}
	s.made = append(s.made, int32(id))
	s.dfas[id] = d
	return d
}

// cells is the memory of all automata. It is asked when one is made, so that one more than is allowed may grow.
func (s *scanner) cells() int {
	n := 0
	for _, id := range s.made {
		n += s.dfas[id].size()
	}
	return n
}

// backwards gives the automaton of a group; one without a number is not kept.
func (s *scanner) backwards(g *slowGroup) *dfa {
	if g.id >= 0 && s.dfas[g.id] != nil {
		return s.dfas[g.id]
	}
	d := newRoamer(g.prog, g.pool.list, g.starts, &s.threads)
	if g.id >= 0 {
		s.automaton(g.id, d)
	}
	return d
}

// slowly looks for the expressions of a group.
func (s *scanner) slowly(v view, g *slowGroup) {
	d := s.backwards(g)
	lo := int(max(s.lo, v.base) - v.base)
	hi := int(min(s.limit-v.base, int64(len(v.buf))))
	try := func(i int, state int32) bool {
		for _, pc := range d.counters(state) {
			if in := d.prog[pc]; in.op == iMatch {
				s.try(v, &g.refs[in.x], i)
			}
		}
		return s.stopped == nil
	}
	// In parts, so that what ends far behind a start is not taken for a match.
	for part := max(4*g.reach, MaxMatch); lo < hi && s.stopped == nil; lo += part {
		last := min(hi, lo+part)
		d.backward(v.buf, lo, last, min(len(v.buf), last+g.reach), try)
	}
}
