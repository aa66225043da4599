package scan

import (
	"context"
	"path"
	"slices"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/accounts"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/persist"
)

// Around says where something happened. What surrounds it is looked at: the processes with their ancestors and descendants,
// their sockets and programs, the files, and the footholds in them.
type Around struct {
	Seen  []deminer.Event // what happened: evidence of its own where it shows what a process said or whom it asked for
	PIDs  []int           // in PID 1's namespace
	Files []string        // absolute, in the host's view
	// Mechanisms are the ways to come back whose footholds are listed, by name; those in none of the Files are left out.
	Mechanisms []string
	Kernel     bool // look at modules, eBPF programs and mounts
}

func (a *Around) files() []string {
	if a == nil {
		return nil
	}
	return append([]string{}, a.Files...) // none is not nil: no places
}

// around is run for a look around an event.
func (g *gather) around(ctx context.Context) deminer.Snapshot {
	a := g.opt.Around
	s := deminer.Snapshot{Host: g.host.Info, Taken: time.Now().UTC(), Written: g.opt.Written, Seen: a.Seen}
	var gaps []deminer.Gap
	s.Accounts, gaps = accounts.Read(g.host.FS)
	g.note(gaps)
	own := newOwners(g.host, nil)
	if g.host.Live != nil {
		s.Window = g.opt.Window
		s.Processes = g.some(ctx, a.PIDs)
		if len(s.Processes) > 0 {
			s.Sockets, gaps = g.host.Live.Sockets(ctx, s.Processes)
			g.note(gaps)
			s.Sockets = slices.DeleteFunc(s.Sockets, func(one deminer.Socket) bool { return len(one.Owners) == 0 })
		}
		if a.Kernel {
			s.Kernel, gaps = g.host.Live.Kernel(ctx)
			g.note(gaps)
		}
	}
	g.changed(ctx, &s, own)
	g.places(ctx, s.Accounts)
	own.processes(ctx, g.host.Inside, s.Processes)
	s.Gaps = append(g.gaps, deminer.Gap{Part: "all else", State: deminer.Skipped, Why: "only what surrounds an event was looked at"})
	return s
}

// some lists the processes around those of the event.
func (g *gather) some(ctx context.Context, pids []int) []deminer.Process {
	if len(pids) == 0 {
		return nil
	}
	if g.host.Near != nil {
		procs, gaps := g.host.Near.Some(ctx, pids, g.opt.Window)
		g.note(gaps)
		return procs
	}
	all, _, gaps := g.host.Live.Processes(ctx, g.opt.Window)
	g.note(gaps)
	parents := make(map[int]int, len(all))
	for i := range all {
		parents[all[i].ID.PID] = all[i].PPID
	}
	kin := host.Kin(parents, pids)
	return slices.DeleteFunc(all, func(p deminer.Process) bool { return !kin[p.ID.PID] })
}

// changed lists the footholds that lie in the files, or start them.
func (g *gather) changed(ctx context.Context, s *deminer.Snapshot, own *owners) {
	a := g.opt.Around
	if len(a.Mechanisms) == 0 {
		return
	}
	found, gaps := persist.Run(ctx, persist.Env{Host: g.host, Accounts: s.Accounts, NoSearch: true}, persist.Named(a.Mechanisms))
	g.note(gaps)
	in := func(name string) bool { return slices.Contains(a.Files, path.Clean(name)) }
	names := map[string]bool{}
	for _, f := range found {
		if f.Name != "" && in(string(f.Path)) {
			names[f.Name] = true
		}
	}
	for _, f := range found {
		if in(string(f.Path)) || names[f.Name] || slices.ContainsFunc(f.Targets, in) {
			own.foothold(ctx, &f)
			s.Footholds = append(s.Footholds, f)
		}
	}
	s.Shared, gaps = persist.Shared(ctx, persist.Env{Host: g.host, Accounts: s.Accounts}, s.Footholds)
	g.note(gaps)
	for i := range s.Shared {
		for j := range s.Shared[i].Parts {
			own.foothold(ctx, &s.Shared[i].Parts[j])
		}
	}
}
