package host_test

import (
	"fmt"
	"testing"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/hosttest"
	"github.com/google/go-cmp/cmp"
)

// counted counts the directories that are held open.
type counted struct {
	host.FS
	open, opened int
}

func (c *counted) OpenDir(name string) (host.Dir, error) {
	if _, err := c.FS.ReadDir(name); err != nil {
		return nil, err
	}
	d, err := host.OpenDir(c.FS, name)
	c.open++
	c.opened++
	return countedDir{d, c}, err
}

type countedDir struct {
	host.Dir
	by *counted
}

func (d countedDir) Close() error {
	d.by.open--
	return d.Dir.Close()
}

// TestRecent: what is held answers as the FS does, few directories are held, and all are given back.
func TestRecent(t *testing.T) {
	h, err := hosttest.Parse([]byte("-- /etc/passwd --\nroot:x:0:0::/root:/bin/sh\n-- /usr/bin/true --\nx\n-- @attr --\n/bin link=usr/bin\n/etc/alias link=passwd\n/etc/lost link=nowhere\n"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		h.FS.Put(fmt.Sprintf("/srv/%d/f", i), []byte("x"))
	}
	fsys := &counted{FS: h.FS}
	r := host.NewRecent(fsys)
	names := []string{"/", "/etc", "/etc/passwd", "/etc/passwd/", "/etc/passwd/x", "/etc/alias", "/etc/lost", "/bin/true", "/usr/bin/true", "/usr/../etc/passwd", "/none/x", "etc/passwd", "", "/etc/."}
	for i := range 100 {
		names = append(names, fmt.Sprintf("/srv/%d/f", i))
	}
	for range 3 {
		for _, name := range names {
			for range 3 {
				want, wantErr := h.FS.Lstat(name)
				got, err := r.Lstat(name)
				if diff := cmp.Diff(want, got); diff != "" || (err == nil) != (wantErr == nil) {
					t.Fatalf("Lstat(%q): %v, want %v; %s", name, err, wantErr, diff)
				}
				want, wantErr = h.FS.Stat(name)
				got, err = r.Stat(name)
				if diff := cmp.Diff(want, got); diff != "" || (err == nil) != (wantErr == nil) {
					t.Fatalf("Stat(%q): %v, want %v; %s", name, err, wantErr, diff)
				}
			}
			if fsys.open > 16 {
				t.Fatalf("%d directories are held", fsys.open)
			}
		}
	}
	if fsys.opened == 0 {
		t.Error("no directory was held")
	}
	if r.Forget(); fsys.open != 0 {
		t.Errorf("%d directories were not given back", fsys.open)
	}
	h.FS.Put("/etc/new", []byte("x"))
	if _, err := r.Lstat("/etc/new"); err != nil {
		t.Errorf("a new file is not seen: %v", err)
	}
}

// TestWalkDirs: several walkers see what one sees, and the same number of names under a limit.
func TestWalkDirs(t *testing.T) {
	h, err := hosttest.Parse([]byte("-- /a/x --\nx\n"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		h.FS.Put(fmt.Sprintf("/a/%d/%d/%d/f", i%3, i%7, i), []byte("x"))
	}
	walk := func(depth, limit, workers int) (map[string]bool, bool) {
		seen, names := map[string]bool{}, make(chan string, 10_000)
		full := host.WalkDirs(h.FS, "/a", depth, limit, workers, func(f host.Folder) (enter []string) {
			for _, e := range f.List {
				names <- f.Prefix + e.Name
				if e.Type == deminer.Directory {
					enter = append(enter, f.Prefix+e.Name)
				}
			}
			return enter
		}, func(name string, err error) { t.Errorf("%s: %v", name, err) })
		close(names)
		for n := range names {
			if seen[n] {
				t.Errorf("%s was seen twice", n)
			}
			seen[n] = true
		}
		return seen, full
	}
	all, full := walk(9, 10_000, 1)
	if !full || len(all) < 600 {
		t.Fatalf("one walker: full %v, %d names", full, len(all))
	}
	for range 20 {
		if got, full := walk(9, 10_000, 4); !full || !cmp.Equal(all, got) {
			t.Fatalf("four walkers: full %v, %d names, want %d", full, len(got), len(all))
		}
		if got, full := walk(9, 50, 4); full || len(got) != 50 {
			t.Fatalf("four walkers, 50 names: full %v, %d names", full, len(got))
		}
		if _, full := walk(3, 10_000, 4); full {
			t.Fatal("four walkers went three levels deep and left nothing out")
		}
	}
}
