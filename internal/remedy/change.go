package remedy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/vault"
)

// maxEdit bounds the files that are edited: configuration, not data.
const maxEdit = 64 << 20

// change is the change of one file's content, as the journal keeps it. Contents are in the vault, named by their SHA-256.
type change struct {
	Path   deminer.Raw  `json:"path"`            // with links of the last element resolved
	Before *host.Node   `json:"before"`          // nil: there was nothing
	Old    string       `json:"old,omitempty"`   // content before
	New    string       `json:"new,omitempty"`   // content after; "": the file goes
	After  deminer.Attr `json:"after,omitzero"`  // owner, mode, flags, extended attributes after
	Hunks  string       `json:"hunks,omitempty"` // which lines differ; "" where only the whole content means something
	Entry  string       `json:"entry,omitempty"` // vault entry of the content before
	Dir    deminer.Attr `json:"dir"`             // of the directory, before
}

// draft is what a verb wants a file to become.
type draft struct {
	content []byte
	drop    bool // take the file away
	hunks   []hunk
	attr    *deminer.Attr // nil: as it was
}

// changes is the undo data of verbs that change contents. None means there was nothing to do.
type changes struct {
	Files []change `json:"files,omitempty"`
	Note  string   `json:"note,omitempty"`
}

// real follows links in the last element, inside the root, as every program that uses the file would.
func (t *Tools) real(name string) (string, host.Node, error) {
	for range 40 {
		n, err := t.Hands.Files.Look(name)
		if err != nil || n.Attr.Type != deminer.Symlink {
			return name, n, err
		}
		to := string(n.Link)
		if !strings.HasPrefix(to, "/") {
			to = path.Dir(path.Clean("/"+name)) + "/" + to
		}
		name = to
	}
	return name, host.Node{}, fmt.Errorf("resolve %q: %w", name, host.ErrLoop)
}

// read gives a whole regular file of at most limit bytes.
func (t *Tools) read(name string, limit int64) ([]byte, error) {
	f, err := t.Hands.Files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", name, err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("read %q: %w (%d bytes)", name, host.ErrTooLarge, limit)
	}
	return b, nil
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// draw reads a file, asks edit what it shall become and puts both contents into the vault. edit gets nil where there is no file.
func (t *Tools) draw(name string, edit func(old []byte, n *host.Node) (draft, error)) (change, error) {
	name, n, err := t.real(name)
	c := change{Path: deminer.Raw(name), Dir: n.Dir}
	var old []byte
	switch {
	case err == nil:
		if old, err = t.read(name, maxEdit); err != nil {
			return c, err
		}
		c.Before, c.Old = &n, digest(old)
	case !errors.Is(err, fs.ErrNotExist):
		return c, err
	}
	d, err := edit(old, c.Before)
	if err != nil {
		return c, err
	}
	if c.Before != nil {
		c.After = n.Attr
	}
	if d.attr != nil {
		c.After = *d.attr
	}
	c.After.Type, c.After.Size, c.After.Ino = deminer.Regular, int64(len(d.content)), 0
	if err := t.Hands.Files.Room(name, int64(len(d.content))); err != nil {
		return c, err
	}
	return c, t.keep(&c, old, d)
}

// keep puts the contents of a change into the vault.
func (t *Tools) keep(c *change, old []byte, d draft) error {
	if c.Before != nil {
		e, err := t.deposit(vault.Entry{Path: c.Path, Attr: c.Before.Attr}, old)
		if err != nil {
			return err
		}
		c.Entry = e.ID
	}
	var err error
	if !d.drop {
		if c.New, _, err = t.store(bytes.NewReader(d.content), int64(len(d.content))); err != nil {
			return err
		}
	}
	if len(d.hunks) > 0 {
		body, err := json.Marshal(d.hunks)
		if err != nil {
			return fmt.Errorf("write down changed lines: %w", err)
		}
		if c.Hunks, _, err = t.store(bytes.NewReader(body), int64(len(body))); err != nil {
			return err
		}
	}
	return nil
}

// deposit puts one content with its description into the vault.
func (t *Tools) deposit(e vault.Entry, content []byte) (vault.Entry, error) {
	var err error
	if e.SHA256, e.Size, err = t.store(bytes.NewReader(content), int64(len(content))); err != nil {
		return e, err
	}
	return t.enter(e)
}

// store puts a content into the vault, if enough room is left afterwards for the journal to go on.
func (t *Tools) store(content io.Reader, size int64) (string, int64, error) {
	if t.Room != nil {
		if err := t.Room(size); err != nil {
			return "", 0, fmt.Errorf("copy to the vault: %w", err)
		}
	}
	return t.Vault.Store(content)
}

func (t *Tools) enter(e vault.Entry) (vault.Entry, error) {
	e.Plan, e.Step, e.Why, e.Added = t.plan, t.step, t.why, t.now().UTC()
	return t.Vault.Add(e)
}

// fetch reads a content of the vault.
func (t *Tools) fetch(sum string) ([]byte, error) {
	r, err := t.Vault.Content(sum)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// look gives what holds the name of a change now: nil where nothing does, and the digest of its content. The directory
// must be the one that the change was prepared in, or one made anew at the same place.
func (t *Tools) look(c change) (*host.Node, string, error) {
	n, err := t.Hands.Files.Look(string(c.Path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, "", err
	}
	if err := errors.Join(t.sameDir(string(c.Path), n.Dir, c.Dir), uncovered(string(c.Path), n)); err != nil {
		return nil, "", err
	}
	if err != nil {
		return nil, "", nil
	}
	if n.Attr.Type != deminer.Regular {
		return &n, "", nil
	}
	sum, err := t.sum(string(c.Path))
	return &n, sum, err
}

// sum hashes a regular file of any size.
func (t *Tools) sum(name string) (string, error) {
	f, err := t.Hands.Files.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read %q: %w", name, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// apply makes the change. A file that is neither as it was nor as it shall be was changed by somebody else.
func (t *Tools) apply(c change) error {
	now, sum, err := t.look(c)
	if err != nil {
		return err
	}
	name := string(c.Path)
	switch {
	case now == nil && c.New == "", now != nil && sum == c.New && c.New != "" && c.New != c.Old:
		if err := t.Hands.Writer.Settle(name, c.Dir, false); err != nil || now == nil {
			return err
		}
		return t.Hands.Writer.Set(name, now.Attr, still(c.After))
	case (now == nil) != (c.Before == nil), now != nil && sum != c.Old:
		return fmt.Errorf("change %q: %w", name, deminer.ErrChanged)
	case c.New == "":
		err = t.Hands.Writer.Remove(name, *now)
	default:
		err = t.put(name, c.New, c.After, now)
	}
	if err != nil {
		return err
	}
	return t.Hands.Writer.Settle(name, c.Dir, false)
}

// still is the attributes without times: those of a change are its own, so that daemons that watch them notice it.
func still(a deminer.Attr) deminer.Attr {
	a.Atime, a.Mtime, a.Ctime = deminer.Attr{}.Atime, deminer.Attr{}.Mtime, deminer.Attr{}.Ctime
	return a
}

func (t *Tools) put(name, sum string, a deminer.Attr, now *host.Node) error {
	body, err := t.fetch(sum)
	if err != nil {
		return err
	}
	return t.putBytes(name, body, still(a), now)
}

func (t *Tools) putBytes(name string, body []byte, a deminer.Attr, now *host.Node) error {
	a.Size = int64(len(body))
	var was deminer.Attr
	if now != nil {
		was = now.Attr
	}
	return t.Hands.Writer.Put(name, host.Node{Attr: a}, bytes.NewReader(body), was)
}
