package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/agent"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/contract"
	"github.com/deminer/deminer/internal/guard"
	"github.com/deminer/deminer/internal/persist"
	"github.com/deminer/deminer/internal/selfwatch"
	"github.com/deminer/deminer/internal/service"
)

// selfguard is the agent's care of itself: what is aimed at it becomes an alert.
type selfguard struct {
	r     *resident
	self  selfwatch.Self
	found chan deminer.Finding // to be kept; what has no room is told by the next of its kind
}

func newSelfguard(r *resident) *selfguard {
	g := &selfguard{r: r, found: make(chan deminer.Finding, 64)}
	g.self = selfwatch.Self{ID: deminer.ProcID{PID: os.Getpid()}, Unit: service.Unit, Files: []string{service.UnitPath, service.SlicePath, service.WantsPath, policyFile}}
	for _, id := range r.host.Info.Self {
		if id.PID == os.Getpid() {
			g.self.ID = id
		}
	}
	if program, err := os.Executable(); err == nil {
		g.self.Program, g.self.Files = program, append(g.self.Files, program)
	}
	if dir, err := filepath.Abs(r.flags.stateDir()); err == nil {
		g.self.Dirs = []string{filepath.Join(dir, "journal")}
	}
	return g
}

// places are what the sensors are to watch for it.
func (g *selfguard) places() persist.Places {
	files, dirs := g.self.Watched()
	return persist.Places{Files: files, Dirs: dirs}
}

// guarded is the sensors, with the guards hearing each event first.
type guarded struct {
	agent.Watcher
	guard *selfguard
	back  *recurrence
	began *began
}

// Watch implements agent.Watcher.
func (s guarded) Watch(ctx context.Context, see func(deminer.Event)) error {
	return s.Watcher.Watch(ctx, func(e deminer.Event) {
		if f, ok := s.guard.self.Judge(&e); ok {
			s.guard.tell(f)
		}
		s.back.hear(&e, guard.Facts{})
		s.began.hear(&e)
		see(e)
	})
}

// tell takes a finding to be kept. It does not wait.
func (g *selfguard) tell(f deminer.Finding) {
	select {
	case g.found <- f:
	default:
	}
}

// absent tells of a time in which no agent ran.
func (g *selfguard) absent(a *contract.Absence) {
	if a == nil {
		return
	}
	f, ok := g.self.Absent(selfwatch.Gap{From: a.From, To: a.To, PID: a.PID, Clean: a.Clean, Upgrade: a.Upgrade, Rebooted: a.Rebooted, Span: a.Span})
	if ok {
		g.tell(f)
	}
}

// keep makes alerts of findings until ctx ends.
func (g *selfguard) keep(ctx context.Context, book agent.Alerts) {
	for {
		select {
		case <-ctx.Done():
			return
		case f := <-g.found:
			_, fresh, err := book.See(alert.Sighting{Key: alert.Told + alert.KeyOf(f.Subject, "", "") + "|" + f.Title, Thing: alert.Thing{Artifact: f.Subject, Path: f.Subject.Path, Unit: g.self.Unit},
				Grade: alert.Suspected, Topics: []deminer.Topic{f.Topic}, Title: f.Title, Why: f.Why, Next: f.Fix, Trigger: "the agent's own watch", Time: f.Time})
			if fresh {
				g.r.say(true, f.Title+": "+f.Why[0])
			}
			if err != nil {
				g.r.trouble("keep an alert of the agent's own", err)
			}
		}
	}
}

// protect gives up what the agent never needs, and where no service manager limits it, takes on limits of its own. leave takes
// its control group away.
func (r *resident) protect(managed bool) (leave func() error) {
	leave = func() error { return nil }
	limits, err := contract.OwnLimits()
	if u := service.Usual(); err == nil && !managed && len(limits.Missing()) > 0 {
		var group *contract.Group
		if group, err = contract.Enter(u.CPU, int64(u.Memory)<<20, int64(u.MemoryMax)<<20, int64(u.Tasks)); err == nil {
			leave = group.Leave
			limits, err = contract.OwnLimits()
		}
	}
	if err != nil {
		r.say(false, "limits: "+err.Error())
	}
	limits.Fit()
	if err := contract.Harden(); err != nil {
		r.say(false, "not all protection of the agent is in force: "+err.Error())
	}
	return leave
}
