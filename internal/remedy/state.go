package remedy

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/deminer/deminer"
)

// stepState is where a step stands, folded from its records.
type stepState struct {
	ready, done, failed, skipped, undone bool
	undoing, kept                        bool // an undo began; it failed
	undo                                 json.RawMessage
}

func (s *stepState) see(r deminer.Record) {
	switch r.State {
	case deminer.StateReady:
		s.ready, s.undo = true, r.Undo
	case deminer.StateDone:
		s.done = true
	case deminer.StateUndoing:
		s.undoing, s.kept = true, false
	case deminer.StateFailed:
		// A failure after "undoing" is one of undo; the step's own end stays what it was.
		s.failed, s.kept = s.failed || !s.undoing, s.undoing
	case deminer.StateSkipped:
		s.skipped = true
	case deminer.StateUndone:
		s.undone = true
	}
}

// ended reports whether a run has nothing left to do with the step.
func (s stepState) ended() bool { return s.done || s.failed || s.skipped }

func fold(records []deminer.Record) map[string]stepState {
	out := map[string]stepState{}
	for _, r := range records {
		if r.Step == "" {
			continue
		}
		s := out[r.Step]
		s.see(r)
		out[r.Step] = s
	}
	return out
}

// Status says where a plan stands.
type Status struct {
	Plan        deminer.Plan
	Records     []deminer.Record
	Undoing     bool // the last thing begun was an undo
	Interrupted bool // the last thing begun has not ended
	Done        int  // steps that were done and not undone
	Failed      int  // steps that failed
	Undone      int
	Kept        int // steps that an undo could not take back
}

// Status reads a plan's journal without taking the lock.
func (r *Runner) Status(plan string) (Status, error) {
	records, _, err := r.Journal.Read(plan)
	if err != nil {
		return Status{}, err
	}
	return status(plan, records)
}

func status(plan string, records []deminer.Record) (Status, error) {
	s := Status{Records: records}
	if len(records) == 0 || records[0].Body == nil || records[0].State != deminer.StateBegin {
		return s, fmt.Errorf("read journal of plan %q: %w", plan, errNothing)
	}
	s.Plan = *records[0].Body
	for _, rec := range records {
		if rec.State == deminer.StateBegin {
			s.Undoing = rec.Note == markUndo
		}
	}
	s.Interrupted = records[len(records)-1].State != deminer.StateEnd
	for _, step := range fold(records) {
		switch {
		case step.undone:
			s.Undone++
		case step.kept:
			s.Kept++
		case step.failed:
			s.Failed++
		case step.done:
			s.Done++
		}
	}
	return s, nil
}

// errNothing: the crash came before the plan was on disk, so nothing was changed.
var errNothing = errors.New("the plan was never begun; nothing was changed")
