package remedy

import (
	"testing"
	"time"

	"github.com/deminer/deminer"
)

// TestOver: only what blocked sources alone, ended, and ran out long ago may be forgotten.
func TestOver(t *testing.T) {
	made := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	ban := deminer.Step{Action: deminer.Action{Verb: deminer.VerbBlock, Args: map[string]deminer.Raw{"from": "yes", "for": "24h0m0s"}}}
	plan := func(steps ...deminer.Step) Status {
		return Status{Plan: deminer.Plan{Purpose: deminer.ForBan, Steps: steps}, Records: []deminer.Record{{Time: made}}}
	}
	cut := deminer.Step{Action: deminer.Action{Verb: deminer.VerbCutLine}}
	endless := deminer.Step{Action: deminer.Action{Verb: deminer.VerbBlock}}
	owner, torn := plan(ban), plan(ban)
	owner.Plan.Purpose, torn.Interrupted = "", true
	for name, c := range map[string]struct {
		st    Status
		after time.Duration
		want  bool
	}{
		"ran out":             {plan(ban), 25 * time.Hour, true},
		"in force":            {plan(ban), 23 * time.Hour, false},
		"another's plan":      {owner, 1000 * time.Hour, false},
		"interrupted":         {torn, 1000 * time.Hour, false},
		"more than blocks":    {plan(ban, cut), 1000 * time.Hour, false},
		"a block without end": {plan(ban, endless), 1000 * time.Hour, false},
	} {
		if got := over(c.st, made.Add(c.after)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
