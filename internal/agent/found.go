package agent

import (
	"context"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
)

// Found hands in what a look at the whole host found that somebody else asked for. Within seconds it is treated as one of the agent's own: it
// makes alerts, and the policy says what is done about them. What was found is not closed by it: it may not have looked at all that the agent
// looks at.
func (a *Agent) Found(rep deminer.Report) {
	a.mu.Lock()
	if len(a.found) < maxFound {
		a.found = append(a.found, &rep)
	}
	a.mu.Unlock()
}

// LookSoon has the whole host looked at within seconds: something was done to it, and what is gone is to be closed. What others found
// before is not true any more.
func (a *Agent) LookSoon() {
	a.mu.Lock()
	a.changed = time.Now()
	a.mu.Unlock()
	a.queue.wantWhole(time.Now().Add(settle))
}

// takeIn takes in what others found.
func (a *Agent) takeIn(ctx context.Context) {
	a.mu.Lock()
	list, changed := a.found, a.changed
	a.found = nil
	a.mu.Unlock()
	for _, rep := range list {
		if rep.Snapshot.Taken.Before(changed) {
			continue
		}
		a.handle(ctx, rep, "a scan that was asked for", true)
	}
}

// Members gives the members of a report's incidents by the key of the alert that they have or would have: their refs.
func Members(rep *deminer.Report) map[string][]string {
	out := map[string][]string{}
	for i := range rep.Incidents {
		for j := range rep.Incidents[i].Members {
			m := &rep.Incidents[i].Members[j]
			exe, container := "", ""
			if p := rep.Snapshot.Proc(m.Artifact.Proc.PID); m.Artifact.Kind == deminer.KindProcess && p != nil && p.ID == m.Artifact.Proc {
				if container = p.Container; !p.Memfd {
					exe = p.Exe
				}
			}
			key := alert.KeyOf(m.Artifact, exe, container)
			out[key] = append(out[key], m.Artifact.Ref())
		}
	}
	return out
}
