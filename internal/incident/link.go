package incident

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// flow is a way a conviction may travel: from one ref to another, over an edge with this verb.
type flow struct {
	from, to, verb string
}

// link ties every node to the things around it, and those to theirs, until nothing new comes up.
func (g *graph) link() {
	for i := 0; i < len(g.order); i++ { // order grows while it is walked
		n := g.nodes[g.order[i]]
		switch {
		case n.proc != nil:
			g.linkProcess(n)
		case n.foot != nil:
			g.linkFoothold(n)
		}
		if n.art.Kind == deminer.KindFile {
			g.linkFile(n)
		}
		if n.art.Kind == deminer.KindAccount {
			g.linkAccount(n)
		}
		if len(g.order) > maxNodes {
			break
		}
	}
	g.linkIndicators()
}

// maxNodes bounds the graph: a host where more things than this look bad is described by its first ones.
const maxNodes = 20000

// hard adds an edge over which a conviction travels from a to b.
func (g *graph) hard(a, b deminer.Artifact, verb string) {
	g.edge(a, b, verb, true)
	g.flows = append(g.flows, flow{a.Ref(), b.Ref(), verb})
}

// both adds an edge over which a conviction travels either way.
func (g *graph) both(a, b deminer.Artifact, verb string) {
	g.hard(a, b, verb)
	g.flows = append(g.flows, flow{b.Ref(), a.Ref(), verb})
}

func (g *graph) linkProcess(n *node) {
	p := n.proc
	if !p.Own.Trusted() && p.Own.State != deminer.Owned && p.Exe != "" && p.Container == "" && p.Script() == "" && !p.Runtime() {
		if p.Deleted || p.Memfd {
			for _, f := range g.starts[p.Exe] {
				g.both(f.Artifact(), n.art, "starts")
			}
		} else {
			g.both(n.art, file(p.Exe), "runs the program")
		}
	}
	if s := p.Script(); s != "" && p.Container == "" {
		g.hard(file(s), n.art, "is run by")
	}
	for _, q := range g.children[p.ID.PID] {
		if !q.ChildOf(p) {
			continue
		}
		g.hard(n.art, process(q), "started")
		if p.Exe != "" && p.Exe == q.Exe && !p.Own.Trusted() && p.Script() == "" && !p.Runtime() {
			g.hard(process(q), n.art, "is the same program as")
		}
	}
	if parent := g.procs[p.PPID]; parent != nil && p.ChildOf(parent) && parent.ID.PID > 1 && !parent.Kernel && g.nodes[process(parent).Ref()] != nil {
		g.edge(process(parent), n.art, "started", false)
	}
	if p.Unit == "" || p.Container != "" {
		return
	}
	for _, f := range g.snap.Footholds {
		if f.Name == p.Unit && f.Line == "" && (g.nodes[f.Artifact().Ref()] != nil || slices.Contains(f.Targets, p.Exe) || slices.Contains(f.Targets, p.Script())) {
			g.edge(f.Artifact(), n.art, "runs", false)
		}
	}
}

func (g *graph) linkFoothold(n *node) {
	f := n.foot
	for i, t := range f.Targets {
		if i < len(f.TargetOwn) && f.TargetOwn[i].State == deminer.Unowned {
			g.both(n.art, file(t), "starts")
		}
	}
	if f.Name == "" || f.Line != "" {
		return
	}
	for _, p := range g.units[f.Name] {
		if movedIn(f, p) {
			g.edge(n.art, process(p), "has in its control group", false)
			continue
		}
		g.flows = append(g.flows, flow{n.ref, process(p).Ref(), "runs"})
		g.edge(n.art, process(p), "runs", true)
	}
}

// movedIn reports whether a process was there before the unit in whose control group it is, and runs nothing that the unit
// starts: whoever made the unit may have put an owner's process into its group.
func movedIn(f *deminer.Foothold, p *deminer.Process) bool {
	const slack = 2 * time.Second // clock ticks, and the time of boot, are rounded
	return !f.Attr.Btime.IsZero() && !p.Started.IsZero() && p.Started.Before(f.Attr.Btime.Add(-slack)) &&
		!slices.Contains(f.Targets, p.Exe) && !slices.Contains(f.Targets, p.Script())
}

func (g *graph) linkFile(n *node) {
	name := string(n.art.Path)
	if n.own.Trusted() || n.own.State == deminer.Owned {
		return
	}
	for _, p := range g.runs[name] {
		if !p.Deleted && p.Script() == "" && !p.Runtime() { // an interpreter runs many things; each script answers for itself
			g.both(process(p), n.art, "runs the program")
		}
	}
	for _, f := range g.starts[name] {
		g.both(f.Artifact(), n.art, "starts")
	}
	for _, p := range g.scripts[name] {
		g.hard(n.art, process(p), "is run by")
	}
}

// linkAccount ties an account to what runs as it and to what lies in its home. Only ordinary uids: root runs everything.
func (g *graph) linkAccount(n *node) {
	i := slices.IndexFunc(g.snap.Accounts, func(a deminer.Account) bool { return a.Name == n.art.Name })
	if i < 0 {
		return
	}
	a := g.snap.Accounts[i]
	shared := slices.ContainsFunc(g.snap.Accounts, func(b deminer.Account) bool { return b.Name != a.Name && b.UID == a.UID })
	// An account that is known by name or by being root's twin is the intruder's whole. One that was only let in to (a key
	// sprayed into every home) keeps what nothing else speaks against.
	whole := slices.ContainsFunc(n.findings, func(i int) bool { return g.found[i].Class == deminer.ByIdentity }) || a.UID == 0
	bad := func(b deminer.Artifact) bool { return whole || g.accused[b.Ref()] }
	for j := range g.snap.Processes {
		if p := &g.snap.Processes[j]; p.UID == a.UID && a.UID >= 1000 && !shared && bad(process(p)) {
			g.hard(n.art, process(p), "runs")
		}
	}
	for j := range g.snap.Footholds {
		f := &g.snap.Footholds[j]
		if !bad(f.Artifact()) {
			continue
		}
		switch f.ID {
		case "PL-18", "PL-01", "PL-03": // keys, cron and at: what is in a home besides is judged by itself
			if f.User == a.Name && a.UID != 0 {
				g.hard(n.art, f.Artifact(), "lets in or runs")
			}
		case "PL-22":
			if f.User == a.Name || f.Name == a.Name {
				g.hard(n.art, f.Artifact(), "is named in")
			}
		}
	}
}

// joining are the indicators that only one intruder has: two things that share one belong together.
var joining = []string{"wallet", "key", "sha256", "url", "pool", "ip", "domain"}

func (g *graph) linkIndicators() {
	first := map[deminer.Indicator]deminer.Artifact{}
	for _, f := range g.found {
		if advisory(f) {
			continue
		}
		for _, i := range f.Indicators {
			if !slices.Contains(joining, i.Kind) {
				continue
			}
			other, ok := first[i]
			switch {
			case !ok:
				first[i] = f.Subject
			case i.Kind == "sha256":
				g.both(other, f.Subject, "has the same content as")
			default:
				g.edge(other, f.Subject, fmt.Sprintf("same %s %s", i.Kind, deminer.Cut(i.Value, 40)), false)
			}
		}
	}
}

// linkAddresses adds the far ends that convicted processes talk to, so that they can be blocked.
func (g *graph) linkAddresses() {
	bad := map[deminer.ProcID]*node{}
	for _, ref := range g.order {
		if n := g.nodes[ref]; n.proc != nil && n.grade == deminer.Convicted && !n.trusted() {
			bad[n.proc.ID] = n
		}
	}
	served := map[string]bool{} // local ends that listen: a connection to one of them came in
	for _, s := range g.snap.Sockets {
		if s.Listening() {
			if a, err := netip.ParseAddrPort(s.Local); err == nil {
				served[fmt.Sprint(a.Port())] = true
			}
		}
	}
	for _, s := range g.snap.Sockets {
		remote, err := netip.ParseAddrPort(s.Remote)
		local, _ := netip.ParseAddrPort(s.Local)
		if err != nil || s.Listening() || served[fmt.Sprint(local.Port())] || remote.Addr().IsLoopback() || remote.Addr().IsUnspecified() {
			continue
		}
		for _, id := range s.Owners {
			if n := bad[id]; n != nil {
				a := deminer.Artifact{Kind: deminer.KindAddress, Addr: remote.String()}
				g.hard(n.art, a, "talks to")
				g.nodes[a.Ref()].since = n.since
			}
		}
	}
}

// linkNames ties what names a convicted address (a firewall line, a hosts line, a configuration) to it.
func (g *graph) linkNames() {
	addrs := map[string]deminer.Artifact{}
	for _, ref := range g.order {
		if n := g.nodes[ref]; n.art.Kind == deminer.KindAddress && n.grade == deminer.Convicted {
			if a, err := netip.ParseAddrPort(n.art.Addr); err == nil {
				addrs[a.Addr().Unmap().String()] = n.art
			}
		}
	}
	for _, f := range g.found {
		if advisory(f) || f.Subject.Kind == deminer.KindAddress {
			continue
		}
		for _, i := range f.Indicators {
			host, _, _ := strings.Cut(i.Value, ":")
			a, ok := addrs[host]
			if !ok {
				continue
			}
			if i.Kind == "ip" || i.Kind == "pool" {
				g.hard(a, f.Subject, "is named by")
			}
		}
	}
}

// newDirs is the detector that speaks of directories made with the intrusion. They go when they are empty in the end, and
// only if something of the intruder's lay in them.
const newDirs = "kit-directory"

func (g *graph) linkNewDirs() {
	for _, f := range g.found {
		if f.Detector != newDirs {
			continue
		}
		for _, a := range f.Also {
			g.hard(a, f.Subject, "came with the directory")
		}
		for _, ref := range slices.Clone(g.order) {
			n := g.nodes[ref]
			if n.grade == deminer.Convicted && g.takesFrom(n, string(f.Subject.Path)+"/") {
				g.hard(n.art, f.Subject, "lay in")
			}
		}
	}
}

// takesFrom reports whether a thing lies below a directory, or what goes with it does: the link that enables a unit.
func (g *graph) takesFrom(n *node, dir string) bool {
	if strings.HasPrefix(string(n.art.Path), dir) {
		return true
	}
	return n.foot != nil && n.foot.Line == "" && slices.ContainsFunc(n.foot.Remove, func(a deminer.Action) bool {
		return (a.Verb == deminer.VerbDropFile || a.Verb == deminer.VerbQuarantine) && strings.HasPrefix(string(a.Target.Path), dir)
	})
}

// dir is the directory of a file, "" for other things.
func (n *node) dir() string {
	if n.art.Kind != deminer.KindFile {
		return ""
	}
	return path.Dir(string(n.art.Path))
}

// sameDir reports whether both are files in one directory that is nobody else's: not a system or shared one.
func sameDir(a, b *node) bool {
	return a.dir() != "" && a.dir() == b.dir() && !deminer.SharedDir(a.dir())
}
