//go:build linux

package remedy_test

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

// child starts a shell with a child of its own, both of which only sleep, and gives the shell's name.
func child(t *testing.T) (deminer.ProcID, *exec.Cmd) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", "sleep 600 & wait")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(waited) }()
	t.Cleanup(func() {
		for _, pid := range children(cmd.Process.Pid) {
			if p, err := os.FindProcess(pid); err == nil {
				_ = p.Kill()
			}
		}
		_ = cmd.Process.Kill()
		<-waited
	})
	eventually(t, "the shell has its child", func() bool { return len(children(cmd.Process.Pid)) == 1 })
	return deminer.ProcID{PID: cmd.Process.Pid, Start: startOf(t, cmd.Process.Pid)}, cmd
}

func stat(pid int) []string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil
	}
	return strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
}

func startOf(t *testing.T, pid int) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(stat(pid)[19], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func children(pid int) (out []int) {
	names, _ := os.ReadDir("/proc")
	for _, e := range names {
		n, err := strconv.Atoi(e.Name())
		if s := stat(n); err == nil && s != nil && s[1] == strconv.Itoa(pid) {
			out = append(out, n)
		}
	}
	return out
}

// letter is the state of a process, "" when it is gone or dead.
func letter(pid int) string {
	if s := stat(pid); s != nil && s[0] != "Z" && s[0] != "X" {
		return s[0]
	}
	return ""
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 500 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("waited in vain: %s", what)
}

func proc(id deminer.ProcID) deminer.Artifact {
	return deminer.Artifact{Kind: deminer.KindProcess, Proc: id}
}

func TestFreezeAndThaw(t *testing.T) {
	w := newWorld(t, true)
	id, _ := child(t)
	kid := children(id.PID)[0]
	w.mustRun(t, planOf("p", do(deminer.VerbFreeze, proc(id))))
	eventually(t, "both are stopped", func() bool { return letter(id.PID) == "T" && letter(kid) == "T" })
	w.mustUndo(t, "p")
	eventually(t, "both go on", func() bool { return letter(id.PID) == "S" && letter(kid) == "S" })
}

func TestKillTakesDescendantsAndCannotBeUndone(t *testing.T) {
	w := newWorld(t, true)
	id, _ := child(t)
	kid := children(id.PID)[0]
	w.mustRun(t, planOf("p", do(deminer.VerbFreeze, proc(id)), do(deminer.VerbKill, proc(id))))
	eventually(t, "both are dead", func() bool { return letter(id.PID) == "" && letter(kid) == "" })
	err := w.runner.Undo(t.Context(), "p", nil)
	if !errors.Is(err, deminer.ErrIrreversible) || !strings.Contains(err.Error(), "sleep 600") {
		t.Errorf("undo of kill: %v, want ErrIrreversible and how it was started", err)
	}
	// Killing what is dead already is fine.
	w.mustRun(t, planOf("p2", do(deminer.VerbKill, proc(id))))
}

func TestProcessThatIsAnotherByNow(t *testing.T) {
	w := newWorld(t, true)
	id, _ := child(t)
	wrong := id
	wrong.Start++
	for _, verb := range []deminer.Verb{deminer.VerbFreeze, deminer.VerbKill} {
		if err := w.run(planOf("start-"+string(verb), do(verb, proc(wrong)))); !errors.Is(err, deminer.ErrChanged) {
			t.Errorf("%s with another start time: %v, want ErrChanged", verb, err)
		}
		s := do(verb, proc(id))
		s.Expect.Exe = "/usr/bin/other"
		if err := w.run(planOf("exe-"+string(verb), s)); !errors.Is(err, deminer.ErrChanged) {
			t.Errorf("%s with another program: %v, want ErrChanged", verb, err)
		}
	}
	if letter(id.PID) != "S" {
		t.Errorf("the process was touched: %q", letter(id.PID))
	}
}

func TestProtectedProcesses(t *testing.T) {
	w := newWorld(t, true)
	for _, pid := range []int{1, os.Getpid(), os.Getppid(), 2} {
		if pid == 2 && len(stat(2)) > 6 {
			if f, _ := strconv.ParseUint(stat(2)[6], 10, 64); f&0x200000 == 0 {
				continue // no kernel thread here: a container
			}
		}
		for _, verb := range []deminer.Verb{deminer.VerbFreeze, deminer.VerbKill} {
			id := deminer.ProcID{PID: pid, Start: startOf(t, pid)}
			err := w.run(planOf("p"+strconv.Itoa(pid)+string(verb), do(verb, proc(id))))
			if !errors.Is(err, deminer.ErrProtected) {
				t.Errorf("%s of %d: %v, want ErrProtected", verb, pid, err)
			}
		}
	}
}
