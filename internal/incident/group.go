package incident

import (
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// near is how close two changes must be to count as one visit of an intruder.
const near = 10 * time.Minute

// groups gathers the nodes into incidents: what is tied, then what happened at the same time, then what is left beside
// exactly one intrusion. A group without a convicted member is no incident.
func (g *graph) groups() [][]*node {
	u := newUnion(g)
	for _, e := range g.edges {
		a, b := g.nodes[e.From], g.nodes[e.To]
		if a.grade != deminer.Review && b.grade != deminer.Review || a.grade == deminer.Convicted || b.grade == deminer.Convicted {
			if shown(a) && shown(b) {
				u.join(a.ref, b.ref)
			}
		}
	}
	g.joinNeighbors(u, "lies in the same directory as", func(a, b *node) int { return strings.Compare(a.dir(), b.dir()) }, sameDir)
	g.joinNeighbors(u, "was written within ten minutes of", func(a, b *node) int { return a.since.Compare(b.since) }, func(a, b *node) bool {
		return !a.since.IsZero() && !b.since.IsZero() && b.since.Sub(a.since) <= near
	})
	g.joinRest(u)
	var out [][]*node
	for _, group := range u.sets(g) {
		if slices.ContainsFunc(group, func(n *node) bool { return n.grade == deminer.Convicted }) {
			out = append(out, group)
		}
	}
	return out
}

// shown leaves out what was only looked through: bystanders with no evidence of their own and no conviction.
func shown(n *node) bool { return n.grade != deminer.Review || len(n.findings) > 0 }

// joinNeighbors ties nodes of at least suspected grade that stand side by side in the given order and satisfy the test,
// if they are not in one group yet.
func (g *graph) joinNeighbors(u *union, verb string, order func(a, b *node) int, test func(a, b *node) bool) {
	var live []*node
	for _, ref := range g.order {
		if n := g.nodes[ref]; n.grade != deminer.Review {
			live = append(live, n)
		}
	}
	slices.SortStableFunc(live, order)
	for i := 1; i < len(live); i++ {
		a, b := live[i-1], live[i]
		if u.find(a.ref) != u.find(b.ref) && test(a, b) {
			g.edge(b.art, a.art, verb, false)
			u.join(a.ref, b.ref)
		}
	}
}

// joinRest adds convicted things without a tie to the only intrusion that runs or returns, if there is exactly one.
func (g *graph) joinRest(u *union) {
	var cores, rest [][]*node
	for _, group := range u.sets(g) {
		convicted := slices.ContainsFunc(group, func(n *node) bool { return n.grade == deminer.Convicted })
		runs := slices.ContainsFunc(group, func(n *node) bool { return n.proc != nil && n.grade == deminer.Convicted })
		if runs {
			cores = append(cores, group)
		} else if convicted {
			rest = append(rest, group)
		}
	}
	if len(cores) == 0 && len(rest) > 1 {
		slices.SortStableFunc(rest, func(a, b []*node) int { return len(b) - len(a) })
		cores, rest = rest[:1], rest[1:]
	}
	if len(cores) != 1 {
		return
	}
	for _, group := range rest {
		g.edge(cores[0][0].art, group[0].art, "is the only other intrusion found beside", false)
		u.join(cores[0][0].ref, group[0].ref)
	}
}

type union struct{ parent map[string]string }

func newUnion(g *graph) *union {
	u := &union{map[string]string{}}
	for _, ref := range g.order {
		u.parent[ref] = ref
	}
	return u
}

func (u *union) find(ref string) string {
	for u.parent[ref] != ref {
		u.parent[ref] = u.parent[u.parent[ref]]
		ref = u.parent[ref]
	}
	return ref
}

func (u *union) join(a, b string) { u.parent[u.find(a)] = u.find(b) }

// sets lists the groups in the order of their first node, bystanders left out.
func (u *union) sets(g *graph) [][]*node {
	at := map[string]int{}
	var out [][]*node
	for _, ref := range g.order {
		n := g.nodes[ref]
		if !shown(n) {
			continue
		}
		root := u.find(ref)
		i, ok := at[root]
		if !ok {
			i = len(out)
			at[root] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], n)
	}
	return out
}
