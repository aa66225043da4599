// Package vault keeps what deminer took away from a host, so that it can be given back byte for byte and meanwhile cannot
// be run, sourced or found by a scanner: content is encrypted (age, X25519) with a key beside it and named by its SHA-256.
//
// The encryption is against accidents, not against root: whoever reads the key reads the vault. Entries carry a hash
// keyed with it, and content is compared with its name, so what was tampered with or went bad is refused.
package vault

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/state"
)

// ErrTampered: an entry or its content is not what was put in.
var ErrTampered = errors.New("vault entry is damaged or was tampered with")

// maxEntry bounds the metadata of one entry; the largest are directory trees, some 500 bytes a member.
const maxEntry = 64 << 20

// Entry says what a thing was when it was put in.
type Entry struct {
	ID      string       `json:"id"`
	Path    deminer.Raw  `json:"path"`
	Attr    deminer.Attr `json:"attr"`             // owner, mode, times, extended attributes with ACLs, inode flags, type
	Link    deminer.Raw  `json:"link,omitempty"`   // target of a symbolic link
	SHA256  string       `json:"sha256,omitempty"` // of the content; "" for what has none
	Size    int64        `json:"size"`
	Plan    string       `json:"plan,omitempty"`
	Step    string       `json:"step,omitempty"`
	Why     []string     `json:"why,omitempty"`
	Added   time.Time    `json:"added"`
	Members []Member     `json:"members,omitempty"` // of a directory, each after its directory
}

// Member is one thing in a directory that was put in with it.
type Member struct {
	Path   deminer.Raw  `json:"path"` // below the entry's path
	Attr   deminer.Attr `json:"attr"`
	Link   deminer.Raw  `json:"link,omitempty"`
	SHA256 string       `json:"sha256,omitempty"`
}

// Vault is an open vault.
type Vault struct {
	dir *os.Root
	key *age.X25519Identity
}

// Open opens the vault in a directory and makes it, with a new key, if it is empty. A vault without its key is refused.
func Open(dir *os.Root) (*Vault, error) {
	for _, name := range []string{"entries", "objects"} {
		if err := dir.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("open vault: %w", err)
		}
	}
	v := &Vault{dir: dir}
	text, err := v.read("key", 4096)
	if errors.Is(err, fs.ErrNotExist) {
		return v, v.newKey()
	}
	if err != nil {
		return nil, fmt.Errorf("read vault key: %w", err)
	}
	if v.key, err = age.ParseX25519Identity(strings.TrimSpace(string(text))); err != nil {
		return nil, fmt.Errorf("read vault key: %w", err)
	}
	return v, nil
}

func (v *Vault) newKey() (err error) {
	d, err := v.dir.Open("objects")
	if err != nil {
		return fmt.Errorf("make vault key: %w", err)
	}
	names, _ := d.Readdirnames(1)
	d.Close()
	if len(names) > 0 {
		return fmt.Errorf("open vault: %w: its key is missing", ErrTampered)
	}
	if v.key, err = age.GenerateX25519Identity(); err != nil {
		return fmt.Errorf("make vault key: %w", err)
	}
	return v.write("key", strings.NewReader(v.key.String()+"\n"))
}

// open opens a file of the vault.
func (v *Vault) open(name string) (*os.File, error) {
	f, err := state.Open(v.dir, name, math.MaxInt64)
	return f, odd(err)
}

// read reads a file of the vault of at most limit bytes.
func (v *Vault) read(name string, limit int64) ([]byte, error) {
	text, err := state.Read(v.dir, name, limit)
	return text, odd(err)
}

// odd says in the vault's words that a file is none of its own.
func odd(err error) error {
	if errors.Is(err, state.ErrOdd) {
		return fmt.Errorf("%w: %w", ErrTampered, err)
	}
	return err
}

// Names of what is being written.
const (
	tmpMark  = ".tmp-"
	incoming = "objects/incoming"
)

// write puts a file of the vault on disk, whole or not at all.
func (v *Vault) write(name string, content io.Reader) (err error) {
	var salt [8]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return fmt.Errorf("write vault: %w", err)
	}
	tmp := name + tmpMark + hex.EncodeToString(salt[:])
	f, err := v.dir.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write vault: %w", err)
	}
	_, err = io.Copy(f, content)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = v.dir.Rename(tmp, name)
	}
	if err == nil {
		err = v.sync(name)
	}
	if err != nil {
		v.dir.Remove(tmp)
		return fmt.Errorf("write vault: %w", err)
	}
	return nil
}

// Tidy removes what interrupted writes left behind. Only the holder of the host's lock may call it.
func (v *Vault) Tidy() error {
	var failed []error
	for _, dir := range []string{".", "entries", "objects"} {
		d, err := v.dir.Open(dir)
		if err != nil {
			return fmt.Errorf("tidy vault: %w", err)
		}
		names, err := d.Readdirnames(-1)
		failed = append(failed, err, d.Close())
		for _, name := range names {
			if strings.Contains(name, tmpMark) || dir+"/"+name == incoming {
				failed = append(failed, v.dir.Remove(dir+"/"+name))
			}
		}
	}
	if err := errors.Join(failed...); err != nil {
		return fmt.Errorf("tidy vault: %w", err)
	}
	return nil
}

// sync puts the directory of a name on disk.
func (v *Vault) sync(name string) error {
	dir := "."
	if i := strings.LastIndexByte(name, '/'); i > 0 {
		dir = name[:i]
	}
	d, err := v.dir.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Add records an entry whose contents were put in before by Store, and gives it its ID.
func (v *Vault) Add(e Entry) (Entry, error) {
	e.ID = ""
	body, err := json.Marshal(e)
	if err != nil {
		return e, fmt.Errorf("add %q to vault: %w", e.Path, err)
	}
	e.ID = v.seal(body)[:16]
	if body, err = json.Marshal(e); err != nil {
		return e, fmt.Errorf("add %q to vault: %w", e.Path, err)
	}
	if len(body) > maxEntry {
		return e, fmt.Errorf("add %q to vault: a description of %d bytes is over the limit of %d", e.Path, len(body), maxEntry)
	}
	outer := fmt.Sprintf(`{"mac":"%s","entry":%s}`+"\n", v.seal(body), body)
	return e, v.write("entries/"+e.ID+".json", strings.NewReader(outer))
}

// seal is a hash keyed with the vault's key.
func (v *Vault) seal(body []byte) string {
	h := hmac.New(sha256.New, []byte("deminer vault entry "+v.key.String()))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// Show gives one entry; fs.ErrNotExist if there is none.
func (v *Vault) Show(id string) (Entry, error) {
	if !isHex(id, 16) {
		return Entry{}, fmt.Errorf("show vault entry %q: %w", id, fs.ErrInvalid)
	}
	text, err := v.read("entries/"+id+".json", maxEntry+256)
	if err != nil {
		return Entry{}, fmt.Errorf("show vault entry %s: %w", id, err)
	}
	e, err := v.parse(text)
	if err == nil && e.ID != id {
		err = ErrTampered
	}
	if err != nil {
		return Entry{}, fmt.Errorf("show vault entry %s: %w", id, err)
	}
	return e, nil
}

// parse reads an entry file; nothing of one that does not carry the vault's seal is believed.
func (v *Vault) parse(text []byte) (e Entry, err error) {
	var outer struct {
		MAC   string          `json:"mac"`
		Entry json.RawMessage `json:"entry"`
	}
	if err := json.Unmarshal(text, &outer); err != nil {
		return e, fmt.Errorf("%w: %w", ErrTampered, err)
	}
	if !hmac.Equal([]byte(outer.MAC), []byte(v.seal(outer.Entry))) {
		return e, ErrTampered
	}
	if err := json.Unmarshal(outer.Entry, &e); err != nil {
		return e, fmt.Errorf("%w: %w", ErrTampered, err)
	}
	return e, nil
}

// List gives the entries, oldest first. Those that cannot be believed are left out and named in the error.
func (v *Vault) List() ([]Entry, error) {
	d, err := v.dir.Open("entries")
	if err != nil {
		return nil, fmt.Errorf("list vault: %w", err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list vault: %w", err)
	}
	var out []Entry
	var failed []error
	for _, name := range names {
		id, ok := strings.CutSuffix(name, ".json")
		if !ok {
			continue
		}
		e, err := v.Show(id)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b Entry) int { return a.Added.Compare(b.Added) })
	return out, errors.Join(failed...)
}

// Delete takes an entry away for good, with the contents that no other entry shares. It cannot be restored afterwards.
func (v *Vault) Delete(id string) error {
	e, err := v.Show(id)
	if err != nil {
		return err
	}
	if err := v.dir.Remove("entries/" + id + ".json"); err != nil {
		return fmt.Errorf("delete vault entry %s: %w", id, err)
	}
	rest, err := v.List()
	if err != nil {
		return fmt.Errorf("delete vault entry %s: its content stays, as other entries cannot be read: %w", id, err)
	}
	kept := map[string]bool{}
	for _, other := range rest {
		for _, sum := range other.sums() {
			kept[sum] = true
		}
	}
	var failed []error
	for _, sum := range e.sums() {
		if !kept[sum] {
			if err := v.dir.Remove(object(sum)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				failed = append(failed, fmt.Errorf("delete vault entry %s: %w", id, err))
			}
		}
	}
	return errors.Join(append(failed, v.sync("entries/x"))...)
}

func (e Entry) sums() []string {
	var out []string
	if e.SHA256 != "" {
		out = append(out, e.SHA256)
	}
	for _, m := range e.Members {
		if m.SHA256 != "" {
			out = append(out, m.SHA256)
		}
	}
	return out
}

func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}
