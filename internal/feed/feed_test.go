package feed

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

var (
	made = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	soon = made.Add(24 * time.Hour)
	over = made.Add(91 * 24 * time.Hour)
)

// ours are the rules of a small bundle.
func ours() fstest.MapFS {
	return fstest.MapFS{
		"ioc/pools.txt":           {Data: []byte("#! type=domain\tstrength=strong\tclass=mining\twhat=our list\npool.example.net\n")},
		"yara/mark.yar":           {Data: []byte("rule Mark { meta: strength = \"strong\" strings: $a = \"our mark\" condition: $a }\n")},
		"samples/yara/Mark.txtar": {Data: []byte("-- hit --\nour mark\n-- miss --\nnothing\n")},
		"README.md":               {Data: []byte("ours\n")},
		".git/config":             {Data: []byte("left out\n")},
	}
}

// keys makes a signing key from a seed, the same every time.
func keys(t testing.TB, seed byte) (ed25519.PrivateKey, Key) {
	t.Helper()
	priv := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	text, err := publicPEM(priv.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	pub, err := ParsePublic(text)
	if err != nil {
		t.Fatal(err)
	}
	return priv, pub
}

func bundle(t testing.TB, version string, files fs.FS) *Bundle {
	t.Helper()
	priv, _ := keys(t, 1)
	b, _, err := Create(t.Context(), files, Plan{ID: "ours", Version: version, Created: made, Expires: made.Add(90 * 24 * time.Hour)}, priv)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// signature gives the two files that make a directory a bundle.
func signature(b *Bundle) map[string][]byte {
	return map[string][]byte{manifestFile: b.raw, signatureFile: []byte(encodeSignature(b.signature))}
}

func packed(t testing.TB, b *Bundle, name string) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := b.Write(&out, name); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestRoundTrip: a bundle is the same from every form, packed twice it is the same bytes, and its files can be read as a file system.
func TestRoundTrip(t *testing.T) {
	b := bundle(t, "1.2", ours())
	_, pub := keys(t, 1)
	dir := fstest.MapFS{}
	for name, data := range b.files {
		dir[name] = &fstest.MapFile{Data: data}
	}
	for name, data := range signature(b) {
		dir[name] = &fstest.MapFile{Data: data}
	}
	for _, form := range []string{"dir", "b.tar.gz", "b.zip"} {
		var again *Bundle
		var err error
		if form == "dir" {
			again, err = ReadDir(dir)
		} else {
			if !bytes.Equal(packed(t, b, form), packed(t, bundle(t, "1.2", ours()), form)) {
				t.Errorf("%s: two runs give different bytes", form)
			}
			again, err = Read(bytes.NewReader(packed(t, b, form)))
		}
		if err != nil {
			t.Fatalf("%s: %v", form, err)
		}
		if again.Digest() != b.Digest() || len(again.files) != 4 {
			t.Errorf("%s: another bundle came back: %d files", form, len(again.files))
		}
		if k, err := again.Trust([]Key{pub}); err != nil || k.ID != pub.ID {
			t.Errorf("%s: %v", form, err)
		}
		if err := fstest.TestFS(again.FS(), "ioc/pools.txt", "samples/yara/Mark.txtar", "README.md"); err != nil {
			t.Errorf("%s: %v", form, err)
		}
		if c, err := again.Check(t.Context()); err != nil || c != (Checked{Rules: 2, Samples: 2}) {
			t.Errorf("%s: checked %+v, %v", form, c, err)
		}
	}
}

// TestTamperedByteIsRefused changes every byte of a bundle in each form, in two ways. What is taken all the same must be
// the very stream that was signed: the last bits of a compressed block mean nothing.
func TestTamperedByteIsRefused(t *testing.T) {
	b := bundle(t, "1.2", ours())
	_, pub := keys(t, 1)
	for _, form := range []string{"b.tar.gz", "b.zip"} {
		text := packed(t, b, form)
		idle := 0
		for i := range text {
			for _, flip := range []byte{0x01, 0x80} {
				text[i] ^= flip
				again, err := Read(bytes.NewReader(text))
				if err == nil {
					_, err = again.Trust([]Key{pub})
				}
				if err == nil {
					if idle++; form == "b.zip" || !bytes.Equal(unzipped(t, text), unzipped(t, packed(t, b, form))) {
						t.Errorf("%s: byte %d changed by %#x is taken", form, i, flip)
					}
				}
				text[i] ^= flip
			}
		}
		if idle > 2 {
			t.Errorf("%s: %d changes without meaning, more than the end of a block has", form, idle)
		}
		for n := range text {
			if _, err := Read(bytes.NewReader(text[:n])); err == nil {
				t.Fatalf("%s: cut to %d of %d bytes it is taken", form, n, len(text))
			}
		}
		if _, err := Read(bytes.NewReader(append(text, 0))); err == nil {
			t.Errorf("%s: with a byte behind it, it is taken", form)
		}
	}
	for name := range b.files {
		other := *b
		other.files = map[string][]byte{}
		for n, data := range b.files {
			other.files[n] = bytes.Clone(data)
		}
		other.files[name][0] ^= 1
		if _, err := Read(bytes.NewReader(packed(t, &other, "b.tar.gz"))); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s changed: %v", name, err)
		}
	}
}

func unzipped(t *testing.T, text []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestForgedManifest: with another key, a manifest that says otherwise, or a signature for another purpose nothing is trusted.
func TestForgedManifest(t *testing.T) {
	b := bundle(t, "1.2", ours())
	_, pub := keys(t, 1)
	thief, thiefs := keys(t, 2)
	if _, err := b.Trust([]Key{thiefs}); !errors.Is(err, ErrUntrusted) {
		t.Errorf("another key: %v", err)
	}
	forged := *b
	forged.signature = sign(thief, b.raw)
	if _, err := forged.Trust([]Key{pub, thiefs}); !errors.Is(err, ErrUntrusted) {
		t.Errorf("signed by another key under the name of the first: %v", err)
	}
	priv, _ := keys(t, 1)
	forged.signature = ed25519.Sign(priv, b.raw)
	if _, err := forged.Trust([]Key{pub}); !errors.Is(err, ErrUntrusted) {
		t.Errorf("signed for another purpose: %v", err)
	}
	forged = *b
	forged.raw = bytes.Replace(b.raw, []byte(`"1.2"`), []byte(`"9.2"`), 1)
	if _, err := forged.Trust([]Key{pub}); !errors.Is(err, ErrUntrusted) {
		t.Errorf("another version: %v", err)
	}
	impostor := pub
	impostor.key = thief.Public().(ed25519.PublicKey)
	forged = *b
	forged.signature = sign(thief, b.raw)
	if _, err := forged.Trust([]Key{impostor}); !errors.Is(err, ErrUntrusted) {
		t.Errorf("a key under another's id: %v", err)
	}
}

// gz packs tar entries as a bundle is packed.
func gz(t testing.TB, entries ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	for _, h := range entries {
		body := bytes.Repeat([]byte("x"), int(h.Size))
		if h.Typeflag != tar.TypeReg {
			body, h.Size = nil, 0
		}
		h.Mode = 0o644
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func file(name string, size int64) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size}
}

// TestHostileArchives: each is refused with an error that says why, before it costs more than the limits.
func TestHostileArchives(t *testing.T) {
	bomb := func() []byte {
		var out bytes.Buffer
		z, _ := gzip.NewWriterLevel(&out, gzip.BestCompression)
		zero := make([]byte, 1<<20)
		for range (MaxUnpacked+tarHeads)>>20 + 8 {
			if _, err := z.Write(zero); err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	many := make([]tar.Header, MaxFiles+1)
	for i := range many {
		many[i] = file(fmt.Sprint("f", i), 0)
	}
	zipped := func(names ...string) []byte {
		var out bytes.Buffer
		w := zip.NewWriter(&out)
		for _, n := range names {
			h := &zip.FileHeader{Name: n, Method: zip.Store}
			if n, ok := strings.CutPrefix(n, "link:"); ok {
				h.Name = n
				h.SetMode(fs.ModeSymlink | 0o777)
			}
			if n, ok := strings.CutPrefix(n, "deflate:"); ok {
				h.Name, h.Method = n, zip.Deflate
			}
			f, err := w.CreateHeader(h)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(n, "/") {
				continue
			}
			if _, err := f.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	manyZip := make([]string, MaxFiles+3)
	for i := range manyZip {
		manyZip[i] = fmt.Sprint("f", i)
	}
	for _, c := range []struct {
		name string
		text []byte
		kind error
		want string
	}{
		{"empty", nil, ErrFormat, "neither"},
		{"text", []byte("rule x {}"), ErrFormat, "neither"},
		{"too large", make([]byte, MaxArchive+1), ErrLimit, "an archive of more"},
		{"up", gz(t, file("../x", 1)), ErrFormat, `"../x" is not plain`},
		{"up inside", gz(t, file("a/../../x", 1)), ErrFormat, "not plain"},
		{"absolute", gz(t, file("/etc/passwd", 1)), ErrFormat, "not plain"},
		{"backslash", gz(t, file(`..\x`, 1)), ErrFormat, "some systems"},
		{"drive", gz(t, file("c:x", 1)), ErrFormat, "some systems"},
		{"control", gz(t, file("a\x1b[2J", 1)), ErrFormat, "control"},
		{"bidi", gz(t, file("a\u202Etxt.yar", 1)), ErrFormat, "control"},
		{"hidden", gz(t, file("a/.x", 1)), ErrFormat, "dot"},
		{"trailing dot", gz(t, file("a./x", 1)), ErrFormat, "dot"},
		{"deep", gz(t, file(strings.Repeat("a/", maxDeep)+"x", 1)), ErrFormat, "too deep"},
		{"long", gz(t, file(strings.Repeat("a", maxPath+1), 1)), ErrFormat, "too long"},
		{"link", gz(t, tar.Header{Typeflag: tar.TypeSymlink, Name: "x", Linkname: "/etc/shadow"}), ErrFormat, "a link"},
		{"hard link", gz(t, tar.Header{Typeflag: tar.TypeLink, Name: "x", Linkname: "/etc/shadow"}), ErrFormat, "a link"},
		{"device", gz(t, tar.Header{Typeflag: tar.TypeBlock, Name: "x", Devmajor: 8}), ErrFormat, "a device"},
		{"pipe", gz(t, tar.Header{Typeflag: tar.TypeFifo, Name: "x"}), ErrFormat, "a pipe"},
		{"directory", gz(t, tar.Header{Typeflag: tar.TypeDir, Name: "x/"}), ErrFormat, "a directory"},
		{"twice", gz(t, file("x", 1), file("x", 1)), ErrFormat, "one name"},
		{"twice by case", gz(t, file("x", 1), file("X", 1)), ErrFormat, "one name"},
		{"file and directory", gz(t, file("x", 1), file("x/y", 1)), ErrFormat, "a file and a directory"},
		{"directory and file", gz(t, file("x/y", 1), file("x", 1)), ErrFormat, "a file and a directory"},
		{"many", gz(t, many...), ErrLimit, "more than 20000 files"},
		{"bomb", bomb(), ErrLimit, "unpacks to more"},
		{"large file", gz(t, file("x", MaxFile+1)), ErrLimit, `"x" has more`},
		{"large manifest", gz(t, file("manifest.json", MaxManifest+1)), ErrLimit, "has more"},
		{"two members", append(gz(t, file("x", 1)), gz(t, file("x", 1))...), ErrFormat, "follows"},
		{"no manifest", gz(t, file("x", 1)), ErrFormat, "no manifest.json"},
		{"zip up", zipped("../x"), ErrFormat, "not plain"},
		{"zip link", zipped("link:x"), ErrFormat, "a link"},
		{"zip directory", zipped("x/"), ErrFormat, "a directory"},
		{"zip deflate", zipped("deflate:x"), ErrFormat, "stored"},
		{"zip twice", zipped("x", "x"), ErrFormat, "one name"},
		{"zip many", zipped(manyZip...), ErrLimit, "more than 20000 files"},
		{"zip without manifest", zipped("x"), ErrFormat, "no manifest.json"},
	} {
		_, err := Read(bytes.NewReader(c.text))
		if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// TestOpen: a path leads to an archive or a signed directory; what is neither is refused and never waited for.
func TestOpen(t *testing.T) {
	b := bundle(t, "1", ours())
	dir := t.TempDir()
	for _, files := range []map[string][]byte{b.files, signature(b)} {
		for name, data := range files {
			write(t, dir+"/signed/"+name, data)
		}
	}
	write(t, dir+"/a.zip", packed(t, b, "a.zip"))
	write(t, dir+"/text", []byte("x"))
	if err := os.Mkdir(dir+"/empty", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{"signed": nil, "a.zip": nil, "text": ErrFormat, "empty": ErrFormat, "gone": os.ErrNotExist} {
		got, err := Open(dir + "/" + name)
		if !errors.Is(err, want) || err == nil && got.Digest() != b.Digest() {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	if _, err := Open(os.DevNull); !errors.Is(err, ErrFormat) {
		t.Errorf("a device: %v", err)
	}
}

// TestHostileDirectory: links and files that the manifest does not name are refused, whatever they lead to.
func TestHostileDirectory(t *testing.T) {
	b := bundle(t, "1", ours())
	lay := func() string {
		dir := t.TempDir()
		for name, data := range b.files {
			write(t, dir+"/"+name, data)
		}
		for name, data := range signature(b) {
			write(t, dir+"/"+name, data)
		}
		return dir
	}
	if _, err := ReadDir(os.DirFS(lay())); err != nil {
		t.Fatal(err)
	}
	link := lay()
	if err := errors.Join(os.Remove(link+"/yara/mark.yar"), os.Symlink("/etc/passwd", link+"/yara/mark.yar")); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadDir(os.DirFS(link)); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "a link") {
		t.Errorf("link: %v", err)
	}
	more := lay()
	write(t, more+"/yara/more.yar", []byte("rule More { condition: true }"))
	if _, err := ReadDir(os.DirFS(more)); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "more.yar") {
		t.Errorf("unlisted file: %v", err)
	}
	less := lay()
	if err := os.Remove(less + "/ioc/pools.txt"); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadDir(os.DirFS(less)); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "pools.txt") {
		t.Errorf("missing file: %v", err)
	}
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(name[:strings.LastIndexByte(name, '/')], 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestManifestIsStrict: what is not exactly a manifest is refused.
func TestManifestIsStrict(t *testing.T) {
	good := string(bundle(t, "1.2", ours()).raw)
	if _, err := parseManifest([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, want string }{
		{`"format": 1`, `"format": 2`, "format 2"},
		{`"format": 1,`, `"format": 1, "more": 1,`, "unknown field"},
		{`"ours"`, `"../ours"`, "id"},
		{`"1.2"`, `"1.-2"`, "version"},
		{`"1.2"`, `"1.2.3.4.5.6.7.8.9"`, "version"},
		{`"1.2"`, `"01"`, "version"},
		{`2026-05-30`, `2026-01-30`, "expire"},
		{`2026-05-30`, `2036-05-30`, "expire"},
		{`"README.md"`, `"zz.md"`, "place"},
		{`"README.md"`, `"manifest.json"`, "place"},
		{`"README.md"`, `"../README.md"`, "plain"},
		{`"size": 5`, `"size": -5`, "more than"},
		{`"key": "`, `"key": "0`, "key id"},
		{good, "{}", "format 0"},
		{good, "", "JSON"},
		{good, good + "{}", "after top-level"},
	} {
		text := strings.Replace(good, c.old, c.new, 1)
		if text == good {
			t.Fatalf("%q is not in the manifest:\n%s", c.old, good)
		}
		if _, err := parseManifest([]byte(text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.new, err, c.want)
		}
	}
	for _, sig := range []string{"", "AAAA\n", encodeSignature(make([]byte, 64))[1:], strings.TrimSuffix(encodeSignature(make([]byte, 64)), "\n"), encodeSignature(make([]byte, 64)) + "\n"} {
		if _, err := parseSignature([]byte(sig)); !errors.Is(err, ErrFormat) {
			t.Errorf("signature %q: %v", sig, err)
		}
	}
}

func TestVersionsCompareByNumber(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"1", "1", 0}, {"1", "1.0.0", 0}, {"2", "10", -1}, {"1.10", "1.9", 1}, {"2026.3.1", "2026.2.28", 1}, {"999999999999999999", "0", 1}} {
		if got := newer(c.a, c.b); got != c.want {
			t.Errorf("newer(%s, %s) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

// TestCreateRefuses: rules with faults, failing samples and what is no file make no bundle.
func TestCreateRefuses(t *testing.T) {
	priv, _ := keys(t, 1)
	broken, failing, bare := ours(), ours(), fstest.MapFS{"README.md": {Data: []byte("x")}}
	broken["yara/bad.yar"] = &fstest.MapFile{Data: []byte("rule Bad { condition: $a }")}
	failing["samples/yara/Mark.txtar"] = &fstest.MapFile{Data: []byte("-- hit --\nnothing\n-- miss --\nour mark\n")}
	linked := ours()
	linked["yara/link.yar"] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("mark.yar")}
	for name, c := range map[string]struct {
		files fs.FS
		kind  error
		want  string
	}{"broken": {broken, ErrRules, "yara/bad.yar:1:"}, "failing": {failing, ErrRules, `sample "hit" does not hit`}, "bare": {bare, ErrRules, "none"}, "linked": {linked, ErrFormat, "link"}} {
		_, _, err := Create(t.Context(), c.files, Plan{ID: "ours", Version: "1", Created: made, Expires: over}, priv)
		if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeys(t *testing.T) {
	private, public, id, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	priv, err := ParsePrivate(private)
	if err != nil || KeyID(priv.Public().(ed25519.PublicKey)) != id {
		t.Fatalf("private half: %v", err)
	}
	pub, err := ParsePublic(public)
	if err != nil || pub.ID != id || len(id) != 16 {
		t.Fatalf("public half: %+v, %v", pub, err)
	}
	for _, text := range [][]byte{nil, []byte("ssh-ed25519 AAAA"), private, append(bytes.Clone(public), public...), bytes.Repeat([]byte("x"), maxKey+1), public[:len(public)/2]} {
		if k, err := ParsePublic(text); err == nil {
			t.Errorf("%.40q is taken as a public key: %+v", text, k)
		}
	}
	if _, err := ParsePrivate(public); err == nil {
		t.Error("a public key is taken as a private one")
	}
}

// FuzzRead: no archive makes the reader panic or answer with a bundle that it would pack otherwise.
func FuzzRead(f *testing.F) {
	b := bundle(f, "1.2", ours())
	f.Add(packed(f, b, "b.tar.gz"))
	f.Add(packed(f, b, "b.zip"))
	f.Add(gz(f, file("x", 3), tar.Header{Typeflag: tar.TypeSymlink, Name: "y", Linkname: "x"}))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := Read(bytes.NewReader(text))
		if err != nil {
			return
		}
		again, err := Read(bytes.NewReader(packed(t, got, "b.zip")))
		if err != nil || again.Digest() != got.Digest() {
			t.Errorf("packed again it is another bundle: %v", err)
		}
	})
}

// FuzzManifest: a manifest that is taken keeps every limit, and reads the same when it is written again.
func FuzzManifest(f *testing.F) {
	f.Add(bundle(f, "1.2", ours()).raw)
	f.Add([]byte(`{"format":1,"files":[{"path":"a/../b","size":1e9}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := parseManifest(text)
		if err != nil {
			return
		}
		for _, file := range m.Files {
			if !fs.ValidPath(file.Path) || file.Size < 0 || file.Size > MaxFile {
				t.Errorf("file %+v", file)
			}
		}
		raw, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseManifest(raw)
		if err != nil || fmt.Sprint(again) != fmt.Sprint(m) {
			t.Errorf("written again: %v", err)
		}
	})
}

// FuzzTar reads the stream inside the compression, where mutations get further.
func FuzzTar(f *testing.F) {
	var stream bytes.Buffer
	if err := bundle(f, "1.2", ours()).tar(&stream); err != nil {
		f.Fatal(err)
	}
	f.Add(stream.Bytes())
	f.Fuzz(func(t *testing.T, text []byte) {
		files, err := untar(text)
		if err != nil {
			return
		}
		total := 0
		for name, data := range files {
			if err := checkPath(name); err != nil {
				t.Error(err)
			}
			total += len(data)
		}
		if total > len(text) {
			t.Errorf("%d bytes of files came out of %d", total, len(text))
		}
		if b, err := assemble(files); err == nil {
			_, _ = b.Trust(nil)
			_ = sha256.Sum256(b.raw)
		}
	})
}
