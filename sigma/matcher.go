package sigma

import (
	"slices"
)

// Matcher asks a set about events, one after the other. It is for one goroutine at a time; it takes no locks, and once it has seen some events it allocates nothing.
type Matcher struct {
	rs     *Rules
	plans  map[LogSource]*plan
	plan   *plan
	groups uint64 // of plan
	values []fieldValue
	first  []int32 // slot -> 1 + index of its first value
	truth  []uint64
	known  []uint64 // tests beyond literals that have been asked
	seen   []uint32 // rule -> round in which it became a candidate
	round  uint32
	todo   []int32
	hits   []*Rule
	folded []byte
	raw    []byte
	cut    uint64
}

// plan is what a log source means for a set.
type plan struct {
	source LogSource
	active []bool // groups
	groups uint64 // their bits
	always []int32
	every  bool // keywords look into every field
}

// fieldValue is a value of a field of the event in work.
type fieldValue struct {
	text   string
	folded []byte
	slot   int32
	next   int32 // 1 + index of the next value of the same field
	null   bool
	done   bool // folded is set
}

// maxPlans bounds the log sources that a Matcher remembers.
const maxPlans = 256

// maxKept bounds the bytes a Matcher keeps between two events.
const maxKept = 1 << 20

// NewMatcher makes a Matcher for the set.
func (rs *Rules) NewMatcher() *Matcher {
	words := (len(rs.tests) + 63) / 64
	return &Matcher{
		rs: rs, plans: map[LogSource]*plan{}, first: make([]int32, len(rs.slots)),
		truth: make([]uint64, words), known: make([]uint64, words), seen: make([]uint32, len(rs.rules)),
	}
}

// MatchAll is Match with the hidden rules.
func (m *Matcher) MatchAll(ev *Event) []*Rule {
	m.match(ev)
	return m.hits
}

// Match gives the rules that speak of an event, in the order of their sources; the slice is valid until the next call. Correlations and hidden rules are not among them: see Stream.
func (m *Matcher) Match(ev *Event) []*Rule {
	m.match(ev)
	shown := m.hits[:0]
	for _, r := range m.hits {
		if !r.Hidden {
			shown = append(shown, r)
		}
	}
	return shown
}

// Cut gives how many values were longer than MaxValue so far; only their beginning was looked at.
func (m *Matcher) Cut() uint64 { return m.cut }

// match fills m.hits.
func (m *Matcher) match(ev *Event) {
	m.begin(ev)
	m.load(ev)
	for i := range m.values {
		v := &m.values[i]
		if !v.null && m.rs.text[v.slot]&m.groups != 0 {
			m.rs.scan[v.slot].find(m.fold(v), m)
		}
	}
	for _, r := range m.plan.always {
		m.ask(r)
	}
	for _, r := range m.todo {
		m.ask(r)
	}
	slices.SortFunc(m.hits, func(a, b *Rule) int { return int(a.index - b.index) })
}

func (m *Matcher) ask(r int32) {
	if rule := m.rs.rules[r]; m.holds(rule.expr) {
		m.hits = append(m.hits, rule)
	}
}

// begin forgets the event before.
func (m *Matcher) begin(ev *Event) {
	if cap(m.folded)+cap(m.raw) > maxKept {
		m.folded, m.raw = nil, nil
	}
	clear(m.values)
	clear(m.first)
	clear(m.truth)
	clear(m.known)
	m.values, m.todo, m.hits, m.folded, m.raw = m.values[:0], m.todo[:0], m.hits[:0], m.folded[:0], m.raw[:0]
	if m.round++; m.round == 0 {
		clear(m.seen)
		m.round = 1
	}
	if m.plan == nil || m.plan.source != ev.Source {
		m.plan = m.planFor(ev.Source)
		m.groups = m.plan.groups
	}
}

func (m *Matcher) planFor(s LogSource) *plan {
	if p := m.plans[s]; p != nil {
		return p
	}
	if len(m.plans) >= maxPlans {
		clear(m.plans)
	}
	p := &plan{source: s, active: make([]bool, len(m.rs.groups))}
	for g, want := range m.rs.groups {
		if want.covers(s.lower()) {
			p.active[g] = true
			p.groups |= groupBit(int32(g))
			p.always = append(p.always, m.rs.always[g]...)
			p.every = p.every || m.rs.keywords[g]
		}
	}
	m.plans[s] = p
	return p
}

// load takes over the fields that the set asks for.
func (m *Matcher) load(ev *Event) {
	for i := range ev.Fields {
		f := &ev.Fields[i]
		slot, ok := m.rs.slots[f.Name]
		if !ok || slot == 0 {
			if slot = unknown; !m.plan.every {
				continue
			}
		}
		v := fieldValue{text: f.Value, slot: slot, null: f.Null}
		if len(v.text) > MaxValue {
			v.text = v.text[:MaxValue]
			m.cut++
		}
		if slot > 0 {
			v.next = m.first[slot]
			m.first[slot] = int32(len(m.values)) + 1
		}
		m.values = append(m.values, v)
	}
}

func (m *Matcher) fold(v *fieldValue) []byte {
	if !v.done {
		from := len(m.folded)
		m.folded = appendFold(m.folded, v.text)
		v.folded, v.done = m.folded[from:len(m.folded):len(m.folded)], true
	}
	return v.folded
}

// found notes that a literal test holds, and which rules are worth asking because of it.
func (m *Matcher) found(t int32) {
	if m.truth[t/64]&(1<<(t%64)) != 0 {
		return
	}
	m.truth[t/64] |= 1 << (t % 64)
	for _, r := range m.rs.trigger[t] {
		if m.seen[r] != m.round && m.plan.active[m.rs.groupOf[r]] {
			m.seen[r] = m.round
			m.todo = append(m.todo, r)
		}
	}
}

// holds evaluates an expression. Its depth is that of the parentheses in a condition, which is bounded.
func (m *Matcher) holds(n *node) bool {
	switch n.op {
	case opTest:
		return m.test(n.id)
	case opAnd:
		for _, sub := range n.subs {
			if !m.holds(sub) {
				return false
			}
		}
		return true
	case opOr:
		for _, sub := range n.subs {
			if m.holds(sub) {
				return true
			}
		}
		return false
	case opNot:
		return !m.holds(n.subs[0])
	}
	count := 0
	for i, sub := range n.subs {
		if m.holds(sub) {
			count++
		}
		if count >= n.n || count+len(n.subs)-i-1 < n.n {
			break
		}
	}
	return count >= n.n
}

// test answers a test, once for each event.
func (m *Matcher) test(id int32) bool {
	bit := uint64(1) << (id % 64)
	if m.truth[id/64]&bit != 0 {
		return true
	}
	t := m.rs.tests[id]
	if m.known[id/64]&bit != 0 || t.kind == testLiteral && m.rs.text[t.slot]&m.groups != 0 {
		return false
	}
	m.known[id/64] |= bit
	possible := len(t.guardTests) == 0
	for _, g := range t.guardTests {
		possible = possible || m.test(g)
	}
	if possible && m.evaluate(t) {
		m.truth[id/64] |= bit
		return true
	}
	return false
}

// evaluate asks every value of a test's field.
func (m *Matcher) evaluate(t *test) bool {
	if t.slot == 0 {
		for i := range m.values {
			if v := &m.values[i]; !v.null && m.value(t, v) {
				return true
			}
		}
		return false
	}
	first := m.first[t.slot]
	switch t.kind {
	case testExists:
		return first != 0 == t.want
	case testNull:
		if first == 0 {
			return true
		}
	}
	for i := first; i != 0; i = m.values[i-1].next {
		v := &m.values[i-1]
		if v.null {
			if t.kind == testNull {
				return true
			}
			continue
		}
		if m.value(t, v) {
			return true
		}
	}
	return false
}

// value asks one value.
func (m *Matcher) value(t *test, v *fieldValue) bool {
	switch t.kind {
	case testLiteral:
		return t.in(m.fold(v))
	case testGlob:
		return t.glob.match(m.bytes(t, v))
	case testRegex:
		return t.re.MatchString(v.text)
	case testNetwork:
		return inNetwork(v.text, t.network)
	case testNumber:
		n, ok := parseNumber(v.text)
		return ok && t.op.holds(n.order(t.number))
	case testTime:
		n, ok := timePart(v.text, t.unit)
		return ok && t.op.holds(number{whole: true, i: n, f: float64(n)}.order(t.number))
	case testReference:
		for i := m.first[t.otherSlot]; i != 0; i = m.values[i-1].next {
			if o := &m.values[i-1]; !o.null && refers(t, m.bytes(t, v), m.bytes(t, o)) {
				return true
			}
		}
	}
	return false
}

// bytes gives a value in the form that a test compares.
func (m *Matcher) bytes(t *test, v *fieldValue) []byte {
	from := len(m.raw)
	switch {
	case t.cased:
		m.raw = append(m.raw, v.text...)
	case t.bytes:
		m.raw = appendFoldASCII(m.raw, v.text)
	default:
		return m.fold(v)
	}
	return m.raw[from:]
}

// Match is NewMatcher and Match for callers with few events; the slice is theirs. Any number of goroutines may call it.
func (rs *Rules) Match(ev *Event) []*Rule {
	m, _ := rs.pool.Get().(*Matcher)
	if m == nil {
		m = rs.NewMatcher()
	}
	out := slices.Clone(m.Match(ev))
	rs.pool.Put(m)
	return out
}
