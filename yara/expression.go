package yara

import "sync"

// expression is a string that needs a program. It keeps the source it was read from: programs are made when they are first needed, most never are.
type expression struct {
	src          string
	flags        string
	hex          bool
	nocase, wide bool
	id           int // index into scanner.dfas
	once         sync.Once
	made         *matcher
}

// matcher gives the program, made on the first call.
func (x *expression) matcher() *matcher {
	x.once.Do(func() {
		m, err := newMatcher(x.parse())
		if err != nil {
			m = nowhere() // cannot be: the size was checked when the string was compiled
		}
		x.made = m
	})
	return x.made
}

func (x *expression) parse() (n *node) {
	var err error
	if x.hex {
		n, err = parseHex(x.src)
	} else {
		n, err = parseRegex(x.src, x.flags)
	}
	if err != nil {
		return &node{op: nSet} // cannot be: it was read before
	}
	if x.wide {
		n = widenNode(n)
	}
	if x.nocase {
		n = foldNode(n)
	}
	return n
}

// nowhere is a program that matches nothing.
func nowhere() *matcher {
	return &matcher{prog: []inst{{op: iSet}, {op: iMatch}}, sets: make([]byteSet, 1)}
}

// programSize counts the instructions of an expression; past maxProgram it does not count on.
func programSize(n *node) int {
	size := 0
	switch n.op {
	case nRow:
		size = len(n.lit)
	case nCat, nAlt:
		for _, s := range n.subs {
			size += programSize(s)
			if n.op == nAlt {
				size += 2
			}
			if size > maxProgram {
				break
			}
		}
	case nRepeat:
		one := programSize(n.subs[0])
		size = n.min * one
		if n.max < 0 {
			size += one + 2
		} else {
			size += (n.max - n.min) * (one + 1)
		}
	default:
		size = 1
	}
	return min(size, maxProgram+1)
}
