package remedy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/vault"
)

// Limits of a directory that is moved to the vault as a whole.
const (
	maxMembers = 100_000
	maxDepth   = 64
)

// members copies everything in a directory into the vault, each thing after its directory. Every thing must lie in the
// very directory that was listed, and on its file system: whoever swaps a directory for a link, or mounts another one
// there, must not lead us to other people's files.
func (t *Tools) members(top string, attr deminer.Attr) ([]vault.Member, error) {
	type dir struct {
		rel  string
		deep int
		attr deminer.Attr
	}
	var out []vault.Member
	for todo := []dir{{"", 0, attr}}; len(todo) > 0; {
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
			m, err := t.member(top, rel, d.attr)
			if err != nil {
				return nil, err
			}
			out = append(out, m)
			if m.Attr.Type == deminer.Directory {
				todo = append(todo, dir{rel, d.deep + 1, m.Attr})
			}
		}
	}
	return out, nil
}

func (t *Tools) member(top, rel string, dir deminer.Attr) (vault.Member, error) {
	n, err := t.Hands.Files.Look(top + rel)
	if err == nil {
		err = errors.Join(inside(top+rel, n, dir), uncovered(top+rel, n))
	}
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

// inside checks that a name was found in the directory that was meant.
func inside(name string, n host.Node, dir deminer.Attr) error {
	if n.Dir.Ino != dir.Ino || n.Dir.Dev != dir.Dev {
		return fmt.Errorf("find %q: %w: another directory has the name of its own", name, deminer.ErrChanged)
	}
	return nil
}

// uncovered refuses a name that something is mounted on: what is seen there lies elsewhere.
func uncovered(name string, n host.Node) error {
	if !n.Mounted {
		return nil
	}
	return fmt.Errorf("find %q: %w: something is mounted there; unmount it first if it is not yours", name, deminer.ErrProtected)
}

// sameDir checks, before something is put back, that its directory still is the one that it was taken from, or one made
// anew at the same place. A link on the way would lead it elsewhere.
func (t *Tools) sameDir(name string, now, was deminer.Attr) error {
	if was.Ino == 0 || now.Ino == 0 || now.Ino == was.Ino && now.Dev == was.Dev {
		return nil
	}
	clean := path.Clean("/" + name)
	for i := 1; i < len(clean); i++ {
		if clean[i] != '/' {
			continue
		}
		n, err := t.Hands.Files.Look(clean[:i])
		if err != nil {
			return err
		}
		if n.Attr.Type != deminer.Directory {
			return fmt.Errorf("put %q back: %w: %q is a %s by now and leads elsewhere", name, deminer.ErrChanged, clean[:i], n.Attr.Type)
		}
	}
	return nil
}

// Restore makes an entry of the vault again at path, which may differ from where it came from. What is there already
// and is the same stays; what is there and is another thing is deminer.ErrChanged and nothing is overwritten.
func (t *Tools) Restore(e vault.Entry, path string) error {
	if err := t.check(e); err != nil {
		return err
	}
	if err := checkMembers(e); err != nil {
		return err
	}
	dirs := map[string]deminer.Attr{}
	if err := t.restore(path, e, deminer.Attr{}, dirs); err != nil {
		return err
	}
	for _, m := range e.Members {
		sub := path + "/" + string(m.Path)
		if err := t.restore(sub, vault.Entry{ID: e.ID, Attr: m.Attr, Link: m.Link, SHA256: m.SHA256}, dirs[parent(sub)], dirs); err != nil {
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

func parent(name string) string { return name[:strings.LastIndexByte(name, '/')] }

// checkMembers refuses an entry whose members do not lie below it, each after its directory.
func checkMembers(e vault.Entry) error {
	dirs := map[string]bool{"": e.Attr.Type == deminer.Directory}
	for _, m := range e.Members {
		name := string(m.Path)
		if path.Clean("/"+name) != "/"+name || !dirs[parent("/"+name)] {
			return fmt.Errorf("read vault entry %s: %w: %q does not lie in it", e.ID, vault.ErrTampered, deminer.Cut(name, 80))
		}
		if m.Attr.Type == deminer.Directory {
			dirs["/"+name] = true
		}
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

// restore makes one thing, without what is in it, in the directory in unless that is zero, and writes down in dirs which
// directory it made or found.
func (t *Tools) restore(path string, e vault.Entry, in deminer.Attr, dirs map[string]deminer.Attr) error {
	now, err := t.Hands.Files.Look(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if in.Ino != 0 {
		if err := inside(path, now, in); err != nil {
			return err
		}
	}
	if err == nil {
		if err := t.isSame(path, now, e); err != nil {
			return err
		}
		if e.Attr.Type == deminer.Directory {
			dirs[path] = now.Attr
		}
		return t.Hands.Writer.Set(path, now.Attr, e.Attr)
	}
	if err := t.create(path, e, now.Dir); err != nil || e.Attr.Type != deminer.Directory {
		return err
	}
	made, err := t.Hands.Files.Look(path)
	dirs[path] = made.Attr
	return err
}

// create makes one thing where nothing is, in the given directory.
func (t *Tools) create(path string, e vault.Entry, in deminer.Attr) (err error) {
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
	return t.Hands.Writer.Put(path, host.Node{Attr: a, Link: e.Link, Dir: in}, body, deminer.Attr{})
}

// isSame reports whether what has the name is what the vault holds.
func (t *Tools) isSame(path string, now host.Node, e vault.Entry) error {
	taken := fmt.Errorf("put %q back: %w: something else has that name; vault entry %s", path, deminer.ErrChanged, e.ID)
	if now.Attr.Type != e.Attr.Type || now.Link != e.Link {
		return taken
	}
	// A directory that somebody else made anew there is his: it has other owners or rights than the one that was taken.
	if e.Attr.Type == deminer.Directory && (now.Attr.Mode != e.Attr.Mode || now.Attr.UID != e.Attr.UID || now.Attr.GID != e.Attr.GID) {
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
