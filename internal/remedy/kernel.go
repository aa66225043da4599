package remedy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/deminer/deminer"
)

// setting is the undo data of a changed setting.
type setting struct {
	Before string `json:"before"`
	After  string `json:"after"`
}

func setSysctl() Verb {
	return Verb{Name: deminer.VerbSysctl, Doc: "write a kernel setting", Phase: deminer.PhaseRepair,
		Ready: func(t *Tools, s deminer.Step) (any, error) {
			if err := need(t.Hands.Kernel != nil, "write a kernel setting"); err != nil {
				return nil, err
			}
			value := string(s.Action.Args["value"])
			if value == "" || strings.ContainsAny(value, "\x00\n") {
				return nil, fmt.Errorf("write setting %q: no value is given", s.Action.Target.Name)
			}
			now, err := t.Hands.Kernel.Setting(s.Action.Target.Name)
			if err != nil {
				return nil, err
			}
			if want := string(s.Action.Target.Line); want != "" && !equalValue(now, want) && !equalValue(now, value) {
				return nil, fmt.Errorf("write setting %q: %w: it is %q by now", s.Action.Target.Name, deminer.ErrChanged, deminer.Cut(now, 80))
			}
			return setting{Before: now, After: value}, nil
		},
		Do: func(t *Tools, s deminer.Step, raw json.RawMessage) (string, error) {
			v, err := take[setting](raw)
			if err != nil {
				return "", err
			}
			return "", t.set(s.Action.Target.Name, v.Before, v.After)
		},
		Undo: func(t *Tools, s deminer.Step, raw json.RawMessage) (string, error) {
			v, err := take[setting](raw)
			if err != nil {
				return "", err
			}
			return "", t.set(s.Action.Target.Name, v.After, v.Before)
		}, Holds: settingHolds}
}

// set writes a setting if it still is what it was; the kernel prints some with other blanks than were written.
func (t *Tools) set(name, from, to string) error {
	if err := need(t.Hands.Kernel != nil, "write a kernel setting"); err != nil {
		return err
	}
	now, err := t.Hands.Kernel.Setting(name)
	switch {
	case err != nil:
		return err
	case equalValue(now, to):
		return nil
	case !equalValue(now, from):
		return fmt.Errorf("write setting %q: %w: it is %q by now", name, deminer.ErrChanged, deminer.Cut(now, 80))
	}
	return t.Hands.Kernel.SetSetting(name, to)
}

func equalValue(a, b string) bool {
	return strings.Join(strings.Fields(a), " ") == strings.Join(strings.Fields(b), " ")
}

// cover is what was mounted over a process directory.
type cover struct {
	Mounts []deminer.Mount `json:"mounts,omitempty"`
}

// procDir is the only place that is ever unmounted.
var procDir = regexp.MustCompile(`^/proc/[0-9]+(/[a-z_]+)?$`)

func unmount() Verb {
	return Verb{Name: deminer.VerbUnmount, Doc: "detach what is mounted over /proc/PID to hide a process; cannot be undone", Phase: deminer.PhaseFreeze,
		Ready: func(t *Tools, s deminer.Step) (any, error) {
			if err := need(t.Hands.Kernel != nil, "unmount"); err != nil {
				return nil, err
			}
			point := string(s.Action.Target.Path)
			if !procDir.MatchString(point) {
				return nil, fmt.Errorf("unmount %q: %w: only covers over /proc/PID are unmounted", point, deminer.ErrProtected)
			}
			list, err := t.Hands.Kernel.Mounted(point)
			return cover{Mounts: list}, err
		},
		Do:   doUnmount,
		Undo: undoUnmount, Holds: coverHolds}
}

// doUnmount detaches the covers that Ready saw, the topmost first, and no others.
func doUnmount(t *Tools, s deminer.Step, raw json.RawMessage) (string, error) {
	c, err := take[cover](raw)
	if err != nil || len(c.Mounts) == 0 {
		return "nothing to do: nothing is mounted there", err
	}
	point := string(s.Action.Target.Path)
	for i := len(c.Mounts) - 1; i >= 0; i-- {
		now, err := t.Hands.Kernel.Mounted(point)
		if err != nil {
			return "", err
		}
		if len(now) <= i {
			continue
		}
		if err := t.Hands.Kernel.Unmount(point, c.Mounts[i].ID); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", nil
}

func undoUnmount(t *Tools, s deminer.Step, raw json.RawMessage) (string, error) {
	c, err := take[cover](raw)
	if err != nil || len(c.Mounts) == 0 {
		return "nothing was mounted there", err
	}
	if t.Hands.Kernel != nil {
		if now, err := t.Hands.Kernel.Mounted(string(s.Action.Target.Path)); err == nil && len(now) == len(c.Mounts) {
			return "it was never unmounted", nil
		}
	}
	m := c.Mounts[len(c.Mounts)-1]
	return "", fmt.Errorf("the cover over %s is not mounted again: %w; it was %s of %s (%s)", s.Action.Target, deminer.ErrIrreversible,
		deminer.Safe(m.Root), deminer.Safe(m.Source), deminer.Safe(m.Type))
}

func unloadModule() Verb {
	refuse := func(s deminer.Step) error {
		return fmt.Errorf("unload module %q: %w: a module of a rootkit is not asked to leave a running kernel; take away what loads it, reboot from trusted media and rebuild the host",
			deminer.Safe(s.Action.Target.Name), deminer.ErrProtected)
	}
	return Verb{Name: deminer.VerbUnload, Doc: "refused always, with advice", Phase: deminer.PhaseRepair,
		Ready: func(_ *Tools, s deminer.Step) (any, error) { return nil, refuse(s) },
		Do:    func(_ *Tools, s deminer.Step, _ json.RawMessage) (string, error) { return "", refuse(s) },
		Undo:  func(_ *Tools, s deminer.Step, _ json.RawMessage) (string, error) { return "", refuse(s) }, Holds: nothingHolds}
}
