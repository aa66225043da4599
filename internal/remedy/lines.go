package remedy

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

func cutLine() Verb {
	return Verb{Name: deminer.VerbCutLine, Doc: "remove whole lines from a file and nothing else", Phase: deminer.PhaseUproot,
		Ready: func(t *Tools, s deminer.Step) (any, error) {
			drop := s.Action.Args["drop-empty"] == "yes"
			return readyLines(t, s, func(old []byte, _ *host.Node) (draft, error) {
				text, hunks := replaceLines(old, string(s.Action.Target.Line), "")
				return draft{content: text, hunks: hunks, drop: drop && len(bytes.TrimSpace(text)) == 0}, nil
			})
		}, Do: doChanges, Undo: undoChanges, Holds: linesHold}
}

func editLine() Verb {
	return Verb{Name: deminer.VerbEditLine, Doc: "replace whole lines of a file", Phase: deminer.PhaseRepair,
		Ready: func(t *Tools, s deminer.Step) (any, error) {
			repl := string(s.Action.Args["new"])
			if repl == "" {
				return nil, errors.New("edit line: no new line is given")
			}
			return readyLines(t, s, func(old []byte, _ *host.Node) (draft, error) {
				text, hunks := replaceLines(old, string(s.Action.Target.Line), repl)
				if len(hunks) == 0 && holds(lines(old), lines([]byte(repl))) {
					return draft{}, errDone
				}
				return draft{content: text, hunks: hunks}, nil
			})
		}, Do: doChanges, Undo: undoChanges, Holds: linesHold}
}

// errDone: the target is already as the step wants it.
var errDone = errors.New("already done")

// readyLines prepares a change of lines. A file that is gone needs no cut, and no edit that may find nothing; a file without the line is another one than
// was planned for, unless the plan said that the line may be missing.
func readyLines(t *Tools, s deminer.Step, edit func([]byte, *host.Node) (draft, error)) (any, error) {
	target := s.Action.Target
	if target.Line == "" || target.Path == "" {
		return nil, errors.New("change lines: no line or no file is given")
	}
	c, err := t.draw(string(target.Path), func(old []byte, n *host.Node) (draft, error) {
		if n == nil {
			return draft{}, fs.ErrNotExist
		}
		d, err := edit(old, n)
		if err == nil && len(d.hunks) == 0 {
			err = fmt.Errorf("%w: the line is not in it", deminer.ErrChanged)
			if s.Action.Args["if-present"] == "yes" {
				err = errDone
			}
		}
		return d, err
	})
	switch {
	case errors.Is(err, errDone):
		return changes{Note: "nothing to do: it is so already"}, nil
	case errors.Is(err, fs.ErrNotExist) && (s.Action.Verb == deminer.VerbCutLine || s.Action.Args["if-present"] == "yes"):
		return changes{Note: "nothing to do: the file is gone"}, nil
	case err != nil:
		return nil, fmt.Errorf("change lines of %q: %w", string(target.Path), err)
	}
	return changes{Files: []change{c}}, nil
}
