// Package feed makes, checks, keeps and fetches bundles of rules. It takes none whose signature, age, rules or samples
// fail: a bundle is refused whole and the one before it stays in force.
//
// A bundle is a directory of rules and lists with two files more: manifest.json, which names every file with size and
// SHA-256, and manifest.sig, an ed25519 signature over the manifest. It travels as a directory, as .tar.gz or as .zip;
// the same files, manifest and key give the same archive byte for byte. What comes from outside is hostile until the
// signature is checked against a trusted key: sizes, numbers, names and types of files are limited while they are read,
// and nothing is unpacked to disk, ever. A bundle that is installed is one file.
//
// Only [Fetch] opens a connection, and only when it is called.
package feed

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// Limits of a bundle. What goes beyond is refused with ErrLimit.
const (
	MaxArchive  = 64 << 20  // bytes of an archive
	MaxUnpacked = 128 << 20 // bytes of all files together
	MaxFile     = 64 << 20  // bytes of one file
	MaxFiles    = 20_000    // files
	MaxManifest = 8 << 20   // bytes of the manifest
	maxPath     = 240       // bytes of a path: Windows takes no more below a directory
	maxDeep     = 16        // elements of a path
)

// The files a bundle has besides its rules.
const (
	manifestFile  = "manifest.json"
	signatureFile = "manifest.sig"
)

// Reasons for which a bundle is not taken.
var (
	// ErrFormat: it is not built as a bundle is, or its files are not those of its manifest.
	ErrFormat = errors.New("not a whole bundle")
	// ErrLimit: it is larger than a bundle may be.
	ErrLimit = errors.New("larger than a bundle may be")
	// ErrUntrusted: the signature is not one of a trusted key.
	ErrUntrusted = errors.New("not signed by a trusted key")
	// ErrExpired: its time is over.
	ErrExpired = errors.New("expired")
	// ErrOlder: a newer one, or another one of the same version, is installed.
	ErrOlder = errors.New("not newer than the installed bundle")
	// ErrRules: its rules do not compile or do not do what their samples say.
	ErrRules = errors.New("rules with faults")
)

// Bundle is a bundle in memory. Its files are those of its manifest, whatever it was read from; whether to trust it is
// said by Trust. It is immutable.
type Bundle struct {
	Manifest  Manifest
	raw       []byte // the manifest as it was signed
	signature []byte
	files     map[string][]byte
}

// Digest names the bundle: the SHA-256 of its manifest, and so of all that is in it.
func (b *Bundle) Digest() string {
	sum := sha256.Sum256(b.raw)
	return hex.EncodeToString(sum[:])
}

// FS gives the files of the bundle.
func (b *Bundle) FS() fs.FS { return newTree(b.files) }

// Expired reports whether its time is over.
func (b *Bundle) Expired(now time.Time) bool { return !now.Before(b.Manifest.Expires) }

// assemble makes a bundle of the files of a directory or an archive, and compares them with the manifest.
func assemble(all map[string][]byte) (*Bundle, error) {
	b := &Bundle{raw: all[manifestFile], files: map[string][]byte{}}
	if b.raw == nil || all[signatureFile] == nil {
		return nil, fmt.Errorf("%w: it has no %s or no %s", ErrFormat, manifestFile, signatureFile)
	}
	var err error
	if b.Manifest, err = parseManifest(b.raw); err != nil {
		return nil, err
	}
	if b.signature, err = parseSignature(all[signatureFile]); err != nil {
		return nil, err
	}
	for name, data := range all {
		if name != manifestFile && name != signatureFile {
			b.files[name] = data
		}
	}
	if len(b.files) > len(b.Manifest.Files) {
		for name := range b.files {
			if _, listed := slices.BinarySearchFunc(b.Manifest.Files, name, func(f File, n string) int { return strings.Compare(f.Path, n) }); !listed {
				return nil, fmt.Errorf("%w: %q is not in its manifest", ErrFormat, name)
			}
		}
	}
	for _, f := range b.Manifest.Files {
		data, ok := b.files[f.Path]
		if !ok {
			return nil, fmt.Errorf("%w: %q is missing", ErrFormat, f.Path)
		}
		sum := sha256.Sum256(data)
		if int64(len(data)) != f.Size || hex.EncodeToString(sum[:]) != f.SHA256 {
			return nil, fmt.Errorf("%w: %q is not what the manifest says", ErrFormat, f.Path)
		}
	}
	return b, nil
}

// room counts what is read from outside and ends it at the limits.
type room struct {
	files int
	bytes int64
	seen  map[string]string // folded path of a file to its path
	dirs  map[string]bool   // folded paths of directories
}

func newRoom() *room { return &room{seen: map[string]string{}, dirs: map[string]bool{}} }

// enter asks for a place for one file of at most size bytes, before it is read.
func (r *room) enter(name string, size int64) error {
	if err := checkPath(name); err != nil {
		return err
	}
	limit := int64(MaxFile)
	if name == manifestFile || name == signatureFile {
		limit = MaxManifest
	}
	if r.files++; r.files > MaxFiles {
		return fmt.Errorf("%w: more than %d files", ErrLimit, MaxFiles)
	}
	if size < 0 || size > limit {
		return fmt.Errorf("%w: %q has more than %d bytes", ErrLimit, name, limit)
	}
	if r.bytes += size; r.bytes > MaxUnpacked {
		return fmt.Errorf("%w: more than %d bytes in all", ErrLimit, MaxUnpacked)
	}
	fold := strings.ToLower(name)
	if old, twice := r.seen[fold]; twice {
		return fmt.Errorf("%w: %q and %q are one name on some systems", ErrFormat, old, name)
	}
	r.seen[fold] = name
	for dir := path.Dir(fold); dir != "." && !r.dirs[dir]; dir = path.Dir(dir) {
		r.dirs[dir] = true
		if old, file := r.seen[dir]; file {
			return fmt.Errorf("%w: %q is a file and a directory", ErrFormat, old)
		}
	}
	if r.dirs[fold] {
		return fmt.Errorf("%w: %q is a file and a directory", ErrFormat, name)
	}
	return nil
}

// checkPath takes plain relative paths that mean the same on every system.
func checkPath(name string) error {
	bad := func(why string) error { return fmt.Errorf("%w: path %q %s", ErrFormat, clip(name), why) }
	switch {
	case !fs.ValidPath(name) || name == ".":
		return bad("is not plain and relative")
	case len(name) > maxPath || strings.Count(name, "/") >= maxDeep:
		return bad("is too long or too deep")
	case strings.ContainsAny(name, "\\:*?\"<>|"):
		return bad("holds a character that some systems take for another thing")
	}
	for elem := range strings.SplitSeq(name, "/") {
		if strings.HasSuffix(elem, ".") || strings.HasSuffix(elem, " ") || strings.HasPrefix(elem, " ") || strings.HasPrefix(elem, ".") {
			return bad("has a part that begins with a dot or a blank, or ends so")
		}
	}
	if i := strings.IndexFunc(name, func(c rune) bool {
		return c < 0x20 || c == 0x7f || c == 0xFFFD || c >= 0x80 && c < 0xA0 || c >= 0x2028 && c <= 0x202E || c == 0xFEFF
	}); i >= 0 {
		return bad("holds control characters")
	}
	return nil
}

func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return s
}
