package remedy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// frozen is the undo data of a freeze.
type frozen struct {
	Gone bool `json:"gone,omitempty"`
	// Stopped were stopped before: undo leaves them so.
	Stopped []deminer.ProcID `json:"stopped,omitempty"`
	Cgroup  string           `json:"cgroup,omitempty"`
}

func freeze() Verb {
	return Verb{Name: deminer.VerbFreeze, Doc: "stop a process and its descendants without killing them", Phase: deminer.PhaseFreeze,
		Ready: readyFreeze, Do: doFreeze, Undo: thaw}
}

// target identifies the process of a step. gone: it has ended, or its PID is another process, which for us is the same.
func (t *Tools) target(s deminer.Step) (p host.Proc, l host.Launch, gone bool, err error) {
	if err := need(t.Hands.Procs != nil, string(s.Action.Verb)); err != nil {
		return p, l, false, err
	}
	p, l, err = t.Hands.Procs.Look(s.Action.Target.Proc)
	if errors.Is(err, fs.ErrNotExist) {
		return p, l, true, nil
	}
	if err == nil && s.Expect.Exe != "" && p.Exe != s.Expect.Exe {
		err = fmt.Errorf("find process %d: %w: it runs %q by now", p.ID.PID, deminer.ErrChanged, p.Exe)
	}
	return p, l, false, err
}

func readyFreeze(t *Tools, s deminer.Step) (any, error) {
	p, _, gone, err := t.target(s)
	if err != nil || gone {
		return frozen{Gone: gone}, err
	}
	all, err := t.Hands.Procs.List()
	if err != nil {
		return nil, err
	}
	f := frozen{Cgroup: p.Cgroup}
	for _, one := range family(all, p.ID) {
		if one.State == 'T' {
			f.Stopped = append(f.Stopped, one.ID)
		}
	}
	return f, nil
}

// doFreeze stops by signal, which works everywhere and at once, and then also by the cgroup where it holds nobody else:
// a twin that is still awake could continue a stopped process, but not thaw a cgroup unnoticed.
func doFreeze(t *Tools, s deminer.Step, raw json.RawMessage) (string, error) {
	f, err := take[frozen](raw)
	if err != nil || f.Gone {
		return "nothing to do: it has ended", err
	}
	told, err := t.signAll(s.Action.Target.Proc, host.SignStop, nil)
	if err != nil {
		return "", err
	}
	whole, err := t.Hands.Procs.Freeze(f.Cgroup, told, true)
	if err != nil {
		return fmt.Sprintf("%d processes stopped by signal; %v", len(told), err), nil
	}
	if whole {
		return fmt.Sprintf("%d processes stopped, with their whole cgroup", len(told)), nil
	}
	return fmt.Sprintf("%d processes stopped", len(told)), nil
}

func thaw(t *Tools, s deminer.Step, raw json.RawMessage) (string, error) {
	f, err := take[frozen](raw)
	if err != nil || f.Gone {
		return "it had ended before", err
	}
	if err := need(t.Hands.Procs != nil, "thaw"); err != nil {
		return "", err
	}
	_, freezeErr := t.Hands.Procs.Freeze(f.Cgroup, nil, false)
	told, err := t.signAll(s.Action.Target.Proc, host.SignContinue, f.Stopped)
	if err != nil || freezeErr != nil {
		return "", errors.Join(err, freezeErr)
	}
	return fmt.Sprintf("%d processes go on", len(told)), nil
}
