package feed

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Format is the version of the bundle format that this program writes and reads.
const Format = 1

// maxLife is the longest time between Created and Expires: a bundle that nobody renews must not stay in force for ever.
const maxLife = 3 * 366 * 24 * time.Hour

// Manifest is manifest.json: what the signature is over.
type Manifest struct {
	Format  int       `json:"format"`  // version of the format, 1
	ID      string    `json:"id"`      // name of the line of bundles: a newer one takes the place of an older one of the same id
	Version string    `json:"version"` // numbers with dots between them, compared one by one
	Created time.Time `json:"created"` // when it was made
	Expires time.Time `json:"expires"` // after that it is not installed any more, and used only with a warning
	Key     string    `json:"key"`     // id of the key that signed it
	Note    string    `json:"note,omitempty"`
	Files   []File    `json:"files"` // every file but the manifest and its signature, sorted by path
}

// File is one file of a bundle.
type File struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

var (
	idForm      = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)
	versionForm = regexp.MustCompile(`^(0|[1-9][0-9]{0,17})(\.(0|[1-9][0-9]{0,17})){0,7}$`)
	keyForm     = regexp.MustCompile(`^[0-9a-f]{16}$`)
	sumForm     = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// CheckID tells what is wrong with the id of a bundle.
func CheckID(id string) error {
	if !idForm.MatchString(id) {
		return fmt.Errorf("id %q: want small letters, digits, - and _, at most 64", clip(id))
	}
	return nil
}

// CheckVersion tells what is wrong with a version.
func CheckVersion(v string) error {
	if !versionForm.MatchString(v) {
		return fmt.Errorf("version %q: want numbers with dots between them, such as 2026.11.3", clip(v))
	}
	return nil
}

// newer compares versions number by number; a missing number is 0.
func newer(a, b string) int {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(x), len(y)) {
		if c := number(x, i) - number(y, i); c != 0 {
			return int(c / abs(c))
		}
	}
	return 0
}

func number(parts []string, i int) int64 {
	if i >= len(parts) {
		return 0
	}
	n, _ := strconv.ParseInt(parts[i], 10, 64) // the form was checked: at most 18 digits
	return n
}

func abs(n int64) int64 { return max(n, -n) }

// parseManifest reads a manifest and refuses whatever is not exactly as this program would write it in meaning.
func parseManifest(text []byte) (Manifest, error) {
	var m Manifest
	bad := func(format string, args ...any) (Manifest, error) {
		return Manifest{}, fmt.Errorf("%w: %s: %s", ErrFormat, manifestFile, fmt.Sprintf(format, args...))
	}
	if len(text) > MaxManifest {
		return Manifest{}, fmt.Errorf("%w: %s has more than %d bytes", ErrLimit, manifestFile, MaxManifest)
	}
	var version struct{ Format int }
	if err := json.Unmarshal(text, &version); err != nil {
		return bad("%v", err)
	}
	if version.Format != Format {
		return bad("format %d, this program knows %d", version.Format, Format)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return bad("%v", err)
	}
	return m, m.check()
}

func (m *Manifest) check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s: %s", ErrFormat, manifestFile, fmt.Sprintf(format, args...))
	}
	switch {
	case CheckID(m.ID) != nil:
		return bad("%v", CheckID(m.ID))
	case CheckVersion(m.Version) != nil:
		return bad("%v", CheckVersion(m.Version))
	case !keyForm.MatchString(m.Key):
		return bad("key %q is no key id", clip(m.Key))
	case m.Created.IsZero() || !m.Expires.After(m.Created) || m.Expires.Sub(m.Created) > maxLife:
		return bad("it must expire after it was made, and within three years")
	case len(m.Note) > 1000:
		return bad("a note of more than 1000 bytes")
	case len(m.Files) == 0:
		return bad("no files")
	}
	r := newRoom()
	for i, f := range m.Files {
		if f.Path == manifestFile || f.Path == signatureFile || i > 0 && m.Files[i-1].Path >= f.Path {
			return bad("file %q is not in its place", clip(f.Path))
		}
		if err := r.enter(f.Path, f.Size); err != nil {
			return err
		}
		if !sumForm.MatchString(f.SHA256) {
			return bad("file %q has no SHA-256", clip(f.Path))
		}
	}
	return nil
}

// listed gives the files of a manifest.
func listed(files map[string][]byte) (out []File) {
	for name, data := range files {
		sum := sha256.Sum256(data)
		out = append(out, File{name, int64(len(data)), hex.EncodeToString(sum[:])})
	}
	slices.SortFunc(out, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// encode writes a manifest, the same every time.
func (m *Manifest) encode() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(m); err != nil {
		return nil, fmt.Errorf("write manifest: %w", err)
	}
	return b.Bytes(), nil
}

// parseSignature reads manifest.sig: 64 bytes in base64 and a newline, and nothing else.
func parseSignature(text []byte) ([]byte, error) {
	sig, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSuffix(string(text[:min(len(text), 200)]), "\n"))
	if err != nil || len(sig) != signatureSize || string(text) != encodeSignature(sig) {
		return nil, fmt.Errorf("%w: %s is no signature", ErrFormat, signatureFile)
	}
	return sig, nil
}

func encodeSignature(sig []byte) string { return base64.StdEncoding.EncodeToString(sig) + "\n" }
