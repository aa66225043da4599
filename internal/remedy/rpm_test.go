package remedy

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

// cpioOf is a cpio archive of regular files; several names of one content are hard links.
func cpioOf(files ...[]string) []byte {
	var out bytes.Buffer
	pad := func() {
		for out.Len()%4 != 0 {
			out.WriteByte(0)
		}
	}
	put := func(name string, ino, mode, links int, body string) {
		fmt.Fprintf(&out, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", ino, mode, 0, 0, links, 0, len(body), 0, 0, 0, 0, len(name)+1, 0)
		out.WriteString(name + "\x00")
		pad()
		out.WriteString(body)
		pad()
	}
	for i, f := range files {
		body, names := f[0], f[1:]
		for j, name := range names {
			text := ""
			if j == len(names)-1 {
				text = body
			}
			put(name, i+1, 0o100755, len(names), text)
		}
	}
	put("TRAILER!!!", 0, 0, 1, "")
	return out.Bytes()
}

// rpmOf is a package with the least that is read of one.
func rpmOf(payload []byte) []byte {
	out := make([]byte, rpmLead)
	copy(out, []byte{0xed, 0xab, 0xee, 0xdb})
	header := func(store string, tags ...uint32) {
		out = append(out, 0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0)
		out = binary.BigEndian.AppendUint32(out, uint32(len(tags)/2))
		out = binary.BigEndian.AppendUint32(out, uint32(len(store)))
		for i := 0; i < len(tags); i += 2 {
			for _, n := range []uint32{tags[i], 6, tags[i+1], 1} {
				out = binary.BigEndian.AppendUint32(out, n)
			}
		}
		out = append(out, store...)
	}
	header("sig") // 19 bytes, so 5 of padding
	out = append(out, 0, 0, 0, 0, 0)
	header("cpio\x00gzip\x00", tagFormat, 0, tagCompressor, 5)
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(payload)
	w.Close()
	return append(out, z.Bytes()...)
}

func TestRPMFile(t *testing.T) {
	pkg := rpmOf(cpioOf([]string{"other", "./usr/bin/a"}, []string{"hello", "./usr/bin/dir", "./usr/bin/ls", "./usr/bin/vdir"}, []string{"last", "./usr/bin/z"}))
	for name, want := range map[string]string{"/usr/bin/a": "other", "/usr/bin/ls": "hello", "/usr/bin/vdir": "hello", "/usr/bin/z": "last"} {
		body, a, err := rpmFile(bytes.NewReader(pkg), []string{"/bin/none", name})
		if err != nil || string(body) != want || a.Mode != 0o755 {
			t.Errorf("%s: %q %+v %v", name, body, a, err)
		}
	}
	if _, _, err := rpmFile(bytes.NewReader(pkg), []string{"/etc/x"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not in it: %v", err)
	}
	for size := range len(pkg) {
		if _, _, err := rpmFile(bytes.NewReader(pkg[:size]), []string{"/usr/bin/z"}); err == nil && size < len(pkg)-60 {
			t.Errorf("cut after %d of %d bytes: no error", size, len(pkg))
		}
	}
	huge := bytes.Clone(pkg)
	binary.BigEndian.PutUint32(huge[rpmLead+8:], 1<<31)
	if _, _, err := rpmFile(bytes.NewReader(huge), []string{"/usr/bin/z"}); !errors.Is(err, errRPM) {
		t.Errorf("a header of two thousand million entries: %v", err)
	}
}

func FuzzRPM(f *testing.F) {
	f.Add(rpmOf(cpioOf([]string{"hello", "./usr/bin/ls", "./usr/bin/l"})))
	f.Fuzz(func(t *testing.T, b []byte) {
		if body, _, err := rpmFile(bytes.NewReader(b), []string{"/usr/bin/ls"}); err == nil && len(body) > maxPacked {
			t.Errorf("%d bytes", len(body))
		}
	})
}

func FuzzCpio(f *testing.F) {
	f.Add(cpioOf([]string{"hello", "./usr/bin/ls", "./usr/bin/l"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if body, _, err := cpioFile(bytes.NewReader(b), []string{"/usr/bin/ls"}); err == nil && len(body) > len(b) {
			t.Errorf("%d bytes of %d", len(body), len(b))
		}
	})
}

func FuzzAPK(f *testing.F) {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write([]byte("no archive"))
	w.Close()
	f.Add(z.Bytes())
	f.Add([]byte("ADB.pckg"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if body, _, err := apkFile(bytes.NewReader(b), []string{"/usr/bin/ls"}); err == nil && len(body) > maxPacked {
			t.Errorf("%d bytes", len(body))
		}
	})
}
