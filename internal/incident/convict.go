package incident

import (
	"fmt"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// identity are the edges between two names of one thing: a program and its process, a starter and what it starts.
// Evidence on either end speaks of both.
var identity = []string{"runs the program", "starts", "is run by", "has the same content as"}

// convict grades every node: by its own evidence first, then by what it is tied to.
func (g *graph) convict() {
	near := g.neighbors()
	for _, ref := range g.order {
		g.judge(g.nodes[ref], near[ref])
	}
	g.spread()
	g.linkAddresses()
	g.spread()
	g.linkNames()
	g.spread()
	g.linkNewDirs()
	g.spread()
	g.spareMixed()
	g.explainRuntimes()
}

// explainRuntimes says of a convicted worker of a pool why nothing else of the pool is acted on.
func (g *graph) explainRuntimes() {
	for _, ref := range g.order {
		if n := g.nodes[ref]; n.grade == deminer.Convicted && n.proc != nil && n.proc.Runtime() && n.proc.Script() == "" && !n.trusted() {
			n.why = append(n.why, fmt.Sprintf("only this process and what it started is acted on: its program, %s, runs what others give it; its master, the other processes of it and the program stay", deminer.Safe(n.proc.Exe)))
		}
	}
}

// mixed reports whether a foothold starts several programs that no package owns, and is not convicted by what it says
// itself: then one of them may be the owner's, into whose entry the intruder wrote.
func (g *graph) mixed(n *node) bool {
	if n.foot == nil {
		return false
	}
	foreign := 0
	for _, own := range n.foot.TargetOwn {
		if own.State == deminer.Unowned {
			foreign++
		}
	}
	proof, strong := g.evidence(n)
	return foreign > 1 && len(proof) == 0 && len(classesOf(strong)) < 2
}

// spareMixed leaves an entry to the owner that starts, beside what is convicted, something that nothing speaks against.
func (g *graph) spareMixed() {
	for _, ref := range g.order {
		n := g.nodes[ref]
		if n.grade != deminer.Convicted || !g.mixed(n) {
			continue
		}
		for i, t := range n.foot.Targets {
			if i >= len(n.foot.TargetOwn) || n.foot.TargetOwn[i].State != deminer.Unowned {
				continue
			}
			if m := g.nodes[file(t).Ref()]; m == nil || m.grade != deminer.Convicted {
				n.grade = deminer.Suspected
				n.why = append(n.why, fmt.Sprintf("not acted on: it starts %s, too, which nothing speaks against; cut the bad command by hand", deminer.Safe(t)))
				break
			}
		}
	}
}

// neighbors lists for each ref the refs that are another name of the same thing.
func (g *graph) neighbors() map[string][]string {
	near := map[string][]string{}
	for _, e := range g.edges {
		if slices.Contains(identity, e.Verb) && !g.nodes[e.From].trusted() && !g.nodes[e.To].trusted() {
			near[e.From] = append(near[e.From], e.To)
			near[e.To] = append(near[e.To], e.From)
		}
	}
	return near
}

// judge applies the rule "one proof, or two strong signs of different classes".
func (g *graph) judge(n *node, near []string) {
	proof, own := g.evidence(n)
	for _, f := range append(proof, own...) {
		n.why = append(n.why, fmt.Sprintf("%s: %s", f.Tier, f.Title))
	}
	classes := classesOf(own)
	reach := slices.Clone(classes)
	for _, ref := range near {
		_, strong := g.evidence(g.nodes[ref])
		reach = append(reach, classesOf(strong)...)
	}
	switch {
	case n.trusted() && !g.overrides(n, proof):
		if len(own)+len(proof) > 0 {
			n.grade = deminer.Suspected
			n.why = append(n.why, "not acted on: "+provenanceOf(n).String())
		}
	case len(proof) > 0:
		n.grade = deminer.Convicted
	case len(classes) > 0 && len(unique(reach)) >= 2:
		n.grade = deminer.Convicted
		n.why = append(n.why, fmt.Sprintf("together: %d independent strong signs (%s)", len(unique(reach)), words(unique(reach))))
	case len(own) > 0:
		n.grade = deminer.Suspected
		n.why = append(n.why, alone)
	}
}

// alone explains a suspect.
const alone = "one strong sign alone does not convict"

// overrides tells when a proof speaks of a thing although a package owns it: a process whose memory or traffic mines (an
// injected or misused program), a single line of a packaged file, or a file in the place of a packaged one.
func (g *graph) overrides(n *node, proof []deminer.Finding) bool {
	if n.proc != nil && n.proc.Kernel {
		return false
	}
	return slices.ContainsFunc(proof, func(f deminer.Finding) bool {
		return n.proc != nil && (f.Class == deminer.ByContent || f.Class == deminer.ByNetwork) || n.art.Kind == deminer.KindLine || n.replaced(f)
	})
}

func (g *graph) evidence(n *node) (proof, strong []deminer.Finding) {
	for _, i := range n.findings {
		switch f := g.found[i]; f.Tier {
		case deminer.Proof:
			proof = append(proof, f)
		case deminer.Strong:
			strong = append(strong, f)
		}
	}
	return proof, strong
}

func classesOf(found []deminer.Finding) (out []deminer.Class) {
	for _, f := range found {
		out = append(out, f.Class)
	}
	return unique(out)
}

func provenanceOf(n *node) deminer.Provenance {
	if n.proc != nil {
		return n.proc.Own
	}
	if n.foot != nil {
		return n.foot.Own
	}
	return n.own
}

func words(classes []deminer.Class) string {
	var out []string
	for _, c := range classes {
		out = append(out, string(c))
	}
	return strings.Join(out, ", ")
}

// spread carries convictions along hard edges until nothing changes. It stops at what a package owns unchanged; a
// trusted program is carried only downwards, when a convicted process or script runs it.
func (g *graph) spread() {
	for changed := true; changed; {
		changed = false
		for _, f := range g.flows {
			from, to := g.nodes[f.from], g.nodes[f.to]
			if from == nil || to == nil || from.grade != deminer.Convicted || to.grade == deminer.Convicted || !g.carries(f, from, to) {
				continue
			}
			if to.hosts() {
				changed = to.leave(fmt.Sprintf("not acted on: %s %s it, but other systems run in it; look into them one by one", from.art, f.verb)) || changed
				continue
			}
			to.grade, to.tied, changed = deminer.Convicted, true, true
			to.why = slices.DeleteFunc(to.why, func(w string) bool { return w == alone })
			to.why = append(to.why, fmt.Sprintf("tied: %s %s it", from.art, f.verb))
		}
	}
}

// leave makes a node a suspect, if it is none yet, and says why.
func (n *node) leave(why string) bool {
	if n.grade == deminer.Suspected {
		return false
	}
	n.grade, n.why = deminer.Suspected, append(n.why, why)
	return true
}

// hosts reports a packaged program in which other systems run. Whoever started it is not whoever works in them: a conviction
// neither takes it along nor passes through it.
func (n *node) hosts() bool { return n.proc != nil && n.proc.Hosts() && n.trusted() }

func (g *graph) carries(f flow, from, to *node) bool {
	if from.hosts() {
		return false
	}
	if to.proc != nil && (to.proc.Kernel || to.proc.ID.PID == 1 || slices.Contains(g.snap.Host.Self, to.proc.ID)) {
		return false
	}
	if g.spared[to.ref] || g.spared[from.ref] {
		return false // what is the intruder's in it has a name of its own
	}
	if g.mixed(from) && (f.verb == "starts" || f.verb == "runs") {
		return false // which of the programs it starts is bad, the entry does not say
	}
	if !to.trusted() {
		// A program convicted only by what it is tied to does not pass the blame on to the next starter.
		return !(from.tied && f.verb == "starts" && to.foot != nil && from.art.Kind == deminer.KindFile && from.own.State == "")
	}
	return to.proc != nil && !from.trusted() && (f.verb == "started" || f.verb == "is run by") && to.art.Kind == deminer.KindProcess
}
