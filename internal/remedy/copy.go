package remedy

import (
	"errors"
	"fmt"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

func copyFile() Verb {
	return Verb{Name: deminer.VerbCopyFile, Doc: "replace a file's content by that of another file of the host", Phase: deminer.PhaseRepair,
		Ready: func(t *Tools, s deminer.Step) (any, error) {
			from := string(s.Action.Args["from"])
			if from == "" {
				return nil, errors.New("copy file: no file to copy from is given")
			}
			from, src, err := t.real(from)
			if err != nil {
				return nil, err
			}
			body, err := t.read(from, maxEdit)
			if err != nil {
				return nil, err
			}
			return t.readyReplace(s, body, src.Attr)
		}, Do: doChanges, Undo: undoChanges, Holds: contentHolds}
}

// readyReplace prepares to give a file other content; owner, mode and the rest stay, or are those of fresh where there is no file.
func (t *Tools) readyReplace(s deminer.Step, body []byte, fresh deminer.Attr) (any, error) {
	name := string(s.Action.Target.Path)
	if n, err := t.Hands.Files.Look(name); err == nil {
		if err := t.expect(name, n, s.Expect); err != nil {
			return nil, err
		}
		if n.Attr.Type == deminer.Symlink { // what it leads to may be anything of the owner's
			return nil, fmt.Errorf("replace %q: %w: a link to %q stands there", name, deminer.ErrChanged, deminer.Safe(n.Link))
		}
	}
	c, err := t.draw(name, func(_ []byte, n *host.Node) (draft, error) {
		d := draft{content: body}
		if n == nil {
			fresh.Flags = 0
			d.attr = &fresh
		}
		return d, nil
	})
	if err != nil {
		return nil, fmt.Errorf("replace %q: %w", name, err)
	}
	if c.New == c.Old {
		return changes{Note: "nothing to do: it has that content"}, nil
	}
	return changes{Files: []change{c}}, nil
}
