package yara

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// parseHex reads the inside of a hexadecimal string.
func parseHex(s string) (*node, error) {
	h := &hexParser{s: strip(s)}
	n, err := h.sequence()
	if err != nil {
		return nil, err
	}
	if h.i < len(h.s) {
		return nil, fmt.Errorf("unexpected %q in a hexadecimal string", h.s[h.i])
	}
	if len(n.subs) == 0 {
		return nil, errors.New("hexadecimal string is empty")
	}
	for _, end := range []*node{n.subs[0], n.subs[len(n.subs)-1]} {
		if end.op == nRepeat {
			return nil, errors.New("a jump may not begin or end a hexadecimal string")
		}
	}
	return n, nil
}

// strip removes white space and comments.
func strip(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], "//"):
			for i < len(s) && s[i] != '\n' {
				i++
			}
		case strings.HasPrefix(s[i:], "/*"):
			end := strings.Index(s[i+2:], "*/")
			if end < 0 {
				return b.String()
			}
			i += end + 3
		case s[i] == ' ' || s[i] == '\t' || s[i] == '\n' || s[i] == '\r':
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

type hexParser struct {
	s     string
	i     int
	depth int
	nodes int
	lit   []byte // the row that is read, and
	mask  []byte // its bits that count
}

func (h *hexParser) more() bool { return h.i < len(h.s) }

func (h *hexParser) sequence() (*node, error) {
	seq := &node{op: nCat}
	for h.more() {
		c := h.s[h.i]
		var n *node
		var err error
		switch {
		case c == '|' || c == ')':
			return seq, nil
		case c == '(':
			n, err = h.group()
		case c == '[':
			n, err = h.jump()
		case c == '~':
			n, err = h.negated()
		default:
			n, err = h.row()
		}
		if err != nil {
			return nil, err
		}
		if h.nodes++; h.nodes > maxProgram {
			return nil, errProgram
		}
		seq.subs = append(seq.subs, n)
	}
	return seq, nil
}

// row reads bytes up to anything else.
func (h *hexParser) row() (*node, error) {
	h.lit, h.mask = h.lit[:0], h.mask[:0]
	exact := true
	for h.more() && strings.IndexByte("|()[~", h.s[h.i]) < 0 {
		v, m, err := h.byte()
		if err != nil {
			return nil, err
		}
		exact = exact && m == 0xFF
		h.lit, h.mask = append(h.lit, v), append(h.mask, m)
	}
	n := &node{op: nRow, lit: string(h.lit)}
	if !exact {
		n.mask = string(h.mask)
	}
	return n, nil
}

func (h *hexParser) group() (*node, error) {
	if h.depth++; h.depth > maxNesting {
		return nil, fmt.Errorf("nested deeper than %d", maxNesting)
	}
	defer func() { h.depth-- }()
	alt := &node{op: nAlt}
	for {
		h.i++
		n, err := h.sequence()
		if err != nil {
			return nil, err
		}
		if len(n.subs) == 0 {
			return nil, errors.New("empty alternative")
		}
		alt.subs = append(alt.subs, n)
		if !h.more() {
			return nil, errors.New("group is not closed")
		}
		if h.s[h.i] == ')' {
			h.i++
			return alt, nil
		}
	}
}

func (h *hexParser) jump() (*node, error) {
	end := strings.IndexByte(h.s[h.i:], ']')
	if end < 0 {
		return nil, errors.New("jump is not closed")
	}
	text := h.s[h.i+1 : h.i+end]
	h.i += end + 1
	lo, hi, dash := strings.Cut(text, "-")
	n := &node{op: nRepeat, max: -1, lazy: true, subs: []*node{{op: nSet, set: fullSet()}}}
	var err error
	if lo != "" {
		if n.min, err = strconv.Atoi(lo); err != nil {
			return nil, fmt.Errorf("bad jump [%s]", text)
		}
	}
	switch {
	case !dash && lo == "":
		return nil, errors.New("empty jump")
	case !dash:
		n.max = n.min
	case hi != "":
		if n.max, err = strconv.Atoi(hi); err != nil || n.max < n.min {
			return nil, fmt.Errorf("bad jump [%s]", text)
		}
	}
	if n.max > MaxMatch {
		n.max = -1
	}
	if n.min > MaxMatch {
		return nil, fmt.Errorf("jump [%s] is longer than %d", text, MaxMatch)
	}
	return n, nil
}

// byte reads a byte with its bits that count.
func (h *hexParser) byte() (v, mask byte, err error) {
	if h.i+2 > len(h.s) {
		return 0, 0, errors.New("half a byte at the end")
	}
	hi, lo := nibble(h.s[h.i]), nibble(h.s[h.i+1])
	if hi < 0 || lo < 0 {
		return 0, 0, fmt.Errorf("unexpected %q in a hexadecimal string", h.s[h.i:h.i+2])
	}
	h.i += 2
	mask = 0xFF
	if hi == 16 {
		hi, mask = 0, mask&0x0F
	}
	if lo == 16 {
		lo, mask = 0, mask&0xF0
	}
	return byte(hi<<4 | lo), mask, nil
}

// negated reads ~ and a byte.
func (h *hexParser) negated() (*node, error) {
	h.i++
	v, m, err := h.byte()
	if err != nil {
		return nil, err
	}
	if m == 0 {
		return nil, errors.New("~?? matches nothing")
	}
	return &node{op: nSet, set: cell{v: v, m: m}.bytes().inverted()}, nil
}

// nibble gives 0 to 15, 16 for "?", -1 for anything else.
func nibble(c byte) int {
	switch {
	case c == '?':
		return 16
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}
