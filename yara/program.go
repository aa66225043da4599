package yara

import (
	"errors"
	"sync"
)

type instOp uint8

const (
	iSet  instOp = iota // a byte of set x
	iCell               // a byte b with b & (x>>8) == x & 0xFF
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
	x, y uint16 // targets (programs are shorter than maxProgram), x is tried first; for iWord and iNotWord x is 1 for characters of two bytes
}

// reads tells whether the instruction goes on over byte b.
func (in inst) reads(sets []byteSet, b byte) bool {
	switch in.op {
	case iCell:
		return b&byte(in.x>>8) == byte(in.x)
	case iSet:
		return sets[in.x].has(b)
	}
	return false
}

// matcher is the program of one expression. It is immutable; scratch space is the scanner's.
type matcher struct {
	prog  []inst
	sets  []byteSet
	place bool    // it has assertions about places: only the simulation of threads decides
	begin bool    // a match begins at the first byte of the data, and
	end   bool    // it ends at the last one
	last  bool    // that is all the assertions ask for
	head  byteSet // bytes a match of at least one byte begins with
}

// setPool keeps every byte set once.
type setPool struct {
	list []byteSet
	ids  map[byteSet]int32
}

func newSetPool() *setPool { return &setPool{} }

func (p *setPool) id(s byteSet) int32 {
	id, ok := p.ids[s]
	if !ok {
		if p.ids == nil {
			p.ids = map[byteSet]int32{}
		}
		id = int32(len(p.list))
		p.list = append(p.list, s)
		p.ids[s] = id
	}
	return id
}

var errProgram = errors.New("expression needs too large a program")

// newMatcher compiles an expression.
func newMatcher(n *node) (*matcher, error) {
	if programSize(n) > maxProgram {
		return nil, errProgram
	}
	c := compiler{pool: newSetPool()}
	m := &matcher{}
	m.prog = c.program(n)
	m.place, m.sets = c.place > 0, c.pool.list
	m.begin, m.end = anchors(n)
	m.last = m.end && c.place == 1
	m.findHead()
	return m, nil
}

type compiler struct {
	prog  []inst
	pool  *setPool
	back  bool // the expression is read from its end
	place int  // assertions
}

// anchors tells whether every match begins with the data, and ends with it.
func anchors(n *node) (begin, end bool) {
	switch {
	case n.op == nCat && len(n.subs) > 0:
		begin, _ = anchors(n.subs[0])
		_, end = anchors(n.subs[len(n.subs)-1])
	case n.op == nBegin || n.op == nEnd:
		begin, end = n.op == nBegin, n.op == nEnd
	}
	return begin, end
}

// program compiles an expression whose size was checked.
func (c *compiler) program(n *node) []inst {
	c.prog = make([]inst, 0, programSize(n)+1)
	c.emit(n)
	c.add(inst{op: iMatch})
	return c.prog
}

func (c *compiler) add(i inst) int {
	c.prog = append(c.prog, i)
	return len(c.prog) - 1
}

func (c *compiler) cell(x cell) {
	if x.set != nil {
		c.add(inst{op: iSet, x: uint16(c.pool.id(*x.set))})
		return
	}
	c.add(inst{op: iCell, x: uint16(x.v) | uint16(x.m)<<8})
}

func (c *compiler) emit(n *node) {
	switch n.op {
	case nSet:
		c.cell(cellOf(&n.set))
	case nRow:
		for i := range len(n.lit) {
			k := i
			if c.back {
				k = len(n.lit) - 1 - i
			}
			c.cell(n.cell(k))
		}
	case nCat:
		for i := range n.subs {
			s := n.subs[i]
			if c.back {
				s = n.subs[len(n.subs)-1-i]
			}
			c.emit(s)
		}
	case nAlt:
		c.alt(n)
	case nRepeat:
		c.repeat(n)
	case nBegin, nEnd, nWord, nNotWord:
		if c.place++; !c.back {
			c.add(inst{op: [...]instOp{iBegin, iEnd, iWord, iNotWord}[n.op-nBegin], x: uint16(n.min)})
		}
	}
}

func (c *compiler) alt(n *node) {
	var ends []int
	for i, s := range n.subs {
		split := -1
		if i < len(n.subs)-1 {
			split = c.add(inst{op: iSplit})
			c.prog[split].x = uint16(len(c.prog))
		}
		c.emit(s)
		if split >= 0 {
			ends = append(ends, c.add(inst{op: iJump}))
			c.prog[split].y = uint16(len(c.prog))
		}
	}
	for _, e := range ends {
		c.prog[e].x = uint16(len(c.prog))
	}
}

func (c *compiler) repeat(n *node) {
	for i := 0; i < n.min; i++ {
		c.emit(n.subs[0])
	}
	if n.max < 0 { // L: split body, out; body; jump L
		split := c.add(inst{op: iSplit})
		c.prog[split].x = uint16(len(c.prog))
		c.emit(n.subs[0])
		c.add(inst{op: iJump, x: uint16(split)})
		c.prog[split].y = uint16(len(c.prog))
		c.prefer(split, n.lazy)
		return
	}
	var splits []int
	for i := n.min; i < n.max; i++ {
		split := c.add(inst{op: iSplit})
		c.prog[split].x = uint16(len(c.prog))
		splits = append(splits, split)
		c.emit(n.subs[0])
	}
	for _, s := range splits {
		c.prog[s].y = uint16(len(c.prog))
		c.prefer(s, n.lazy)
	}
}

// prefer lets a lazy repetition try to end first.
func (c *compiler) prefer(split int, lazy bool) {
	if in := &c.prog[split]; lazy {
		in.x, in.y = in.y, in.x
	}
}

func (m *matcher) findHead() {
	t := threadPool.Get().(*threads)
	defer threadPool.Put(t)
	t.fit(len(m.prog))
	t.closure(m.prog, &t.now, 0)
	for _, pc := range t.now.dense {
		switch in := m.prog[pc]; in.op {
		case iSet:
			m.head.union(m.sets[in.x])
		case iCell:
			m.head.union(cell{v: byte(in.x), m: byte(in.x >> 8)}.bytes())
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

// threads is the scratch space of a simulation.
type threads struct {
	now, next sparse
	stack     []int32
}

var threadPool = sync.Pool{New: func() any { return new(threads) }}

// fit empties the sets and makes room for programs of n instructions.
func (t *threads) fit(n int) {
	for _, s := range [2]*sparse{&t.now, &t.next} {
		if len(s.index) < n {
			*s = sparse{make([]int32, 0, n), make([]int32, n)}
		}
		s.dense = s.dense[:0]
	}
}

// closure adds pc and all it leads to without reading a byte, wherever assertions may hold.
func (t *threads) closure(prog []inst, set *sparse, pc int32) {
	t.stack = append(t.stack[:0], pc)
	for len(t.stack) > 0 {
		pc := t.stack[len(t.stack)-1]
		t.stack = t.stack[:len(t.stack)-1]
		if set.has(pc) {
			continue
		}
		set.add(pc)
		switch in := prog[pc]; in.op {
		case iSplit:
			t.stack = append(t.stack, int32(in.y), int32(in.x))
		case iJump:
			t.stack = append(t.stack, int32(in.x))
		case iBegin, iEnd, iWord, iNotWord:
			t.stack = append(t.stack, pc+1)
		}
	}
}

// simulate runs the threads of the program from offset start of the view and gives the length of the match, or -1. Of several matches that of the first thread
// counts: greedy repetitions try to go on first, lazy ones to end, alternatives go by their order. Only matches of at least one byte count.
func (m *matcher) simulate(t *threads, v view, start int) int {
	best := -1
	t.fit(len(m.prog))
	m.follow(t, &t.now, 0, v, start)
	accept := int32(len(m.prog) - 1)
	for i := start; ; i++ {
		if t.now.has(accept) {
			t.now.dense = t.now.dense[:t.now.index[accept]]
			if best = i - start; best == 0 {
				best = -1
			}
		}
		if len(t.now.dense) == 0 || i >= len(v.buf) || i-start >= MaxMatch {
			return best
		}
		m.step(t, v, i)
	}
}

// step reads the byte at i.
func (m *matcher) step(t *threads, v view, i int) {
	b := v.buf[i]
	t.next.dense = t.next.dense[:0]
	for _, pc := range t.now.dense {
		if m.prog[pc].reads(m.sets, b) {
			m.follow(t, &t.next, pc+1, v, i+1)
		}
	}
	t.now, t.next = t.next, t.now
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
			t.stack = append(t.stack, int32(in.y), int32(in.x))
		case iJump:
			t.stack = append(t.stack, int32(in.x))
		case iBegin, iEnd, iWord, iNotWord:
			if in.holds(v, i) {
				t.stack = append(t.stack, pc+1)
			}
		}
	}
}

// holds decides an assertion before offset i. At both ends of the data there is always the boundary of a word, as in libyara.
func (in inst) holds(v view, i int) bool {
	at, width := v.base+int64(i), int64(1+in.x)
	switch in.op {
	case iBegin:
		return at == 0
	case iEnd:
		return at == v.total
	}
	edge := at < width || at > v.total-width || wordAt(v.buf, i-int(width), width) != wordAt(v.buf, i, width)
	return edge == (in.op == iWord)
}

// wordAt tells whether a letter, a digit or an underscore stands at i: with a width of two, a zero byte follows it.
func wordAt(b []byte, i int, width int64) bool {
	return i >= 0 && i+int(width) <= len(b) && isIdent(b[i], false) && (width == 1 || b[i+1] == 0)
}

// search tells whether the expression occurs anywhere in s; it serves the operator matches.
func (m *matcher) search(s string) bool {
	t := threadPool.Get().(*threads)
	defer threadPool.Put(t)
	t.fit(len(m.prog))
	v := view{buf: []byte(s), total: int64(len(s))}
	for i := 0; ; i++ {
		m.follow(t, &t.now, 0, v, i)
		if t.now.has(int32(len(m.prog) - 1)) {
			return true
		}
		if i == len(s) {
			return false
		}
		m.step(t, v, i)
	}
}
