package yara

import (
	"encoding/binary"
	"slices"
)

const (
	maxDFAStates = 1 << 12 // states kept by one automaton, and
	maxDFACells  = 1 << 18 // transitions, and
	maxDFACounts = 1 << 20 // counters; it is emptied when there would be more
	dfaUnknown   = 0       // a transition that was not computed yet
	dfaDead      = 1       // the state without threads
)

// dfa is a deterministic automaton that is built while it runs, over the threads of one or more programs. It belongs to one scanner.
// A state is a set of program counters; its number is even, with the lowest bit set in a transition to it where the state accepts.
type dfa struct {
	prog    []inst
	sets    []byteSet
	starts  []int32 // where threads begin: once, or with roam at every byte
	roam    bool
	cut     bool
	class   [256]uint8
	width   int
	trans   []int32 // state/2*width+class to state
	bounds  []int32 // state/2 to the end of its counters
	pcs     []int32
	ids     map[string]int32
	first   int32
	key     []byte
	list    []int32
	t       *threads
	trail   trail
	window  int   // of the scanner: the trail and the work are of this one
	work    int64 // bytes read in the window, see scanner.late
	total   int64 // bytes read
	flushes int
}

// newDFA gives the automaton of a program. With cut, threads behind one that accepts count for nothing.
func newDFA(prog []inst, sets []byteSet, starts []int32, cut bool, t *threads) *dfa {
	return (&dfa{prog: prog, sets: sets, starts: starts, cut: cut, t: t}).ready()
}

// newRoamer gives an automaton with threads that begin at every byte.
func newRoamer(prog []inst, sets []byteSet, starts []int32, t *threads) *dfa {
	return (&dfa{prog: prog, sets: sets, starts: starts, roam: true, t: t}).ready()
}

// ready makes the states that are always there.
func (d *dfa) ready() *dfa {
	d.ids, d.trail.end = map[string]int32{}, -1
	d.classes()
	d.reset()
	return d
}

// classes gives bytes that no instruction of the program tells apart the same class.
func (d *dfa) classes() {
	d.width = 1
	done := map[inst]bool{}
	for _, in := range d.prog {
		if in.op > iCell || d.width == 256 || done[inst{op: in.op, x: in.x}] {
			continue
		}
		done[inst{op: in.op, x: in.x}] = true
		d.split(in)
	}
}

// split parts the classes of which the instruction reads some bytes and not others.
func (d *dfa) split(in inst) {
	var inside [256]int16 // class to the new class of its bytes that are read, plus 1
	var outside [256]bool
	for b := 0; b < 256; b++ {
		if !in.reads(d.sets, byte(b)) {
			outside[d.class[b]] = true
		}
	}
	for b := 0; b < 256; b++ {
		c := d.class[b]
		if !outside[c] || !in.reads(d.sets, byte(b)) {
			continue
		}
		if inside[c] == 0 {
			inside[c] = int16(d.width) + 1
			d.width++
		}
		d.class[b] = uint8(inside[c] - 1)
	}
}

// size is the number of cells of memory the automaton holds.
func (d *dfa) size() int { return cap(d.trans) + cap(d.pcs) }

// reset forgets all states but those that are always there.
func (d *dfa) reset() {
	clear(d.ids)
	d.trans, d.bounds, d.pcs = d.trans[:0], d.bounds[:0], d.pcs[:0]
	d.t.fit(len(d.prog))
	d.intern(&d.t.now) // dead, as 1: number 0 with the lowest bit set never accepts
	for _, pc := range d.starts {
		d.t.closure(d.prog, &d.t.now, pc)
	}
	d.first = d.intern(&d.t.now)
}

// intern gives the state of a set of counters, with its lowest bit set where it accepts.
func (d *dfa) intern(set *sparse) int32 {
	d.key, d.list = d.key[:0], d.list[:0]
	// Only counters that read a byte or accept tell states apart.
	accepts := int32(0)
	for _, pc := range set.dense {
		switch d.prog[pc].op {
		case iMatch:
			accepts = 1
		case iSet, iCell:
		default:
			continue
		}
		d.list = append(d.list, pc)
		if accepts == 1 && d.cut {
			break // the threads behind it count for nothing
		}
	}
	if !d.cut { // their order counts for nothing
		slices.Sort(d.list)
	}
	for _, pc := range d.list {
		d.key = binary.LittleEndian.AppendUint32(d.key, uint32(pc))
	}
	if id, ok := d.ids[string(d.key)]; ok {
		return id
	}
	id := int32(len(d.bounds))<<1 | accepts
	d.ids[string(d.key)] = id
	d.pcs = append(d.pcs, d.list...)
	d.bounds = append(d.bounds, int32(len(d.pcs)))
	for i := 0; i < d.width; i++ {
		d.trans = append(d.trans, dfaUnknown)
	}
	return id
}

// counters gives the set of a state.
func (d *dfa) counters(state int32) []int32 {
	k := state >> 1
	from := int32(0)
	if k > 0 {
		from = d.bounds[k-1]
	}
	return d.pcs[from:d.bounds[k]]
}

// next computes the transition of a state on byte b. It may empty the automaton: states that were seen before are void then.
func (d *dfa) next(state int32, b byte) int32 {
	d.t.fit(len(d.prog))
	set := &d.t.now
	for _, pc := range d.counters(state) {
		if d.prog[pc].reads(d.sets, b) {
			d.t.closure(d.prog, set, pc+1)
		}
	}
	if d.roam {
		for _, pc := range d.starts {
			d.t.closure(d.prog, set, pc)
		}
	}
	if len(set.dense) == 0 {
		d.trans[int(state>>1)*d.width+int(d.class[b])] = dfaDead
		return dfaDead
	}
	if len(d.bounds) >= maxDFAStates || len(d.trans) >= maxDFACells || len(d.pcs) >= maxDFACounts {
		return d.flush(set)
	}
	to := d.intern(set)
	d.trans[int(state>>1)*d.width+int(d.class[b])] = to
	return to
}

// flush empties the automaton and keeps one state.
func (d *dfa) flush(set *sparse) int32 {
	d.flushes++
	d.trail.end = -1
	keep := append([]int32(nil), set.dense...)
	d.reset()
	d.t.fit(len(d.prog))
	for _, pc := range keep {
		d.t.now.add(pc)
	}
	return d.intern(&d.t.now)
}

// match gives the length of the match that begins at offset start, or -1: of several that of the first thread, see matcher.simulate.
func (d *dfa) match(buf []byte, start int) int {
	end := min(len(buf), start+MaxMatch)
	w := walk{first: -1, last: -1, flushes: d.flushes}
	state, best := d.first, -1
	for i := start; i < end; {
		stop := min(end, i|(trailStep-1)+1)
		d.work, d.total = d.work+int64(stop-i), d.total+int64(stop-i)
		for ; i < stop; i++ {
			to := d.trans[int(state>>1)*d.width+int(d.class[buf[i]])]
			if to == dfaUnknown {
				to = d.next(state, buf[i])
			}
			if to == dfaDead {
				d.close(w)
				return length(start, best)
			}
			if to&1 != 0 {
				best = i + 1
			}
			state = to
		}
		if i&(trailStep-1) == 0 {
			i, state, best = d.mark(&w, i, end, state, best)
		}
	}
	d.close(w)
	return length(start, best)
}

func length(start, end int) int {
	if end < 0 {
		return -1
	}
	return end - start
}

// mark passes a place where the trail has marks: it goes on where an earlier walk ended, or leaves a mark.
func (d *dfa) mark(w *walk, i, limit int, state int32, best int) (int, int32, int) {
	w.last = i
	if m := d.trail.join(i, limit, state); m != nil {
		w.merged, w.last = true, m.pos
		if m.best > i {
			best = m.best
		}
		return m.pos, m.state, best
	}
	if !w.merged && w.first < 0 {
		w.first = i
	}
	*d.trail.at(i) = mark{i, best, state}
	return i, state, best
}

func (d *dfa) close(w walk) {
	if d.flushes != w.flushes {
		d.trail.end = -1 // the marks name states that are void
		return
	}
	d.trail.close(w)
}

// backward runs from offset end and calls at for every offset from lo up to hi-1 where a match may begin, highest first, with the state reached there.
func (d *dfa) backward(buf []byte, lo, hi, end int, at func(i int, state int32) bool) {
	state := d.first
	d.total += int64(end - lo)
	for i := end - 1; i >= lo; i-- {
		to := d.trans[int(state>>1)*d.width+int(d.class[buf[i]])]
		if to == dfaUnknown {
			to = d.next(state, buf[i])
		}
		state = to
		if to&1 != 0 && to != dfaDead && i < hi && !at(i, to) {
			return
		}
	}
}
