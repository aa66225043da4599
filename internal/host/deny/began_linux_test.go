//go:build linux

package deny

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

// stayer is a program that does nothing for ever.
func stayer(t *testing.T, words string) []byte {
	b := program(t, ranCode, words)
	copy(b[64+56:], "\xb8\x22\x00\x00\x00\x0f\x05\xeb\xf7") // mov eax, 34 (pause); syscall; jmp back
	return b
}

// stays starts a program, and gives whether it was killed.
func stays(t *testing.T, cmd *exec.Cmd) (id deminer.ProcID, killed func() bool) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	return identify(cmd.Process.Pid), func() bool {
		select {
		case <-ended:
			return cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
		case <-time.After(500 * time.Millisecond):
			return false
		}
	}
}

// TestBegan: a program that nobody was asked about is judged as it begins, killed if it is bad, and told as what it is; its file system
// is asked about from then on. A file in memory that is not held is judged like it.
func TestBegan(t *testing.T) {
	dir, late := disk(t), disk(t)
	covered, ill, good := put(t, in(dir, "bad"), stayer(t, evil)), put(t, in(late, "bad"), stayer(t, evil)), put(t, in(late, "good"), stayer(t, harmless))
	coveredID, coveredKilled := stays(t, exec.Command(covered))
	illID, illKilled := stays(t, exec.Command(ill))
	goodID, goodKilled := stays(t, exec.Command(good))
	memfd := exec.Command("/proc/self/exe")
	memfd.Env = append(os.Environ(), roleVar+"=exec memfd", argVar+"="+covered)
	memID, memKilled := stays(t, memfd)
	for name := ""; !strings.HasPrefix(name, "/memfd:"); time.Sleep(time.Millisecond) {
		name, _ = os.Readlink("/proc/" + strconv.Itoa(memID.PID) + "/exe")
	}
	var s told
	g := guard(t, Options{Mounts: []string{dir}, See: s.see})
	for dev := range g.execs.cover {
		g.execs.cover[dev] = time.Now().Add(-time.Minute)
	}
	g.Began(deminer.ProcID{PID: illID.PID, Start: 1}, false) // another one
	if g.execs.covered() != 1 {
		t.Fatal("a file system is covered for another program")
	}
	g.Began(goodID, false)
	g.Began(illID, false)
	g.Began(memID, true)
	g.Began(coveredID, false) // it was asked about when it began
	if goodKilled() || coveredKilled() || !illKilled() || !memKilled() {
		t.Error("not exactly the bad ones were killed")
	}
	list := s.wait(t, 2)
	for i, want := range []string{ill, "/memfd:hidden (deleted)"} {
		if r := list[i]; !r.After || !r.Event.Denied || string(r.Event.Path) != want || r.Event.Proc.PID == 0 || r.Event.Kind != deminer.EventExec || r.Event.Memfd != (i == 1) {
			t.Errorf("told: %+v", r)
		}
	}
	if len(s.wait(t, 2)) != 2 {
		t.Errorf("told: %+v", list)
	}
	if got := once(t, ill); got != refused {
		t.Errorf("the next from there: %+v", got)
	}
}

// TestBeganAlone: where the kernel asks nobody, a bad program is killed all the same, and Facets says what that is worth.
func TestBeganAlone(t *testing.T) {
	ill := put(t, in(disk(t), "bad"), stayer(t, evil))
	g := Open(Options{Mounts: []string{"/proc"}, Judge: func(x *Exec) Verdict {
		if bad(x.File) {
			return Deny
		}
		return Allow
	}})
	defer g.Close()
	if f := g.Facets(); len(f) != 1 || f[0].Sensor != deminer.SensorNone || !strings.Contains(f[0].Lost, "is killed as it begins") {
		t.Errorf("%+v", f)
	}
	id, killed := stays(t, exec.Command(ill))
	g.Began(id, false)
	if !killed() {
		t.Error("it lives")
	}
}
