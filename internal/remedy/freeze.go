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
	// Held is set where somebody else had frozen the cgroup before: neither undo nor kill thaws it.
	Held  bool  `json:"held,omitempty"`
	Twins twins `json:"twins,omitzero"`
}

func freeze() Verb {
	return Verb{Name: deminer.VerbFreeze, Doc: "stop a process, its descendants and those that run the same program, without killing them", Phase: deminer.PhaseFreeze,
		Ready: readyFreeze, Do: doFreeze, Undo: thaw, Holds: frozenHolds}
}

// target identifies the process of a step. gone: it has ended. A PID that is another process by now is an error, but for a
// step that comes after the kill.
func (t *Tools) target(s deminer.Step) (p host.Proc, l host.Launch, gone bool, err error) {
	if err := need(t.Hands.Procs != nil, string(s.Action.Verb)); err != nil {
		return p, l, false, err
	}
	p, l, err = t.Hands.Procs.Look(s.Action.Target.Proc)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, deminer.ErrChanged) && s.Action.Args["again"] == "yes" {
		return host.Proc{}, host.Launch{}, true, nil
	}
	if err != nil {
		return p, l, false, err
	}
	// By the time of a second hunt the file of what survived the first is in the vault: its content tells, not its name.
	renamed := s.Action.Args["again"] == "yes" && s.Expect.SHA256 != ""
	if s.Expect.Exe != "" && p.Exe != s.Expect.Exe && !renamed {
		return p, l, false, fmt.Errorf("find process %d: %w: it runs %q by now", p.ID.PID, deminer.ErrChanged, p.Exe)
	}
	if s.Expect.SHA256 == "" {
		return p, l, false, nil
	}
	sum, err := t.Hands.Procs.Digest(p.ID)
	if err == nil && sum != s.Expect.SHA256 {
		err = fmt.Errorf("find process %d: %w: it runs another program by that name", p.ID.PID, deminer.ErrChanged)
	}
	return p, l, false, err
}

// prey is everything a step on a process is after.
func (t *Tools) prey(s deminer.Step, w twins) (*hunt, error) {
	spare, err := spared(s)
	return &hunt{of: s.Action.Target.Proc, twins: w, spare: spare}, err
}

func readyFreeze(t *Tools, s deminer.Step) (any, error) {
	p, _, gone, err := t.target(s)
	if err != nil {
		return nil, err
	}
	f := frozen{Gone: gone, Cgroup: p.Cgroup}
	if f.Twins, err = t.twinsOf(s, p, gone); err != nil {
		return nil, err
	}
	if f.Held, err = t.held(f.Cgroup); err != nil {
		return nil, err
	}
	h, err := t.prey(s, f.Twins)
	if err != nil {
		return nil, err
	}
	list, err := t.suspects(h)
	if err != nil {
		return nil, err
	}
	for _, one := range list {
		if one.State == 'T' {
			f.Stopped = append(f.Stopped, one.ID)
		}
	}
	return f, nil
}

// held reports whether a cgroup is frozen by somebody else than the plan that runs.
func (t *Tools) held(cgroup string) (bool, error) {
	if cgroup == "" || t.froze[cgroup] {
		return false, nil
	}
	frozen, err := t.Hands.Procs.Frozen(cgroup)
	if err == nil && !frozen {
		t.willFreeze(cgroup)
	}
	return frozen, err
}

// willFreeze remembers that a plan's own step may freeze a cgroup.
func (t *Tools) willFreeze(cgroup string) {
	if t.froze == nil {
		t.froze = map[string]bool{}
	}
	t.froze[cgroup] = true
}

// recall reads from the steps of an interrupted run which cgroups it may have frozen.
func (t *Tools) recall(p deminer.Plan, state map[string]stepState) {
	for _, s := range p.Steps {
		if s.Action.Verb != deminer.VerbFreeze || !state[s.ID].ready {
			continue
		}
		if f, err := take[frozen](state[s.ID].undo); err == nil && f.Cgroup != "" && !f.Held {
			t.willFreeze(f.Cgroup)
		}
	}
}

// doFreeze stops by signal, which works everywhere and at once, and then also by the cgroup where it holds nobody else:
// a twin that is still awake could continue a stopped process, but not thaw a cgroup unnoticed.
func doFreeze(t *Tools, s deminer.Step, raw json.RawMessage) (string, error) {
	f, err := take[frozen](raw)
	if err != nil || f.Gone && !f.Twins.Known() {
		return "nothing to do: it has ended", err
	}
	h, err := t.prey(s, f.Twins)
	if err != nil {
		return "", err
	}
	if err := t.signAll(h, host.SignStop, nil); err != nil {
		return "", err
	}
	note := fmt.Sprintf("%d processes stopped%s", len(h.told), h.left())
	if f.Gone {
		return note + "; the one that was meant has ended", nil
	}
	if f.Held {
		return note + "; somebody had frozen their cgroup before", nil
	}
	whole, err := t.Hands.Procs.Freeze(f.Cgroup, h.told, true)
	if err != nil {
		return fmt.Sprintf("%s by signal; %v", note, err), nil
	}
	if whole {
		return note + ", with their whole cgroup", nil
	}
	return note, nil
}

// left says how many a hunt came upon and left alone.
func (h *hunt) left() string {
	if n := len(h.kept) + len(h.spare); n > 0 {
		return fmt.Sprintf(" (%d left alone: deminer's own, or an owner's program among them)", n)
	}
	return ""
}

func thaw(t *Tools, s deminer.Step, raw json.RawMessage) (string, error) {
	f, err := take[frozen](raw)
	if err != nil || f.Gone && !f.Twins.Known() {
		return "it had ended before", err
	}
	if err := need(t.Hands.Procs != nil, "thaw"); err != nil {
		return "", err
	}
	h, err := t.prey(s, f.Twins)
	if err != nil {
		return "", err
	}
	var freezeErr error
	if !f.Held {
		_, freezeErr = t.Hands.Procs.Freeze(f.Cgroup, nil, false)
	}
	if err := errors.Join(freezeErr, t.signAll(h, host.SignContinue, f.Stopped)); err != nil {
		return "", err
	}
	if len(h.told) == 0 {
		return "none of it runs any more", nil
	}
	return fmt.Sprintf("%d of its processes go on", len(h.told)), nil
}
