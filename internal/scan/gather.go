package scan

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/accounts"
	"github.com/deminer/deminer/internal/detect"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/logins"
	"github.com/deminer/deminer/internal/match"
	"github.com/deminer/deminer/internal/persist"
)

// gather fills a snapshot. What only a running system has is asked while footholds, logs and files are read: the first
// second of a scan is spent waiting for the CPU window anyhow.
type gather struct {
	host   *host.Host
	opt    Options
	mu     sync.Mutex
	gaps   []deminer.Gap
	events []logins.Event
	hints  []logins.Hint
	rules  *match.Set
	files  *detect.Sweeper // the places are swept; what runs is not yet
}

func (g *gather) run(ctx context.Context) deminer.Snapshot {
	if g.opt.Around != nil {
		return g.around(ctx)
	}
	s := deminer.Snapshot{Host: g.host.Info, Taken: time.Now().UTC(), Written: g.opt.Written}
	var gaps []deminer.Gap
	s.Accounts, gaps = accounts.Read(g.host.FS)
	g.note(gaps)
	own := newOwners(g.host, g.opt.Paths)
	if len(g.opt.Paths) > 0 && g.host.Packages != nil {
		g.note([]deminer.Gap{{Part: "packages", State: deminer.Skipped, What: "outside the given paths",
			Why: "what starts by itself was not compared with its package; a scan without paths does that"}})
	}
	var asked, swept sync.WaitGroup
	swept.Go(func() { g.places(ctx, s.Accounts) })
	if g.host.Live != nil {
		s.Window = g.opt.Window
		asked.Go(func() { g.live(ctx, &s) })
	}
	asked.Go(func() {
		g.footholds(ctx, &s, own)
		g.logs(ctx, &s)
	})
	asked.Wait()
	g.opt.Progress(Stage{"Programs", 0, len(s.Processes)})
	own.processes(ctx, g.host.Inside, s.Processes)
	swept.Wait()
	if g.host.Live != nil {
		g.newcomers(ctx, &s, own)
	}
	g.opt.Progress(Stage{"Programs", len(s.Processes), len(s.Processes)})
	s.Gaps = g.gaps
	return s
}

func (g *gather) note(gaps []deminer.Gap) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gaps = append(g.gaps, gaps...)
}

func (g *gather) live(ctx context.Context, s *deminer.Snapshot) {
	var gaps []deminer.Gap
	g.opt.Progress(Stage{"Processes", 0, 0})
	s.Processes, s.CPU, gaps = g.host.Live.Processes(ctx, g.opt.Window)
	g.note(gaps)
	g.opt.Progress(Stage{"Processes", len(s.Processes), len(s.Processes)})
	s.Sockets, gaps = g.host.Live.Sockets(ctx, s.Processes)
	g.note(gaps)
	s.Kernel, gaps = g.host.Live.Kernel(ctx)
	g.note(gaps)
	s.Units, gaps = g.host.Live.Units(ctx)
	g.note(gaps)
	s.Containers, gaps = g.host.Live.Containers(ctx)
	g.note(gaps)
}

// newcomers adds what began while the rest was looked at, with its sockets: a miner that was being started again when the
// processes were listed. Sockets are asked for only if a program among them is not a packaged one.
func (g *gather) newcomers(ctx context.Context, s *deminer.Snapshot, own *owners) {
	procs, gaps := g.host.Live.Newcomers(ctx, s.Processes)
	if restarted(procs, s.Processes) {
		// It has shown nothing yet of what it does.
		g.opt.Progress(Stage{"Programs", 0, 0})
		select {
		case <-ctx.Done():
		case <-time.After(2 * g.opt.Window):
		}
		procs, gaps = g.host.Live.Newcomers(ctx, s.Processes)
	}
	g.note(gaps)
	own.processes(ctx, g.host.Inside, procs)
	var foreign []deminer.Process
	for i := range procs {
		if p := &procs[i]; !p.Kernel && !p.Gone && !p.Own.Trusted() {
			foreign = append(foreign, *p)
		}
	}
	s.Processes = append(s.Processes, procs...)
	if len(foreign) == 0 {
		return
	}
	socks, gaps := g.host.Live.Sockets(ctx, foreign)
	g.note(slices.DeleteFunc(gaps, func(gap deminer.Gap) bool { return slices.Contains(g.gaps, gap) })) // told at the first asking
	at := make(map[uint64]int, len(s.Sockets))
	for i := range s.Sockets {
		at[s.Sockets[i].Inode] = i
	}
	for _, one := range socks {
		if i, known := at[one.Inode]; len(one.Owners) == 0 || one.Inode == 0 {
			continue // of those that were there before
		} else if known {
			s.Sockets[i].Owners = append(s.Sockets[i].Owners, one.Owners...)
			continue
		}
		s.Sockets = append(s.Sockets, one)
	}
}

// restarted reports whether a program that no package brought and that used the CPU was started anew during the look.
func restarted(fresh, known []deminer.Process) bool {
	const some = 0.05 // cores; a program that is started for each request of a visitor uses less
	began := map[string]bool{}
	for i := range fresh {
		began[fresh[i].Exe] = fresh[i].Exe != ""
	}
	return slices.ContainsFunc(known, func(p deminer.Process) bool {
		return p.CPU >= some && began[p.Exe] && p.Own.State == deminer.Unowned && !p.Runtime()
	})
}

func (g *gather) footholds(ctx context.Context, s *deminer.Snapshot, own *owners) {
	g.opt.Progress(Stage{"Footholds", 0, 0})
	found, gaps := persist.List(ctx, persist.Env{Host: g.host, Accounts: s.Accounts, NoSearch: g.opt.Mode == Paths})
	g.note(gaps)
	s.Footholds = found
	for i := range s.Footholds {
		if i%64 == 0 {
			g.opt.Progress(Stage{"Footholds", i, len(found)})
		}
		own.foothold(ctx, &s.Footholds[i])
	}
	s.Shared, gaps = persist.Shared(ctx, persist.Env{Host: g.host, Accounts: s.Accounts}, found)
	g.note(gaps)
	for i := range s.Shared {
		for j := range s.Shared[i].Parts {
			own.foothold(ctx, &s.Shared[i].Parts[j])
		}
	}
	g.opt.Progress(Stage{"Footholds", len(found), len(found)})
}

// places sweeps the files that can be judged without a look at what runs.
func (g *gather) places(ctx context.Context, accounts []deminer.Account) {
	early := &detect.Pass{Snapshot: &deminer.Snapshot{Host: g.host.Info, Accounts: accounts}, FS: g.host.FS, Packages: g.host.Packages,
		Inside: g.host.Inside, Rules: g.rules, Full: g.opt.Mode == Full, Gap: func(gap deminer.Gap) { g.note([]deminer.Gap{gap}) }}
	g.files = detect.NewSweeper(early, detect.SweepOptions{Full: g.opt.Mode == Full, Paths: g.opt.Paths, Only: g.opt.Around.files(), Cache: g.opt.Cache,
		Progress: func(n int) { g.opt.Progress(Stage{"Files", n, 0}) }})
	g.files.Places(ctx)
}

// since is how far back logs are read.
const since = 90 * 24 * time.Hour

func (g *gather) logs(ctx context.Context, s *deminer.Snapshot) {
	g.opt.Progress(Stage{"Logs", 0, 0})
	from := time.Now().Add(-since)
	if g.host.Info.Asleep() {
		from = time.Time{} // it may have slept for long
	}
	found, ev, gaps := logins.Read(ctx, g.host.FS, from, g.host.Info.Zone)
	g.note(gaps)
	s.Logins, g.events = longer(found, g.opt.Failed), ev
	g.hints, gaps = logins.Tampering(ctx, g.host.FS, g.host.Info.Boot)
	g.note(gaps)
}

// longer puts what is remembered of failed logins in the place of what logs tell, for each address from which they tell of fewer.
func longer(logs, remembered []deminer.Login) []deminer.Login {
	count := func(list []deminer.Login) map[string]int {
		out := map[string]int{}
		for _, l := range list {
			if l.Kind == "failed" {
				out[l.From] += max(l.Count, 1)
			}
		}
		return out
	}
	told, known := count(logs), count(remembered)
	fewer := func(l deminer.Login) bool { return l.Kind == "failed" && told[l.From] < known[l.From] }
	out := slices.DeleteFunc(slices.Clone(logs), fewer)
	for _, l := range remembered {
		if fewer(l) {
			out = append(out, l)
		}
	}
	return out
}
