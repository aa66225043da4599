package yara

import "errors"

// ErrTooManyLiterals is returned when the automaton of a set of literals would grow past its limit of 8 million transitions per byte class.
var ErrTooManyLiterals = errors.New("too many literals for one automaton")

const maxStates = 4 << 20

// Literals finds many byte strings in one pass over the data (Aho-Corasick, as a table of transitions over byte classes). It is immutable and safe for concurrent use.
type Literals struct {
	class  [256]uint8 // byte to class, after folding
	width  int        // number of classes
	next   []uint32   // state*width+class to state<<1, lowest bit set where the state has outputs
	own    []int32    // state to its first entry in chain, or -1
	suffix []int32    // state to the next shorter state with outputs, or 0
	chain  []chained
	lens   []int32
	depth  []uint8 // state to the length of what it stands for, up to startLength
	starts *starts // nil: every place may be a beginning
}

type chained struct {
	id   int32
	next int32
}

// NewLiterals compiles the strings; their index is their id. With fold, ASCII letters match in either case. Empty strings never match.
func NewLiterals(list []string, fold bool) (*Literals, error) {
	l := &Literals{lens: make([]int32, len(list))}
	l.classes(list, fold)
	b := newTrie(l.width)
	for id, s := range list {
		l.lens[id] = int32(len(s))
		if s == "" {
			continue
		}
		state := 0
		for i := 0; i < len(s); i++ {
			state = b.child(state, l.class[s[i]])
		}
		if b.count() > maxStates {
			return nil, ErrTooManyLiterals
		}
		l.chain = append(l.chain, chained{int32(id), b.own[state]})
		b.own[state] = int32(len(l.chain) - 1)
	}
	l.link(b)
	l.starts = newStarts(list)
	return l, nil
}

// classes gives every byte that occurs in the list a class; class 0 is "occurs nowhere".
func (l *Literals) classes(list []string, fold bool) {
	var used [256]bool
	for _, s := range list {
		for i := 0; i < len(s); i++ {
			used[foldByte(s[i], fold)] = true
		}
	}
	n := 1
	var of [256]uint8
	for b := 0; b < 256; b++ {
		if used[b] && n < 256 {
			of[b] = uint8(n)
			n++
		}
	}
	if n == 256 && of[255] == 0 && used[255] { // all 256 bytes occur: no byte is left for "nowhere"
		for b := range of {
			of[b] = uint8(b)
		}
	}
	for b := 0; b < 256; b++ {
		l.class[b] = of[foldByte(byte(b), fold)]
	}
	l.width = n
}

func foldByte(b byte, fold bool) byte {
	if fold && 'A' <= b && b <= 'Z' {
		return b | 0x20
	}
	return b
}

// trie is the goto function while it is built: one row of classes for a state, 0 where there is none.
type trie struct {
	width int
	next  []uint32
	own   []int32
}

func newTrie(width int) *trie {
	return &trie{width: width, next: make([]uint32, width), own: []int32{-1}}
}

func (t *trie) count() int { return len(t.own) }

func (t *trie) child(state int, class uint8) int {
	at := state*t.width + int(class)
	if t.next[at] == 0 {
		t.next[at] = uint32(len(t.own))
		t.own = append(t.own, -1)
		t.next = append(t.next, make([]uint32, t.width)...)
	}
	return int(t.next[at])
}

// link turns the trie into an automaton: failure transitions are written into the table, breadth first.
func (l *Literals) link(t *trie) {
	n := t.count()
	l.next, l.own = t.next, t.own
	l.suffix, l.depth = make([]int32, n), make([]uint8, n)
	fail := make([]uint32, n)
	queue := make([]uint32, 0, n)
	for c := 0; c < l.width; c++ {
		if s := l.next[c]; s != 0 {
			queue = append(queue, s)
			l.depth[s] = 1
		}
	}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		f := fail[s]
		l.suffix[s] = l.suffix[f]
		if l.own[f] >= 0 {
			l.suffix[s] = int32(f)
		}
		for c := 0; c < l.width; c++ {
			at := int(s)*l.width + c
			down := l.next[int(f)*l.width+c]
			if child := l.next[at]; child != 0 {
				fail[child] = down
				l.depth[child] = min(l.depth[s]+1, startLength)
				queue = append(queue, child)
			} else {
				l.next[at] = down
			}
		}
	}
	for i, s := range l.next {
		flag := uint32(0)
		if l.own[s] >= 0 || l.suffix[s] > 0 {
			flag = 1
		}
		l.next[i] = s<<1 | flag
	}
}

// Len gives the length of literal id.
func (l *Literals) Len(id int) int { return int(l.lens[id]) }

// Find calls hit for every occurrence, in order of its end (the offset after its last byte), until hit returns false.
func (l *Literals) Find(data []byte, hit func(id, end int) bool) {
	if len(l.chain) == 0 {
		return
	}
	done := 0 // the end up to which outputs were given
	for i := 0; i < len(data); {
		if l.starts != nil {
			i = l.starts.next(data, i)
		}
		var more bool
		if i, more = l.run(data, i, &done, hit); !more {
			return
		}
	}
}

// run lets the automaton go over data from i on, where a literal may begin, until none can have begun in what it saw but in
// the last bytes. It gives the place after which the next one may begin; false means that hit wants no more.
func (l *Literals) run(data []byte, i int, done *int, hit func(id, end int) bool) (int, bool) {
	state, width, next := uint32(0), uint32(l.width), l.next
	from := i + startLength
	for i < len(data) {
		e := next[state*width+uint32(l.class[data[i]])]
		state = e >> 1
		i++
		if e&1 != 0 && i > *done {
			*done = i
			if !l.outputs(int32(state), i, hit) {
				return i, false
			}
		}
		if d := l.depth[state]; d < startLength && i >= from && l.starts != nil {
			return i - int(d), true
		}
	}
	return i, true
}

func (l *Literals) outputs(state int32, end int, hit func(id, end int) bool) bool {
	for s := state; s > 0; s = l.suffix[s] {
		for c := l.own[s]; c >= 0; c = l.chain[c].next {
			if !hit(int(l.chain[c].id), end) {
				return false
			}
		}
	}
	return true
}

func foldString(s string) string {
	b := []byte(s)
	for i, c := range b {
		b[i] = foldByte(c, true)
	}
	return string(b)
}
