package remedy

import (
	"context"
	"errors"
	"time"

	"github.com/deminer/deminer"
)

// keptAfter is how long the journal of a block stays after the block ran out, for those who want to know why somebody could not
// log in.
const keptAfter = 7 * 24 * time.Hour

// Prune deletes the journals of plans that blocked who guesses passwords, a week after the last of their blocks ran out: nothing
// of them is in force and nothing can be undone. A flood of guesses makes hundreds an hour, and every look reads the journals.
// Journals of all other plans stay. It says how many were deleted.
func (r *Runner) Prune(ctx context.Context) (n int, err error) {
	plans, err := r.Journal.Plans()
	if err != nil {
		return 0, err
	}
	for _, id := range plans {
		if ctx.Err() != nil {
			return n, ctx.Err()
		}
		st, err := r.Status(id)
		if err != nil || !over(st, r.now().Add(-keptAfter)) {
			continue // what cannot be read is told by doctor, and stays
		}
		switch err := r.lane(st.Plan).Remove(id); {
		case errors.Is(err, deminer.ErrBusy):
			return n, nil // the next time
		case err != nil:
			return n, err
		}
		n++
	}
	return n, nil
}

// over reports whether a plan only blocked sources and the last block ran out, or was lifted, before that time.
func over(st Status, before time.Time) bool {
	if st.Plan.Purpose != deminer.ForBan || st.Interrupted {
		return false
	}
	for _, s := range st.Plan.Steps {
		d, err := time.ParseDuration(string(s.Action.Args["for"]))
		if s.Action.Verb != deminer.VerbBlock || err != nil || d <= 0 {
			return false
		}
		for _, rec := range st.Records {
			if rec.Time.Add(d).After(before) {
				return false
			}
		}
	}
	return true
}
