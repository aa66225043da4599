//go:build linux

package sense

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

// ops gives what was seen of a name, in order, by one process or by any (0).
func (w *watcher) ops(name string, pid int) (out []deminer.FileOp) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.seen {
		if e.Kind == deminer.EventFile && string(e.Path) == name && (pid == 0 || e.Proc.PID == pid) {
			out = append(out, e.Op)
		}
	}
	return out
}

func TestChangesOfFilesAreSeen(t *testing.T) {
	t.Setenv(lingerVar, "500ms")
	top := t.TempDir()
	dir := filepath.Join(top, "watched")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	w := watch(t, Options{Want: []deminer.EventKind{deminer.EventFile}, Dirs: []string{dir}})
	if f := w.facet(deminer.EventFile); f.Sensor != deminer.SensorFanotify {
		t.Fatalf("%+v", f)
	}
	self, _ := os.Executable()
	pid, _ := run(t, "files", dir)
	e, ok := w.wait(t, "the last change", func(e *deminer.Event) bool {
		return string(e.Path) == filepath.Join(dir, "renamed") && e.Op == deminer.FileRemoved
	})
	if ok && (e.Proc.PID != pid || e.Proc.Start == 0 || string(e.Exe) != self || e.Sensor != deminer.SensorFanotify || time.Since(e.Time) > time.Minute) {
		t.Errorf("got %+v", e)
	}
	for name, want := range map[string][]deminer.FileOp{
		"new":     {deminer.FileCreated, deminer.FileWritten, deminer.FileAttr, deminer.FileMoved},
		"renamed": {deminer.FileRenamed, deminer.FileRemoved},
		"linked":  {deminer.FileCreated, deminer.FileMoved},
	} {
		got := w.ops(filepath.Join(dir, name), pid)
		for _, op := range want {
			if !slices.Contains(got, op) {
				t.Errorf("%s: %v, want %v", name, got, want)
			}
		}
	}
	if got := w.ops(filepath.Join(top, "elsewhere"), 0); got != nil {
		t.Errorf("a name that is not watched was told: %v", got)
	}
}

// TestPlacesThatComeLater watches a file whose directories are made, moved away and made again.
func TestPlacesThatComeLater(t *testing.T) {
	top := t.TempDir()
	home, key := filepath.Join(top, "home"), filepath.Join(top, "home", ".ssh", "authorized_keys")
	w := watch(t, Options{Want: []deminer.EventKind{deminer.EventFile}, Files: []string{key}, Agent: 1})
	for i, text := range []string{"first", "second"} {
		if err := os.MkdirAll(filepath.Dir(key), 0o700); err != nil {
			t.Fatal(err)
		}
		// The directory must have been seen before what comes into it is: what is faster than that is found by looking.
		w.wait(t, "the directory", func(e *deminer.Event) bool { return string(e.Path) == filepath.Dir(key) || string(e.Path) == home })
		time.Sleep(300 * time.Millisecond)
		if err := os.WriteFile(key, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		w.wait(t, "the key", func(e *deminer.Event) bool { return string(e.Path) == key && e.Op == deminer.FileWritten })
		if i == 0 {
			if err := os.Rename(home, filepath.Join(top, "old")); err != nil {
				t.Fatal(err)
			}
			w.wait(t, "the home that went", func(e *deminer.Event) bool { return string(e.Path) == home && e.Op == deminer.FileMoved })
			w.mu.Lock()
			w.seen = nil
			w.mu.Unlock()
		}
	}
	if w.ops(filepath.Join(top, "old"), 0) != nil {
		t.Error("a name beside the watched was told")
	}
}

// TestPlacesMadeAnewTakeNoMore: a watched directory that is removed and made again and again is remembered once.
func TestPlacesMadeAnewTakeNoMore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "watched")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f := &fanotify{opt: Options{Dirs: []string{dir}}}
	if _, err := f.open(); err != nil {
		t.Fatal(err)
	}
	defer f.close()
	names, handles := len(f.marked), len(f.dirs)
	old := f.marked[dir]
	for range 20 {
		if err := os.Rename(dir, t.TempDir()+"/away"); err != nil { // it keeps its inode, so the next one gets another
			t.Fatal(err)
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		f.renew(dir)
	}
	if f.marked[dir] == old || len(f.marked) != names || len(f.dirs) != handles {
		t.Errorf("%d names of %d directories are remembered, want %d of %d", len(f.marked), len(f.dirs), names, handles)
	}
}
