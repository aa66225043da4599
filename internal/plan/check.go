package plan

import (
	"errors"
	"fmt"
	"strings"

	"github.com/deminer/deminer"
)

// Check refuses a plan, read from a file, that holds what no plan of deminer ever does: whoever can write the file could
// otherwise have protected things touched. It knows no more of the host than the plan itself says.
func Check(p deminer.Plan) error {
	g := newGuard(&deminer.Report{Snapshot: deminer.Snapshot{Host: p.Host}})
	for i := range p.Steps {
		// What runs is compared with the step's own expectation when it runs; here only what is never right counts.
		a := p.Steps[i].Action
		if a.Verb == deminer.VerbFreeze || a.Verb == deminer.VerbKill {
			g.procs[a.Target.Proc] = &deminer.Process{ID: a.Target.Proc, Exe: p.Steps[i].Expect.Exe}
			g.accused[a.Target.Proc] = true // by the plan itself: what it runs keeps no directory where it is
		}
		g.programs[string(a.Target.Path)] = true
		if p.Host.Asleep() && !onFiles(a.Verb) {
			return fmt.Errorf("step %s: %w: %s on a system that does not run", deminer.Safe(p.Steps[i].ID), deminer.ErrProtected, deminer.Safe(a.Verb))
		}
	}
	var failed []error
	for _, s := range p.Steps {
		why, _ := g.refuses(s.Action, deminer.Member{Artifact: s.Action.Target, Findings: []int{0}})
		if strings.HasPrefix(why, "it lies among") {
			continue // allowed for what runs from there, which only the scan knows
		}
		if why != "" {
			failed = append(failed, fmt.Errorf("step %s: %s: %w: %s", deminer.Safe(s.ID), s.Action.Target, deminer.ErrProtected, why))
		}
	}
	return errors.Join(failed...)
}
