package yara

import (
	"encoding/base64"
	"math"
)

// atom is a gram of which one is in every match (of one alternative). A match begins between from and to bytes before the gram; to -1 means up to MaxMatch.
type atom struct {
	row      []cell // what surrounds the gram
	gram     gram
	from, to int
}

const (
	maxRow   = 256             // cells of a row that are looked at
	rare     = 1.0 / (1 << 24) // what is found less often is not worth a search for better
	maxRange = 64              // starts to try for one gram before it counts as worse
)

// found is a set of atoms of which one is in every match; prob estimates how often one is found at a byte of data.
type found struct {
	atoms []atom
	prob  float64
}

var nothing = found{prob: math.Inf(1)}

// span is the least and greatest length of a match of n in bytes; hi -1 means without end.
func span(n *node) (lo, hi int) {
	switch n.op {
	case nSet:
		return 1, 1
	case nRow:
		return len(n.lit), len(n.lit)
	case nCat:
		for _, s := range n.subs {
			l, h := span(s)
			lo += l
			hi = addSpan(hi, h)
		}
	case nAlt:
		lo = -1
		for _, s := range n.subs {
			l, h := span(s)
			if lo < 0 || l < lo {
				lo = l
			}
			if h < 0 || hi >= 0 && h > hi {
				hi = h
			}
		}
	case nRepeat:
		l, h := span(n.subs[0])
		lo = min(l*n.min, MaxMatch)
		if n.max < 0 || h < 0 {
			return lo, -1
		}
		hi = min(h*n.max, MaxMatch)
	}
	return lo, hi
}

func addSpan(a, b int) int {
	if a < 0 || b < 0 || a+b > MaxMatch {
		return -1
	}
	return a + b
}

// atomsOf finds the rarest set of atoms of an expression, or one with no atoms.
func atomsOf(n *node) found {
	switch n.op {
	case nSet, nRow:
		return atomsOfCat([]*node{n})
	case nCat:
		return atomsOfCat(n.subs)
	case nAlt:
		var all found
		for _, s := range n.subs {
			f := atomsOf(s)
			if f.atoms == nil || len(all.atoms)+len(f.atoms) > maxAtoms {
				return nothing
			}
			all.atoms = append(all.atoms, f.atoms...)
			all.prob += f.prob
		}
		return all
	case nRepeat:
		if n.min > 0 {
			return atomsOfCat([]*node{n})
		}
	}
	return nothing
}

// rower collects rows of cells along a sequence and keeps the best atoms of it.
type rower struct {
	row    []cell
	lo, hi int // span of what is before the row
	at     int // least and
	end    int // greatest offset of what comes next
	best   found
}

func (r *rower) consider(f found, lo, hi int) {
	switch { // many starts to try for one gram
	case hi < 0 || hi-lo > maxRange:
		f.prob *= 64
	case hi > lo:
		f.prob *= 4
	}
	if f.atoms == nil || f.prob >= r.best.prob {
		return
	}
	r.best.prob = f.prob
	r.best.atoms = make([]atom, len(f.atoms))
	for i, a := range f.atoms {
		a.from, a.to = a.from+lo, addSpan(a.to, hi)
		r.best.atoms[i] = a
	}
}

// flush ends a row.
func (r *rower) flush() {
	if len(r.row) > 0 {
		if g := bestGram(r.row); g.n > 0 && g.prob < r.best.prob {
			g.prob = max(g.prob, rare)
			row := append([]cell(nil), r.row...)
			r.consider(found{[]atom{{row, g, g.at, g.at}}, g.prob}, r.lo, r.hi)
		}
		r.row = r.row[:0]
	}
}

func (r *rower) cell(c cell) {
	if len(r.row) == maxRow {
		r.flush()
	}
	if len(r.row) == 0 {
		r.lo, r.hi = r.at, r.end
	}
	r.row = append(r.row, c)
	r.at, r.end = r.at+1, addSpan(r.end, 1)
}

// pass moves over what has no place in a row.
func (r *rower) pass(lo, hi int) {
	r.at, r.end = min(r.at+lo, MaxMatch), addSpan(r.end, hi)
}

func atomsOfCat(subs []*node) found {
	r := &rower{best: nothing}
	r.sequence(subs)
	r.flush()
	return r.best
}

func (r *rower) sequence(subs []*node) {
	for _, s := range subs {
		switch {
		case s.op == nSet:
			r.cell(cellOf(&s.set))
		case s.op == nRow:
			for i := range len(s.lit) {
				r.cell(s.cell(i))
			}
		case s.op == nCat:
			r.sequence(s.subs)
		case s.op == nRepeat && s.subs[0].op == nSet:
			k := min(s.min, maxRow)
			c := cellOf(&s.subs[0].set)
			for i := 0; i < k; i++ {
				r.cell(c)
			}
			if s.max != k {
				r.flush()
				r.pass(s.min-k, repeatSpan(s.max, k))
			}
		case s.op == nAlt || s.op == nRepeat:
			r.flush()
			r.consider(r.nested(s), r.at, r.end)
			r.pass(span(s))
		default: // an assertion
		}
	}
}

func (r *rower) nested(s *node) found {
	if s.op == nAlt {
		return atomsOf(s)
	}
	if s.min > 0 {
		return atomsOf(s.subs[0])
	}
	return nothing
}

func repeatSpan(most, k int) int {
	if most < 0 {
		return -1
	}
	return most - k
}

// widened puts a zero byte behind every byte.
func widened(s string) string {
	b := make([]byte, 0, 2*len(s))
	for i := 0; i < len(s); i++ {
		b = append(b, s[i], 0)
	}
	return string(b)
}

// widenNode does the same for an expression.
func widenNode(n *node) *node {
	if n.op == nSet {
		var zero byteSet
		zero.add(0)
		return &node{op: nCat, subs: []*node{n, {op: nSet, set: zero}}}
	}
	w := *n
	if n.op == nWord || n.op == nNotWord {
		w.min = 1 // looks at characters of two bytes
	}
	w.subs = make([]*node, len(n.subs))
	for i, s := range n.subs {
		w.subs[i] = widenNode(s)
	}
	return &w
}

// base64Forms gives the three forms a text can take inside base64, without the characters that depend on its neighbors.
func base64Forms(s, alphabet string) []string {
	enc := base64.StdEncoding
	if alphabet != "" {
		seen := map[byte]bool{}
		for i := 0; i < len(alphabet); i++ {
			if seen[alphabet[i]] || alphabet[i] == '\n' || alphabet[i] == '\r' || alphabet[i] == '=' || alphabet[i] >= 0x80 {
				return nil
			}
			seen[alphabet[i]] = true
		}
		enc = base64.NewEncoding(alphabet)
	}
	var out []string
	for pad := 0; pad < 3; pad++ {
		full := enc.WithPadding(base64.NoPadding).EncodeToString([]byte("\x00\x00"[:pad] + s))
		lead := [...]int{0, 2, 3}[pad]
		if (pad+len(s))%3 != 0 {
			full = full[:len(full)-1]
		}
		if len(full) > lead {
			out = append(out, full[lead:])
		}
	}
	return out
}
