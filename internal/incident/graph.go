package incident

import (
	"slices"

	"github.com/deminer/deminer"
)

// graph holds the nodes by ref and the edges between them.
type graph struct {
	snap  *deminer.Snapshot
	found []deminer.Finding
	nodes map[string]*node
	order []string // refs in the order of their first mention
	edges []deminer.Edge
	procs map[int]*deminer.Process
	foots map[string]*deminer.Foothold // by artifact ref
	// starts lists the footholds that start, load or name a path.
	starts map[string][]*deminer.Foothold
	runs   map[string][]*deminer.Process // by exe path
	// scripts, units and children list processes by the script they run, their unit, and their parent; of a container they
	// are only among the children.
	scripts, units map[string][]*deminer.Process
	children       map[int][]*deminer.Process
	flows          []flow
	// accused are the refs of which a finding above weak speaks.
	accused map[string]bool
	tied    map[string]bool // edges there are, by ends and verb
	// spared are the refs of what an owner and an intruder wrote together: a finding speaks of the intruder's commands in it, so
	// that nothing around them convicts the whole.
	spared map[string]bool
}

// listProcesses fills the tables of processes: a host may have ten thousand, and a flood of them as many nodes.
func (g *graph) listProcesses() {
	g.scripts, g.units, g.children = map[string][]*deminer.Process{}, map[string][]*deminer.Process{}, map[int][]*deminer.Process{}
	for i := range g.snap.Processes {
		p := &g.snap.Processes[i]
		g.procs[p.ID.PID] = p
		if !p.Kernel {
			g.children[p.PPID] = append(g.children[p.PPID], p)
		}
		if p.Container != "" {
			continue
		}
		if p.Exe != "" {
			g.runs[p.Exe] = append(g.runs[p.Exe], p)
		}
		if s := p.Script(); s != "" {
			g.scripts[s] = append(g.scripts[s], p)
		}
		if p.Unit != "" && !p.Kernel {
			g.units[p.Unit] = append(g.units[p.Unit], p)
		}
	}
}

func newGraph(snap *deminer.Snapshot, found []deminer.Finding) *graph {
	g := &graph{snap: snap, found: found, nodes: map[string]*node{}, procs: map[int]*deminer.Process{},
		foots: map[string]*deminer.Foothold{}, starts: map[string][]*deminer.Foothold{}, runs: map[string][]*deminer.Process{}, tied: map[string]bool{}, accused: map[string]bool{}, spared: map[string]bool{}}
	g.listProcesses()
	for i := range snap.Footholds {
		f := &snap.Footholds[i]
		if g.foots[f.Artifact().Ref()] == nil {
			g.foots[f.Artifact().Ref()] = f
		}
		for _, t := range f.Targets {
			g.starts[t] = append(g.starts[t], f)
		}
	}
	g.share()
	for i, f := range found {
		if advisory(f) {
			continue
		}
		n := g.node(f.Subject)
		n.findings = append(n.findings, i)
		g.accused[n.ref] = g.accused[n.ref] || f.Tier == deminer.Proof || f.Tier == deminer.Strong
		n.since = earlier(n.since, f.Time)
		for _, a := range f.Also {
			g.edge(f.Subject, a, "named by the same evidence", false)
		}
	}
	return g
}

// share puts the commands of what is written together in the place of the whole, where a finding speaks of one of them.
func (g *graph) share() {
	spoken := map[string]bool{}
	for _, f := range g.found {
		if f.Tier == deminer.Proof || f.Tier == deminer.Strong {
			spoken[f.Subject.Ref()] = true
		}
	}
	for i := range g.snap.Shared {
		s := &g.snap.Shared[i]
		whole := s.Whole.Ref()
		if spoken[whole] || !slices.ContainsFunc(s.Parts, func(p deminer.Foothold) bool { return spoken[p.Artifact().Ref()] }) {
			continue
		}
		g.spared[whole] = true
		for t, list := range g.starts {
			g.starts[t] = slices.DeleteFunc(list, func(f *deminer.Foothold) bool { return f.Artifact().Ref() == whole })
		}
		for j := range s.Parts {
			p := &s.Parts[j]
			g.foots[p.Artifact().Ref()] = p
			for _, t := range p.Targets {
				g.starts[t] = append(g.starts[t], p)
			}
		}
	}
}

// node finds or makes the node of an artifact.
func (g *graph) node(a deminer.Artifact) *node {
	ref := a.Ref()
	if n := g.nodes[ref]; n != nil {
		return n
	}
	n := &node{ref: ref, art: a, grade: deminer.Review}
	switch a.Kind {
	case deminer.KindProcess:
		if p := g.procs[a.Proc.PID]; p != nil && p.ID == a.Proc {
			n.proc, n.since = p, p.Started
			n.art.Name = p.Name()
		}
	case deminer.KindFile, deminer.KindLine:
		if f := g.foots[ref]; f != nil {
			n.foot, n.since = f, f.Attr.Mtime
			n.art.Mechanism = f.Mechanism
			if !f.Attr.Btime.IsZero() && f.Line == "" {
				n.since = f.Attr.Btime
			}
		}
		n.own = g.provenance(string(a.Path))
	}
	g.nodes[ref] = n
	g.order = append(g.order, ref)
	return n
}

// provenance finds what gather learned of a path: as a program that runs or as what a foothold starts or is.
func (g *graph) provenance(name string) deminer.Provenance {
	for _, p := range g.runs[name] {
		if p.Own.State != "" && !p.Deleted {
			return p.Own
		}
	}
	for _, f := range g.starts[name] {
		if i := slices.Index(f.Targets, name); i >= 0 && i < len(f.TargetOwn) {
			return f.TargetOwn[i]
		}
	}
	if f := g.foots["file:"+name]; f != nil {
		return f.Own
	}
	return deminer.Provenance{}
}

func (g *graph) edge(from, to deminer.Artifact, verb string, hard bool) {
	a, b := g.node(from), g.node(to)
	if a == b {
		return
	}
	key := a.ref + "\x00" + b.ref + "\x00" + verb
	if g.tied[key] {
		return
	}
	g.tied[key] = true
	g.edges = append(g.edges, deminer.Edge{From: a.ref, To: b.ref, Verb: verb, Hard: hard})
}

func process(p *deminer.Process) deminer.Artifact {
	return deminer.Artifact{Kind: deminer.KindProcess, Proc: p.ID, Name: p.Name()}
}

func file(name string) deminer.Artifact {
	return deminer.Artifact{Kind: deminer.KindFile, Path: deminer.Raw(name)}
}
