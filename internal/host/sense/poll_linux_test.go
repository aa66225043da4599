//go:build linux

package sense

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/rootfs"
)

var kernelOnly = []deminer.Sensor{deminer.SensorBPF, deminer.SensorFanotify, deminer.SensorConnector}

// TestPollingStandsIn takes everything away but looking.
func TestPollingStandsIn(t *testing.T) {
	t.Setenv(lingerVar, "3s")
	w := watch(t, Options{Want: deminer.EventKinds(), Without: kernelOnly, Every: 50 * time.Millisecond})
	t.Logf("%s", facets(w))
	time.Sleep(2 * time.Second) // until the first long look, which tells nothing, has ended
	self, _ := os.Executable()
	mine := func(e *deminer.Event, _, _ string) bool { return string(e.Exe) == self }
	see(t, w, []seeing{
		{"nothing", deminer.EventFork, nil, mine},
		{"nothing", deminer.EventExec, nil, func(e *deminer.Event, _, _ string) bool { return string(e.Exe) == self && len(e.Argv) == 1 }},
		{"nothing", deminer.EventExit, nil, mine},
		{"hold", deminer.EventConnect, server("tcp4"), connected},
		{"hold", deminer.EventBind, server("tcp4"), func(e *deminer.Event, _, said string) bool { return e.Local == said }},
		{"hold", deminer.EventAnonExec, server("tcp4"), mine},
		{"setuid", deminer.EventUID, nil, func(e *deminer.Event, _, _ string) bool { return e.ToUID == 65534 && e.UID == 0 }},
	})
	for k := range pollKinds {
		if f := w.facet(k); k != deminer.EventFile && f.Sensor != deminer.SensorPoll || f.Sensor != deminer.SensorNone && f.Lost == "" {
			t.Errorf("%+v", f)
		}
	}
}

func TestPollingOfFiles(t *testing.T) {
	top := t.TempDir()
	fsys, err := rootfs.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	file, dir := filepath.Join(top, "file"), filepath.Join(top, "dir")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var got []string
	p := &poller{opt: Options{FS: fsys, Files: []string{file}, Dirs: []string{dir}}, can: pollKinds}
	if took, _ := p.take([]deminer.EventKind{deminer.EventFile}); len(took) != 1 {
		t.Fatal("not taken")
	}
	p.allFiles(t.Context())
	p.see = func(e deminer.Event) { got = append(got, string(e.Op)+" "+strings.TrimPrefix(string(e.Path), top)) }
	step := func(do error, want ...string) {
		t.Helper()
		if do != nil {
			t.Fatal(do)
		}
		p.allFiles(t.Context())
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		got = nil
	}
	step(nil)
	step(os.WriteFile(file, []byte("x"), 0o600), "created /file")
	step(os.WriteFile(file, []byte("xy"), 0o600), "written /file")
	step(os.Chmod(file, 0o644), "attributes /file")
	step(os.Rename(file, filepath.Join(dir, "new")), "created /dir/new", "removed /file")
	step(os.Remove(filepath.Join(dir, "new")), "removed /dir/new")
	step(os.Remove(dir))
	step(os.Mkdir(dir, 0o755))
	step(os.WriteFile(filepath.Join(dir, "again"), nil, 0o600), "created /dir/again")
}

// kernelLook is a host whose kernel changes.
type kernelLook struct {
	Looker
	k deminer.Kernel
}

func (l *kernelLook) Kernel(context.Context) (deminer.Kernel, []deminer.Gap) { return l.k, nil }

func TestPollingOfTheKernel(t *testing.T) {
	l := &kernelLook{k: deminer.Kernel{Modules: []deminer.Module{{Name: "ext4"}}, BPF: []deminer.BPF{{ID: 1, Name: "old"}},
		Mounts: []deminer.Mount{{ID: 1, Point: "/proc"}, {ID: 2, Point: "/proc/sys/fs/binfmt_misc"}}}}
	p := &poller{opt: Options{Look: l}, can: pollKinds}
	p.take([]deminer.EventKind{deminer.EventModule, deminer.EventBPF, deminer.EventMount})
	p.long(t.Context())
	var got []string
	p.see = func(e deminer.Event) { got = append(got, string(e.Kind)+" "+string(e.Name)+string(e.Path)) }
	p.long(t.Context())
	l.k.Modules = append(l.k.Modules, deminer.Module{Name: "rootkit"})
	l.k.BPF = append(l.k.BPF, deminer.BPF{ID: 7, Name: "new"})
	l.k.Mounts = append(l.k.Mounts, deminer.Mount{ID: 3, Point: "/proc/4711"}, deminer.Mount{ID: 4, Point: "/mnt"})
	p.long(t.Context())
	p.long(t.Context())
	if want := []string{"module rootkit", "bpf new", "proc-mount /proc/4711"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestMountTargets settles which targets are over /proc.
func TestMountTargets(t *testing.T) {
	k := newKnown(cwdLook{})
	for name, want := range map[string]bool{"/proc": true, "/proc/1": true, "/process": false, "//proc/12": true, "/./proc/1": true, "proc/1": true,
		"../proc/1": true, "mnt": false, "/proc/self/fd/7": false, "/proc/1/fd": true} {
		if got := k.matters(&deminer.Event{Kind: deminer.EventMount, Path: deminer.Raw(name)}); got != want {
			t.Errorf("matters(%q) = %v", name, got)
		}
	}
}

type cwdLook struct{ Looker }

func (cwdLook) Glance(int) (deminer.Process, error) { return deminer.Process{Cwd: "/"}, nil }
