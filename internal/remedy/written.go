package remedy

import (
	"errors"

	"github.com/deminer/deminer"
)

// maxWritten bounds the list of deminer's own changes: those of the latest plans count.
const maxWritten = 10_000

// Written lists the files whose content plans changed on this host, and when, the latest plan first.
func (r *Runner) Written() (out []deminer.Written, err error) {
	plans, err := r.Journal.Plans()
	if err != nil {
		return nil, err
	}
	var failed []error
	for i := len(plans) - 1; i >= 0 && len(out) < maxWritten; i-- {
		records, _, err := r.Journal.Read(plans[i])
		failed = append(failed, err)
		out = append(out, written(records)...)
	}
	return out[:min(len(out), maxWritten)], errors.Join(failed...)
}

// written pairs the begin of each change with its end. One that never ended has the time of its begin.
func written(records []deminer.Record) (out []deminer.Written) {
	files := map[string][]change{}
	open := map[string]int{} // step -> first of its entries in out
	for _, rec := range records {
		switch rec.State {
		case deminer.StateReady:
			all, err := take[changes](rec.Undo)
			if err != nil || len(all.Files) == 0 {
				continue
			}
			files[rec.Step] = all.Files
			fallthrough
		case deminer.StateUndoing:
			open[rec.Step] = len(out)
			for _, c := range files[rec.Step] {
				out = append(out, deminer.Written{Path: c.Path, From: rec.Time, To: rec.Time})
			}
		case deminer.StateDone, deminer.StateUndone, deminer.StateFailed:
			if at, ok := open[rec.Step]; ok {
				for i := range files[rec.Step] {
					out[at+i].To = rec.Time
				}
				delete(open, rec.Step)
			}
		}
	}
	return out
}
