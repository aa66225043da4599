package sigma

import "sort"

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
