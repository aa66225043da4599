package show

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// Ask sums up a plan before the question: what cannot be taken back, what is left alone, what keeps running.
func (p Page) Ask(pl *deminer.Plan) {
	count := map[deminer.Phase]int{}
	var final []string
	for _, s := range pl.Steps {
		count[s.Phase]++
		if !s.Undo {
			final = append(final, Deed(s.Action))
		}
	}
	var parts []string
	for _, ph := range deminer.Phases() {
		if count[ph] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[ph], ph))
		}
	}
	p.line("")
	p.wrap(2, "  ", p.paint(bold, fmt.Sprintf("Plan %s: %s (%s)", pl.ID, plural(len(pl.Steps), "step", "steps"), strings.Join(parts, ", "))))
	if len(final) > 0 {
		p.line("  Cannot be taken back:")
		for _, f := range final {
			p.wrap(6, "    - ", f)
		}
	}
	rest := "Everything here can be taken back"
	if len(final) > 0 {
		rest = "Everything else can"
	}
	p.wrap(2, "  ", rest+" (deminer undo). Nothing outside this plan is touched; deminer plan shows it line by line.")
	for _, r := range pl.Refused {
		p.wrap(6, "    - ", p.paint(yellow, "left alone: ")+r.Artifact.String()+": "+r.Why)
	}
}

// Tick writes how one step ended.
func (p Page) Tick(state deminer.RecordState, deed, note string) {
	mark, code := "", ""
	switch state {
	case deminer.StateDone:
		mark, code = "done", green
	case deminer.StateUndone:
		mark, code = "undone", green
	case deminer.StateFailed:
		mark, code = "FAILED", red
		if final(note) {
			mark, code = "final", yellow
		}
	case deminer.StateSkipped:
		mark, code = "skipped", yellow
	default:
		return
	}
	p.wrap(12, "  "+p.paint(code, fmt.Sprintf("%-8s", mark))+"  ", deed)
	if note != "" && state != deminer.StateDone {
		p.wrap(12, "", p.paint(dim, deminer.Cut(bare(note), 300)))
	}
}

// final reports the note of a step that cannot be taken back: that is no failure of the undo.
func final(note string) bool { return strings.Contains(note, deminer.ErrIrreversible.Error()) }

// bare takes the name of the step off its error: the line above says it.
func bare(note string) string {
	if _, rest, ok := strings.Cut(note, "): "); ok && (strings.HasPrefix(note, "step ") || strings.HasPrefix(note, "take back step ")) {
		return rest
	}
	return note
}

// Ran writes how a run, a resume or an undo ended. What Tick has said of a step is counted, not said again.
func (p Page) Ran(records []deminer.Record, contained, elapsed time.Duration, failed []string) {
	text := fmt.Sprintf("Ended after %s.", Seconds(elapsed))
	if contained > 0 {
		text = fmt.Sprintf("Contained after %s, all steps ended after %s.", Seconds(contained), Seconds(elapsed))
	}
	p.line("\n  %s", p.paint(bold, text))
	said, kept := 0, 0
	failed = slices.DeleteFunc(slices.Clone(failed), func(f string) bool {
		told := slices.ContainsFunc(records, func(r deminer.Record) bool { return r.State == deminer.StateFailed && r.Note == f })
		switch {
		case told && final(f):
			kept++
		case told:
			said++
		}
		return told
	})
	if kept > 0 {
		p.line("  %s", plural(kept, "step", "steps")+" cannot be taken back, as the plan said; all that can be is.")
	}
	if said > 0 {
		p.line("  %s", p.paint(yellow, plural(said, "step", "steps")+" failed, with the reason above; all others are done."))
	}
	if len(failed) == 0 {
		return
	}
	p.line("  %s", p.paint(yellow, plural(len(failed), "remark", "remarks")+":"))
	for _, f := range failed {
		p.wrap(6, "    - ", f)
	}
}
