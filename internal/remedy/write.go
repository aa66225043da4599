package remedy

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

func writeFile() Verb {
	return Verb{Name: deminer.VerbWriteFile, Doc: "write a file of root's", Phase: deminer.PhaseRepair,
		Ready: readyWrite, Do: doChanges, Undo: undoChanges, Holds: writtenHolds}
}

func readyWrite(t *Tools, s deminer.Step) (any, error) {
	name := string(s.Action.Target.Path)
	mode, err := strconv.ParseUint(cmp.Or(string(s.Action.Args["mode"]), "0644"), 8, 32)
	if err != nil || mode&^0o777 != 0 {
		return nil, fmt.Errorf("write %q: %w: mode %q", name, deminer.ErrProtected, deminer.Safe(s.Action.Args["mode"]))
	}
	body := []byte(s.Action.Args["text"])
	if from := string(s.Action.Args["from"]); from != "" {
		if from, _, err = t.real(from); err == nil {
			body, err = t.read(from, maxEdit)
		}
		if err != nil {
			return nil, err
		}
		if sum := digest(body); sum != string(s.Action.Args["sha256"]) {
			return nil, fmt.Errorf("copy %q: %w: its content begins with %.12s", from, deminer.ErrChanged, sum)
		}
	}
	if n, err := t.Hands.Files.Look(name); err == nil && n.Attr.Type != deminer.Regular {
		return nil, fmt.Errorf("write %q: %w: a %s stands there", name, deminer.ErrProtected, n.Attr.Type)
	}
	c, err := t.draw(name, func([]byte, *host.Node) (draft, error) {
		return draft{content: body, attr: &deminer.Attr{Type: deminer.Regular, Mode: uint32(mode)}}, nil
	})
	if err != nil {
		return nil, fmt.Errorf("write %q: %w", name, err)
	}
	if b := c.Before; b != nil && c.New == c.Old && b.Attr.Mode == uint32(mode) && b.Attr.UID == 0 && b.Attr.GID == 0 {
		return changes{Note: "nothing to do: it is so already"}, nil
	}
	return changes{Files: []change{c}}, nil
}

// writtenHolds: what was written must still be there.
func writtenHolds(t *Tools, s deminer.Step, undo json.RawMessage) (out []Return, err error) {
	all, err := take[changes](undo)
	if err != nil {
		return nil, nil
	}
	mode, err := strconv.ParseUint(cmp.Or(string(s.Action.Args["mode"]), "0644"), 8, 32)
	if err != nil {
		return nil, err // the plan was refused then
	}
	for _, c := range all.Files {
		now, sum, err := t.look(c)
		switch {
		case err != nil:
			return out, err
		case now == nil:
			out = append(out, back(s, time.Time{}, "%s is gone", deminer.Safe(c.Path))...)
		case sum != c.New:
			out = append(out, back(s, now.Attr.Mtime, "%s has another content", deminer.Safe(c.Path))...)
		case now.Attr.Mode&^uint32(mode) != 0:
			out = append(out, back(s, now.Attr.Ctime, "the mode of %s is %04o", deminer.Safe(c.Path), now.Attr.Mode)...)
		}
	}
	return out, nil
}

// made is the undo data of what is put where nothing was.
type made struct {
	Already bool         `json:"already,omitempty"`
	Path    deminer.Raw  `json:"path"`
	Link    deminer.Raw  `json:"link,omitempty"` // where a link leads; "": a directory
	Dir     deminer.Attr `json:"dir"`
}

func (m made) is(n host.Node) bool {
	if m.Link == "" {
		return n.Attr.Type == deminer.Directory
	}
	return n.Attr.Type == deminer.Symlink && n.Link == m.Link
}

func makeDir() Verb {
	return Verb{Name: deminer.VerbMakeDir, Doc: "make a directory", Phase: deminer.PhaseRepair,
		Ready: readyMake, Do: doMake, Undo: unmake, Holds: madeHolds}
}

func makeLink() Verb {
	return Verb{Name: deminer.VerbMakeLink, Doc: "make a symbolic link", Phase: deminer.PhaseRepair,
		Ready: readyMake, Do: doMake, Undo: unmake, Holds: madeHolds}
}

func readyMake(t *Tools, s deminer.Step) (any, error) {
	m := made{Path: s.Action.Target.Path, Link: s.Action.Args["to"]}
	if s.Action.Verb == deminer.VerbMakeLink && m.Link == "" {
		return nil, errors.New("make a link: where it leads is not given")
	}
	n, err := t.Hands.Files.Look(string(m.Path))
	switch {
	case err == nil && m.is(n):
		m.Already = true
		return m, nil
	case err == nil:
		return nil, fmt.Errorf("make %q: %w: a %s stands there", string(m.Path), deminer.ErrProtected, n.Attr.Type)
	case !errors.Is(err, fs.ErrNotExist) || n.Dir.Ino == 0:
		return nil, err
	}
	m.Dir = n.Dir
	return m, t.Hands.Files.Room(string(m.Path), 4096)
}

func doMake(t *Tools, _ deminer.Step, raw json.RawMessage) (string, error) {
	m, err := take[made](raw)
	if err != nil || m.Already {
		return "nothing to do: it is there", err
	}
	name := string(m.Path)
	n, err := t.Hands.Files.Look(name)
	if err == nil && m.is(n) {
		return "", t.Hands.Writer.Settle(name, m.Dir, false)
	}
	fresh := host.Node{Attr: deminer.Attr{Type: deminer.Symlink}, Link: m.Link}
	if m.Link == "" {
		fresh.Attr = deminer.Attr{Type: deminer.Directory, Mode: 0o755}
	}
	return "", t.Hands.Writer.Put(name, fresh, nil, deminer.Attr{})
}

// unmake takes away what was made. What somebody put into a directory since is his, and keeps the directory.
func unmake(t *Tools, _ deminer.Step, raw json.RawMessage) (string, error) {
	m, err := take[made](raw)
	if err != nil || m.Already {
		return "it was there before", err
	}
	name := string(m.Path)
	n, err := t.Hands.Files.Look(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return "", err
	case !m.is(n):
		return "", fmt.Errorf("remove %q again: %w", name, deminer.ErrChanged)
	default:
		if err := t.Hands.Writer.Remove(name, n); err != nil {
			return "", err
		}
	}
	return "", t.Hands.Writer.Settle(name, m.Dir, true)
}

// madeHolds: what was made must still be there.
func madeHolds(t *Tools, s deminer.Step, undo json.RawMessage) ([]Return, error) {
	m, err := take[made](undo)
	if err != nil {
		return nil, nil
	}
	n, err := t.Hands.Files.Look(string(m.Path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return back(s, time.Time{}, "%s is gone", deminer.Safe(m.Path)), nil
	case err != nil:
		return nil, err
	case !m.is(n):
		return back(s, n.Attr.Mtime, "%s is something else by now", deminer.Safe(m.Path)), nil
	}
	return nil, nil
}
