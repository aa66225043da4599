//go:build linux

package live

import (
	"context"
	"fmt"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// covered plays a host on which something is mounted over a process's directory, in a mount namespace of its own, and
// looks at it both ways.
func covered() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	dir := fmt.Sprintf("/proc/%d", os.Getpid())
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=4k"); err != nil {
		return err
	}
	private := Open()
	shared, err := openShared()
	if err != nil {
		return err
	}
	for name, l := range map[string]*Live{"private": private, "shared": {proc: shared}} {
		procs, _, _ := l.Processes(context.Background(), 0)
		i := slices.IndexFunc(procs, func(p deminer.Process) bool { return p.ID.PID == os.Getpid() })
		if i < 0 {
			return fmt.Errorf("%s: the covered process was not seen", name)
		}
		if p := procs[i]; !slices.Equal(p.Hidden, []string{viewMount}) || name == "private" && (p.Exe == "" || p.NThreads == 0) {
			return fmt.Errorf("%s: got hidden %v, program %q", name, p.Hidden, p.Exe)
		}
		for _, p := range procs {
			if p.ID.PID != os.Getpid() && len(p.Hidden) > 0 {
				return fmt.Errorf("%s: process %s is said to be hidden: %v", name, p.ID, p.Hidden)
			}
		}
	}
	fmt.Println("seen")
	return nil
}

func TestCoveredProcess(t *testing.T) {
	needRoot(t)
	if _, said := child(t, "", "covered", syscall.CLONE_NEWNS); said != "seen" {
		t.Errorf("the child said %q", said)
	}
}

// A listing that lacks a living process is what a rootkit makes; here it is an empty directory in the place of /proc.
func TestHiddenFromListing(t *testing.T) {
	cmd, _ := child(t, "", "sleep", 0)
	pid := cmd.Process.Pid
	fd, err := unix.Open(t.TempDir(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	s := &sampler{proc: &procfs{fd: fd, private: true}, boot: bootTime()}
	c := sightings{by: map[int]map[string]bool{}, cgroup: map[int]bool{1: true}}
	c.add(pid, viewKill)
	got := s.hidden(t.Context(), nil, c)
	if len(got) != 1 || got[0].ID.PID != pid || !slices.Equal(got[0].Hidden, []string{viewReaddir, viewLookup, viewCgroup}) {
		t.Errorf("got %+v", got)
	}
}

// What the listing shows after all, what is a thread, and what has ended is not hidden.
func TestRacesAreNotRootkits(t *testing.T) {
	l := opened(t)
	burn, _ := child(t, "", "burn", 0)
	ended, _ := child(t, "", "sleep", 0)
	ended.Process.Kill()
	ended.Wait()
	s := &sampler{proc: l.proc, boot: bootTime()}
	c := sightings{by: map[int]map[string]bool{}}
	c.add(burn.Process.Pid, viewKill)
	c.add(ended.Process.Pid, viewPgid)
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", burn.Process.Pid))
	if err != nil || len(entries) < 2 {
		t.Fatalf("got %d threads, %v", len(entries), err)
	}
	for _, e := range entries {
		var tid int
		fmt.Sscan(e.Name(), &tid)
		c.add(tid, viewCgroup)
	}
	if got := s.hidden(t.Context(), nil, c); len(got) > 0 {
		t.Errorf("got %+v", got)
	}
}

// The sweeps must come upon every process, by each view alone.
func TestSweepsSeeAll(t *testing.T) {
	l := opened(t)
	cmd, _ := child(t, "", "sleep", 0)
	s := &sampler{proc: l.proc, boot: bootTime()}
	found := s.search(t.Context(), nil, 10*time.Second)
	for _, view := range []string{viewKill, viewPgid} {
		if !found.by[cmd.Process.Pid][view] || !found.by[1][view] {
			t.Errorf("the view %s does not show the child or process 1", view)
		}
	}
	if found.cgroup != nil && !found.cgroup[cmd.Process.Pid] {
		t.Error("the control groups do not show the child")
	}
	if len(s.gaps) > 0 {
		t.Errorf("got gaps %v", s.gaps)
	}
}

func TestSweepStops(t *testing.T) {
	l := opened(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := &sampler{proc: l.proc}
	s.search(ctx, nil, time.Second)
	if !slices.ContainsFunc(s.gaps, func(g deminer.Gap) bool { return g.What == "view/"+viewKill && g.State == deminer.Partial }) {
		t.Errorf("got gaps %v", s.gaps)
	}
}

// Many long environments must not fill the memory of deminer.
func TestTextBudget(t *testing.T) {
	b := newBudget()
	if b.limit(maxEnv) != maxEnv {
		t.Error("the first environment is cut")
	}
	b.text.Add(-allText)
	if b.limit(maxEnv) != shortText {
		t.Error("environments beyond the budget are not cut")
	}
}
