package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/plan"
	"github.com/deminer/deminer/internal/policy"
)

// respond does what the policy allows about what was found. A look around an event shows too little to do more than freeze:
// what else an address is used for, it does not know.
func (a *Agent) respond(ctx context.Context, rep *deminer.Report, list []known, pol *policy.Policy, whole bool) {
	if a.opt.Run == nil {
		return
	}
	allowed := map[string][]deminer.Phase{} // by ref of the member
	by := map[string]string{}               // the alert
	for _, k := range list {
		if k.alert.State == alert.Ignored || k.alert.State == alert.Whitelisted {
			continue
		}
		v := pol.Judge(k.sight.Grade, k.sight.Topics, k.sight.Thing, k.sight.Time)
		for ref := range strings.SplitSeq(k.ref, "\n") {
			allowed[ref], by[ref] = v.Phases, k.alert.ID
		}
	}
	p := plan.Make(rep, plan.Options{Skip: notIn(rep, allowed), BlockFor: pol.Respond.BlockFor}, time.Now())
	a.narrow(&p, allowed, whole)
	if len(p.Steps) == 0 {
		return
	}
	ids := alertsOf(&p, by)
	for _, id := range ids {
		_, err := a.opt.Alerts.Set(id, alert.Handling, "agent", "plan "+p.ID+" runs", time.Now())
		a.trouble("note that an alert is handled", err)
	}
	err := a.opt.Run(ctx, p)
	a.ran(&p, ids, err)
}

// notIn lists the members of all incidents for which nothing is allowed.
func notIn(rep *deminer.Report, allowed map[string][]deminer.Phase) (out []string) {
	for _, inc := range rep.Incidents {
		for _, m := range inc.Members {
			if ref := m.Artifact.Ref(); len(allowed[ref]) == 0 {
				out = append(out, ref)
			}
		}
	}
	return out
}

// narrow leaves the steps that are allowed and not done yet.
func (a *Agent) narrow(p *deminer.Plan, allowed map[string][]deminer.Phase, whole bool) {
	kept := map[string]bool{}
	a.mu.Lock()
	defer a.mu.Unlock()
	p.Steps = slices.DeleteFunc(p.Steps, func(s deminer.Step) bool {
		may := len(s.For) > 0 && !slices.ContainsFunc(s.For, func(ref string) bool { return !slices.Contains(allowed[ref], s.Phase) })
		drop := !may || !whole && s.Phase != deminer.PhaseFreeze || a.done.rests(s, time.Now()) || slices.ContainsFunc(s.After, func(id string) bool { return !kept[id] })
		kept[s.ID] = !drop
		return drop
	})
}

func deedOf(s deminer.Step) string { return string(s.Action.Verb) + " " + s.Action.Target.Ref() }

func alertsOf(p *deminer.Plan, by map[string]string) (out []string) {
	for _, s := range p.Steps {
		for _, ref := range s.For {
			if id := by[ref]; id != "" && !slices.Contains(out, id) {
				out = append(out, id)
			}
		}
	}
	return out
}

// ran notes what a plan did.
func (a *Agent) ran(p *deminer.Plan, ids []string, err error) {
	var did []string
	for _, s := range p.Steps {
		did = append(did, string(s.Action.Verb)+" "+s.Action.Target.String())
	}
	what := deminer.Cut(strings.Join(did, ", "), 400)
	state, why := alert.Blocked, "contained by itself: "+what+"; deminer undo "+p.ID+" takes it back"
	switch {
	case errors.Is(err, deminer.ErrBusy):
		state, why = alert.Unhandled, "another deminer is changing this host; it is tried again"
		a.queue.wantWhole(time.Now().Add(time.Minute))
	case err != nil:
		state, why = alert.Unhandled, "not wholly contained: "+deminer.Cut(err.Error(), 300)
	}
	if !errors.Is(err, deminer.ErrBusy) {
		a.mu.Lock()
		for _, s := range p.Steps {
			a.done.note(s, err != nil, blockFor(s), time.Now())
		}
		a.mu.Unlock()
	}
	a.opt.Say(true, deminer.Cut(fmt.Sprintf("plan %s: %s", p.ID, why), 1000))
	for _, id := range ids {
		_, e1 := a.opt.Alerts.Did(id, alert.Deed{Time: time.Now().UTC(), What: why, Plan: p.ID})
		_, e2 := a.opt.Alerts.Set(id, state, "agent", why, time.Now())
		a.trouble("note what was done", errors.Join(e1, e2))
	}
}

// close ends the alerts whose things are not there any more, by a look at the whole host.
func (a *Agent) close(rep *deminer.Report) {
	a.mu.Lock()
	a.done.alive(rep.Snapshot.Processes)
	a.mu.Unlock()
	list, err := a.opt.Alerts.List()
	a.trouble("read the alerts", err)
	now := time.Now()
	later := func(t time.Time) bool { return t.After(rep.Snapshot.Taken) && !t.After(now) } // what is to come was written before the clock was set back
	seen := map[string]bool{}
	for _, k := range sightings(rep) {
		seen[k.sight.Key] = true
	}
	for _, one := range list {
		if !one.State.Open() || strings.HasPrefix(one.Key, alert.Told) || seen[one.Key] || later(one.Last) || lives(rep, &one) {
			continue
		}
		_, err := a.opt.Alerts.Set(one.ID, alert.Handled, "agent", "looked again at "+rep.Snapshot.Taken.UTC().Format(time.RFC3339)+": it is not there any more", time.Now())
		a.trouble("close an alert", err)
		if err == nil {
			a.opt.Say(false, "alert "+one.ID+" is closed: "+one.Title+" is not there any more")
		}
	}
}

// lives reports whether what an alert speaks of still runs. That a process says nothing now does not mean that it is harmless:
// what it said was seen when it said it.
func lives(rep *deminer.Report, one *alert.Alert) bool {
	t := &one.Thing
	if t.Artifact.Kind != deminer.KindProcess {
		return false
	}
	return slices.ContainsFunc(rep.Snapshot.Processes, func(p deminer.Process) bool {
		return p.ID == t.Artifact.Proc || t.Path != "" && p.Exe == string(t.Path) && p.Container == t.Container
	})
}
