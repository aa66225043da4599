//go:build linux

package manifest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestDiffSeesEveryChange(t *testing.T) {
	then := time.Unix(1_600_000_000, 5)
	for _, c := range []struct {
		name   string
		change func(file string) error
		strict Strict
		want   string // "" = no difference
	}{
		{"nothing", func(string) error { return nil }, Everything, ""},
		{"content, time put back", func(f string) error {
			if err := os.WriteFile(f, []byte("b"), 0o600); err != nil {
				return err
			}
			return os.Chtimes(f, then, then)
		}, Bytes, "sha256"},
		{"mode", func(f string) error { return os.Chmod(f, 0o4755) }, Bytes, "mode"},
		{"xattr", func(f string) error { return unix.Setxattr(f, "user.x", []byte("1"), 0) }, Bytes, "xattrs"},
		{"vanished", os.Remove, Bytes, "vanished"},
		{"appeared", func(f string) error { return os.WriteFile(f+"2", nil, 0o600) }, Bytes, "appeared"},
		{"link", func(f string) error { return os.Symlink("x", f+"l") }, Bytes, "appeared"},
		{"type", func(f string) error {
			os.Remove(f)
			return unix.Mkfifo(f, 0o600)
		}, Bytes, "type"},
		{"time counts", func(f string) error { return os.Chtimes(f, then, then.Add(1)) }, Exact, "mtime"},
		{"time does not count", func(f string) error { return os.Chtimes(f, then, then.Add(1)) }, Bytes, ""},
		{"ignored", func(f string) error { return os.WriteFile(filepath.Join(filepath.Dir(f), "var/log/x"), nil, 0o600) }, Everything, ""},
	} {
		root := t.TempDir()
		file := filepath.Join(root, "file")
		if err := os.MkdirAll(filepath.Join(root, "var/log"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("a"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, then, then); err != nil {
			t.Fatal(err)
		}
		a, err := Take(root, Volatile(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.change(file); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		b, err := Take(root, Volatile(), a)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range Diff(a, b, c.strict) {
			got = append(got, d.String())
		}
		if c.want == "" && len(got) != 0 || c.want != "" && !strings.Contains(strings.Join(got, "\n"), c.want) {
			t.Errorf("%s: differences %q, want %q", c.name, got, c.want)
		}
	}
}

func TestIgnoreIsNotAPrefix(t *testing.T) {
	ig := Volatile()
	for name, want := range map[string]bool{
		"/run": true, "/proc": true, "/running": false, "/var/log": true, "/var/lib/redis": true,
		"/var/lib/redistribute": false, "/tmp": false, "/var/tmp/systemd-private-abc": true, "/etc/machine-id": true,
	} {
		if got := ig.match(name); got != want {
			t.Errorf("match(%q) = %v, want %v", name, got, want)
		}
	}
}
