package remedy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/deminer/deminer"
)

// moved is the undo data of a rename.
type moved struct {
	From  deminer.Raw  `json:"from"`
	To    deminer.Raw  `json:"to"`
	Attr  deminer.Attr `json:"attr"`
	Dir   deminer.Attr `json:"dir"`
	ToDir deminer.Attr `json:"to_dir"`
}

func rename() Verb {
	return Verb{Name: deminer.VerbRename, Doc: "move a file back to its own name; never overwrites", Phase: deminer.PhaseRepair,
		Ready: readyRename,
		Do: func(t *Tools, _ deminer.Step, raw json.RawMessage) (string, error) {
			m, err := take[moved](raw)
			if err != nil {
				return "", err
			}
			return "", t.move(m, m.From, m.To, false)
		},
		Undo: func(t *Tools, _ deminer.Step, raw json.RawMessage) (string, error) {
			m, err := take[moved](raw)
			if err != nil {
				return "", err
			}
			return "", t.move(m, m.To, m.From, true)
		}, Holds: renameHolds}
}

func readyRename(t *Tools, s deminer.Step) (any, error) {
	from, to := string(s.Action.Target.Path), string(s.Action.Args["to"])
	if to == "" || path.Clean(to) == path.Clean(from) {
		return nil, fmt.Errorf("rename %q: no other name is given", from)
	}
	n, err := t.Hands.Files.Look(from)
	if err != nil {
		return nil, err
	}
	if err := t.expect(from, n, s.Expect); err != nil {
		return nil, err
	}
	there, err := t.Hands.Files.Look(to)
	if err == nil {
		return nil, fmt.Errorf("rename %q: %w: %q exists", from, deminer.ErrChanged, to)
	}
	if !errors.Is(err, fs.ErrNotExist) || there.Dir.Ino == 0 {
		return nil, err
	}
	if err := t.Hands.Files.Room(from, 0); err != nil {
		return nil, err
	}
	return moved{From: deminer.Raw(from), To: deminer.Raw(to), Attr: n.Attr, Dir: n.Dir, ToDir: there.Dir}, nil
}

// move renames one way or the other. Where it was done already, only what a crash may have left open is put right.
func (t *Tools) move(m moved, from, to deminer.Raw, back bool) error {
	n, err := t.Hands.Files.Look(string(from))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		n, err = t.Hands.Files.Look(string(to))
		if err == nil && (n.Attr.Type != m.Attr.Type || n.Attr.Size != m.Attr.Size) {
			err = fmt.Errorf("rename %q: %w", string(from), deminer.ErrChanged)
		}
	case err == nil && (n.Attr.Type != m.Attr.Type || !back && (n.Attr.Ino != m.Attr.Ino || n.Attr.Dev != m.Attr.Dev)):
		err = fmt.Errorf("rename %q: %w", string(from), deminer.ErrChanged)
	case err == nil:
		err = t.Hands.Writer.Rename(string(from), n.Attr, string(to))
	}
	if err != nil {
		return err
	}
	if n.Attr.Flags != m.Attr.Flags {
		a := n.Attr
		a.Flags = m.Attr.Flags
		if err := t.Hands.Writer.Set(string(to), n.Attr, still(a)); err != nil {
			return err
		}
	}
	return errors.Join(t.Hands.Writer.Settle(string(m.From), m.Dir, back), t.Hands.Writer.Settle(string(m.To), m.ToDir, back))
}
