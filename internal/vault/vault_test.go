package vault

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/google/go-cmp/cmp"
)

func open(t testing.TB, dir string) *Vault {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	v, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func put(t testing.TB, v *Vault, path, body string) Entry {
	t.Helper()
	sum, size, err := v.Store(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	e, err := v.Add(Entry{Path: deminer.Raw(path), SHA256: sum, Size: size, Added: time.Unix(int64(len(path)), 0).UTC(),
		Attr: deminer.Attr{Type: deminer.Regular, Mode: 0o4755, Xattrs: map[string][]byte{"user.x": {0, 255}}}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func get(v *Vault, sum string) (string, error) {
	r, err := v.Content(sum)
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return string(b), err
}

func TestPutAndGet(t *testing.T) {
	dir := t.TempDir()
	v := open(t, dir)
	body := "\x7fELF" + strings.Repeat("xmrig stratum+tcp ", 20000)
	e := put(t, v, "/tmp/\xff\n", body)
	if want := sha256.Sum256([]byte(body)); e.SHA256 != hex.EncodeToString(want[:]) {
		t.Errorf("name %s, want %x", e.SHA256, want)
	}
	v = open(t, dir) // another run reads the same key
	if got, err := get(v, e.SHA256); err != nil || got != body {
		t.Errorf("content: %d bytes, %v", len(got), err)
	}
	got, err := v.Show(e.ID)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(e, got); d != "" {
		t.Errorf("entry (-want +got):\n%s", d)
	}
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		if bytes.Contains(b, []byte("xmrig")) || bytes.Contains(b, []byte("\x7fELF")) {
			t.Errorf("%s shows what is in the vault", p)
		}
		if i, _ := d.Info(); i.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", p, i.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSameContentIsKeptOnce(t *testing.T) {
	dir := t.TempDir()
	v := open(t, dir)
	a, b := put(t, v, "/a", "same"), put(t, v, "/bb", "same")
	if objects, _ := os.ReadDir(dir + "/objects"); len(objects) != 1 {
		t.Errorf("objects: %v", objects)
	}
	if err := v.Delete(a.ID); err != nil {
		t.Fatal(err)
	}
	if got, err := get(v, b.SHA256); err != nil || got != "same" {
		t.Errorf("after deleting the other: %q %v", got, err)
	}
	if err := v.Delete(b.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := get(v, b.SHA256); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after deleting both: %v", err)
	}
	if _, err := v.Show(b.ID); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("show: %v", err)
	}
}

func TestTamperedIsRefused(t *testing.T) {
	dir := t.TempDir()
	v := open(t, dir)
	e, other := put(t, v, "/a", strings.Repeat("content", 30)), put(t, v, "/bb", "other")
	flip := func(name string) {
		whole, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(whole); i += 7 {
			b := bytes.Clone(whole)
			b[i] ^= 4
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err1 := v.Show(e.ID)
			_, err2 := get(v, e.SHA256)
			if !errors.Is(err1, ErrTampered) && !errors.Is(err2, ErrTampered) {
				t.Errorf("%s byte %d: %v, %v; want ErrTampered", name, i, err1, err2)
			}
		}
		if err := os.WriteFile(name, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	flip(dir + "/objects/" + e.SHA256 + ".age")
	entry := dir + "/entries/" + e.ID + ".json"
	flip(entry)
	// Contents and entries exchanged for other good ones.
	if err := os.Rename(dir+"/objects/"+other.SHA256+".age", dir+"/objects/"+e.SHA256+".age"); err != nil {
		t.Fatal(err)
	}
	if _, err := get(v, e.SHA256); !errors.Is(err, ErrTampered) {
		t.Errorf("exchanged content: %v, want ErrTampered", err)
	}
	if err := os.Rename(dir+"/entries/"+other.ID+".json", entry); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Show(e.ID); !errors.Is(err, ErrTampered) {
		t.Errorf("exchanged entry: %v, want ErrTampered", err)
	}
	if list, err := v.List(); len(list) != 0 || !errors.Is(err, ErrTampered) {
		t.Errorf("list: %v %v", list, err)
	}
}

func TestBadContentIsReplaced(t *testing.T) {
	dir := t.TempDir()
	v := open(t, dir)
	e := put(t, v, "/a", "content")
	if err := os.WriteFile(dir+"/objects/"+e.SHA256+".age", []byte("rot"), 0o600); err != nil {
		t.Fatal(err)
	}
	put(t, v, "/b", "content")
	if got, err := get(v, e.SHA256); err != nil || got != "content" {
		t.Errorf("%q %v", got, err)
	}
}

func TestVaultWithoutKey(t *testing.T) {
	dir := t.TempDir()
	put(t, open(t, dir), "/a", "x")
	if err := os.Remove(dir + "/key"); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(root); !errors.Is(err, ErrTampered) {
		t.Errorf("open without key: %v, want ErrTampered", err)
	}
}

func FuzzEntry(f *testing.F) {
	dir := f.TempDir()
	v := open(f, dir)
	e := put(f, v, "/a", "x")
	b, err := os.ReadFile(dir + "/entries/" + e.ID + ".json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"mac":"","entry":{}}`))
	f.Add([]byte(`{"mac":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := v.parse(b); err == nil && got.ID != e.ID {
			t.Errorf("took what was never put in: %v", got)
		}
		// The part behind the seal, as if the key were known.
		body := bytes.TrimSpace(b)
		if outer := []byte(`{"mac":"` + v.seal(body) + `","entry":` + string(body) + `}`); len(body) > 0 {
			_, _ = v.parse(outer)
		}
	})
}
