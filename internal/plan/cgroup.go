package plan

import (
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// manyPeers is how many addresses a convicted process talks to before its blocks one by one say too little.
const manyPeers = 4

// groups blocks the control groups of processes that are killed, where that adds something: a process that talks to no
// address that is known, or to many, and that shares its group with nobody but others like it.
func (b *builder) groups(rep *deminer.Report) {
	if b.plan.Host.Asleep() {
		return
	}
	for _, s := range slices.Clone(b.plan.Steps) {
		p := b.guard.procs[s.Action.Target.Proc]
		if s.Action.Verb != deminer.VerbKill || p == nil || !b.elusive(rep, p) {
			continue
		}
		a := deminer.Action{Verb: deminer.VerbBlock, Target: deminer.Artifact{Kind: deminer.KindCgroup, Name: p.Cgroup}}
		if why, _ := b.guard.group(p.Cgroup); why != "" {
			continue // no wish of anybody: it is not said
		}
		a.Args = map[string]deminer.Raw{"members": deminer.Raw(b.guard.inGroup(p.Cgroup)), "if-possible": "yes"}
		why := "the process is convicted, shares its control group with nobody else, and the addresses it needs are not known or many"
		for _, b.ref = range s.For { // it is for whom the kill is for
			b.add(a, deminer.Member{Artifact: a.Target, Why: []string{why}})
		}
	}
}

// elusive reports whether blocking addresses cannot silence a process.
func (b *builder) elusive(rep *deminer.Report, p *deminer.Process) bool {
	peers := map[string]bool{}
	for _, s := range rep.Snapshot.Sockets {
		if ip, _ := split(s.Remote); slices.Contains(s.Owners, p.ID) && ip != "" && !s.Listening() {
			peers[ip] = true
		}
	}
	return len(peers) == 0 || len(peers) >= manyPeers
}

// inGroup lists the processes of a control group and of those below it.
func (g *guard) inGroup(name string) string {
	var ids []deminer.ProcID
	for id, p := range g.procs {
		if within(p.Cgroup, name) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b deminer.ProcID) int { return a.PID - b.PID })
	var words []string
	for _, id := range ids {
		words = append(words, id.String())
	}
	return strings.Join(words, " ")
}

func within(group, name string) bool { return group == name || strings.HasPrefix(group, name+"/") }

// group says why a control group must not be blocked: everybody's, or one in which somebody runs who is not convicted.
func (g *guard) group(name string) (string, string) {
	base := path.Base(name)
	switch {
	case !strings.HasPrefix(name, "/") || path.Clean(name) != name || name == "/":
		return "it is not the control group of one thing", "block addresses instead"
	case strings.HasSuffix(base, ".slice") || base == "init.scope" || strings.HasPrefix(base, "user@"):
		return "others start in this control group, too", "block addresses instead"
	}
	for id, p := range g.procs {
		if !within(p.Cgroup, name) {
			continue
		}
		if slices.Contains(g.host.Self, id) {
			return "you work in this control group", "log in from another session and plan again"
		}
		if why, _ := g.process(id, deminer.Member{}); why != "" || !g.accused[id] {
			return "process " + deminer.Cut(p.Name(), 32) + ", which is not convicted, runs in it", "block addresses instead"
		}
	}
	return "", ""
}
