package remedy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// killed says how a process was started: all that is left of it.
type killed struct {
	Gone   bool        `json:"gone,omitempty"`
	Launch host.Launch `json:"launch"`
}

func kill() Verb {
	return Verb{Name: deminer.VerbKill, Doc: "kill a process with its descendants; cannot be undone", Phase: deminer.PhaseKill,
		Ready: func(t *Tools, s deminer.Step) (any, error) {
			_, l, gone, err := t.target(s)
			return killed{Gone: gone, Launch: l}, err
		}, Do: doKill, Undo: undoKill}
}

// doKill stops the whole family first, so that nobody forks or flees while the others die.
func doKill(t *Tools, s deminer.Step, raw json.RawMessage) (string, error) {
	k, err := take[killed](raw)
	if err != nil || k.Gone {
		return "nothing to do: it has ended", err
	}
	id := s.Action.Target.Proc
	if _, _, err := t.Hands.Procs.Look(id); errors.Is(err, fs.ErrNotExist) || errors.Is(err, deminer.ErrChanged) {
		return "it has ended", nil
	}
	stopped, err := t.signAll(id, host.SignStop, nil)
	if err != nil {
		return "", err
	}
	var failed []error
	// Children first: a parent that dies first would hand them on to init, out of our sight.
	for i := len(stopped) - 1; i >= 0; i-- {
		if err := t.Hands.Procs.Signal(stopped[i], host.SignKill); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, deminer.ErrChanged) {
			failed = append(failed, err)
		}
	}
	// A cgroup that a freeze step stopped as a whole must not stay so: what is started in it next would never run.
	if _, err := t.Hands.Procs.Freeze(k.Launch.Cgroup, nil, false); err != nil {
		failed = append(failed, err)
	}
	if err := errors.Join(failed...); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d processes killed; %s", len(stopped), started(k.Launch)), nil
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
	return fmt.Sprintf("it was started as %q in %q by user %d", deminer.Cut(strings.Join(argv, " "), 400), deminer.Cut(l.Cwd, 200), l.UID)
}
