//go:build linux

package deny

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
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
	if cmd.Path != "/proc/self/exe" { // Start may be back while it still is this program
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if is, err := os.Readlink("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/exe"); err != nil || is == cmd.Path {
				break
			}
		}
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
	cover := "/proc/" + strconv.Itoa(illID.PID) // that it seems to be gone does not help it
	if err := unix.Mount("deny-test", cover, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Unmount(cover, 0); err != nil && err != unix.ENOENT { // with the process its entry goes, and what covers it
			t.Error(err)
		}
	}()
	for name := ""; !strings.HasPrefix(name, "/memfd:"); time.Sleep(time.Millisecond) {
		name, _ = os.Readlink("/proc/" + strconv.Itoa(memID.PID) + "/exe")
	}
	var s told
	g := guard(t, Options{Mounts: []string{dir}, See: s.see})
	longCovered(g)
	if err := g.Began(deminer.ProcID{PID: illID.PID, Start: 1}, false); !errors.Is(err, fs.ErrNotExist) { // another one
		t.Errorf("another one: %v", err)
	}
	if g.execs.covered() != 1 {
		t.Fatal("a file system is covered for another program")
	}
	if err := errors.Join(g.Began(goodID, false), g.Began(illID, false), g.Began(memID, true), g.Began(coveredID, false)); err != nil { // the last was asked about when it began
		t.Error(err)
	}
	if goodKilled() || coveredKilled() || !illKilled() || !memKilled() {
		t.Error("not exactly the bad ones were killed")
	}
	list := s.wait(t, 2)
	for i, want := range []string{ill, "/memfd:hidden (deleted)"} {
		if r := list[i]; !r.After || !r.Event.Denied || string(r.Event.Path) != want || r.Event.Proc.PID == 0 || r.Event.Kind != deminer.EventExec || r.Event.Memfd != (i == 1) || !slices.Equal(r.Ended, []deminer.ProcID{r.Event.Proc}) || r.Left != 0 {
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
	g := Open(Options{Mounts: []string{"/proc"}, Answer: time.Millisecond, Judge: func(x *Exec) Verdict {
		if bad(x.File) && time.Until(x.Until) > time.Second { // it runs already: who judges may take longer than one who keeps it waiting
			return Deny
		}
		return Allow
	}})
	defer g.Close()
	if f := g.Facets(); len(f) != 1 || f[0].Sensor != deminer.SensorNone || !strings.Contains(f[0].Lost, "is killed as it begins") {
		t.Errorf("%+v", f)
	}
	id, killed := stays(t, exec.Command(ill))
	if err := g.Began(id, false); err != nil || !killed() {
		t.Errorf("it lives: %v", err)
	}
}

// longCovered has all that is covered so since long ago.
func longCovered(g *Guard) {
	g.execs.mu.Lock()
	defer g.execs.mu.Unlock()
	for dev, c := range g.execs.cover {
		c.since = time.Now().Add(-time.Minute)
		g.execs.cover[dev] = c
	}
}

// TestBeganMany: whatever a program made of itself before it is judged ends with it, and is named; another that runs the same file since
// before, and others, go on.
func TestBeganMany(t *testing.T) {
	dir := disk(t)
	ill, good := put(t, in(dir, "bad"), forker(t, evil)), put(t, in(dir, "good"), stayer(t, harmless))
	_, olderKilled := stays(t, exec.Command(put(t, in(dir, "copy"), stayer(t, evil)))) // the same content in another file
	goodID, goodKilled := stays(t, exec.Command(good))
	id, killed := stays(t, exec.Command(ill))
	var all []deminer.ProcID
	var st unix.Stat_t
	if err := unix.Stat(ill, &st); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); len(all) < forks && time.Now().Before(end); time.Sleep(time.Millisecond) {
		all = runners(id, &st)
	}
	var s told
	g := Open(Options{Mounts: []string{"/proc"}, See: s.see, Judge: func(x *Exec) Verdict {
		if bad(x.File) {
			return Deny
		}
		return Allow
	}})
	defer g.Close()
	if err := errors.Join(g.Began(goodID, false), g.Began(id, false)); err != nil {
		t.Error(err)
	}
	if !killed() || goodKilled() || olderKilled() {
		t.Error("not exactly those of the program were killed")
	}
	r := s.wait(t, 1)[0]
	slices.SortFunc(all, func(a, b deminer.ProcID) int { return a.PID - b.PID })
	named := slices.SortedFunc(slices.Values(r.Ended), func(a, b deminer.ProcID) int { return a.PID - b.PID })
	if !slices.Equal(named, all) || len(all) != forks || r.Ended[0] != id || r.Left != 0 || !r.Event.Denied {
		t.Errorf("told %+v, there were %v", r, all)
	}
	if left := runners(deminer.ProcID{}, &st); len(left) > 0 {
		t.Errorf("%v live on", left)
	}
}

// forks is how many processes forker becomes.
const forks = 8

// forker is a stayer that doubles three times before it stays.
func forker(t *testing.T, words string) []byte {
	b := stayer(t, words)
	fork := "\xb8\x39\x00\x00\x00\x0f\x05" // mov eax, 57 (fork); syscall
	copy(b[64+56:], fork+fork+fork+"\xb8\x22\x00\x00\x00\x0f\x05\xeb\xf7")
	return b
}

// TestBeganAfterClose: what was not judged when the guard was closed is left alone; what is being ended is waited for.
func TestBeganAfterClose(t *testing.T) {
	ill := put(t, in(disk(t), "bad"), stayer(t, evil))
	id, killed := stays(t, exec.Command(ill))
	asked, answer := make(chan bool), make(chan bool)
	g := Open(Options{Mounts: []string{"/proc"}, Judge: func(*Exec) Verdict { asked <- true; <-answer; return Deny }, See: func(Refusal) { t.Error("told") }})
	ended := make(chan error)
	go func() { ended <- g.Began(id, false) }()
	<-asked
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	close(answer)
	if err := <-ended; !errors.Is(err, ErrOff) || killed() {
		t.Errorf("%v", err)
	}
}

// TestCoverForgets: the number of a file system that has gone is not taken for it when another has it.
func TestCoverForgets(t *testing.T) {
	g := guard(t, Options{Mounts: []string{disk(t)}})
	dir := t.TempDir()
	var before unix.Stat_t
	for turn := range 3 {
		if err := unix.Mount("deny-test", dir, "tmpfs", 0, ""); err != nil {
			t.Fatal(err)
		}
		name := put(t, in(dir, "good"), stayer(t, harmless))
		cmd := exec.Command(name)
		id, _ := stays(t, cmd)
		var st unix.Stat_t
		if err := unix.Stat(name, &st); err != nil {
			t.Fatal(err)
		}
		if turn > 0 && st.Dev != before.Dev {
			t.Logf("turn %d: another number", turn)
		}
		before = st
		clear(g.execs.tried) // as if the minute had passed
		if g.execs.asks(id.PID, st.Dev) {
			t.Errorf("turn %d: a file system of a moment ago is taken for one that was asked about", turn)
		}
		longCovered(g)
		if !g.execs.asks(id.PID, st.Dev) {
			t.Errorf("turn %d: it is not covered", turn)
		}
		_ = cmd.Process.Kill()
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) { // until it has let go of its file
			if err := unix.Unmount(dir, 0); err == nil {
				break
			} else if time.Now().After(end) {
				t.Fatal(err)
			}
		}
	}
	g.execs.mu.Lock()
	defer g.execs.mu.Unlock()
	g.execs.forget()
	if len(g.execs.cover) != 1 {
		t.Errorf("%d file systems are remembered", len(g.execs.cover))
	}
}
