package remedy

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// startState is the undo data of a unit that was started.
type startState struct {
	Already bool `json:"already,omitempty"` // it ran before; undo leaves it running
}

func startUnit() Verb {
	return Verb{Name: deminer.VerbStartUnit, Doc: "start a unit and wait until it is up", Phase: deminer.PhaseRepair,
		Ready: readyStart, Do: doStart, Undo: undoStart, Holds: startHolds}
}

func restartUnit() Verb {
	return Verb{Name: deminer.VerbRestartUnit, Doc: "restart a unit, if it runs", Phase: deminer.PhaseRepair, Late: true,
		Ready: readyStart, Do: doRestart, Undo: doRestart, Holds: startHolds}
}

// runs reports whether a unit is up or on its way.
func (t *Tools) runs(unit string) (bool, error) {
	u, err := t.Hands.Units.State(unit)
	return u.Active == "active" || u.Active == "activating" || u.Active == "reloading", err
}

func readyStart(t *Tools, s deminer.Step) (any, error) {
	if err := need(t.Hands.Units != nil && t.Hands.Units.Running(), "start a unit"); err != nil {
		return nil, err
	}
	on, err := t.runs(s.Action.Target.Name)
	return startState{Already: on}, err
}

func doStart(t *Tools, s deminer.Step, raw json.RawMessage) (string, error) {
	d, err := take[startState](raw)
	if err != nil || d.Already {
		return "nothing to do: it runs", err
	}
	return "", t.Hands.Units.Job(s.Action.Target.Name, host.UnitStart)
}

// undoStart stops what was started. Where systemd does not run (after a boot into another system) nothing runs either.
func undoStart(t *Tools, s deminer.Step, raw json.RawMessage) (string, error) {
	d, err := take[startState](raw)
	if err != nil || d.Already {
		return "it ran before", err
	}
	if t.Hands.Units == nil || !t.Hands.Units.Running() {
		return "nothing to do: systemd does not run", nil
	}
	u, err := t.Hands.Units.State(s.Action.Target.Name)
	if err != nil {
		return "", err
	}
	if u.Active == "inactive" || u.Active == "failed" || u.Active == "" {
		return "nothing to do: it does not run", nil
	}
	return "", t.Hands.Units.Job(s.Action.Target.Name, host.UnitStop)
}

// doRestart is its own undo: once the files are back, the unit has to begin anew with them.
func doRestart(t *Tools, s deminer.Step, _ json.RawMessage) (string, error) {
	if t.Hands.Units == nil || !t.Hands.Units.Running() {
		return "nothing to do: systemd does not run", nil
	}
	if err := t.Hands.Units.Reload(); err != nil {
		return "", err
	}
	on, err := t.runs(s.Action.Target.Name)
	if err != nil || !on {
		return "nothing to do: it does not run", err
	}
	return "", t.Hands.Units.Job(s.Action.Target.Name, host.UnitRestart)
}

// startHolds: the unit must still run.
func startHolds(t *Tools, s deminer.Step, _ json.RawMessage) ([]Return, error) {
	if t.Hands.Units == nil || !t.Hands.Units.Running() {
		return nil, nil
	}
	u, err := t.Hands.Units.State(s.Action.Target.Name)
	if err != nil {
		return nil, err
	}
	if u.Active == "active" || u.Active == "reloading" {
		return nil, nil
	}
	return back(s, time.Time{}, "unit %s does not run: it is %s", deminer.Safe(s.Action.Target.Name), fmt.Sprintf("%q", deminer.Safe(u.Active))), nil
}
