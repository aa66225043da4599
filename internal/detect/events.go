package detect

import (
	"context"
	"fmt"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/logins"
	"github.com/deminer/deminer/internal/match"
)

// Event is what a log says was done.
type Event = logins.Event

// Hint is a sign that logs were meddled with.
type Hint = logins.Hint

// loggedCommand speaks of commands in logs in which the rules find a miner's words. A log tells what was tried, and helps
// to date the rest; nothing is acted on for it.
func loggedCommand(_ context.Context, p *Pass) error {
	if p.Rules == nil {
		return nil
	}
	told := 0
	for _, e := range p.Events {
		h, ok := strongest(p.Rules.Text(e.Text))
		if !ok || h.Strength < match.Strong || told >= 50 {
			continue
		}
		told++
		f := hitFinding(h, file(e.Source), "the log says that "+q(e.User)+" ran something of a miner's")
		f.Tier, f.Class, f.Time = deminer.Weak, deminer.ByAccess, e.First
		f.Why = append(f.Why, fmt.Sprintf("%s, %d times, last at %s: %s", deminer.Safe(e.Kind), max(e.Count, 1), e.Time.UTC().Format(time.RFC3339), q(e.Text)))
		f.Cleared = []string{"a log line shows what was run or tried then, not what is there now"}
		p.Report(f)
	}
	return nil
}
