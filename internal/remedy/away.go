package remedy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/vault"
)

// away is the undo data of what moves to the vault.
type away struct {
	Gone  bool         `json:"gone,omitempty"` // it was not there any more
	Kept  bool         `json:"kept,omitempty"` // it was to go only if empty, and is not
	Entry string       `json:"entry,omitempty"`
	Dir   deminer.Attr `json:"dir,omitzero"`
}

func dropFile() Verb {
	return Verb{Name: deminer.VerbDropFile, Doc: "move a foothold's file, link or directory to the vault", Phase: deminer.PhaseUproot,
		Ready: readyAway, Do: doAway, Undo: undoAway, Holds: awayHolds}
}

func quarantine() Verb {
	return Verb{Name: deminer.VerbQuarantine, Doc: "move a file, link or directory to the vault", Phase: deminer.PhaseQuarantine,
		Ready: readyAway, Do: doAway, Undo: undoAway, Holds: awayHolds}
}

// readyAway copies the target into the vault.
func readyAway(t *Tools, s deminer.Step) (any, error) {
	name := string(s.Action.Target.Path)
	n, err := t.Hands.Files.Look(name)
	if errors.Is(err, fs.ErrNotExist) {
		return away{Gone: true}, nil
	}
	if err != nil {
		return nil, err
	}
	if err := t.expect(name, n, s.Expect); err != nil {
		return nil, err
	}
	if err := t.Hands.Files.Room(name, 0); err != nil {
		return nil, err
	}
	if err := uncovered(name, n); err != nil {
		return nil, err
	}
	e := vault.Entry{Path: deminer.Raw(name), Attr: n.Attr, Link: n.Link, Size: n.Attr.Size}
	switch n.Attr.Type {
	case deminer.Regular:
		e.SHA256, err = t.swallow(name, n)
	case deminer.Directory:
		e.Members, err = t.members(name, n.Attr)
		if err == nil && len(e.Members) > 0 && s.Action.Args["only"] == "empty" {
			return away{Kept: true}, nil
		}
	case deminer.Symlink, deminer.Pipe, deminer.UnixSock:
	default:
		err = fmt.Errorf("move %q to the vault: %w: a device cannot be made again", name, deminer.ErrProtected)
	}
	if err != nil {
		return nil, err
	}
	if !sameInode(n, s.Expect) && s.Expect.SHA256 != "" && e.SHA256 != "" && s.Expect.SHA256 != e.SHA256 {
		return nil, fmt.Errorf("move %q to the vault: %w: its content is another one", name, deminer.ErrChanged)
	}
	if e, err = t.enter(e); err != nil {
		return nil, err
	}
	return away{Entry: e.ID, Dir: n.Dir}, nil
}

// sameInode reports whether a target is the very inode that was planned for. False where none was named.
func sameInode(n host.Node, want deminer.Expect) bool {
	return want.Ino != 0 && want.Ino == n.Attr.Ino && (want.Dev == 0 || want.Dev == n.Attr.Dev)
}

// expect compares a target with what was planned for. Where both inode and content are known one of them is enough: a log
// grows, and a watchdog writes its program anew, but an owner's file that was put there has neither.
func (t *Tools) expect(name string, n host.Node, want deminer.Expect) error {
	switch {
	case want.SHA256 == "" && (want.Dev != 0 && want.Dev != n.Attr.Dev || want.Ino != 0 && want.Ino != n.Attr.Ino):
		return fmt.Errorf("find %q: %w: another file has that name", name, deminer.ErrChanged)
	case want.Link != "" && want.Link != n.Link:
		return fmt.Errorf("find %q: %w: the link leads elsewhere", name, deminer.ErrChanged)
	case want.SHA256 == "" || sameInode(n, want):
		return nil
	case n.Attr.Type != deminer.Regular:
		return fmt.Errorf("find %q: %w: it is a %s by now", name, deminer.ErrChanged, n.Attr.Type)
	}
	sum, err := t.sum(name)
	if err == nil && sum != want.SHA256 {
		err = fmt.Errorf("find %q: %w: its content is another one", name, deminer.ErrChanged)
	}
	return err
}

// swallow copies one regular file into the vault. One that changes meanwhile, or holds no room for, is refused.
func (t *Tools) swallow(name string, n host.Node) (string, error) {
	f, err := t.Hands.Files.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	// One byte more shows that it grows; without an end it would fill the vault.
	sum, size, err := t.store(io.LimitReader(f, n.Attr.Size+1), n.Attr.Size)
	if err != nil {
		return "", fmt.Errorf("copy %q to the vault: %w", name, err)
	}
	a, err := f.Attr()
	if err != nil {
		return "", fmt.Errorf("copy %q to the vault: %w", name, err)
	}
	if a.Ino != n.Attr.Ino || a.Dev != n.Attr.Dev || size != n.Attr.Size || !a.Mtime.Equal(n.Attr.Mtime) {
		return "", fmt.Errorf("copy %q to the vault: %w while it was copied", name, deminer.ErrChanged)
	}
	return sum, nil
}

// doAway removes what was copied, members before their directories. What is gone already is fine; what is not what was
// copied stays, with everything around it.
func doAway(t *Tools, s deminer.Step, raw json.RawMessage) (string, error) {
	d, err := take[away](raw)
	if err != nil || d.Gone {
		return "nothing to do: it is gone", err
	}
	if d.Kept {
		return "left in place: something of others lies in it", nil
	}
	e, err := t.Vault.Show(d.Entry)
	if err != nil {
		return "", err
	}
	if err := checkMembers(e); err != nil {
		return "", err
	}
	name := string(e.Path)
	dirs := map[string]deminer.Attr{name: e.Attr}
	for _, m := range e.Members {
		if m.Attr.Type == deminer.Directory {
			dirs[name+"/"+string(m.Path)] = m.Attr
		}
	}
	for _, m := range slices.Backward(e.Members) {
		sub := name + "/" + string(m.Path)
		if err := t.removeSame(sub, vault.Entry{Attr: m.Attr, Link: m.Link, SHA256: m.SHA256}, dirs[parent(sub)]); err != nil {
			return "", err
		}
	}
	if err := t.removeSame(name, e, d.Dir); err != nil {
		return "", err
	}
	return "vault entry " + e.ID, t.Hands.Writer.Settle(name, d.Dir, false)
}

// removeSame removes a name if it still holds what the vault does, in the directory that it was found in.
func (t *Tools) removeSame(name string, e vault.Entry, in deminer.Attr) error {
	n, err := t.Hands.Files.Look(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := errors.Join(inside(name, n, in), uncovered(name, n)); err != nil {
		return err
	}
	if n.Attr.Type != e.Attr.Type || n.Attr.Ino != e.Attr.Ino || n.Attr.Dev != e.Attr.Dev || n.Link != e.Link {
		return fmt.Errorf("remove %q: %w", name, deminer.ErrChanged)
	}
	// An equal change time means equal content; flags that we cleared before a crash change it too, so then the content decides.
	if e.SHA256 != "" && !n.Attr.Ctime.Equal(e.Attr.Ctime) {
		sum, err := t.sum(name)
		if err != nil {
			return err
		}
		if sum != e.SHA256 {
			return fmt.Errorf("remove %q: %w: its content is another one", name, deminer.ErrChanged)
		}
	}
	return t.Hands.Writer.Remove(name, n)
}

func undoAway(t *Tools, s deminer.Step, raw json.RawMessage) (string, error) {
	d, err := take[away](raw)
	if err != nil || d.Gone || d.Kept {
		return "it was gone before, or was left in place", err
	}
	e, err := t.Vault.Show(d.Entry)
	if err != nil {
		return "", err
	}
	n, err := t.Hands.Files.Look(string(e.Path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := t.sameDir(string(e.Path), n.Dir, d.Dir); err != nil {
		return "", err
	}
	if err := t.Restore(e, string(e.Path)); err != nil {
		return "", err
	}
	return "", t.Hands.Writer.Settle(string(e.Path), d.Dir, true)
}
