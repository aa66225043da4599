package yara

const (
	trailStep  = 64                         // bytes between two marks, a power of two
	trailMarks = 2 * (MaxMatch / trailStep) // a ring of them
)

// trail remembers the way of the last walks of an automaton over a window. A walk that comes to the state of an earlier one at the same place need not go the rest of
// the way again: it goes on where that one ended. So many walks from nearby places together cost little more than one of them.
type trail struct {
	marks [trailMarks]mark
	begin int // place of the first mark of the way, and
	end   int // of the last; -1 when there is none
}

// mark is a state at a place that is a multiple of trailStep, and the end of the last match on the way there.
type mark struct {
	pos, best int
	state     int32
}

// walk is what one walk adds to the trail.
type walk struct {
	first, last int  // marks: the first of its own before it merged, and the last it passed
	merged      bool // it came to the way that was there
	flushes     int
}

func (t *trail) at(pos int) *mark { return &t.marks[pos/trailStep%trailMarks] }

// join gives the last mark up to limit of the way that leads through a state at pos, or nil.
func (t *trail) join(pos, limit int, state int32) *mark {
	if m := t.at(pos); pos < t.begin || pos > t.end || m.pos != pos || m.state != state {
		return nil
	}
	m := t.at(min(limit&^(trailStep-1), t.end))
	if m.pos < pos || m.pos > limit {
		return nil
	}
	return m
}

// close makes the walk the way to remember.
func (t *trail) close(w walk) {
	switch {
	case w.last < 0: // it ended before its first mark
	case !w.merged:
		t.begin, t.end = w.first, w.last
	default:
		if w.first >= 0 {
			t.begin = w.first
		}
		t.end = max(t.end, w.last)
	}
}
