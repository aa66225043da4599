package remedy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/deminer/deminer"
)

// Resume finishes what was interrupted: a run goes on with the step it was at, an undo with the rest of the undo.
// A plan that was not interrupted is left alone. Steps that failed or were skipped stay so.
func (r *Runner) Resume(ctx context.Context, plan string, progress func(deminer.Record)) error {
	return r.reopen(plan, progress, func(x *run, s Status) error {
		switch {
		case !s.Interrupted:
			return nil
		case s.Undoing:
			return x.undo(ctx)
		}
		return x.steps(ctx)
	})
}

// Undo takes a plan back, last step first, whatever state it is in. It goes on past steps that cannot be taken back and
// joins the reasons: deminer.ErrIrreversible for those that never can, deminer.ErrChanged where somebody else changed
// things since. Undo of what is undone already does nothing.
func (r *Runner) Undo(ctx context.Context, plan string, progress func(deminer.Record)) error {
	return r.reopen(plan, progress, func(x *run, _ Status) error {
		if err := x.note(deminer.Record{State: deminer.StateBegin, Note: markUndo}); err != nil {
			return err
		}
		return x.undo(ctx)
	})
}

func (r *Runner) reopen(plan string, progress func(deminer.Record), do func(*run, Status) error) error {
	j, records, err := r.laneOf(plan).Open(plan)
	if err != nil {
		return err
	}
	s, err := status(plan, records)
	if errors.Is(err, errNothing) {
		// Only a begin that never got to disk comes before the first change: close the journal of a run that never was.
		_, end := j.Append(deminer.Record{Time: r.now(), State: deminer.StateEnd, Note: errNothing.Error()})
		return errors.Join(end, j.Close())
	}
	if err != nil {
		return errors.Join(err, j.Close())
	}
	return errors.Join(do(r.open(j, s.Plan, records, progress), s), j.Close())
}

// order gives the steps to take back: backwards, those of late verbs at the end.
func (x *run) order() ([]deminer.Step, error) {
	var first, last []deminer.Step
	for _, s := range slices.Backward(x.plan.Steps) {
		v, err := Find(s.Action.Verb)
		if err != nil {
			return nil, err
		}
		switch st := x.state[s.ID]; {
		case !st.ready || st.undone:
		case v.Late:
			last = append(last, s)
		default:
			first = append(first, s)
		}
	}
	return append(first, last...), nil
}

func (x *run) undo(ctx context.Context) error {
	steps, err := x.order()
	if err != nil {
		return err
	}
	var failed []error
	for _, s := range steps {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(failed, fmt.Errorf("stopped before taking back step %s: %w", s.ID, err))...)
		}
		err := x.undoStep(s)
		if errors.Is(err, errJournal) {
			return errors.Join(append(failed, err)...)
		}
		failed = append(failed, err)
	}
	if err := x.note(deminer.Record{State: deminer.StateEnd, Note: markUndo}); err != nil {
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

func (x *run) undoStep(s deminer.Step) error {
	v, err := Find(s.Action.Verb)
	if err != nil {
		return err
	}
	if err := x.write(deminer.Record{Step: s.ID, State: deminer.StateUndoing}); err != nil {
		return err
	}
	x.tools.step, x.tools.why = s.ID, s.Why
	note, err := v.Undo(x.tools, s, x.state[s.ID].undo)
	if err == nil {
		return x.write(deminer.Record{Step: s.ID, State: deminer.StateUndone, Note: note})
	}
	err = fmt.Errorf("take back step %s (%s %s): %w", s.ID, s.Action.Verb, s.Action.Target, err)
	return errors.Join(err, x.write(deminer.Record{Step: s.ID, State: deminer.StateFailed, Note: deminer.Cut(err.Error(), 2000)}))
}
