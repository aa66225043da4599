package remedy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/journal"
)

// Runner runs plans on one host and takes them back. One at a time: a second one anywhere gets deminer.ErrBusy.
type Runner struct {
	Tools   Tools
	Journal *journal.Store
}

// Marks in the note of a begin record.
const (
	markRun  = "run"
	markUndo = "undo"
)

// run is a plan under way.
type run struct {
	tools    *Tools
	journal  *journal.Journal
	plan     deminer.Plan
	state    map[string]stepState
	progress func(deminer.Record)
}

// Run does the steps of an approved plan in order. A step that fails skips those after it and lets all others run; the
// failures are joined in the error. What is done stays done. A canceled context stops before the next step and leaves
// the plan unfinished, to be resumed or undone.
func (r *Runner) Run(ctx context.Context, p deminer.Plan, approved string, progress func(deminer.Record)) error {
	if approved == "" || approved != p.Digest() {
		return deminer.ErrNotApproved
	}
	if err := checkPlan(p); err != nil {
		return err
	}
	j, err := r.lane(p).Create(p.ID)
	if err != nil {
		return err
	}
	if !bans(p) {
		if err := r.Tools.Vault.Tidy(); err != nil {
			return errors.Join(err, j.Close())
		}
	}
	x := r.open(j, p, nil, progress)
	if err := x.note(deminer.Record{State: deminer.StateBegin, Note: markRun, Body: &p}); err != nil {
		return errors.Join(err, j.Close())
	}
	return errors.Join(x.steps(ctx), j.Close())
}

// bans reports whether a plan does nothing but block sources. These are in a table that no other verb touches.
func bans(p deminer.Plan) bool {
	return len(p.Steps) > 0 && !slices.ContainsFunc(p.Steps, func(s deminer.Step) bool { return !ban(s) })
}

func ban(s deminer.Step) bool {
	return s.Action.Verb == deminer.VerbBlock && s.Action.Target.Kind == deminer.KindAddress && s.Action.Args["from"] == "yes"
}

// lane gives the journals under the lock that a plan needs: who guesses passwords is blocked while a clean-up runs.
func (r *Runner) lane(p deminer.Plan) *journal.Store {
	if bans(p) {
		return r.Journal.Beside("bans")
	}
	return r.Journal
}

// laneOf is lane for a plan whose journal is there. What cannot be read needs the lock of the host.
func (r *Runner) laneOf(id string) *journal.Store {
	st, err := r.Status(id)
	if err != nil {
		return r.Journal
	}
	return r.lane(st.Plan)
}

// maxSteps bounds a plan: the journal has a few records for each step.
const maxSteps = 100_000

// checkPlan refuses a plan whose steps cannot be told apart or that names what cannot be done.
func checkPlan(p deminer.Plan) error {
	if len(p.Steps) > maxSteps {
		return fmt.Errorf("read plan %q: more than %d steps", p.ID, maxSteps)
	}
	seen := map[string]bool{}
	for _, s := range p.Steps {
		if ban(s) && !bans(p) {
			return fmt.Errorf("read plan %q: step %s blocks a source, which needs a plan of its own", p.ID, s.ID)
		}
		if s.ID == "" || len(s.ID) > 20 || seen[s.ID] || strings.Trim(s.ID, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			return fmt.Errorf("read plan %q: step %q has no name of its own", p.ID, s.ID)
		}
		for _, before := range s.After {
			if !seen[before] {
				return fmt.Errorf("read plan %q: step %s waits for %q, which does not come before it", p.ID, s.ID, before)
			}
		}
		seen[s.ID] = true
		if _, err := Find(s.Action.Verb); err != nil {
			return fmt.Errorf("read plan %q: step %s: %w", p.ID, s.ID, err)
		}
	}
	return nil
}

func (r *Runner) open(j *journal.Journal, p deminer.Plan, old []deminer.Record, progress func(deminer.Record)) *run {
	tools := r.Tools
	tools.plan = p.ID
	if tools.Now == nil {
		tools.Now = time.Now
	}
	if progress == nil {
		progress = func(deminer.Record) {}
	}
	x := &run{tools: &tools, journal: j, plan: p, state: fold(old), progress: progress}
	tools.froze = nil
	tools.recall(p, x.state)
	return x
}

// note puts a record on disk, and then tells it.
func (x *run) note(r deminer.Record) error {
	r.Time = x.tools.Now().UTC()
	r, err := x.journal.Append(r)
	if err != nil {
		return err
	}
	if r.Step != "" {
		s := x.state[r.Step]
		s.see(r)
		x.state[r.Step] = s
	}
	x.progress(r)
	return nil
}

// errJournal: the journal could not be written, so nothing more may be changed.
var errJournal = errors.New("stopped: the journal cannot be written")

func (x *run) steps(ctx context.Context) error {
	var failed []error
	for _, s := range x.plan.Steps {
		if x.state[s.ID].ended() {
			continue
		}
		if err := ctx.Err(); err != nil {
			return errors.Join(append(failed, fmt.Errorf("stopped before step %s: %w", s.ID, err))...)
		}
		err := x.step(s)
		if errors.Is(err, errJournal) {
			return errors.Join(append(failed, err)...)
		}
		failed = append(failed, err)
	}
	if err := x.note(deminer.Record{State: deminer.StateEnd, Note: markRun}); err != nil {
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// step does one step: ready, on disk, do, on disk.
func (x *run) step(s deminer.Step) error {
	if i := slices.IndexFunc(s.After, func(id string) bool { return !x.state[id].done }); i >= 0 {
		return x.write(deminer.Record{Step: s.ID, State: deminer.StateSkipped, Note: "step " + s.After[i] + " before it did not end well"})
	}
	v, err := Find(s.Action.Verb)
	if err != nil {
		return err
	}
	x.tools.step, x.tools.why = s.ID, s.Why
	undo := x.state[s.ID].undo
	if !x.state[s.ID].ready {
		if undo, err = x.ready(v, s); err != nil {
			return err
		}
	}
	note, err := v.Do(x.tools, s, undo)
	if err != nil {
		return x.fail(s, err)
	}
	return x.write(deminer.Record{Step: s.ID, State: deminer.StateDone, Note: note})
}

func (x *run) ready(v Verb, s deminer.Step) (json.RawMessage, error) {
	data, err := v.Ready(x.tools, s)
	if err != nil {
		return nil, x.fail(s, err)
	}
	undo, err := json.Marshal(data)
	if err != nil {
		return nil, x.fail(s, fmt.Errorf("write down what undo needs: %w", err))
	}
	return undo, x.write(deminer.Record{Step: s.ID, State: deminer.StateReady, Undo: undo})
}

// fail records why a step failed. The error names the step.
func (x *run) fail(s deminer.Step, err error) error {
	err = fmt.Errorf("step %s (%s %s): %w", s.ID, s.Action.Verb, s.Action.Target, err)
	return errors.Join(err, x.write(deminer.Record{Step: s.ID, State: deminer.StateFailed, Note: deminer.Cut(err.Error(), 2000)}))
}

func (x *run) write(r deminer.Record) error {
	if err := x.note(r); err != nil {
		return fmt.Errorf("%w: %w", errJournal, err)
	}
	return nil
}

func (r *Runner) now() time.Time {
	if r.Tools.Now != nil {
		return r.Tools.Now().UTC()
	}
	return time.Now().UTC()
}
