package feed

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/deminer/deminer/internal/match"
)

// Open reads a bundle that lies at a path: an archive, as Read does, or a signed directory, as ReadDir does.
func Open(name string) (*Bundle, error) {
	st, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if st.IsDir() {
		return ReadDir(os.DirFS(name))
	}
	if !st.Mode().IsRegular() { // opening a FIFO would wait
		return nil, fmt.Errorf("%w: not a regular file", ErrFormat)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Read(f)
}

// ReadDir reads a bundle that lies as a signed directory. A file that its manifest does not name is refused, and so is
// whatever is no plain file; what [SignDir] leaves when it is interrupted is neither refused nor part of the bundle.
func ReadDir(fsys fs.FS) (*Bundle, error) {
	files, err := collect(fsys, false)
	if err != nil {
		return nil, err
	}
	next, err := readFile(fsys, pending(files[manifestFile]), asSignature)
	switch {
	case err == nil:
		files[signatureFile] = next
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	return assemble(files)
}

// pendingMark begins the names of signatures whose manifest is about to take its place.
const pendingMark = ".sig-"

// pending is the name of the signature of a manifest until it is at its place.
func pending(manifest []byte) string {
	sum := sha256.Sum256(manifest)
	return pendingMark + hex.EncodeToString(sum[:])
}

// asSignature takes files that may be a signature.
func asSignature(name string, size int64) error {
	if size > 2*signatureSize {
		return fmt.Errorf("%w: %s is no signature", ErrFormat, name)
	}
	return nil
}

// passing reports names in the top directory that stand there only while it is signed. They are asked for to the last letter:
// what only begins like them is somebody's own.
func passing(name string) bool {
	for mark, size := range map[string]int{pendingMark: sha256.Size, tmpMark: tmpBytes} {
		if text, ok := strings.CutPrefix(name, mark); ok {
			b, err := hex.DecodeString(text)
			return err == nil && len(b) == size
		}
	}
	return false
}

// SignDir makes the directory that a bundle was made of that bundle. A power cut leaves what was there before, an earlier bundle
// included, or the new one: the new signature lies beside the old one, under the name of its manifest, before that takes its
// place. step, where not nil, is called before each change of the disk.
func SignDir(dir *os.Root, b *Bundle, step func(string)) error {
	s, signature := &Store{Dir: dir, Step: step}, []byte(encodeSignature(b.signature))
	for _, f := range []struct {
		name string
		text []byte
	}{{pending(b.raw), signature}, {manifestFile, b.raw}, {signatureFile, signature}} {
		if err := s.write(f.name, f.text, publicMode); err != nil {
			return err
		}
	}
	names, err := s.names(".", 4*MaxFiles)
	if err != nil {
		return err
	}
	for _, n := range names {
		if !passing(n) {
			continue
		}
		if err := s.remove(n); err != nil {
			return err
		}
	}
	return nil
}

// Signed reports whether a directory claims to be a bundle.
func Signed(fsys fs.FS) bool {
	_, err := fs.Stat(fsys, manifestFile)
	return err == nil
}

// collect reads the files of a directory. With own it is the maker's: names that begin with a dot, and an earlier manifest,
// are left out.
func collect(fsys fs.FS, own bool) (map[string][]byte, error) {
	files, room, names := map[string][]byte{}, newRoom(), 0
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if names++; names > 4*MaxFiles {
			return fmt.Errorf("%w: more than %d names", ErrLimit, 4*MaxFiles)
		}
		switch {
		case name == ".", !own && passing(name) && d.Type().IsRegular():
			return nil
		case own && strings.HasPrefix(path.Base(name), ".") && d.IsDir():
			return fs.SkipDir
		case d.IsDir(), own && (strings.HasPrefix(path.Base(name), ".") || name == manifestFile || name == signatureFile):
			return nil
		case !d.Type().IsRegular():
			return fmt.Errorf("%w: %q is no plain file (%s)", ErrFormat, clip(name), kindOf(d.Type()))
		}
		files[name], err = readFile(fsys, name, room.enter)
		return err
	})
	return files, err
}

// readFile reads one file, if enter takes one of its name and size.
func readFile(fsys fs.FS, name string, enter func(name string, size int64) error) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %q is no plain file (%s)", ErrFormat, clip(name), kindOf(st.Mode()))
	}
	if err := enter(name, st.Size()); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, st.Size()+1))
	if err == nil && int64(len(data)) != st.Size() {
		err = fmt.Errorf("%w: %q changed while it was read", ErrFormat, name)
	}
	return data, err
}

// Plan says what a new bundle is to be called and how long it is good.
type Plan struct {
	ID, Version      string
	Created, Expires time.Time
	Note             string
}

// Create makes a bundle of a directory of rules and signs it. Its rules must compile and do what their samples say: a
// bundle that nobody would take is not made. The answer is ErrRules with every fault otherwise.
func Create(ctx context.Context, fsys fs.FS, plan Plan, key ed25519.PrivateKey) (*Bundle, Checked, error) {
	files, err := collect(fsys, true)
	if err != nil {
		return nil, Checked{}, err
	}
	pub, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, Checked{}, errors.New("not an ed25519 key")
	}
	m := Manifest{Format: Format, ID: plan.ID, Version: plan.Version, Created: plan.Created.UTC().Truncate(time.Second), Expires: plan.Expires.UTC().Truncate(time.Second),
		Key: KeyID(pub), Note: plan.Note, Files: listed(files)}
	if err := m.check(); err != nil {
		return nil, Checked{}, err
	}
	raw, err := m.encode()
	if err != nil {
		return nil, Checked{}, err
	}
	b := &Bundle{Manifest: m, raw: raw, signature: sign(key, raw), files: files}
	checked, err := b.Check(ctx)
	if err != nil {
		return nil, checked, err
	}
	return b, checked, nil
}

// Checked is what the rules of a bundle are.
type Checked struct {
	Rules   int `json:"rules"`   // rules; a section of a list counts as one
	Samples int `json:"samples"` // samples that were run
	Bare    int `json:"bare"`    // YARA and Sigma rules without a sample of both kinds
}

// Check compiles the rules of a bundle, alone and beside those of base, and runs their samples. ErrRules, with every
// fault, if one fails; a bundle without any rule is one, too.
func (b *Bundle) Check(ctx context.Context, base ...fs.FS) (Checked, error) {
	var c Checked
	own, err := match.Load(b.FS())
	if err != nil {
		return c, fmt.Errorf("%w:\n%w", ErrRules, err)
	}
	if c.Rules = own.Len(); c.Rules == 0 {
		return c, fmt.Errorf("%w: it holds none", ErrRules)
	}
	tested, err := own.Test(ctx, b.FS())
	if err != nil {
		return c, err
	}
	var faults match.Problems
	for _, t := range tested {
		c.Samples += t.Hits + t.Misses
		if !t.Sampled() {
			c.Bare++
		}
		for _, f := range t.Faults {
			faults = append(faults, match.Problem{File: t.File, Line: t.Line, Rule: t.Rule, Text: f})
		}
	}
	if len(faults) > 0 {
		return c, fmt.Errorf("%w:\n%w", ErrRules, faults)
	}
	if len(base) > 0 {
		if _, err := match.Load(append(base, b.FS())...); err != nil {
			return c, fmt.Errorf("%w:\n%w", ErrRules, err)
		}
	}
	return c, nil
}
