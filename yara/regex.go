package yara

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// byteSet is a set of bytes.
type byteSet [4]uint64

func (s *byteSet) add(b byte)      { s[b>>6] |= 1 << (b & 63) }
func (s *byteSet) has(b byte) bool { return s[b>>6]&(1<<(b&63)) != 0 }

func (s *byteSet) addRange(lo, hi byte) {
	for b := int(lo); b <= int(hi); b++ {
		s.add(byte(b))
	}
}

func (s *byteSet) union(o byteSet) {
	for i := range s {
		s[i] |= o[i]
	}
}

func (s byteSet) inverted() byteSet { return byteSet{^s[0], ^s[1], ^s[2], ^s[3]} }

func fullSet() byteSet { return byteSet{}.inverted() }

func (s *byteSet) foldCase() {
	for b := byte('a'); b <= 'z'; b++ {
		if s.has(b) || s.has(b-32) {
			s.add(b)
			s.add(b - 32)
		}
	}
}

type nodeOp uint8

const (
	nSet     nodeOp = iota // one byte of set
	nCat                   // subs one after the other
	nAlt                   // one of subs
	nRepeat                // subs[0] from min to max times, max -1 for no end
	nBegin                 // ^
	nEnd                   // $
	nWord                  // \b
	nNotWord               // \B
	nRow                   // the bytes of lit, those bits of them that are in mask
)

// node is an expression over bytes. Hexadecimal strings and regular expressions are both read into it; its depth is bounded by the parsers.
type node struct {
	op       nodeOp
	set      byteSet
	subs     []*node
	min, max int
	lazy     bool
	lit      string
	mask     string // "" for all bits
}

// cell gives byte i of a row.
func (n *node) cell(i int) cell {
	if n.mask == "" {
		return cell{v: n.lit[i], m: 0xFF}
	}
	return cell{v: n.lit[i], m: n.mask[i]}
}

type regexParser struct {
	s      string
	i      int
	depth  int
	fold   bool
	dotAll bool
	lazy   bool // some quantifier is lazy,
	greedy bool // or greedy: there cannot be both
	nodes  int
}

// parseRegex reads an expression in YARA's dialect; flags may hold i and s.
func parseRegex(s, flags string) (*node, error) {
	r := &regexParser{s: s, fold: strings.Contains(flags, "i"), dotAll: strings.Contains(flags, "s")}
	n, err := r.alternatives()
	if err != nil {
		return nil, err
	}
	if r.more() {
		return nil, errors.New("unmatched )")
	}
	if s == "" {
		return nil, errors.New("empty regular expression")
	}
	return n, nil
}

func (r *regexParser) more() bool { return r.i < len(r.s) }

func (r *regexParser) alternatives() (*node, error) {
	if r.depth++; r.depth > maxNesting {
		return nil, fmt.Errorf("nested deeper than %d", maxNesting)
	}
	defer func() { r.depth-- }()
	alt := &node{op: nAlt}
	for {
		n, err := r.sequence()
		if err != nil {
			return nil, err
		}
		if len(alt.subs)+len(n.subs) == 0 {
			return nil, errors.New("nothing stands where an expression should begin")
		}
		alt.subs = append(alt.subs, n)
		if !r.more() || r.s[r.i] != '|' {
			break
		}
		r.i++
	}
	if len(alt.subs) == 1 {
		return alt.subs[0], nil
	}
	return alt, nil
}

func (r *regexParser) sequence() (*node, error) {
	seq := &node{op: nCat}
	for r.more() && r.s[r.i] != '|' && r.s[r.i] != ')' {
		n, err := r.atom()
		if err != nil {
			return nil, err
		}
		if n, err = r.quantified(n); err != nil {
			return nil, err
		}
		if r.nodes++; r.nodes > maxProgram {
			return nil, errors.New("expression is too long")
		}
		seq.subs = append(seq.subs, n)
	}
	return seq, nil
}

func (r *regexParser) atom() (*node, error) {
	c := r.s[r.i]
	r.i++
	switch c {
	case '(':
		r.i += len(r.s[r.i:]) - len(strings.TrimPrefix(r.s[r.i:], "?:"))
		n, err := r.alternatives()
		if err != nil {
			return nil, err
		}
		if !r.more() {
			return nil, errors.New("group is not closed")
		}
		r.i++
		return n, nil
	case '[':
		return r.class()
	case '.':
		set := fullSet()
		if !r.dotAll {
			set[0] &^= 1 << '\n'
		}
		return &node{op: nSet, set: set}, nil
	case '^':
		return &node{op: nBegin}, nil
	case '$':
		return &node{op: nEnd}, nil
	case '*', '+', '?':
		return nil, fmt.Errorf("nothing to repeat before %q", c)
	case '\\':
		if r.more() && (r.s[r.i] == 'b' || r.s[r.i] == 'B') {
			o := nWord
			if r.s[r.i] == 'B' {
				o = nNotWord
			}
			r.i++
			return &node{op: o}, nil
		}
		set, _, err := r.escape()
		return r.setNode(set), err
	}
	var set byteSet
	set.add(c)
	return r.setNode(set), nil
}

func (r *regexParser) setNode(set byteSet) *node {
	if r.fold {
		set.foldCase()
	}
	return &node{op: nSet, set: set}
}

// escape reads what follows a backslash; one is its byte, or -1 for a class.
func (r *regexParser) escape() (set byteSet, one int, err error) {
	if !r.more() {
		return set, 0, errors.New("backslash at the end")
	}
	c := r.s[r.i]
	r.i++
	one = -1
	switch c {
	case 'w', 'W', 'd', 'D', 's', 'S':
		return classSet(c), -1, nil
	case 'n':
		one = '\n'
	case 't':
		one = '\t'
	case 'r':
		one = '\r'
	case 'f':
		one = '\f'
	case 'a':
		one = '\a'
	case 'v':
		one = '\v'
	case 'x':
		if r.i+2 > len(r.s) {
			return set, 0, errors.New(`\x needs two digits`)
		}
		v, err := strconv.ParseUint(r.s[r.i:r.i+2], 16, 8)
		if err != nil {
			return set, 0, errors.New(`\x needs two digits`)
		}
		r.i += 2
		one = int(v)
	default:
		one = int(c)
	}
	set.add(byte(one))
	return set, one, nil
}

func classSet(c byte) byteSet {
	var set byteSet
	switch c | 0x20 {
	case 'w':
		set.addRange('0', '9')
		set.addRange('A', 'Z')
		set.addRange('a', 'z')
		set.add('_')
	case 'd':
		set.addRange('0', '9')
	case 's':
		set.addRange('\t', '\r')
		set.add(' ')
	}
	if c < 'a' {
		return set.inverted()
	}
	return set
}

// class reads [...]; the opening bracket is passed.
func (r *regexParser) class() (*node, error) {
	var set byteSet
	neg := r.more() && r.s[r.i] == '^'
	if neg {
		r.i++
	}
	for first := true; ; first = false {
		if !r.more() {
			return nil, errors.New("class is not closed")
		}
		c := r.s[r.i]
		if c == ']' && !first {
			r.i++
			break
		}
		r.i++
		lo := int(c)
		if c == '\\' {
			part, one, err := r.escape()
			if err != nil {
				return nil, err
			}
			set.union(part)
			if lo = one; one < 0 {
				continue
			}
		}
		set.add(byte(lo))
		if err := r.span(&set, lo); err != nil {
			return nil, err
		}
	}
	if r.fold {
		set.foldCase()
	}
	if neg {
		set = set.inverted()
	}
	return &node{op: nSet, set: set}, nil
}

// span adds the rest of a range if a "-" follows lo.
func (r *regexParser) span(set *byteSet, lo int) error {
	if r.i+1 >= len(r.s) || r.s[r.i] != '-' || r.s[r.i+1] == ']' {
		return nil
	}
	r.i++
	hi := int(r.s[r.i])
	r.i++
	if hi == '\\' {
		_, one, err := r.escape()
		if err != nil {
			return err
		}
		if one < 0 {
			return errors.New("a class may not end a range")
		}
		hi = one
	}
	if hi < lo {
		return errors.New("range is out of order")
	}
	set.addRange(byte(lo), byte(hi))
	return nil
}

// quantified reads *, +, ?, {n,m} and a ? for lazy behind an atom.
func (r *regexParser) quantified(n *node) (*node, error) {
	for count := 0; r.more(); count++ {
		min, max := 0, -1
		switch r.s[r.i] {
		case '*':
			r.i++
		case '+':
			min = 1
			r.i++
		case '?':
			max = 1
			r.i++
		case '{':
			var ok bool
			var err error
			if min, max, ok, err = r.braces(); err != nil {
				return nil, err
			} else if !ok {
				return n, nil
			}
		default:
			return n, nil
		}
		if count > 0 {
			return nil, errors.New("two quantifiers in a row")
		}
		n = &node{op: nRepeat, min: min, max: max, subs: []*node{n}}
		if r.more() && r.s[r.i] == '?' {
			r.i++
			n.lazy, r.lazy = true, true
		} else {
			r.greedy = true
		}
		if r.lazy && r.greedy {
			return nil, errors.New("greedy and ungreedy quantifiers can't be mixed in a regular expression")
		}
		if min > MaxMatch { // longer than any match
			return &node{op: nSet}, nil
		}
	}
	return n, nil
}

// braces reads {n}, {n,}, {,m} or {n,m}; anything else is a plain brace.
func (r *regexParser) braces() (min, max int, ok bool, err error) {
	end := strings.IndexByte(r.s[r.i:], '}')
	if end < 0 {
		return 0, 0, false, nil
	}
	lo, hi, comma := strings.Cut(r.s[r.i+1:r.i+end], ",")
	if lo != "" {
		if min, err = strconv.Atoi(lo); err != nil {
			return 0, 0, false, nil
		}
	}
	switch {
	case !comma && lo == "":
		return 0, 0, false, nil
	case !comma:
		max = min
	case hi == "":
		max = -1
	default:
		if max, err = strconv.Atoi(hi); err != nil {
			return 0, 0, false, nil
		}
	}
	if min < 0 || max >= 0 && max < min || max == 0 || min > 32767 || max > 32767 {
		return 0, 0, false, fmt.Errorf("bad repetition %q", r.s[r.i:r.i+end+1])
	}
	r.i += end + 1
	return min, max, true, nil
}
