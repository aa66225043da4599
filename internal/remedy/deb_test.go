package remedy

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// arPart is one part of an ar archive.
func arPart(name string, body []byte) []byte {
	out := fmt.Appendf(nil, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", name, 0, 0, 0, "100644", len(body))
	out = append(out, body...)
	if len(body)%2 == 1 {
		out = append(out, '\n')
	}
	return out
}

func debs(t testing.TB) map[string][]byte {
	t.Helper()
	var plain bytes.Buffer
	w := tar.NewWriter(&plain)
	for _, name := range []string{"./usr/bin/true", "./usr/bin/ls"} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: 5, Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(w, "hello")
	}
	w.Close()
	out := map[string][]byte{}
	add := func(kind string, data []byte) {
		out[kind] = append([]byte("!<arch>\n"), append(arPart("debian-binary", []byte("2.0\n")), append(arPart("control.tar", []byte("odd")), arPart("data.tar"+kind, data)...)...)...)
	}
	add("", plain.Bytes())
	var z bytes.Buffer
	g := gzip.NewWriter(&z)
	g.Write(plain.Bytes())
	g.Close()
	add(".gz", bytes.Clone(z.Bytes()))
	z.Reset()
	x, err := xz.NewWriter(&z)
	if err != nil {
		t.Fatal(err)
	}
	x.Write(plain.Bytes())
	x.Close()
	add(".xz", bytes.Clone(z.Bytes()))
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	add(".zst", e.EncodeAll(plain.Bytes(), nil))
	return out
}

func TestDebFile(t *testing.T) {
	for kind, b := range debs(t) {
		body, a, err := debFile(bytes.NewReader(b), []string{"/bin/ls", "/usr/bin/ls"})
		if err != nil || string(body) != "hello" || a.Mode != 0o755 {
			t.Errorf("%q: %q %+v %v", kind, body, a, err)
		}
		if _, _, err := debFile(bytes.NewReader(b), []string{"/etc/x"}); err == nil {
			t.Errorf("%q: found what is not in it", kind)
		}
		for size := range len(b) {
			if size%7 == 0 {
				_, _, _ = debFile(bytes.NewReader(b[:size]), []string{"/usr/bin/ls"})
			}
		}
	}
}

func FuzzDeb(f *testing.F) {
	for _, b := range debs(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		body, _, err := debFile(bytes.NewReader(b), []string{"/usr/bin/ls"})
		if err == nil && len(body) > maxPacked {
			t.Errorf("%d bytes", len(body))
		}
	})
}

func FuzzUnpatch(f *testing.F) {
	f.Add([]byte("a\nX\nb\n"), "X", []byte("a\nb\nc"))
	f.Add([]byte("X"), "X", []byte(""))
	f.Add([]byte("X\nX\nX"), "X\nX", []byte("X\n"))
	f.Fuzz(func(t *testing.T, old []byte, cut string, since []byte) {
		now, hunks := replaceLines(old, cut, "")
		if len(hunks) == 0 {
			if !bytes.Equal(now, old) {
				t.Error("changed without a hunk")
			}
			return
		}
		// An unchanged file gets its lines back, whatever they are. Only the last newline may be more.
		back, err := unpatch(now, hunks)
		if err != nil || !bytes.Equal(bytes.TrimSuffix(back, []byte{'\n'}), bytes.TrimSuffix(old, []byte{'\n'})) {
			t.Errorf("%q cut %q gives %q, back %q: %v", old, cut, now, back, err)
		}
		_, _ = unpatch(since, hunks)
	})
}
