//go:build linux

package hands

import (
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"golang.org/x/sys/unix"
)

func TestParseStat(t *testing.T) {
	p, err := parseStat("7 (a) b) S 3 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 4242 0 0\n")
	if err != nil || p.PPID != 3 || p.State != 'S' || p.ID.Start != 4242 || p.Kernel {
		t.Errorf("%+v %v", p, err)
	}
	if p, _ := parseStat("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 4 0 0"); !p.Kernel {
		t.Error("a kernel thread is not seen as one")
	}
	for _, bad := range []string{"", "7 (", "7 (x) S", "7 (x) S x 7 7 0 -1 0 1 0 0 0 0 0 0 0 20 0 1 0 4 0 0"} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestListFindsOurselves(t *testing.T) {
	p := ownProcs(t)
	list, err := p.List()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, one := range list {
		if one.ID.PID == os.Getpid() {
			n++
			if one.PPID != os.Getppid() {
				t.Errorf("parent %d, want %d", one.PPID, os.Getppid())
			}
		}
	}
	if n != 1 {
		t.Errorf("listed %d times; threads must not count", n)
	}
	if !p.keep[os.Getppid()] || !p.keep[1] {
		t.Errorf("kept: %v", p.keep)
	}
}

// TestFreezeCgroup freezes a group of its own, in a hierarchy that it mounts if there is none.
func TestFreezeCgroup(t *testing.T) {
	p := ownProcs(t)
	top := ""
	for _, dir := range cgroups() {
		if _, err := os.Stat(dir + "/cgroup.controllers"); err == nil {
			top = dir
		}
	}
	if top == "" {
		top = t.TempDir()
		if err := unix.Mount("none", top, "cgroup2", 0, ""); err != nil {
			t.Fatalf("mount the version 2 hierarchy: %v", err)
		}
		t.Cleanup(func() { unix.Unmount(top, unix.MNT_DETACH) })
		p.groups = []string{top}
	}
	name := "/deminer-test-" + itoa(os.Getpid())
	if err := os.Mkdir(top+name, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after the sleeper's own clean-up: a group with a process in it stays
		if err := os.Remove(top + name); err != nil {
			t.Error(err)
		}
	})
	if done, err := p.Freeze(name, nil, true); done || err != nil {
		t.Errorf("froze an empty group: %v %v", done, err)
	}
	cmd := sleeper(t)
	if err := os.WriteFile(top+name+"/cgroup.procs", []byte(itoa(cmd)), 0o644); err != nil {
		t.Fatal(err)
	}
	if done, err := p.Freeze(name, []deminer.ProcID{{PID: 1}}, true); done || err != nil {
		t.Errorf("froze a group with a stranger in it: %v %v", done, err)
	}
	if done, err := p.Freeze(name, []deminer.ProcID{{PID: cmd}}, true); !done || err != nil {
		t.Errorf("freeze: %v %v", done, err)
	}
	if got, _ := os.ReadFile(top + name + "/cgroup.freeze"); string(got) != "1\n" {
		t.Errorf("cgroup.freeze is %q", got)
	}
	if is, err := p.Frozen(name); !is || err != nil {
		t.Errorf("frozen: %v %v", is, err)
	}
	if done, err := p.Freeze(name, nil, false); !done || err != nil {
		t.Errorf("thaw: %v %v", done, err)
	}
	if got, _ := os.ReadFile(top + name + "/cgroup.freeze"); string(got) != "0\n" {
		t.Errorf("cgroup.freeze is %q", got)
	}
	if is, err := p.Frozen(name); is || err != nil {
		t.Errorf("frozen after the thaw: %v %v", is, err)
	}
	if is, err := p.Frozen(name + "-none"); is || err != nil {
		t.Errorf("a group that is not there is frozen: %v %v", is, err)
	}
}

func ownProcs(t *testing.T) *procs {
	t.Helper()
	p, err := newProcs()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestCoveredProcess: a process over whose entry of /proc something is mounted is there, is listed and is stopped.
func TestCoveredProcess(t *testing.T) {
	p := ownProcs(t)
	cmd := exec.Command("/bin/sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	pid := cmd.Process.Pid
	before, err := p.read(pid)
	if err != nil {
		t.Fatal(err)
	}
	entry := "/proc/" + strconv.Itoa(pid)
	if err := unix.Mount("hands-test", entry, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Unmount(entry, 0); err != nil {
			t.Error(err)
		}
	}()
	if _, _, err := p.Look(before.ID); err != nil {
		t.Errorf("look: %v", err)
	}
	if sum, err := p.Digest(before.ID); err != nil || sum == "" {
		t.Errorf("digest: %v", err)
	}
	if list, err := p.List(); err != nil || !slices.ContainsFunc(list, func(o host.Proc) bool { return o.ID == before.ID && o.Exe == before.Exe }) {
		t.Errorf("not listed: %v", err)
	}
	if err := p.Signal(before.ID, host.SignStop); err != nil {
		t.Errorf("stop: %v", err)
	}
	for range 500 {
		if now, err := p.read(pid); err != nil || now.State == 'T' {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("it goes on")
}
