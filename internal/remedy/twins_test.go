//go:build linux

package remedy_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"golang.org/x/sys/unix"
)

// watchdog looks every 20 ms whether its twin lives, which it knows by a file, and starts a new one, as a child of a child
// that ends at once, where it does not. It ends by itself after 60 s or when its directory is gone.
func watchdog() {
	dir, me, twin := os.Getenv("DEMINER_TEST_WATCHDOG"), os.Getenv("DEMINER_TEST_ME"), os.Getenv("DEMINER_TEST_TWIN")
	if me == "fork" {
		start(dir, os.Getenv("DEMINER_TEST_TWIN"), os.Getenv("DEMINER_TEST_OTHER"))
		os.Exit(0)
	}
	_ = os.WriteFile(dir+"/"+me, []byte(strconv.Itoa(os.Getpid())), 0o600)
	for range 3000 {
		if _, err := os.Stat(dir); err != nil {
			os.Exit(0)
		}
		b, _ := os.ReadFile(dir + "/" + twin)
		pid, _ := strconv.Atoi(string(b))
		if pid > 0 && letter(pid) == "" || twin == "none" {
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = []string{"DEMINER_TEST_WATCHDOG=" + dir, "DEMINER_TEST_ME=fork", "DEMINER_TEST_TWIN=" + twin, "DEMINER_TEST_OTHER=" + me}
			_ = cmd.Run()
			time.Sleep(60 * time.Millisecond)
		}
		time.Sleep(20 * time.Millisecond)
	}
	os.Exit(0)
}

func start(dir, me, twin string) {
	self, _ := os.Readlink("/proc/self/exe")
	self = strings.TrimSuffix(self, " (deleted)")
	if _, err := os.Stat(self); err != nil {
		self = "/proc/self/exe"
	}
	cmd := exec.Command(self)
	cmd.Env = []string{"DEMINER_TEST_WATCHDOG=" + dir, "DEMINER_TEST_ME=" + me, "DEMINER_TEST_TWIN=" + twin}
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	_ = cmd.Start()
}

// copySelf makes a program of the test binary under another name.
func copySelf(t *testing.T, to string) {
	t.Helper()
	from, err := os.Open("/proc/self/exe")
	must(t, err)
	defer from.Close()
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o700)
	must(t, err)
	_, err = io.Copy(f, from)
	must(t, err)
	must(t, f.Close())
}

// running lists the living processes whose program has this name.
func running(exe string) (out []int) {
	names, _ := os.ReadDir("/proc")
	for _, e := range names {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if to, _ := os.Readlink("/proc/" + e.Name() + "/exe"); strings.TrimSuffix(to, " (deleted)") == exe && letter(pid) != "" {
			out = append(out, pid)
		}
	}
	return out
}

// pair starts two watchdogs of one program that restart each other, and gives the first.
func pair(t *testing.T, remove bool) (exe string, first deminer.ProcID) {
	t.Helper()
	dir := t.TempDir()
	exe = dir + "/kworkerd"
	copySelf(t, exe)
	marks := filepath.Join(dir, "marks")
	must(t, os.Mkdir(marks, 0o700))
	t.Cleanup(func() {
		_ = os.RemoveAll(marks)
		for range 50 {
			for _, pid := range running(exe) {
				_ = unix.Kill(pid, unix.SIGKILL)
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	for _, one := range [][2]string{{"a", "b"}, {"b", "a"}} {
		cmd := exec.Command(exe)
		cmd.Env = []string{"DEMINER_TEST_WATCHDOG=" + marks, "DEMINER_TEST_ME=" + one[0], "DEMINER_TEST_TWIN=" + one[1]}
		cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
		must(t, cmd.Start())
		go func() { _ = cmd.Wait() }()
	}
	pid := 0
	eventually(t, "both run", func() bool {
		b, _ := os.ReadFile(marks + "/a")
		_, err := os.Stat(marks + "/b")
		pid, _ = strconv.Atoi(string(b))
		return pid > 0 && err == nil
	})
	if remove {
		must(t, os.Remove(exe))
	}
	return exe, deminer.ProcID{PID: pid, Start: startOf(t, pid)}
}

// TestWatchdogPairDies: two processes that start each other again, neither a child of the other, both die for good.
func TestWatchdogPairDies(t *testing.T) {
	for name, remove := range map[string]bool{"file": false, "deleted": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, true)
			exe, id := pair(t, remove)
			if n := len(running(exe)); n != 2 {
				t.Fatalf("%d run, want 2", n)
			}
			// That they do respawn: without it the test proves nothing.
			must(t, unix.Kill(id.PID, unix.SIGKILL))
			eventually(t, "the twin starts it again", func() bool { l := running(exe); return len(l) == 2 && l[0] != id.PID && l[1] != id.PID })
			id = deminer.ProcID{PID: running(exe)[0]}
			id.Start = startOf(t, id.PID)
			frz, kil := do(deminer.VerbFreeze, proc(id), "same-program", "yes"), do(deminer.VerbKill, proc(id), "same-program", "yes")
			frz.Expect.Exe, kil.Expect.Exe = exe, exe
			w.mustRun(t, planOf("f", frz))
			for _, pid := range running(exe) {
				if letter(pid) != "T" {
					t.Errorf("process %d is %q, want stopped", pid, letter(pid))
				}
			}
			w.mustRun(t, planOf("k", kil))
			time.Sleep(300 * time.Millisecond)
			if left := running(exe); len(left) > 0 {
				t.Errorf("still running, or again: %v", left)
			}
		})
	}
}

// TestWatchdogPairThaws: undo lets both go on.
func TestWatchdogPairThaws(t *testing.T) {
	w := newWorld(t, true)
	exe, id := pair(t, false)
	w.mustRun(t, planOf("f", do(deminer.VerbFreeze, proc(id), "same-program", "yes")))
	w.mustUndo(t, "f")
	for _, pid := range running(exe) {
		eventually(t, "it goes on", func() bool { return letter(pid) == "S" || letter(pid) == "R" })
	}
}

// TestKillFindsTwinOfTheDead: the process that was meant has died since the plan, its twin has not.
func TestKillFindsTwinOfTheDead(t *testing.T) {
	w := newWorld(t, true)
	exe, id := pair(t, false)
	must(t, unix.Kill(id.PID, unix.SIGKILL))
	eventually(t, "it was started again", func() bool { l := running(exe); return len(l) == 2 && l[0] != id.PID && l[1] != id.PID })
	s := do(deminer.VerbKill, proc(id), "same-program", "yes")
	s.Expect = deminer.Expect{Exe: exe, SHA256: sumOf(t, exe)}
	w.mustRun(t, planOf("k", s))
	time.Sleep(300 * time.Millisecond)
	if left := running(exe); len(left) > 0 {
		t.Errorf("still running: %v", left)
	}
}

func sumOf(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	must(t, err)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// startWatch runs a program that only waits, and gives its PID.
func startWatch(t *testing.T, exe, dir string) int {
	t.Helper()
	cmd := exec.Command(exe)
	cmd.Env = []string{"DEMINER_TEST_WATCHDOG=" + dir, "DEMINER_TEST_ME=m", "DEMINER_TEST_TWIN=nobody"}
	must(t, cmd.Start())
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	return cmd.Process.Pid
}

// TestKillAgainFindsWhatRunsFromTheVault: a program that was started after the kill, and whose file was renamed and removed
// since, dies, even if the PID that was meant is another process by now; a program of another content does not.
func TestKillAgainFindsWhatRunsFromTheVault(t *testing.T) {
	for name, reused := range map[string]bool{"ended": false, "reused": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, true)
			dir := t.TempDir()
			exe := dir + "/gvfs-helper"
			copySelf(t, exe)
			var st unix.Stat_t
			must(t, unix.Stat(exe, &st))
			late := startWatch(t, exe, dir)
			eventually(t, "it runs", func() bool { _, err := os.Stat(dir + "/m"); return err == nil })
			other := startWatch(t, "/proc/self/exe", dir)
			s := do(deminer.VerbKill, proc(deminer.ProcID{PID: 1<<22 - 1, Start: 1}), "same-program", "yes", "again", "yes")
			if reused {
				s.Action.Target = proc(deminer.ProcID{PID: other, Start: startOf(t, other) - 1})
			}
			s.Expect = deminer.Expect{Exe: exe, SHA256: sumOf(t, exe), Size: st.Size, Dev: uint64(st.Dev), Ino: st.Ino}
			must(t, os.Rename(exe, dir+"/.deminer-1"))
			must(t, os.Remove(dir+"/.deminer-1"))
			w.mustRun(t, planOf("k", s))
			eventually(t, "it is dead", func() bool { return letter(late) == "" })
			if letter(other) == "" {
				t.Error("another process died, too")
			}
			w.mustUndo(t, "k")
		})
	}
}

// TestKillOfTheDeadSparesOtherContainers: the process that was meant has ended. What runs its program by its name in its own mount
// namespace dies, what does so in another one, such as another container of the same image, lives.
func TestKillOfTheDeadSparesOtherContainers(t *testing.T) {
	for name, other := range map[string]bool{"its own": false, "another": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, true)
			dir := t.TempDir()
			exe := dir + "/server"
			copySelf(t, exe)
			pid := startWatch(t, exe, dir)
			eventually(t, "it runs", func() bool { _, err := os.Stat(dir + "/m"); return err == nil })
			// Not that of the test itself: its main thread may have been in a test that goes into another one.
			var ns unix.Stat_t
			must(t, unix.Stat(fmt.Sprintf("/proc/%d/ns/mnt", pid), &ns))
			s := do(deminer.VerbKill, proc(deminer.ProcID{PID: 1<<22 - 1, Start: 1}), "same-program", "yes")
			s.Expect = deminer.Expect{Exe: exe, SHA256: sumOf(t, exe), MntNS: ns.Ino}
			if other {
				s.Expect.MntNS++
			}
			w.mustRun(t, planOf("k", s))
			if !other {
				eventually(t, "it is dead", func() bool { return letter(pid) == "" })
			} else if letter(pid) == "" {
				t.Error("it died, too")
			}
		})
	}
}

// TestFrozenByItsOwner: a cgroup that somebody else had frozen stays frozen, whatever a plan does and takes back.
func TestFrozenByItsOwner(t *testing.T) {
	for _, held := range []bool{true, false} {
		t.Run(strconv.FormatBool(held), func(t *testing.T) {
			w := newWorld(t, true)
			id, _ := child(t)
			p := &frozenProcs{w.runner.Tools.Hands.Procs, map[int]string{id.PID: "/a"}, map[string]bool{"/a": held}}
			w.runner.Tools.Hands.Procs = p
			w.mustRun(t, planOf("f", do(deminer.VerbFreeze, proc(id))))
			if !p.frozen["/a"] {
				t.Error("it is not frozen")
			}
			w.mustUndo(t, "f")
			if p.frozen["/a"] != held {
				t.Errorf("after undo: frozen %v, want %v", p.frozen["/a"], held)
			}
			w.mustRun(t, planOf("k", do(deminer.VerbFreeze, proc(id)), do(deminer.VerbKill, proc(id))))
			if p.frozen["/a"] != held {
				t.Errorf("after the kill: frozen %v, want %v", p.frozen["/a"], held)
			}
		})
	}
}

// TestKillThawsTheGroupOfATwin: a twin that dies with another process leaves no frozen cgroup behind, though nothing is left
// to do for its own step.
func TestKillThawsTheGroupOfATwin(t *testing.T) {
	w := newWorld(t, true)
	dir := t.TempDir()
	exe := dir + "/m"
	copySelf(t, exe)
	a, b := startWatch(t, exe, dir), startWatch(t, exe, dir)
	eventually(t, "both run it", func() bool { return len(running(exe)) == 2 })
	p := &frozenProcs{w.runner.Tools.Hands.Procs, map[int]string{a: "/a", b: "/b"}, map[string]bool{}}
	w.runner.Tools.Hands.Procs = p
	one, two := proc(deminer.ProcID{PID: a, Start: startOf(t, a)}), proc(deminer.ProcID{PID: b, Start: startOf(t, b)})
	freezes := []deminer.Step{do(deminer.VerbFreeze, one), do(deminer.VerbFreeze, two)}
	w.mustRun(t, planOf("f", freezes...))
	if !p.frozen["/a"] || !p.frozen["/b"] {
		t.Errorf("frozen are %v", p.frozen)
	}
	w.mustUndo(t, "f")
	w.mustRun(t, planOf("k", append(freezes, do(deminer.VerbKill, one, "same-program", "yes"), do(deminer.VerbKill, two, "same-program", "yes"))...))
	eventually(t, "both are dead", func() bool { return letter(a) == "" && letter(b) == "" })
	if p.frozen["/a"] || p.frozen["/b"] {
		t.Errorf("after the kills frozen are %v", p.frozen)
	}
}

// TestKillAgainSparesALinkedProgram: an intruder gave an owner's program a second name and ran it under that; what the owner
// runs by the first name has the same inode and content, and lives.
func TestKillAgainSparesALinkedProgram(t *testing.T) {
	w := newWorld(t, true)
	dir := t.TempDir()
	own, linked := dir+"/app", dir+"/.m"
	copySelf(t, own)
	must(t, os.Link(own, linked))
	pid := startWatch(t, own, dir)
	eventually(t, "it runs", func() bool { return len(running(own)) == 1 })
	var st unix.Stat_t
	must(t, unix.Stat(linked, &st))
	must(t, os.Remove(linked))
	s := do(deminer.VerbKill, proc(deminer.ProcID{PID: 1<<22 - 1, Start: 1}), "same-program", "yes", "again", "yes")
	s.Expect = deminer.Expect{Exe: linked, SHA256: sumOf(t, own), Size: st.Size, Dev: uint64(st.Dev), Ino: st.Ino}
	w.mustRun(t, planOf("k", s))
	if l := letter(pid); l == "" || l == "T" || l == "Z" {
		t.Errorf("the owner's process is %q", l)
	}
}

// frozenProcs is the processes of the host with a freezer of its own for the cgroups that some of them are said to be in.
type frozenProcs struct {
	host.Procs
	in     map[int]string
	frozen map[string]bool
}

func (f *frozenProcs) Look(id deminer.ProcID) (host.Proc, host.Launch, error) {
	p, l, err := f.Procs.Look(id)
	p.Cgroup, l.Cgroup = f.in[id.PID], f.in[id.PID]
	return p, l, err
}

func (f *frozenProcs) List() ([]host.Proc, error) {
	all, err := f.Procs.List()
	for i := range all {
		all[i].Cgroup = f.in[all[i].ID.PID]
	}
	return all, err
}

func (f *frozenProcs) Freeze(cgroup string, _ []deminer.ProcID, on bool) (bool, error) {
	f.frozen[cgroup] = on
	return true, nil
}

func (f *frozenProcs) Frozen(cgroup string) (bool, error) { return f.frozen[cgroup], nil }
