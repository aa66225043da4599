package yara

import "encoding/base64"

// atom is a literal every match (of one alternative) must contain. Its bytes are folded. A match begins between from and to bytes before it; to -1 means up to MaxMatch.
type atom struct {
	lit      string
	from, to int
}

// quality ranks a literal: longer is better; bytes that fill most files count little.
func quality(s string) int {
	q := 0
	var seen byteSet
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case seen.has(c):
			q++
		case c == 0 || c == 0xFF || c == ' ' || c == 0x90 || c == 0xCC:
			q += 2
		default:
			q += 8
		}
		seen.add(s[i])
	}
	return q
}

// bestWindow gives the best part of at most atomLength bytes.
func bestWindow(s string) (at int, lit string) {
	if len(s) <= atomLength {
		return 0, s
	}
	best := -1
	for i := 0; i+atomLength <= len(s); i++ {
		if q := quality(s[i : i+atomLength]); q > best {
			best, at = q, i
		}
	}
	return at, s[at : at+atomLength]
}

func foldString(s string) string {
	b := []byte(s)
	for i, c := range b {
		b[i] = foldByte(c, true)
	}
	return string(b)
}

// found is a set of atoms of which one is in every match, and its worth.
type found struct {
	atoms []atom
	worth int
}

// span is the least and greatest length of a match of n in bytes; hi -1 means without end.
func span(n *node) (lo, hi int) {
	switch n.op {
	case nSet:
		return 1, 1
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

// atomsOf finds the best set of atoms of an expression, or one with no atoms.
func atomsOf(n *node) found {
	switch n.op {
	case nSet:
		if b, ok := n.set.single(); ok {
			return found{[]atom{{string([]byte{b}), 0, 0}}, 1}
		}
	case nCat:
		return atomsOfCat(n)
	case nAlt:
		all := found{worth: 1 << 30}
		for _, s := range n.subs {
			f := atomsOf(s)
			if f.atoms == nil || len(all.atoms)+len(f.atoms) > maxAtoms {
				return found{}
			}
			all.atoms = append(all.atoms, f.atoms...)
			all.worth = min(all.worth, f.worth)
		}
		all.worth -= len(n.subs)
		return all
	case nRepeat:
		if n.min > 0 {
			return atomsOf(n.subs[0])
		}
	}
	return found{}
}

func atomsOfCat(n *node) found {
	var best found
	lo, hi := 0, 0
	var run []byte
	runLo, runHi := 0, 0
	consider := func(f found, lo, hi int) {
		if hi < 0 || hi-lo > 64 {
			f.worth -= 24 // many starts to try for one hit
		}
		if f.atoms == nil || best.atoms != nil && f.worth <= best.worth {
			return
		}
		best.worth = f.worth
		best.atoms = make([]atom, len(f.atoms))
		for i, a := range f.atoms {
			best.atoms[i] = atom{a.lit, a.from + lo, addSpan(a.to, hi)}
		}
	}
	flush := func() {
		if len(run) > 0 {
			at, lit := bestWindow(string(run))
			consider(found{[]atom{{lit, at, at}}, quality(lit)}, runLo, runHi)
			run = run[:0]
		}
	}
	for _, s := range n.subs {
		row, ok := fixedRow(s, nil)
		if !ok {
			flush()
			consider(atomsOf(s), lo, hi)
		}
		for k, set := range row {
			b, one := set.single()
			if !one || !ok {
				flush()
				continue
			}
			if len(run) == 0 {
				runLo, runHi = lo+k, addSpan(hi, k)
			}
			run = append(run, b)
		}
		l, h := span(s)
		lo, hi = lo+l, addSpan(hi, h)
	}
	flush()
	return best
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
