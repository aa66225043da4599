package remedy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/vault"
)

// Limits of a directory that is moved to the vault as a whole.
const (
	maxMembers = 100_000
	maxDepth   = 64
)

// members copies everything in a directory into the vault, each thing after its directory.
func (t *Tools) members(top string) ([]vault.Member, error) {
	type dir struct {
		rel  string
		deep int
	}
	var out []vault.Member
	for todo := []dir{{"", 0}}; len(todo) > 0; {
		d := todo[0]
		todo = todo[1:]
		names, err := t.Hands.Files.List(top+d.rel, maxMembers)
		if err != nil {
			return nil, err
		}
		if len(out)+len(names) > maxMembers || d.deep > maxDepth {
			return nil, fmt.Errorf("move %q to the vault: more than %d things or %d levels in it", top, maxMembers, maxDepth)
		}
		for _, name := range names {
			rel := d.rel + "/" + name
			m, err := t.member(top, rel)
			if err != nil {
				return nil, err
			}
			out = append(out, m)
			if m.Attr.Type == deminer.Directory {
				todo = append(todo, dir{rel, d.deep + 1})
			}
		}
	}
	return out, nil
}

func (t *Tools) member(top, rel string) (vault.Member, error) {
	n, err := t.Hands.Files.Look(top + rel)
	if err != nil {
		return vault.Member{}, err
	}
	m := vault.Member{Path: deminer.Raw(rel[1:]), Attr: n.Attr, Link: n.Link}
	switch n.Attr.Type {
	case deminer.Regular:
		m.SHA256, err = t.swallow(top+rel, n)
	case deminer.Device:
		err = fmt.Errorf("move %q to the vault: %w: a device cannot be made again", top+rel, deminer.ErrProtected)
	}
	return m, err
}

// Restore makes an entry of the vault again at path, which may differ from where it came from. What is there already
// and is the same stays; what is there and is another thing is deminer.ErrChanged and nothing is overwritten.
func (t *Tools) Restore(e vault.Entry, path string) error {
	if err := t.check(e); err != nil {
		return err
	}
	if err := t.restore(path, e); err != nil {
		return err
	}
	for _, m := range e.Members {
		if err := t.restore(path+"/"+string(m.Path), vault.Entry{Attr: m.Attr, Link: m.Link, SHA256: m.SHA256}); err != nil {
			return err
		}
	}
	// Filling a directory changed its times, and +i or +a on it may only come now.
	for _, m := range slices.Backward(e.Members) {
		if m.Attr.Type == deminer.Directory {
			if err := t.finish(path+"/"+string(m.Path), m.Attr); err != nil {
				return err
			}
		}
	}
	if e.Attr.Type == deminer.Directory {
		return t.finish(path, e.Attr)
	}
	return nil
}

// check reads every content to its end before anything is written, so that a damaged vault gives nothing half.
func (t *Tools) check(e vault.Entry) error {
	sums := []string{e.SHA256}
	for _, m := range e.Members {
		sums = append(sums, m.SHA256)
	}
	for _, sum := range sums {
		if sum == "" {
			continue
		}
		if err := t.Vault.Check(sum); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tools) finish(path string, a deminer.Attr) error {
	n, err := t.Hands.Files.Look(path)
	if err != nil {
		return err
	}
	return t.Hands.Writer.Set(path, n.Attr, a)
}

// restore makes one thing, without what is in it.
func (t *Tools) restore(path string, e vault.Entry) error {
	now, err := t.Hands.Files.Look(path)
	if err == nil {
		if err := t.isSame(path, now, e); err != nil {
			return err
		}
		return t.Hands.Writer.Set(path, now.Attr, e.Attr)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	body := io.NopCloser(bytes.NewReader(nil))
	if e.SHA256 != "" {
		if body, err = t.Vault.Content(e.SHA256); err != nil {
			return err
		}
	}
	defer body.Close()
	a := e.Attr
	if a.Type == deminer.Directory {
		a.Flags = 0 // until it is filled
	}
	return t.Hands.Writer.Put(path, host.Node{Attr: a, Link: e.Link}, body, deminer.Attr{})
}

// isSame reports whether what has the name is what the vault holds.
func (t *Tools) isSame(path string, now host.Node, e vault.Entry) error {
	taken := fmt.Errorf("put %q back: %w: something else has that name; vault entry %s", path, deminer.ErrChanged, e.ID)
	if now.Attr.Type != e.Attr.Type || now.Link != e.Link {
		return taken
	}
	if e.SHA256 == "" {
		return nil
	}
	sum, err := t.sum(path)
	if err == nil && sum != e.SHA256 {
		return taken
	}
	return err
}
