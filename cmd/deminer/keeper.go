package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/guard"
	"github.com/deminer/deminer/internal/history"
	"github.com/deminer/deminer/internal/remedy"
)

// While another deminer changes this host, the keeper waits for it so often, so long each time.
const (
	busyTries = 5
	busyPause = 2 * time.Second
)

// keeper sees to it that what was removed does not come back: events in, what came back out, removed again.
type keeper struct {
	store *store // armed
	host  deminer.HostInfo
	list  *guard.List
	// lineage tells where a process comes from; nil: nobody knows.
	lineage func(deminer.ProcID) ([]history.Entry, error)
	now     func() time.Time
	plans   int
	stamp   string    // of the journals from which list was made
	made    time.Time // when
}

// refresh makes the list anew where a journal changed since, or it is a day old. The error joins what could not be read; the rest is
// guarded.
func (k *keeper) refresh() error {
	stamp, err := k.store.runner.Journal.Stamp()
	if err == nil && stamp == k.stamp && k.list != nil && k.now().Sub(k.made) < 24*time.Hour {
		return nil
	}
	removed, failed := k.store.runner.Removals(k.now().Add(-guard.Keep))
	k.list, k.stamp, k.made = guard.New(removed, k.now()), stamp, k.now()
	return errors.Join(err, failed)
}

// touches gives what of the removed is back by an event: nothing for nearly all events, without a look at the host.
func (k *keeper) touches(e *deminer.Event, f guard.Facts) (back []guard.Touch, err error) {
	if len(k.list.Event(e, f)) == 0 {
		return nil, nil
	}
	if err := k.refresh(); err != nil { // an undo may just have put it back
		return nil, err
	}
	looked := map[string][]string{}
	var failed []error
	for _, t := range k.list.Event(e, f) {
		if e.Kind == deminer.EventConnect {
			stands, err := k.blocked(t.Removed.Action.Target.Addr)
			if failed = append(failed, err); stands || err != nil {
				continue // it reaches nobody
			}
		}
		if t.Sure {
			back = append(back, t)
			continue
		}
		plan := t.Removed.Plan
		if _, ok := looked[plan]; !ok {
			looked[plan] = nil
			list, err := k.store.runner.Stands(plan, k.steps(e, f, plan))
			failed = append(failed, err)
			for _, one := range list {
				looked[plan] = append(looked[plan], one.Step)
				if one.Step == t.Removed.Step {
					t.Why = one.What
				}
			}
		}
		if slices.Contains(looked[plan], t.Removed.Step) {
			back = append(back, t)
		}
	}
	return back, errors.Join(failed...)
}

// blocked reports whether an address is blocked right now.
func (k *keeper) blocked(addr string) (bool, error) {
	want, err := remedy.ParseBlock(addr)
	if err != nil {
		return false, err
	}
	list, err := k.store.runner.Blocks()
	return slices.ContainsFunc(list, want.Same), err
}

func (k *keeper) steps(e *deminer.Event, f guard.Facts, plan string) (out []string) {
	for _, t := range k.list.Event(e, f) {
		if t.Removed.Plan == plan {
			out = append(out, t.Removed.Step)
		}
	}
	return out
}

// saw takes an event. If it brings something back, that is removed again, unless the event was denied or act says no, and told.
func (k *keeper) saw(ctx context.Context, e *deminer.Event, f guard.Facts, act bool) (*guard.Attempt, error) {
	back, err := k.touches(e, f)
	if len(back) == 0 {
		return nil, err
	}
	var up []history.Entry
	if k.lineage != nil && e.Proc.PID != 0 {
		up, _ = k.lineage(e.Proc) // damage of the history is told by doctor
	}
	a := guard.NewAttempt(e, back, up)
	switch {
	case e.Denied:
		a.Blocked, a.Done = true, "denied"
	case !act:
		a.Done = "told only, as the policy says"
	default:
		if same := slices.DeleteFunc(slices.Clone(back), another); len(same) > 0 {
			k.remove(ctx, &a, e, f, same)
		} else {
			a.Done = "told only: the name is the same, the content is not what was taken away"
		}
	}
	return &a, err
}

// another reports whether something else may lie at the name of what was removed: an owner may have put a sound file there.
func another(t guard.Touch) bool {
	v := t.Removed.Action.Verb
	return !t.Sure && (v == deminer.VerbDropFile || v == deminer.VerbQuarantine)
}

// remove takes away again what came back, by a plan of its own that is journaled like any.
func (k *keeper) remove(ctx context.Context, a *guard.Attempt, e *deminer.Event, f guard.Facts, back []guard.Touch) {
	k.plans++
	p := guard.Again(fmt.Sprintf("%s-guard-%d", k.now().UTC().Format("20060102-150405"), k.plans), k.host, e, f, back, k.now())
	err := k.store.runner.Run(ctx, p, p.Digest(), nil)
	for try := 0; errors.Is(err, deminer.ErrBusy) && try < busyTries; try++ {
		select {
		case <-ctx.Done():
		case <-time.After(busyPause):
			err = k.store.runner.Run(ctx, p, p.Digest(), nil)
		}
	}
	if err != nil {
		a.Done = "it stands: " + deminer.Safe(err.Error())
		if st, err := k.store.runner.Status(p.ID); err == nil && st.Done > 0 {
			a.Plan = p.ID
		}
		return
	}
	a.Blocked, a.Plan, a.Done = true, p.ID, "removed again by plan "+p.ID
}
