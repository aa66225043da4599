package sigma

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"
)

// Limits bound what a Stream remembers. A zero is replaced by the default.
type Limits struct {
	// Groups is how many groups one correlation follows at a time: 10,000. The one that was silent for longest is dropped for a new one.
	Groups int
	// Entries is how many events and values all groups remember together: 1,000,000. The group in work is kept whole, so one group may exceed it, by at most 100,001.
	Entries int
}

// Stats count what a Stream did and could not do.
type Stats struct {
	Events    uint64 // handed to Add
	Evicted   uint64 // groups dropped for the limits while their window was open: a correlation may have been missed
	Ungrouped uint64 // hits that no correlation could count, because the event lacks a field to group by or to count
	Late      uint64 // events older than one before them in the same group; they count at the time of that one
	Groups    int    // followed now
	Entries   int    // remembered now
}

// Hit is a rule that speaks of an event, or a correlation that came true.
type Hit struct {
	Rule  *Rule
	Time  time.Time // of the event; of a correlation whose count has an upper bound, the end of the window
	Group []Field   // of a correlation: the names in group-by, with the values of the group, each cut to 256 bytes
	Count int       // of a correlation: events, values or rules counted, up to one more than its condition asks for
}

// Stream asks a set about events in the order of their times and follows correlations. It is for one goroutine at a time.
//
// A window slides: a correlation is looked at with each event that feeds it, over the timespan that ends with that event. It gives a hit when its condition holds, and then at most one for each group in each timespan; correlations above it hear of every time it holds.
// If the condition has an upper bound (lt, lte, eq, neq) the count is known only at the end: such windows begin with the first event of a group and end a timespan later, with the next event or with Advance.
type Stream struct {
	m      *Matcher
	limits Limits
	states []*corrState
	refs   [][]int // of each correlation: what the event in work feeds
	hits   []Hit
	stats  Stats
	key    []byte
}

// NewStream makes a Stream with an empty memory.
func (rs *Rules) NewStream(l Limits) *Stream {
	if l.Groups <= 0 {
		l.Groups = 10_000
	}
	if l.Entries <= 0 {
		l.Entries = 1_000_000
	}
	s := &Stream{m: rs.NewMatcher(), limits: l, refs: make([][]int, len(rs.corrs))}
	for _, r := range rs.corrs {
		s.states = append(s.states, &corrState{rule: r, correlation: r.corr, groups: map[string]*group{}})
	}
	return s
}

// Add asks about the next event. The slice is valid until the next call.
func (s *Stream) Add(ev *Event) []Hit {
	s.stats.Events++
	s.hits = s.hits[:0]
	s.m.match(ev)
	fed := false
	for _, r := range s.m.hits {
		if !r.Hidden {
			s.hits = append(s.hits, Hit{Rule: r, Time: ev.Time})
		}
		for _, f := range s.m.rs.feeds[r.index] {
			s.refs[f.corr.corr.index] = append(s.refs[f.corr.corr.index], f.ref)
			fed = true
		}
	}
	if !fed {
		return s.hits
	}
	t := ev.Time.UnixMicro()
	for i, st := range s.states {
		if len(s.refs[i]) == 0 {
			continue
		}
		if s.feed(st, s.refs[i], ev.Fields, t) {
			for _, p := range st.parents {
				s.refs[p.corr.corr.index] = append(s.refs[p.corr.corr.index], p.ref)
			}
		}
		s.refs[i] = s.refs[i][:0]
	}
	return s.hits
}

// Advance says that no event before a time will come any more, and gives the hits of the windows that are over. The slice is valid until the next call.
func (s *Stream) Advance(now time.Time) []Hit {
	s.hits = s.hits[:0]
	for _, st := range s.states {
		s.close(st, now.UnixMicro())
	}
	return s.hits
}

// Stats gives the counts so far.
func (s *Stream) Stats() Stats {
	out := s.stats
	for _, st := range s.states {
		out.Groups += len(st.groups)
	}
	return out
}

// Cut gives how many values were longer than MaxValue so far.
func (s *Stream) Cut() uint64 { return s.m.Cut() }

// feed counts an event in a correlation and says whether its condition holds now.
func (s *Stream) feed(st *corrState, refs []int, fields []Field, t int64) bool {
	s.close(st, t)
	slices.Sort(refs)
	if !st.kind.rules {
		refs = refs[:1] // an event counts once, however many rules speak of it
	}
	holds := false
	for i := len(refs) - 1; i >= 0; i-- { // backwards: one event is one step of a sequence
		ref := refs[i]
		key, ok := appendKey(s.key[:0], fields, st.keys[ref])
		s.key = key
		if !ok {
			s.stats.Ungrouped++
			continue
		}
		g := st.groups[string(key)]
		if g == nil {
			g = s.open(st, string(key), fields, st.keys[ref], t)
		}
		if t < g.last {
			s.stats.Late++
		}
		holds = s.count(st, g, ref, fields, max(t, g.last)) || holds
	}
	return holds
}

// count adds one event to a group.
func (s *Stream) count(st *corrState, g *group, ref int, fields []Field, t int64) bool {
	value := ""
	if st.kind.values {
		key, ok := appendKey(s.key[:0], fields, st.counted[ref])
		s.key = key
		if !ok {
			s.stats.Ungrouped++
			return false
		}
		value = string(key)
	}
	before := g.size()
	g.last = t
	g.add(st, ref, value, t)
	s.stats.Entries += g.size() - before
	if st.closes {
		g.keep(fields, st.needs)
	} else {
		st.touch(g)
	}
	s.bound(st, g)
	if st.closes {
		return false
	}
	n := g.measure(st, t)
	if !st.met(g, n, t) {
		return false
	}
	s.tell(st, g, n, t)
	return true
}

// tell makes a hit, at most one for each group in each timespan.
func (s *Stream) tell(st *corrState, g *group, n int, t int64) {
	if st.rule.Hidden || g.told && t-g.toldAt <= st.span.Microseconds() {
		return
	}
	g.told, g.toldAt = true, t
	hit := Hit{Rule: st.rule, Time: time.UnixMicro(t).UTC(), Count: n}
	for i, name := range st.groupBy {
		hit.Group = append(hit.Group, Field{Name: name, Value: g.names[i]})
	}
	s.hits = append(s.hits, hit)
}

// open begins a group.
func (s *Stream) open(st *corrState, key string, fields []Field, names []string, t int64) *group {
	for n := 0; n < 2 && st.oldest != nil && !st.closes && t-st.oldest.last > st.span.Microseconds(); n++ {
		s.drop(st, st.oldest)
	}
	if len(st.groups) >= s.limits.Groups {
		s.evict(st, t)
	}
	g := &group{key: key, start: t, last: t}
	for _, name := range names {
		v, _ := fieldOf(fields, name)
		g.names = append(g.names, string([]byte(v[:min(len(v), maxKeyValue)])))
	}
	st.groups[key] = g
	st.append(g)
	return g
}

// bound drops the oldest groups while too much is remembered; the group in work stays.
func (s *Stream) bound(st *corrState, keep *group) {
	for i := -1; i < len(s.states) && s.stats.Entries > s.limits.Entries; i++ {
		from := st
		if i >= 0 {
			from = s.states[i]
		}
		for s.stats.Entries > s.limits.Entries && from.oldest != nil && from.oldest != keep {
			s.evict(from, keep.last)
		}
	}
}

// evict drops the oldest group for a limit.
func (s *Stream) evict(st *corrState, t int64) {
	g := st.oldest
	if st.closes || t-g.last <= st.span.Microseconds() {
		s.stats.Evicted++
	}
	s.drop(st, g)
}

func (s *Stream) drop(st *corrState, g *group) {
	s.stats.Entries -= g.size()
	st.remove(g)
	delete(st.groups, g.key)
}

// close ends the windows of a correlation that are over at t, oldest first.
func (s *Stream) close(st *corrState, t int64) {
	span := st.span.Microseconds()
	for st.closes && st.oldest != nil && t-st.oldest.start > span {
		g := st.oldest
		end := g.start + span
		n := g.measure(st, end)
		s.drop(st, g)
		if !st.met(g, n, end) {
			continue
		}
		s.tell(st, g, n, end)
		for _, p := range st.parents {
			s.rise(p, g.kept, end)
		}
	}
}

// rise feeds a closed window to the correlations above; they are at most maxChain.
func (s *Stream) rise(p feed, fields []Field, t int64) {
	st := s.states[p.corr.corr.index]
	if s.feed(st, []int{p.ref}, fields, t) {
		for _, up := range st.parents {
			s.rise(up, fields, t)
		}
	}
}

// maxKeyValue is the length in bytes up to which values are kept as they are; of longer ones their SHA-256 is.
const maxKeyValue = 256

// appendKey appends the values of fields, each with its length, and says whether all are there.
func appendKey(dst []byte, fields []Field, names []string) ([]byte, bool) {
	for _, name := range names {
		v, ok := fieldOf(fields, name)
		if !ok {
			return dst, false
		}
		dst = binary.AppendUvarint(dst, uint64(len(v)))
		if len(v) > maxKeyValue {
			sum := sha256.Sum256([]byte(v))
			dst = append(dst, sum[:]...)
			continue
		}
		dst = append(dst, v...)
	}
	return dst, true
}

// fieldOf gives the first value of a field.
func fieldOf(fields []Field, name string) (string, bool) {
	for i := range fields {
		if fields[i].Name == name && !fields[i].Null {
			return fields[i].Value, true
		}
	}
	return "", false
}
