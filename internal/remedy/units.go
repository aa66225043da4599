package remedy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// unitDir is where an administrator's units and masks are, see systemd.unit(5).
const unitDir = "/etc/systemd/system"

// mask is the undo data of a masked unit.
type mask struct {
	Already bool         `json:"already,omitempty"`
	Path    deminer.Raw  `json:"path"`
	Dir     deminer.Attr `json:"dir"`
}

func maskUnit() Verb {
	return Verb{Name: deminer.VerbMaskUnit, Doc: "link a unit to /dev/null so that nothing can start it", Phase: deminer.PhaseUproot,
		Ready: readyMask, Do: doMask, Undo: unmask, Holds: maskHolds}
}

func readyMask(t *Tools, s deminer.Step) (any, error) {
	unit := s.Action.Target.Name
	if unit == "" || strings.ContainsAny(unit, "/\x00\n") || strings.HasPrefix(unit, ".") || path.Ext(unit) == "" {
		return nil, fmt.Errorf("mask unit %q: %w: not the name of a unit", unit, deminer.ErrProtected)
	}
	name := unitDir + "/" + unit
	n, err := t.Hands.Files.Look(name)
	switch {
	case err == nil && n.Attr.Type == deminer.Symlink && n.Link == "/dev/null":
		return mask{Already: true, Path: deminer.Raw(name)}, nil
	case err == nil:
		return nil, fmt.Errorf("mask unit %q: %w: its own file is %s; drop that file instead", unit, deminer.ErrProtected, name)
	case !errors.Is(err, fs.ErrNotExist) || n.Dir.Ino == 0:
		return nil, err
	}
	return mask{Path: deminer.Raw(name), Dir: n.Dir}, t.Hands.Files.Room(name, 4096)
}

func doMask(t *Tools, _ deminer.Step, raw json.RawMessage) (string, error) {
	m, err := take[mask](raw)
	if err != nil || m.Already {
		return "nothing to do: it is masked", err
	}
	name := string(m.Path)
	n, err := t.Hands.Files.Look(name)
	if err == nil && n.Link == "/dev/null" {
		return "", t.Hands.Writer.Settle(name, m.Dir, false)
	}
	link := host.Node{Attr: deminer.Attr{Type: deminer.Symlink}, Link: "/dev/null"}
	return "", t.Hands.Writer.Put(name, link, nil, deminer.Attr{})
}

func unmask(t *Tools, _ deminer.Step, raw json.RawMessage) (string, error) {
	m, err := take[mask](raw)
	if err != nil || m.Already {
		return "it was masked before", err
	}
	name := string(m.Path)
	n, err := t.Hands.Files.Look(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return "", err
	case n.Link != "/dev/null":
		return "", fmt.Errorf("unmask %q: %w: it is no mask any more", name, deminer.ErrChanged)
	default:
		if err := t.Hands.Writer.Remove(name, n); err != nil {
			return "", err
		}
	}
	return "", t.Hands.Writer.Settle(name, m.Dir, true)
}

func reload() Verb {
	return Verb{Name: deminer.VerbReload, Doc: "let systemd read its files again and forget failed units", Phase: deminer.PhaseUproot, Late: true,
		Ready: func(t *Tools, _ deminer.Step) (any, error) {
			return struct{}{}, need(t.Hands.Units != nil, "reload")
		}, Do: doReload, Undo: doReload, Holds: nothingHolds}
}

// doReload is its own undo: once the files are back, systemd has to read them again.
func doReload(t *Tools, s deminer.Step, _ json.RawMessage) (string, error) {
	if err := need(t.Hands.Units != nil, "reload"); err != nil {
		return "", err
	}
	if !t.Hands.Units.Running() {
		return "nothing to do: systemd does not run", nil
	}
	if err := t.Hands.Units.Reload(); err != nil {
		return "", err
	}
	var failed []error
	units := strings.Fields(string(s.Action.Args["units"]))
	for _, unit := range units {
		failed = append(failed, t.Hands.Units.ResetFailed(unit))
	}
	note := ""
	if s.Action.Args["users"] == "yes" {
		// What does not answer there is said and no more: the rest of the clean-up must not wait for a user's manager.
		n, err := t.Hands.Units.ReloadUsers(units)
		note = fmt.Sprintf("%d managers of users read their files again", n)
		if err != nil {
			note += "; " + deminer.Cut(err.Error(), 500)
		}
	}
	return note, errors.Join(failed...)
}
