package sigma

import (
	"fmt"
	"sort"
	"sync"
)

// Rules is a compiled set. It never changes; any number of Matchers and Streams may use it at the same time.
type Rules struct {
	rules  []*Rule // as they stand in the sources
	groups []LogSource
	slots  map[string]int32 // of fields; 0 stands for every field
	// text[s] are the groups, by groupBit, of which some rule is asked only if a literal was found in the field of slot s. Fields without such rules are not scanned: what else rules ask of them is looked for when it is asked.
	text  []uint64
	tests []*test
	// trigger[t] are the rules that may hold only if one of their literals is there, of which t is one.
	trigger [][]int32
	// always[g] are the rules of a group that must be asked about every event.
	always   [][]int32
	keywords []bool // groups that look into every field
	groupOf  []int32
	scan     []*scanner // by slot
	corrs    []*Rule    // every correlation after those that it refers to
	feeds    [][]feed
	pool     sync.Pool // of Matchers, for Match
}

// Compile parses and compiles sources as one set: correlations and filters may refer to rules in other sources. The error is of type Errors and names every fault; if there is any, no rule is compiled.
func Compile(o Options, sources ...Source) (*Rules, error) {
	var errs Errors
	rs := &Rules{slots: map[string]int32{"": 0}}
	var filters []*filter
	made := 0
	for _, s := range sources {
		docs, bad := documents(s)
		if bad != nil {
			errs = append(errs, *bad)
		}
		for _, d := range docs {
			r := &reader{file: s.Name, made: &made, errs: &errs}
			out := r.document(d, o.Placeholders)
			if out.rule != nil {
				rs.rules = append(rs.rules, out.rule)
			}
			if out.filter != nil {
				filters = append(filters, out.filter)
			}
		}
	}
	if len(errs) == 0 {
		rs.link(filters, &errs)
	}
	if len(errs) > 0 {
		return nil, errs
	}
	rs.build()
	return rs, nil
}

// List gives the rules and correlations in the order of their sources; filters are none.
func (rs *Rules) List() []*Rule { return append([]*Rule(nil), rs.rules...) }

// link joins filters to rules and correlations to what they refer to.
func (rs *Rules) link(filters []*filter, errs *Errors) {
	v := newResolver(rs.rules, errs)
	for _, f := range filters {
		v.filter(f, rs.rules)
	}
	for _, r := range rs.rules {
		if r.corr != nil {
			v.correlate(r)
		}
	}
	if len(*errs) > 0 {
		return
	}
	rs.sortCorrelations(errs)
	shown := map[*Rule]bool{}
	for _, r := range rs.corrs {
		for _, ref := range r.corr.rules {
			ref.Hidden = true
			shown[ref] = shown[ref] || r.corr.generate
		}
	}
	for r, s := range shown {
		r.Hidden = !s
	}
}

// filter joins the condition of a filter to that of each rule it is for.
func (v *resolver) filter(f *filter, all []*Rule) {
	join := func(r *Rule) {
		if !r.filtered {
			r.filtered, r.expr = true, &node{op: opAnd, subs: []*node{r.expr}}
		}
		r.expr.subs = append(r.expr.subs, f.expr)
	}
	if f.any {
		for _, r := range all {
			if r.corr == nil && f.source.covers(r.Source) {
				join(r)
			}
		}
		return
	}
	for _, ref := range f.rules {
		r := v.find(f.reader.file, f.title, ref)
		switch {
		case r == nil:
		case r.corr != nil:
			f.reader.failf(ref.value, "%q is a correlation: a filter is for rules", ref.name)
		case !f.source.covers(r.Source):
			f.reader.failf(ref.value, "the logsource of the filter does not cover that of rule %q", ref.name)
		default:
			join(r)
		}
	}
}

// sortCorrelations puts correlations behind those they refer to and refuses circles and long chains.
func (rs *Rules) sortCorrelations(errs *Errors) {
	const working = -1
	depth := map[*Rule]int{}
	var visit func(r *Rule, level int) int
	visit = func(r *Rule, level int) int {
		if d, ok := depth[r]; ok && d != working {
			return d
		}
		if r.corr == nil {
			return 0
		}
		if depth[r] == working || level > maxChain {
			*errs = append(*errs, Error{File: r.File, Line: r.Line, Column: 1, Rule: r.Title, Text: fmt.Sprintf("correlations refer to each other in a circle, or more than %d deep", maxChain)})
			depth[r] = maxChain
			return maxChain
		}
		depth[r] = working
		d := 0
		for _, ref := range r.corr.rules {
			d = max(d, visit(ref, level+1)+1)
			if len(*errs) > 0 {
				break
			}
		}
		depth[r] = d
		return d
	}
	for _, r := range rs.rules {
		if r.corr != nil && len(*errs) == 0 {
			visit(r, 0)
			rs.corrs = append(rs.corrs, r)
		}
	}
	sort.SliceStable(rs.corrs, func(i, k int) bool { return depth[rs.corrs[i]] < depth[rs.corrs[k]] })
}

// build makes the index. Nothing in it depends on the order of maps, so equal sources give equal sets.
func (rs *Rules) build() {
	b := &builder{Rules: rs, keys: map[string]int32{}, group: map[LogSource]int32{}}
	rs.feeds = make([][]feed, len(rs.rules))
	for i, r := range rs.rules {
		r.index = int32(i)
		if r.corr == nil {
			b.addRule(r)
		} else {
			r.group = -1
		}
		rs.groupOf = append(rs.groupOf, r.group)
	}
	b.choose()
	b.literals()
	for i, r := range rs.corrs {
		r.corr.index = i
		for k, ref := range r.corr.rules {
			rs.feeds[ref.index] = append(rs.feeds[ref.index], feed{r, k})
			if ref.corr != nil {
				ref.corr.parents = append(ref.corr.parents, feed{r, k})
			}
		}
	}
	rs.wants()
}

// wants works out which fields of an event a correlation must keep for those above it.
func (rs *Rules) wants() {
	for i := len(rs.corrs) - 1; i >= 0; i-- {
		c := rs.corrs[i].corr
		names := map[string]bool{}
		for _, p := range c.parents {
			for _, list := range [][]string{p.corr.corr.keys[p.ref], p.corr.corr.counted[p.ref], p.corr.corr.needs} {
				for _, n := range list {
					names[n] = true
				}
			}
		}
		for n := range names {
			c.needs = append(c.needs, n)
		}
		sort.Strings(c.needs)
	}
}

// builder holds what is needed while a set is built.
type builder struct {
	*Rules
	keys  map[string]int32 // tests by what they ask
	group map[LogSource]int32
	asked []int    // how many tests ask a field
	users []int32  // how many rules use a test
	masks []uint64 // groups that use a test
	last  []int32  // rule that used the test last
}

func (b *builder) slot(field string) int32 {
	s, ok := b.slots[field]
	if !ok {
		s = int32(len(b.slots))
		b.slots[field] = s
	}
	return s
}

func (b *builder) addRule(r *Rule) {
	g, ok := b.group[r.Source]
	if !ok {
		g = int32(len(b.groups))
		b.group[r.Source] = g
		b.groups = append(b.groups, r.Source)
		b.always = append(b.always, nil)
		b.keywords = append(b.keywords, false)
	}
	r.group = g
	b.compile(r.expr, r)
}

// compile gives the tests of an expression their numbers. An expression that several rules share (of a filter) is visited for each of them.
func (b *builder) compile(n *node, r *Rule) {
	if n.op == opTest {
		if !n.seen {
			n.seen, n.id = true, b.test(n.test)
		}
		b.use(n.id, r)
		return
	}
	for _, sub := range n.subs {
		b.compile(sub, r)
	}
}

func (b *builder) use(id int32, r *Rule) {
	t := b.tests[id]
	if b.last[id] != r.index+1 {
		b.last[id] = r.index + 1
		b.users[id]++
	}
	b.masks[id] |= groupBit(r.group)
	if t.slot == 0 {
		b.keywords[r.group] = true
	}
	for _, g := range t.guardTests {
		b.use(g, r)
	}
}

// groupBit is the bit of a group in a mask; from the 64th on they share.
func groupBit(g int32) uint64 { return 1 << (uint(g) % 64) }

func (b *builder) test(t *test) int32 {
	key := t.key()
	if id, ok := b.keys[key]; ok {
		return id
	}
	var guards []int32
	for _, g := range t.guards {
		guards = append(guards, b.test(g))
	}
	id := int32(len(b.tests))
	b.keys[key] = id
	t.needle = []byte(t.text)
	t.id, t.guardTests, t.guards = id, guards, nil
	t.slot = b.slot(t.field)
	if t.kind == testReference {
		t.otherSlot = b.slot(t.other)
	}
	b.tests = append(b.tests, t)
	b.users, b.masks, b.last = append(b.users, 0), append(b.masks, 0), append(b.last, 0)
	return id
}

// clause is a list of literals of which one must be there for an expression to hold.
type clause struct {
	tests []int32
	cost  int
}

// choose finds for each rule the literals whose absence rules it out: of all such lists, the one whose literals are rarest among the rules, since what many rules ask for is common in events, too.
func (b *builder) choose() {
	b.trigger, b.text = make([][]int32, len(b.tests)), make([]uint64, len(b.slots))
	b.asked = make([]int, len(b.slots))
	for _, t := range b.tests {
		b.asked[t.slot]++
	}
	for _, r := range b.rules {
		if r.corr != nil {
			continue
		}
		c := b.clause(r.expr)
		if c == nil {
			b.always[r.group] = append(b.always[r.group], r.index)
			continue
		}
		for i, t := range c.tests {
			if i == 0 || t != c.tests[i-1] {
				b.trigger[t] = append(b.trigger[t], r.index)
			}
			b.text[b.tests[t].slot] |= groupBit(r.group)
		}
	}
}

// maxClause bounds the literals that stand for one rule.
const maxClause = 4096

func (b *builder) clause(n *node) *clause {
	if n.best != nil {
		if n.best.tests == nil {
			return nil
		}
		return n.best
	}
	c := b.newClause(n)
	if c == nil {
		n.best = &clause{}
		return nil
	}
	sort.Slice(c.tests, func(i, k int) bool { return c.tests[i] < c.tests[k] })
	n.best = c
	return c
}

func (b *builder) newClause(n *node) *clause {
	switch n.op {
	case opTest:
		t := b.tests[n.id]
		if t.kind == testLiteral {
			return &clause{[]int32{n.id}, b.cost(n.id)}
		}
		if len(t.guardTests) == 0 {
			return nil
		}
		c := &clause{tests: append([]int32(nil), t.guardTests...)}
		for _, g := range t.guardTests {
			if b.tests[g].kind != testLiteral {
				return nil
			}
			c.cost += b.cost(g)
		}
		return c
	case opAnd:
		var best *clause
		for _, sub := range n.subs {
			if c := b.clause(sub); c != nil && (best == nil || c.cost < best.cost) {
				best = c
			}
		}
		if best == nil {
			return nil
		}
		return &clause{append([]int32(nil), best.tests...), best.cost}
	case opOr, opAtLeast:
		all := &clause{}
		for _, sub := range n.subs {
			c := b.clause(sub)
			if c == nil || len(all.tests)+len(c.tests) > maxClause {
				return nil
			}
			all.tests, all.cost = append(all.tests, c.tests...), all.cost+c.cost
		}
		if len(all.tests) == 0 {
			return nil
		}
		return all
	}
	return nil
}

// cost is how often a literal is thought to be found: more often the more rules ask for it, and the shorter it is. A field that few tests ask is better not scanned at all.
func (b *builder) cost(id int32) int {
	t := b.tests[id]
	return int(b.users[id]) + 64>>min(len(t.text), 6) + 1000/b.asked[t.slot]
}

// literals builds the pre-filter: a scanner for each field, which also finds keywords; that of slot 0, for fields that no rule names, finds nothing else.
func (b *builder) literals() {
	slots := len(b.slots)
	for slot := range b.text {
		b.text[slot] |= b.text[0] // keywords
	}
	lists := make([][]literal, slots)
	byText := make([]map[string]int, slots)
	enter := func(slot int32, t *test, id int) {
		if byText[slot] == nil {
			byText[slot] = map[string]int{}
		}
		at, have := byText[slot][t.text]
		if !have {
			at = len(lists[slot])
			byText[slot][t.text] = at
			lists[slot] = append(lists[slot], literal{text: t.text})
		}
		l := &lists[slot][at]
		l.uses = append(l.uses, use{t.begin, t.end, int32(id)})
		l.groups |= b.masks[id]
	}
	for id, t := range b.tests {
		if t.kind != testLiteral {
			continue
		}
		enter(t.slot, t, id)
		for slot := int32(1); t.slot == 0 && int(slot) < slots; slot++ {
			enter(slot, t, id)
		}
	}
	for _, list := range lists {
		b.scan = append(b.scan, newScanner(list))
	}
}
