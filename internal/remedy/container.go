package remedy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// stopped is the undo data of a stopped container.
type stopped struct {
	Gone   bool           `json:"gone,omitempty"`
	Before host.Container `json:"before"`
}

func stopContainer() Verb {
	return Verb{Name: deminer.VerbStopContainer, Doc: "clear a container's restart policy and stop it", Phase: deminer.PhaseKill,
		Ready: func(t *Tools, s deminer.Step) (any, error) {
			if err := need(t.Hands.Containers != nil, "stop a container"); err != nil {
				return nil, err
			}
			c, err := t.Hands.Containers.Look(string(s.Action.Args["engine"]), s.Action.Target.Name)
			if errors.Is(err, fs.ErrNotExist) {
				return stopped{Gone: true}, nil
			}
			return stopped{Before: c}, err
		}, Do: doStop, Undo: undoStop, Holds: containerHolds}
}

// doStop clears the restart policy before anything else, pauses so that nothing inside reacts, and stops.
func doStop(t *Tools, s deminer.Step, raw json.RawMessage) (string, error) {
	d, err := take[stopped](raw)
	if err != nil || d.Gone {
		return "nothing to do: it is gone", err
	}
	hand, engine, id := t.Hands.Containers, string(s.Action.Args["engine"]), d.Before.ID
	now, err := hand.Look(engine, id)
	if errors.Is(err, fs.ErrNotExist) {
		return "it is gone", nil
	}
	if err != nil {
		return "", err
	}
	if now.Restart != "no" && now.Restart != "" {
		if err := hand.Restart(engine, id, "no", 0); err != nil {
			return "", err
		}
	}
	if !now.Running {
		return "", nil
	}
	if !now.Paused {
		if err := hand.Pause(engine, id, true); err != nil {
			return "", err
		}
	}
	return managed(now, "starts it again unless it is taken away there"), hand.Stop(engine, id)
}

// managed is the remark on a container that somebody starts by himself.
func managed(c host.Container, what string) string {
	switch c.Manager {
	case "":
		return ""
	case "kubelet":
		return "it belongs to a pod: kubelet " + what + " (delete the pod and what asks for it: a deployment, a daemon set, a static manifest)"
	}
	return deminer.Safe(c.Manager) + " manages it and " + what
}

func undoStop(t *Tools, s deminer.Step, raw json.RawMessage) (string, error) {
	d, err := take[stopped](raw)
	if err != nil || d.Gone {
		return "it was gone before", err
	}
	if err := need(t.Hands.Containers != nil, "start a container"); err != nil {
		return "", err
	}
	hand, engine, id := t.Hands.Containers, string(s.Action.Args["engine"]), d.Before.ID
	if d.Before.Manager != "" {
		return managed(d.Before, "starts what it is asked for: deminer does not start it beside it"), nil
	}
	now, err := hand.Look(engine, id)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("start container %s: %w: it was removed since", id, deminer.ErrChanged)
	}
	if err != nil {
		return "", err
	}
	if now.Restart != d.Before.Restart {
		if err := hand.Restart(engine, id, d.Before.Restart, d.Before.Retries); err != nil {
			return "", err
		}
	}
	if d.Before.Running && !now.Running {
		if err := hand.Start(engine, id); err != nil {
			return "", err
		}
		now.Paused = false
	}
	if d.Before.Paused != now.Paused && d.Before.Running {
		return "", hand.Pause(engine, id, d.Before.Paused)
	}
	return "", nil
}
