package remedy

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// revert takes a change back. An unchanged file gets its old bytes, attributes and times; one that somebody else changed
// since gets back the lines that were taken, at their place, and keeps everything else.
func (t *Tools) revert(c change) (note string, err error) {
	now, sum, err := t.look(c)
	if err != nil {
		return "", err
	}
	name := string(c.Path)
	exact := true
	switch {
	case c.Before == nil:
		err = t.revertNew(c, now, sum)
	case now == nil && c.New != "":
		return "", fmt.Errorf("put %q back: %w: it was removed since; its former content is vault entry %s", name, deminer.ErrChanged, c.Entry)
	case now == nil, sum == c.New && c.New != "":
		err = t.revertWhole(c, now)
	case sum == c.Old:
		// Do never got through, or undo did already.
		err = t.Hands.Writer.Set(name, now.Attr, c.Before.Attr)
	case c.Hunks == "" || now.Attr.Type != deminer.Regular:
		return "", fmt.Errorf("put %q back: %w: its former content is vault entry %s", name, deminer.ErrChanged, c.Entry)
	default:
		exact = false
		note, err = t.revertLines(c, now)
	}
	if err != nil {
		return note, err
	}
	return note, t.Hands.Writer.Settle(name, c.Dir, exact)
}

// revertNew removes a file that was not there before, if it still is ours.
func (t *Tools) revertNew(c change, now *host.Node, sum string) error {
	if now == nil {
		return nil
	}
	if sum != c.New {
		return fmt.Errorf("remove %q again: %w", string(c.Path), deminer.ErrChanged)
	}
	return t.Hands.Writer.Remove(string(c.Path), *now)
}

// revertWhole puts the old bytes back. Owner and mode that somebody changed since stay as they are.
func (t *Tools) revertWhole(c change, now *host.Node) error {
	body, err := t.fetch(c.Old)
	if err != nil {
		return err
	}
	a := c.Before.Attr
	if now != nil && (now.Attr.Mode != c.After.Mode || now.Attr.UID != c.After.UID || now.Attr.GID != c.After.GID) {
		a.Mode, a.UID, a.GID = now.Attr.Mode, now.Attr.UID, now.Attr.GID
	}
	return t.putBytes(string(c.Path), body, a, now)
}

func (t *Tools) revertLines(c change, now *host.Node) (string, error) {
	body, err := t.read(string(c.Path), maxEdit)
	if err != nil {
		return "", err
	}
	text, err := t.fetch(c.Hunks)
	if err != nil {
		return "", err
	}
	var hunks []hunk
	if err := json.Unmarshal(text, &hunks); err != nil {
		return "", fmt.Errorf("read changed lines of %q: %w", string(c.Path), err)
	}
	merged, err := unpatch(body, hunks)
	if err != nil {
		return "", fmt.Errorf("put lines of %q back: %w; its former content is vault entry %s", string(c.Path), err, c.Entry)
	}
	return "the file changed since: only the lines were put back", t.putBytes(string(c.Path), merged, still(now.Attr), now)
}

// doChanges applies the files in order; a failure leaves the rest undone, and undo takes back what was done.
func doChanges(t *Tools, _ deminer.Step, raw json.RawMessage) (string, error) {
	all, err := take[changes](raw)
	if err != nil {
		return "", err
	}
	for _, c := range all.Files {
		if err := t.apply(c); err != nil {
			return "", err
		}
	}
	return all.Note, nil
}

// undoChanges reverts the files in reverse order and goes on past failures.
func undoChanges(t *Tools, _ deminer.Step, raw json.RawMessage) (string, error) {
	all, err := take[changes](raw)
	if err != nil {
		return "", err
	}
	var failed []error
	var note string
	for i := len(all.Files) - 1; i >= 0; i-- {
		said, err := t.revert(all.Files[i])
		failed = append(failed, err)
		if said != "" {
			note = said
		}
	}
	return note, errors.Join(failed...)
}
