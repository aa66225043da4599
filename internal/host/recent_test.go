package host_test

import (
	"fmt"
	"sync"
	"sync/atomic"
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

// stuck is an FS in which nothing under /net answers until it is let go.
type stuck struct {
	host.FS
	asked chan string
	wait  chan struct{}
}

func (s stuck) OpenDir(name string) (host.Dir, error) {
	if name == "/net" {
		s.asked <- name
		<-s.wait
	}
	return host.OpenDir(s.FS, name)
}

// TestRecentDoesNotStall: who waits for a directory that does not answer keeps nobody else waiting, and Forget neither.
func TestRecentDoesNotStall(t *testing.T) {
	h, err := hosttest.Parse([]byte("-- /etc/passwd --\nx\n-- /net/f --\nx\n"))
	if err != nil {
		t.Fatal(err)
	}
	s := stuck{h.FS, make(chan string, 9), make(chan struct{})}
	r := host.NewRecent(s)
	done := make(chan error)
	ask := func() {
		_, err := r.Lstat("/net/f")
		if err == nil {
			_, err = r.Lstat("/net/none")
		}
		done <- err
	}
	if _, err := r.Lstat("/net/g"); err == nil { // asked for once
		t.Fatal("it is there")
	}
	go ask()
	<-s.asked
	for _, name := range []string{"/etc/passwd", "/net/f"} { // the second goes to the FS itself
		for range 3 {
			if _, err := r.Lstat(name); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	r.Forget()
	close(s.wait)
	if err := <-done; err == nil {
		t.Error("what is not there was found")
	}
}

// TestRecentTogether: many at once get the answers of the FS, and all is given back.
func TestRecentTogether(t *testing.T) {
	h, err := hosttest.Parse([]byte("-- /etc/passwd --\nx\n"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		h.FS.Put(fmt.Sprintf("/srv/%d/f", i), []byte("x"))
	}
	fsys := &tallied{FS: h.FS}
	r := host.NewRecent(fsys)
	var wait sync.WaitGroup
	for n := range 8 {
		wait.Go(func() {
			for i := range 400 {
				if _, err := r.Lstat(fmt.Sprintf("/srv/%d/f", (i/3*(n+1))%40)); err != nil {
					t.Error(err)
				}
				if i%100 == 99 {
					r.Forget()
				}
			}
		})
	}
	wait.Wait()
	if r.Forget(); fsys.open.Load() != 0 {
		t.Errorf("%d directories were not given back", fsys.open.Load())
	}
	if fsys.opened.Load() == 0 {
		t.Error("no directory was held")
	}
}

// tallied is counted for many goroutines.
type tallied struct {
	host.FS
	open, opened atomic.Int64
}

func (c *tallied) OpenDir(name string) (host.Dir, error) {
	d, err := host.OpenDir(c.FS, name)
	if err != nil {
		return nil, err
	}
	c.open.Add(1)
	c.opened.Add(1)
	return talliedDir{d, c}, nil
}

type talliedDir struct {
	host.Dir
	by *tallied
}

func (d talliedDir) Close() error {
	d.by.open.Add(-1)
	return d.Dir.Close()
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
