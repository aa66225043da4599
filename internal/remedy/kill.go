package remedy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// killed says how a process was started: all that is left of it.
type killed struct {
	Gone   bool        `json:"gone,omitempty"`
	Launch host.Launch `json:"launch"`
	Twins  twins       `json:"twins,omitzero"`
}

func kill() Verb {
	return Verb{Name: deminer.VerbKill, Doc: "kill a process with its descendants and those that run the same program; cannot be undone", Phase: deminer.PhaseKill,
		Ready: func(t *Tools, s deminer.Step) (any, error) {
			p, l, gone, err := t.target(s)
			if err != nil {
				return nil, err
			}
			k := killed{Gone: gone, Launch: l}
			k.Twins, err = t.twinsOf(s, p, gone)
			return k, err
		}, Do: doKill, Undo: undoKill, Holds: killHolds}
}

// doKill stops everybody first, so that nobody forks or flees while the others die, kills them, and looks again until
// nobody is left.
func doKill(t *Tools, s deminer.Step, raw json.RawMessage) (string, error) {
	k, err := take[killed](raw)
	if err != nil || k.Gone && !k.Twins.Known() {
		return "nothing to do: it has ended", err
	}
	_, _, err = t.Hands.Procs.Look(s.Action.Target.Proc)
	if away := errors.Is(err, fs.ErrNotExist) || errors.Is(err, deminer.ErrChanged); away && !k.Twins.Known() {
		return "it has ended", nil
	}
	h, err := t.prey(s, k.Twins)
	if err != nil {
		return "", err
	}
	dead, err := t.killAll(h)
	if err := errors.Join(err, t.thawGroups(append(h.groups, k.Launch.Cgroup))); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d processes killed%s; %s", dead, h.left(), started(k.Launch)), nil
}

// thawGroups thaws those cgroups that a step of the plan may have frozen: what is started in them next would never run. A twin
// may have died in another one than the process that was meant.
func (t *Tools) thawGroups(groups []string) error {
	var errs []error
	slices.Sort(groups)
	for _, g := range slices.Compact(groups) {
		if t.froze[g] {
			_, err := t.Hands.Procs.Freeze(g, nil, false)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// killAll kills what a hunt finds, again and again, until two looks in a row find nobody.
func (t *Tools) killAll(h *hunt) (dead int, err error) {
	end := time.Now().Add(hunting)
	all := map[deminer.ProcID]bool{}
	for quiet := 0; quiet < 2; {
		h.told, h.fails = nil, nil
		if err := t.signAll(h, host.SignStop, nil); err != nil {
			return dead, err
		}
		// Children first: a parent that dies first would hand them on to init, out of our sight.
		prey := h.told
		for _, id := range slices.Backward(prey) {
			h.tell(t, id, host.SignKill)
		}
		if err := errors.Join(h.fails...); err != nil {
			return dead, err
		}
		if quiet++; len(prey) > 0 {
			quiet = 0
		}
		for _, id := range prey {
			all[id] = true
		}
		dead = len(all)
		if time.Now().After(end) {
			return dead, fmt.Errorf("process %d: it, or what runs its program, lived for %s after it was killed", h.of.PID, hunting)
		}
		if quiet < 2 {
			time.Sleep(pause)
		}
	}
	return dead, nil
}

func undoKill(t *Tools, s deminer.Step, raw json.RawMessage) (string, error) {
	k, err := take[killed](raw)
	if err != nil || k.Gone {
		return "it had ended before", err
	}
	if t.Hands.Procs != nil {
		if _, _, err := t.Hands.Procs.Look(s.Action.Target.Proc); err == nil {
			return "it was never killed", t.Hands.Procs.Signal(s.Action.Target.Proc, host.SignContinue)
		}
	}
	return "", fmt.Errorf("process %d was killed: %w; %s", s.Action.Target.Proc.PID, deminer.ErrIrreversible, started(k.Launch))
}

// started says in words how a process was started.
func started(l host.Launch) string {
	var argv []string
	for _, a := range l.Argv {
		argv = append(argv, string(a))
	}
	if len(argv) == 0 {
		return "it had ended before"
	}
	return fmt.Sprintf("it was started as %q in %q by user %d", deminer.Cut(strings.Join(argv, " "), 400), deminer.Cut(l.Cwd, 200), l.UID)
}
