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
		n = s.expression(f.re, v, i)
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
			return s.expression(f.re, v, i) > 0
		}
		n := f.fixed(v.buf[i:], key, p.mods.nocase)
		return n > 0 && (!p.mods.fullword || p.word(v, i, n, false))
	}
	return false
}

// expression gives the length of the match of an expression at offset i, or -1.
func (s *scanner) expression(x *expression, v view, i int) int {
	m := x.matcher()
	if i >= len(v.buf) || !m.head.has(v.buf[i]) {
		return -1
	}
	if m.place || s.heat[x.id] < warm {
		s.heat[x.id] = min(s.heat[x.id]+1, warm)
		return m.simulate(&s.threads, v, i)
	}
	return s.forward(x).match(v.buf, i)
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
	return s.automaton(x.id, newDFA(m.prog, m.sets, []int32{0}, false, &s.threads))
}

// automaton keeps an automaton; when there are too many, the others are forgotten.
func (s *scanner) automaton(id int, d *dfa) *dfa {
	if s.automata++; s.automata > maxAutomata {
		clear(s.dfas)
		s.automata = 1
	}
	s.dfas[id] = d
	return d
}

// slowly looks for the expressions of a group.
func (s *scanner) slowly(v view, g *slowGroup) {
	d := s.dfas[g.id]
	if d == nil {
		d = s.automaton(g.id, newDFA(g.prog, g.pool.list, g.starts, true, &s.threads))
	}
	lo := int(max(s.lo, v.base) - v.base)
	hi := int(min(s.limit-v.base, int64(len(v.buf))))
	end := min(len(v.buf), hi+MaxMatch)
	d.backward(v.buf, lo, hi, end, func(i int, state int32) bool {
		for _, pc := range d.counters(state) {
			if in := d.prog[pc]; in.op == iMatch {
				s.try(v, &g.refs[in.x], i)
			}
		}
		return s.stopped == nil
	})
}
