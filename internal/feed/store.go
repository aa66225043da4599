package feed

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// Store is the directory where keys and installed bundles are kept:
//
//	keys/ID.json                    a trusted key
//	bundles/ID/state.json           which archive is in force, which was before it
//	bundles/ID/DIGEST.tar.gz        a bundle
//
// Whoever changes it must hold a lock that keeps others out; readers need none: each file is written beside its place and
// renamed, and what is in force is said by one file alone.
type Store struct {
	Dir *os.Root
	// Step, where set, is called before each change of the disk: tests cut the power there.
	Step func(what string)
}

// Limits of the store: what goes beyond was not put there by this program.
const (
	maxBundles = 64
	maxKeys    = 256
	maxState   = 64 << 10
)

// ErrNone: there is no such thing in the store.
var ErrNone = errors.New("not there")

// standing is state.json: what of one id is in force.
type standing struct {
	Current   string    `json:"current"` // digest
	Previous  string    `json:"previous,omitempty"`
	Installed time.Time `json:"installed"` // when current came into force
	URL       string    `json:"url,omitempty"`
}

// Installed is a bundle that was installed here.
type Installed struct {
	*Bundle
	Key       Key       // that signed it, and is trusted now
	Installed time.Time // when it came into force
	Previous  string    // digest of the one before it, or ""
	URL       string    // where updates are fetched from, or ""
}

// IDs lists what was installed, sorted.
func (s *Store) IDs() ([]string, error) {
	names, err := s.names("bundles", maxBundles)
	return slices.DeleteFunc(names, func(n string) bool { return CheckID(n) != nil }), err
}

func (s *Store) names(dir string, limit int) ([]string, error) {
	d, err := s.Dir.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	defer d.Close()
	names, err := d.Readdirnames(limit + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	if len(names) > limit {
		return nil, fmt.Errorf("list %s: more than %d", dir, limit)
	}
	slices.Sort(names)
	return names, nil
}

// Load gives an installed bundle, its signature checked again: what lies on a host may have been changed since. The key
// must still be trusted; an expired bundle is given, and says so itself.
func (s *Store) Load(id string) (Installed, error) {
	st, err := s.state(id)
	if err != nil {
		return Installed{}, err
	}
	b, key, err := s.bundle(id, st.Current)
	if err != nil {
		return Installed{}, err
	}
	return Installed{b, key, st.Installed, st.Previous, st.URL}, nil
}

// Broken is an installed bundle that cannot be used.
type Broken struct {
	ID  string
	Err error
}

// All gives the installed bundles as Load does, sorted by id, and those that cannot be used: one of these takes nothing from the
// others. What an interrupted installation left is neither.
func (s *Store) All() (list []Installed, broken []Broken, err error) {
	ids, err := s.IDs()
	for _, id := range ids {
		in, err := s.Load(id)
		switch {
		case errors.Is(err, ErrNone):
		case err != nil:
			broken = append(broken, Broken{id, err})
		default:
			list = append(list, in)
		}
	}
	return list, broken, err
}

func (s *Store) bundle(id, digest string) (*Bundle, Key, error) {
	fail := func(err error) (*Bundle, Key, error) {
		return nil, Key{}, fmt.Errorf("installed bundle %s: %w", id, err)
	}
	text, err := s.read(archive(id, digest), MaxArchive)
	if err != nil {
		return fail(err)
	}
	b, err := Read(bytes.NewReader(text))
	if err != nil {
		return fail(err)
	}
	if b.Manifest.ID != id || b.Digest() != digest {
		return fail(fmt.Errorf("%w: it is another bundle", ErrFormat))
	}
	keys, err := s.Keys()
	if err != nil {
		return fail(err)
	}
	key, err := b.Trust(keys)
	if err != nil {
		return fail(err)
	}
	return b, key, nil
}

func (s *Store) state(id string) (standing, error) {
	if err := CheckID(id); err != nil {
		return standing{}, err
	}
	text, err := s.read("bundles/"+id+"/state.json", maxState)
	if errors.Is(err, fs.ErrNotExist) {
		return standing{}, fmt.Errorf("bundle %s: %w", id, ErrNone)
	}
	if err != nil {
		return standing{}, fmt.Errorf("bundle %s: %w", id, err)
	}
	var st standing
	if err := json.Unmarshal(text, &st); err != nil || !sumForm.MatchString(st.Current) || st.Previous != "" && !sumForm.MatchString(st.Previous) || st.URL != "" && CheckURL(st.URL) != nil {
		return standing{}, fmt.Errorf("bundle %s: %w: its state was tampered with", id, ErrFormat)
	}
	return st, nil
}

func archive(id, digest string) string { return "bundles/" + id + "/" + digest + ".tar.gz" }

// Options of an installation.
type Options struct {
	Downgrade bool   // take an older version, too
	URL       string // remember where it came from; "" keeps what was remembered
	Base      []fs.FS
	Now       time.Time
}

// Install puts a bundle in force, or refuses it whole: signature, time, version, rules and samples are checked before
// anything is written. The bundle before it is kept for Rollback.
func (s *Store) Install(ctx context.Context, b *Bundle, opt Options) (Checked, error) {
	keys, err := s.Keys()
	if err != nil {
		return Checked{}, err
	}
	if _, err := b.Trust(keys); err != nil {
		return Checked{}, err
	}
	if b.Expired(opt.Now) {
		return Checked{}, fmt.Errorf("bundle %s %s: %w on %s", b.Manifest.ID, b.Manifest.Version, ErrExpired, b.Manifest.Expires.Format(time.DateOnly))
	}
	st, err := s.state(b.Manifest.ID)
	if err != nil && !errors.Is(err, ErrNone) {
		return Checked{}, err
	}
	if err := s.ahead(b, st, opt.Downgrade); err != nil {
		return Checked{}, err
	}
	checked, err := b.Check(ctx, opt.Base...)
	if err != nil {
		return checked, err
	}
	next := standing{Current: b.Digest(), Previous: st.Previous, Installed: opt.Now.UTC().Truncate(time.Second), URL: cmp.Or(opt.URL, st.URL)}
	if st.Current != next.Current && st.Current != "" {
		next.Previous = st.Current
	} else if st.Current != "" {
		next.Installed = st.Installed
	}
	return checked, s.put(b, next)
}

// ahead refuses what is older than the installed bundle, or another of the same version.
func (s *Store) ahead(b *Bundle, st standing, downgrade bool) error {
	if st.Current == "" || st.Current == b.Digest() || downgrade {
		return nil
	}
	old, _, err := s.bundle(b.Manifest.ID, st.Current)
	if err != nil {
		return fmt.Errorf("%w; what it is to replace cannot be compared", err)
	}
	if newer(b.Manifest.Version, old.Manifest.Version) <= 0 {
		return fmt.Errorf("%w: %s %s is installed, this is %s", ErrOlder, old.Manifest.ID, old.Manifest.Version, b.Manifest.Version)
	}
	return nil
}

// put writes the archive, then what says that it is in force, then removes what nothing names any more.
func (s *Store) put(b *Bundle, next standing) error {
	id := b.Manifest.ID
	for _, dir := range []string{"bundles", "bundles/" + id} {
		if err := s.mkdir(dir); err != nil {
			return err
		}
	}
	var text bytes.Buffer
	if err := b.Write(&text, ""); err != nil {
		return err
	}
	if err := s.write(archive(id, next.Current), text.Bytes(), ownMode); err != nil {
		return err
	}
	if err := s.save(id, next); err != nil {
		return err
	}
	return s.tidy(id, next)
}

func (s *Store) save(id string, st standing) error {
	text, err := json.MarshalIndent(st, "", " ")
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return s.write("bundles/"+id+"/state.json", append(text, '\n'), ownMode)
}

// Rollback puts the bundle before the installed one in force again; a second call takes that back. The bundle must still
// be whole and its key trusted; its time may be over.
func (s *Store) Rollback(id string, now time.Time) (Installed, error) {
	st, err := s.state(id)
	if err != nil {
		return Installed{}, err
	}
	if st.Previous == "" {
		return Installed{}, fmt.Errorf("bundle %s: an earlier one: %w", id, ErrNone)
	}
	if _, _, err := s.bundle(id, st.Previous); err != nil {
		return Installed{}, err
	}
	st.Current, st.Previous, st.Installed = st.Previous, st.Current, now.UTC().Truncate(time.Second)
	if err := s.save(id, st); err != nil {
		return Installed{}, err
	}
	return s.Load(id)
}

// Remove takes a bundle out of force and away, with the one before it.
func (s *Store) Remove(id string) error {
	if _, err := s.state(id); err != nil {
		return err
	}
	if err := s.remove("bundles/" + id + "/state.json"); err != nil {
		return err
	}
	if err := s.tidy(id, standing{}); err != nil {
		return err
	}
	return s.remove("bundles/" + id)
}

// tidy removes archives that are neither in force nor kept, and what an interrupted installation left.
func (s *Store) tidy(id string, st standing) error {
	names, err := s.names("bundles/"+id, 1000)
	if err != nil {
		return err
	}
	for _, n := range names {
		digest, isArchive := strings.CutSuffix(n, ".tar.gz")
		if strings.HasPrefix(n, tmpMark) || isArchive && digest != st.Current && digest != st.Previous {
			if err := s.remove("bundles/" + id + "/" + n); err != nil {
				return err
			}
		}
	}
	return nil
}

// Keys lists the trusted keys, sorted by id.
func (s *Store) Keys() ([]Key, error) {
	names, err := s.names("keys", maxKeys)
	if err != nil {
		return nil, err
	}
	var out []Key
	for _, n := range names {
		id, ok := strings.CutSuffix(n, ".json")
		if !ok || !keyForm.MatchString(id) {
			continue
		}
		text, err := s.read("keys/"+n, maxKey)
		if err != nil {
			return nil, fmt.Errorf("trusted key %s: %w", id, err)
		}
		var k Key
		if err := json.Unmarshal(text, &k); err != nil {
			return nil, fmt.Errorf("trusted key %s: %w", id, err)
		}
		pub, err := ParsePublic([]byte(k.Public))
		if err != nil || pub.ID != id || k.ID != id {
			return nil, fmt.Errorf("trusted key %s: %w: the file was tampered with", id, ErrFormat)
		}
		k.key = pub.key
		out = append(out, k)
	}
	return out, nil
}

// Trust adds a key.
func (s *Store) Trust(k Key) error {
	if len(k.Name) > 200 {
		return fmt.Errorf("trust key: a name of more than 200 bytes")
	}
	text, err := json.MarshalIndent(k, "", " ")
	if err != nil {
		return fmt.Errorf("trust key: %w", err)
	}
	if err := s.mkdir("keys"); err != nil {
		return err
	}
	return s.write("keys/"+k.ID+".json", append(text, '\n'), ownMode)
}

// Distrust takes a key away: bundles signed by it are not used any more, the installed ones included.
func (s *Store) Distrust(id string) error {
	if !keyForm.MatchString(id) {
		return fmt.Errorf("key %q: want the 16 digits of its id", clip(id))
	}
	if _, err := s.Dir.Lstat("keys/" + id + ".json"); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("key %s: %w", id, ErrNone)
	}
	return s.remove("keys/" + id + ".json")
}
