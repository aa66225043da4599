package yara

import (
	"strconv"
	"strings"
)

// der is one element of a DER encoding.
type der struct {
	tag  byte
	body []byte
	full []byte // with tag and length
}

// derNext splits the first element off. Only what signatures need is read: tags of one byte, definite lengths.
func derNext(b []byte) (e der, rest []byte, ok bool) {
	if len(b) < 2 || b[0]&0x1f == 0x1f {
		return e, nil, false
	}
	n, head := int(b[1]), 2
	if n >= 0x80 {
		k := n & 0x7f
		if k == 0 || k > 4 || len(b) < 2+k {
			return e, nil, false
		}
		n = 0
		for _, c := range b[2 : 2+k] {
			n = n<<8 | int(c)
		}
		head += k
	}
	if n > len(b)-head {
		return e, nil, false
	}
	return der{b[0], b[head : head+n], b[:head+n]}, b[head+n:], true
}

// derList splits an encoding into at most limit elements; damage ends the list.
func derList(b []byte, limit int) (out []der) {
	for len(b) > 0 && len(out) < limit {
		e, rest, ok := derNext(b)
		if !ok {
			return out
		}
		out = append(out, e)
		b = rest
	}
	return out
}

// oid gives the dotted form of an object identifier.
func (e der) oid() string {
	if e.tag != 6 || len(e.body) == 0 || len(e.body) > 64 {
		return ""
	}
	var parts []string
	v := uint64(0)
	for _, c := range e.body {
		v = v<<7 | uint64(c&0x7f)
		if c >= 0x80 {
			continue
		}
		if parts == nil {
			first := min(v/40, 2)
			parts = append(parts, strconv.FormatUint(first, 10))
			v -= 40 * first
		}
		parts = append(parts, strconv.FormatUint(v, 10))
		v = 0
	}
	return strings.Join(parts, ".")
}
