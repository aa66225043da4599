package yara

import (
	"errors"
	"sync"
)

type instOp uint8

const (
	iSet instOp = iota
	iSplit
	iJump
	iMatch
	iBegin
	iEnd
	iWord
	iNotWord
)

type inst struct {
	op   instOp
	x, y int32 // targets; for iSet x is the set
}

// matcher verifies one expression at one offset. It is immutable; scratch space comes from its pool.
type matcher struct {
	prog []inst
	sets []byteSet
	lazy bool
	seq  []byteSet // the expression is a fixed row of sets: no program is needed
	head byteSet   // bytes a match may begin with
	any  bool      // a match may be empty or begin with an assertion
	pool *sync.Pool
}

var errProgram = errors.New("expression needs too large a program")

func newMatcher(n *node, lazy bool) (*matcher, error) {
	m := &matcher{lazy: lazy}
	if seq, ok := fixedRow(n, nil); ok && len(seq) > 0 {
		m.seq, m.head = seq, seq[0]
		return m, nil
	}
	c := &compiler{sets: map[byteSet]int32{}}
	if err := c.emit(n); err != nil {
		return nil, err
	}
	c.add(inst{op: iMatch})
	m.prog, m.sets = c.prog, c.list
	size := len(m.prog)
	m.pool = &sync.Pool{New: func() any { return newThreads(size) }}
	m.findHead()
	return m, nil
}

// fixedRow lays an expression without choice out as a row of sets.
func fixedRow(n *node, row []byteSet) ([]byteSet, bool) {
	switch n.op {
	case nSet:
		return append(row, n.set), len(row) < MaxMatch
	case nCat:
		ok := true
		for _, s := range n.subs {
			if row, ok = fixedRow(s, row); !ok {
				return row, false
			}
		}
		return row, true
	case nRepeat:
		if n.min != n.max || n.min > 256 {
			return row, false
		}
		ok := true
		for i := 0; i < n.min; i++ {
			if row, ok = fixedRow(n.subs[0], row); !ok {
				return row, false
			}
		}
		return row, true
	}
	return row, false
}

type compiler struct {
	prog []inst
	list []byteSet
	sets map[byteSet]int32
}

func (c *compiler) add(i inst) int {
	c.prog = append(c.prog, i)
	return len(c.prog) - 1
}

func (c *compiler) emit(n *node) error {
	if len(c.prog) > maxProgram {
		return errProgram
	}
	switch n.op {
	case nSet:
		id, ok := c.sets[n.set]
		if !ok {
			id = int32(len(c.list))
			c.list = append(c.list, n.set)
			c.sets[n.set] = id
		}
		c.add(inst{op: iSet, x: id})
	case nCat:
		for _, s := range n.subs {
			if err := c.emit(s); err != nil {
				return err
			}
		}
	case nAlt:
		return c.alt(n)
	case nRepeat:
		return c.repeat(n)
	case nBegin, nEnd, nWord, nNotWord:
		c.add(inst{op: [...]instOp{iBegin, iEnd, iWord, iNotWord}[n.op-nBegin]})
	}
	return nil
}

func (c *compiler) alt(n *node) error {
	var ends []int
	for i, s := range n.subs {
		split := -1
		if i < len(n.subs)-1 {
			split = c.add(inst{op: iSplit})
			c.prog[split].x = int32(len(c.prog))
		}
		if err := c.emit(s); err != nil {
			return err
		}
		if split >= 0 {
			ends = append(ends, c.add(inst{op: iJump}))
			c.prog[split].y = int32(len(c.prog))
		}
	}
	for _, e := range ends {
		c.prog[e].x = int32(len(c.prog))
	}
	return nil
}

func (c *compiler) repeat(n *node) error {
	for i := 0; i < n.min; i++ {
		if err := c.emit(n.subs[0]); err != nil {
			return err
		}
	}
	if n.max < 0 { // L: split body, out; body; jump L
		split := c.add(inst{op: iSplit})
		c.prog[split].x = int32(len(c.prog))
		if err := c.emit(n.subs[0]); err != nil {
			return err
		}
		c.add(inst{op: iJump, x: int32(split)})
		c.prog[split].y = int32(len(c.prog))
		return nil
	}
	var splits []int
	for i := n.min; i < n.max; i++ {
		split := c.add(inst{op: iSplit})
		c.prog[split].x = int32(len(c.prog))
		splits = append(splits, split)
		if err := c.emit(n.subs[0]); err != nil {
			return err
		}
	}
	for _, s := range splits {
		c.prog[s].y = int32(len(c.prog))
	}
	return nil
}

func (m *matcher) findHead() {
	t := newThreads(len(m.prog))
	stack := []int32{0}
	for len(stack) > 0 {
		pc := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if t.now.has(pc) {
			continue
		}
		t.now.add(pc)
		switch in := m.prog[pc]; in.op {
		case iSet:
			m.head.union(m.sets[in.x])
		case iSplit:
			stack = append(stack, in.x, in.y)
		case iJump:
			stack = append(stack, in.x)
		case iMatch:
			m.any = true
		default: // what follows an assertion still has to match
			stack = append(stack, pc+1)
		}
	}
}

// sparse is a set of program counters with constant-time clearing.
type sparse struct {
	dense, index []int32
}

func (s *sparse) has(pc int32) bool {
	i := s.index[pc]
	return int(i) < len(s.dense) && s.dense[i] == pc
}

func (s *sparse) add(pc int32) {
	s.index[pc] = int32(len(s.dense))
	s.dense = append(s.dense, pc)
}

type threads struct {
	now, next sparse
	stack     []int32
}

func newThreads(n int) *threads {
	return &threads{now: sparse{make([]int32, 0, n), make([]int32, n)}, next: sparse{make([]int32, 0, n), make([]int32, n)}}
}

// view is the part of the data that is at hand: buf begins at offset base of data that ends at total.
type view struct {
	buf   []byte
	base  int64
	total int64
}

// match verifies at offset i of the view's buffer and gives the length of the match, or -1. Only matches of at least one byte count.
func (m *matcher) match(v view, i int) int {
	if m.seq != nil {
		if len(v.buf)-i < len(m.seq) {
			return -1
		}
		for k := range m.seq {
			if !m.seq[k].has(v.buf[i+k]) {
				return -1
			}
		}
		return len(m.seq)
	}
	if i < len(v.buf) && !m.any && !m.head.has(v.buf[i]) {
		return -1
	}
	t := m.pool.Get().(*threads)
	defer m.pool.Put(t)
	return m.run(t, v, i)
}

func (m *matcher) run(t *threads, v view, start int) int {
	best := -1
	t.now.dense = t.now.dense[:0]
	m.follow(t, &t.now, 0, v, start)
	for i := start; ; i++ {
		for _, pc := range t.now.dense {
			if m.prog[pc].op == iMatch && i > start {
				best = i - start
			}
		}
		if best >= 0 && m.lazy || len(t.now.dense) == 0 || i >= len(v.buf) || i-start >= MaxMatch {
			return best
		}
		b := v.buf[i]
		t.next.dense = t.next.dense[:0]
		for _, pc := range t.now.dense {
			if in := m.prog[pc]; in.op == iSet && m.sets[in.x].has(b) {
				m.follow(t, &t.next, pc+1, v, i+1)
			}
		}
		t.now, t.next = t.next, t.now
	}
}

// follow adds pc and what it leads to without reading a byte.
func (m *matcher) follow(t *threads, set *sparse, pc int32, v view, i int) {
	t.stack = append(t.stack[:0], pc)
	for len(t.stack) > 0 {
		pc := t.stack[len(t.stack)-1]
		t.stack = t.stack[:len(t.stack)-1]
		if set.has(pc) {
			continue
		}
		set.add(pc)
		switch in := m.prog[pc]; in.op {
		case iSplit:
			t.stack = append(t.stack, in.y, in.x)
		case iJump:
			t.stack = append(t.stack, in.x)
		case iBegin, iEnd, iWord, iNotWord:
			if holds(in.op, v, i) {
				t.stack = append(t.stack, pc+1)
			}
		}
	}
}

func holds(o instOp, v view, i int) bool {
	switch o {
	case iBegin:
		return v.base+int64(i) == 0
	case iEnd:
		return v.base+int64(i) == v.total
	}
	before := i > 0 && isIdent(v.buf[i-1], false)
	after := i < len(v.buf) && isIdent(v.buf[i], false)
	return (before != after) == (o == iWord)
}

// search tells whether the expression occurs anywhere in s; it serves the operator matches.
func (m *matcher) search(s string) bool {
	v := view{buf: []byte(s), total: int64(len(s))}
	for i := 0; i <= len(s); i++ {
		if m.match(v, i) >= 0 || m.any && m.empty(v, i) {
			return true
		}
	}
	return false
}

func (m *matcher) empty(v view, i int) bool {
	if m.prog == nil {
		return false
	}
	t := m.pool.Get().(*threads)
	defer m.pool.Put(t)
	t.now.dense = t.now.dense[:0]
	m.follow(t, &t.now, 0, v, i)
	return t.now.has(int32(len(m.prog) - 1))
}
