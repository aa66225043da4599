package remedy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/deminer/deminer"
)

// attrs is the undo data of a change of attributes.
type attrs struct {
	Path   deminer.Raw  `json:"path"`
	Before deminer.Attr `json:"before"`
	After  deminer.Attr `json:"after"`
	Dir    deminer.Attr `json:"dir"`
}

func clearFlag() Verb {
	return Verb{Name: deminer.VerbClearFlag, Doc: "clear the inode flags +i and +a of a file", Phase: deminer.PhaseUproot,
		Ready: func(t *Tools, s deminer.Step) (any, error) {
			return readyAttrs(t, s, func(a *deminer.Attr) error {
				for _, c := range string(s.Action.Args["flags"]) {
					bit, ok := map[rune]deminer.Flags{'i': deminer.Immutable, 'a': deminer.AppendOnly}[c]
					if !ok {
						return fmt.Errorf("flag %q is none that deminer clears", string(c))
					}
					a.Flags &^= bit
				}
				return nil
			})
		}, Do: doAttrs, Undo: undoAttrs, Holds: attrsHold}
}

func chmod() Verb {
	return Verb{Name: deminer.VerbChmod, Doc: "set the mode of a file", Phase: deminer.PhaseRepair,
		Ready: func(t *Tools, s deminer.Step) (any, error) {
			return readyAttrs(t, s, func(a *deminer.Attr) error {
				mode, err := strconv.ParseUint(strings.TrimPrefix(string(s.Action.Args["mode"]), "0o"), 8, 32)
				if err != nil || mode > 0o7777 {
					return fmt.Errorf("mode %q is not an octal mode", string(s.Action.Args["mode"]))
				}
				a.Mode = uint32(mode)
				return nil
			})
		}, Do: doAttrs, Undo: undoAttrs, Holds: attrsHold}
}

func readyAttrs(t *Tools, s deminer.Step, change func(*deminer.Attr) error) (any, error) {
	name := string(s.Action.Target.Path)
	n, err := t.Hands.Files.Look(name)
	if err != nil {
		return nil, err
	}
	if n.Attr.Type == deminer.Symlink {
		return nil, fmt.Errorf("set attributes of %q: %w: it is a link", name, deminer.ErrProtected)
	}
	if err := t.expect(name, n, s.Expect); err != nil {
		return nil, err
	}
	if err := t.Hands.Files.Room(name, 0); err != nil {
		return nil, err
	}
	d := attrs{Path: deminer.Raw(name), Before: n.Attr, After: n.Attr, Dir: n.Dir}
	if err := change(&d.After); err != nil {
		return nil, fmt.Errorf("set attributes of %q: %w", name, err)
	}
	return d, nil
}

// doAttrs changes mode and flags only and keeps the times, which a change of attributes does not touch.
func doAttrs(t *Tools, _ deminer.Step, raw json.RawMessage) (string, error) {
	d, err := take[attrs](raw)
	if err != nil {
		return "", err
	}
	return "", t.Hands.Writer.Set(string(d.Path), d.Before, still(d.After))
}

// undoAttrs gives back mode and flags, and only those, so that what was written since keeps its time.
func undoAttrs(t *Tools, _ deminer.Step, raw json.RawMessage) (string, error) {
	d, err := take[attrs](raw)
	if err != nil {
		return "", err
	}
	n, err := t.Hands.Files.Look(string(d.Path))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("put attributes of %q back: %w: it is gone", string(d.Path), deminer.ErrChanged)
	}
	if err != nil {
		return "", err
	}
	// The file may be another inode by now: a step after this one was taken back by writing it anew.
	a := n.Attr
	if a.Type != d.Before.Type || a.Mode != d.After.Mode && a.Mode != d.Before.Mode {
		return "", fmt.Errorf("put attributes of %q back: %w", string(d.Path), deminer.ErrChanged)
	}
	a.Mode, a.Flags = d.Before.Mode, d.Before.Flags
	return "", t.Hands.Writer.Set(string(d.Path), n.Attr, still(a))
}
