package sigma

import "sort"

// corrState is a correlation with its groups, from the one silent for longest to the one touched last.
type corrState struct {
	*correlation
	rule           *Rule
	groups         map[string]*group
	oldest, newest *group
}

// group is the memory of one correlation for one combination of values of its group-by. Times are microseconds since 1970.
type group struct {
	key        string
	names      []string // values of group-by
	prev, next *group
	start      int64 // of a window that closes
	last       int64 // newest event
	told       bool
	toldAt     int64

	times  []int64          // event_count: newest events; temporal: newest of each rule; temporal_ordered: latest beginning of a sequence up to each rule
	has    []bool           // temporal and temporal_ordered: whether times holds one
	values map[string]int64 // value_count: newest event of each value
	order  []seenValue      // value_count: what was seen, oldest first; entries that values contradicts are void
	kept   []Field          // fields of the last event that correlations above want
}

type seenValue struct {
	value string
	at    int64
}

func (st *corrState) append(g *group) {
	g.prev, g.next = st.newest, nil
	if st.newest != nil {
		st.newest.next = g
	} else {
		st.oldest = g
	}
	st.newest = g
}

func (st *corrState) remove(g *group) {
	if g.prev != nil {
		g.prev.next = g.next
	} else {
		st.oldest = g.next
	}
	if g.next != nil {
		g.next.prev = g.prev
	} else {
		st.newest = g.prev
	}
	g.prev, g.next = nil, nil
}

func (st *corrState) touch(g *group) {
	if st.newest != g {
		st.remove(g)
		st.append(g)
	}
}

// size is how many entries a group remembers.
func (g *group) size() int { return len(g.times) + len(g.order) + len(g.kept) }

// keep copies fields of an event.
func (g *group) keep(fields []Field, names []string) {
	g.kept = g.kept[:0]
	for _, name := range names {
		if v, ok := fieldOf(fields, name); ok {
			g.kept = append(g.kept, Field{Name: name, Value: v})
		}
	}
}

// add notes an event.
func (g *group) add(st *corrState, ref int, value string, t int64) {
	span := st.span.Microseconds()
	switch {
	case st.kind.values:
		g.addValue(st, value, t)
	case st.kind.rules:
		g.addRule(st, ref, t)
	default:
		old := 0
		for old < len(g.times) && t-g.times[old] > span {
			old++
		}
		if len(g.times)-old >= st.most {
			old = len(g.times) - st.most + 1
		}
		if old > 0 {
			g.times = g.times[:copy(g.times, g.times[old:])]
		}
		g.times = append(g.times, t)
	}
}

func (g *group) addRule(st *corrState, ref int, t int64) {
	if g.times == nil {
		g.times, g.has = make([]int64, len(st.refs)), make([]bool, len(st.refs))
	}
	switch {
	case !st.kind.ordered || ref == 0:
		g.times[ref], g.has[ref] = t, true
	case g.has[ref-1] && t-g.times[ref-1] <= st.span.Microseconds():
		g.times[ref], g.has[ref] = g.times[ref-1], true
	}
}

// addValue notes a value; of more than the condition can need, the one that was not seen for longest is forgotten.
func (g *group) addValue(st *corrState, value string, t int64) {
	if g.values == nil {
		g.values = map[string]int64{}
	}
	g.values[value] = t
	if n := len(g.order); n > 0 && g.order[n-1].value == value {
		g.order[n-1].at = t
	} else {
		g.order = append(g.order, seenValue{value, t})
	}
	first := 0
	for ; first < len(g.order); first++ {
		one := g.order[first]
		if at, live := g.values[one.value]; live && at == one.at {
			if t-at <= st.span.Microseconds() && len(g.values) <= st.most {
				break
			}
			delete(g.values, one.value)
		}
	}
	if first > 0 {
		g.order = g.order[:copy(g.order, g.order[first:])]
	}
	if len(g.order) > 2*len(g.values)+16 {
		g.order = g.order[:0]
		for v, at := range g.values {
			g.order = append(g.order, seenValue{v, at})
		}
		sort.Slice(g.order, func(i, k int) bool {
			a, b := g.order[i], g.order[k]
			return a.at < b.at || a.at == b.at && a.value < b.value
		})
	}
}

// measure is the count of the window that ends at t.
func (g *group) measure(st *corrState, t int64) int {
	if !st.kind.rules {
		return max(len(g.times), len(g.values)) // add has dropped what is out of the window
	}
	n := 0
	for i, at := range g.times {
		if !g.has[i] || t-at > st.span.Microseconds() {
			continue
		}
		if st.kind.ordered {
			n = i + 1
		} else {
			n++
		}
	}
	return n
}

// met says whether the condition holds.
func (st *corrState) met(g *group, n int, t int64) bool {
	if st.expr != nil {
		return g.holds(st, st.expr, t)
	}
	for _, b := range st.bounds {
		order := 0
		if n < b.count {
			order = -1
		} else if n > b.count {
			order = 1
		}
		if !b.op.holds(order) {
			return false
		}
	}
	return true
}

// holds evaluates an extended condition: a rule holds if it spoke within the window.
func (g *group) holds(st *corrState, n *node, t int64) bool {
	count, want := 0, 1
	switch n.op {
	case opTest:
		return g.has[n.id] && t-g.times[n.id] <= st.span.Microseconds()
	case opNot:
		return !g.holds(st, n.subs[0], t)
	case opAnd:
		want = len(n.subs)
	case opAtLeast:
		want = n.n
	}
	for _, sub := range n.subs {
		if g.holds(st, sub, t) {
			count++
		}
	}
	return count >= want
}
