//go:build linux

package live

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// roleVar makes the test program play a part instead of testing.
const roleVar = "DEMINER_LIVE_TEST_ROLE"

func TestMain(m *testing.M) {
	role := os.Getenv(roleVar)
	if role == "" {
		os.Exit(m.Run())
	}
	if err := play(role); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

// play does what a child is for, says so in one line, and stays until its input ends.
func play(role string) error {
	word := "ready"
	switch role {
	case "burn":
		go func() {
			runtime.LockOSThread()
			for i := 0; ; i++ {
			}
		}()
	case "listen":
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		word = l.Addr().String()
	case "listen apart": // in a network namespace of its own
		l, err := net.Listen("tcp", "0.0.0.0:4444")
		if err != nil {
			return err
		}
		word = l.Addr().String()
	case "memory":
		return remember()
	case "covered":
		return covered()
	case "rules":
		return rules()
	}
	fmt.Println(word)
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// child starts the test program in a role and gives its process and the line it said.
func child(t *testing.T, program, role string, flags uintptr) (*exec.Cmd, string) {
	t.Helper()
	if program == "" {
		program = "/proc/self/exe"
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), roleVar+"="+role)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL}
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	cmd.Stderr = os.Stderr
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	runtime.LockOSThread() // Pdeathsig is about the thread that started the child
	t.Cleanup(runtime.UnlockOSThread)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || strings.HasPrefix(line, "error") {
		t.Fatalf("the child said %q, %v", line, err)
	}
	return cmd, strings.TrimSpace(line)
}

// needRoot says what is missing where the test does not run as root.
func needRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root rights: namespaces, mounts, other processes' memory")
	}
}

// see looks at the machine and picks one process.
func see(t *testing.T, l *Live, pid int, window time.Duration) deminer.Process {
	t.Helper()
	procs, _, _ := l.Processes(t.Context(), window)
	i := slices.IndexFunc(procs, func(p deminer.Process) bool { return p.ID.PID == pid })
	if i < 0 {
		t.Fatalf("process %d was not seen among %d", pid, len(procs))
	}
	return procs[i]
}

func opened(t *testing.T) *Live {
	l := Open()
	t.Cleanup(func() { l.Close() })
	return l
}

func copyProgram(t *testing.T, to io.Writer) {
	t.Helper()
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
}

func TestDeletedProgram(t *testing.T) {
	l := opened(t)
	name := filepath.Join(t.TempDir(), "kworker (deleted)")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	copyProgram(t, f)
	f.Close()
	cmd, _ := child(t, name, "sleep", 0)
	if p := see(t, l, cmd.Process.Pid, 0); p.Deleted || p.Exe != name {
		t.Errorf("a living file with a name like a deleted one: got %q, deleted %v", p.Exe, p.Deleted)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	p := see(t, l, cmd.Process.Pid, 0)
	if !p.Deleted || p.Memfd || p.Exe != name || p.ExeAttr.Links != 0 || p.ExeAttr.Size == 0 {
		t.Errorf("got %q, deleted %v, %+v", p.Exe, p.Deleted, p.ExeAttr)
	}
	exe, err := l.Exe(p.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer exe.Close()
	head := make([]byte, 4)
	if _, err := exe.ReadAt(head, 0); err != nil || string(head) != "\x7fELF" {
		t.Errorf("got %q, %v", head, err)
	}
	if a, err := exe.Attr(); err != nil || a.Size != p.ExeAttr.Size {
		t.Errorf("got %+v, %v", a, err)
	}
	if _, err := l.Exe(deminer.ProcID{PID: p.ID.PID, Start: p.ID.Start + 1}); err == nil {
		t.Error("the program of another process with the same number was opened")
	}
}

func TestMemfdProgram(t *testing.T) {
	l := opened(t)
	fd, err := unix.MemfdCreate("kernel", 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "memfd")
	copyProgram(t, f)
	path := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd)
	ro, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	f.Close() // a file open for writing cannot be run
	defer ro.Close()
	cmd, _ := child(t, fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), ro.Fd()), "sleep", 0)
	if p := see(t, l, cmd.Process.Pid, 0); !p.Memfd || p.Exe != "/memfd:kernel" {
		t.Errorf("got %q, memfd %v", p.Exe, p.Memfd)
	}
}

func TestBurner(t *testing.T) {
	l := opened(t)
	cmd, _ := child(t, "", "burn", 0)
	time.Sleep(100 * time.Millisecond)
	// The truth is what the clock of the child's processor time says, which does not go through /proc.
	clock := int32(^cmd.Process.Pid<<3 | 2)
	var from, to unix.Timespec
	err1 := unix.ClockGettime(clock, &from)
	procs, views, _ := l.Processes(t.Context(), time.Second)
	err2 := unix.ClockGettime(clock, &to)
	i := slices.IndexFunc(procs, func(p deminer.Process) bool { return p.ID.PID == cmd.Process.Pid })
	if i < 0 || err1 != nil || err2 != nil {
		t.Fatal("the burning process was not seen", err1, err2)
	}
	p := procs[i]
	if len(p.Threads) == 0 {
		t.Fatalf("no threads of a process that used %.2f cores", p.CPU)
	}
	const tick = 20 * time.Millisecond
	if p.CPUTime < time.Duration(from.Nano())-tick || p.CPUTime > time.Duration(to.Nano())+tick {
		t.Errorf("got %v of processor time, its clock says between %v and %v", p.CPUTime, time.Duration(from.Nano()), time.Duration(to.Nano()))
	}
	if most := time.Duration(to.Nano() - from.Nano() + int64(tick)).Seconds(); p.CPU <= 0 || p.CPU > most || p.CPU > 1.2 {
		t.Errorf("got %.2f cores over a second or more in which its clock advanced by %.2f s", p.CPU, most)
	}
	top := slices.MaxFunc(p.Threads, func(a, b deminer.Thread) int { return int(a.CPUTime - b.CPUTime) })
	if top.CPU <= 0 || top.CPU > 1.3 || top.CPUTime < p.CPUTime/2 || len(p.Threads) > 3 {
		t.Errorf("got threads %+v for %.2f cores", p.Threads, p.CPU)
	}
	if views.Processes < p.CPU-0.01 || views.Stat < 0.8*p.CPU {
		t.Errorf("got views %+v with a process of %.2f cores", views, p.CPU)
	}
}

func TestListener(t *testing.T) {
	l := opened(t)
	cmd, where := child(t, "", "listen", 0)
	conn, err := net.Dial("tcp", where)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	procs, _, _ := l.Processes(t.Context(), 0)
	sockets, _ := l.Sockets(t.Context(), procs)
	var listens, talks bool
	for _, s := range sockets {
		if s.Local == where && s.Listening() {
			listens = s.Reach == "loopback" && len(s.Owners) == 1 && s.Owners[0].PID == cmd.Process.Pid && s.NetNS != 0
		}
		if s.Remote == where && s.Local == conn.LocalAddr().String() {
			// The kernel counts the opening of the connection as a byte.
			talks = s.State == "established" && (s.Sent == 5 || s.Sent == 6) && len(s.Owners) == 1 && s.Owners[0].PID == os.Getpid()
		}
	}
	if !listens || !talks {
		t.Errorf("listener found: %v, connection found: %v", listens, talks)
	}
}

func TestOtherNetwork(t *testing.T) {
	needRoot(t)
	l := opened(t)
	cmd, _ := child(t, "", "listen apart", syscall.CLONE_NEWNET)
	procs, _, _ := l.Processes(t.Context(), 0)
	sockets, gaps := l.Sockets(t.Context(), procs)
	p := see(t, l, cmd.Process.Pid, 0)
	i := slices.IndexFunc(sockets, func(s deminer.Socket) bool { return s.NetNS == p.NetNS && s.Listening() })
	if i < 0 {
		t.Fatalf("no listener in network namespace %d, gaps %v", p.NetNS, gaps)
	}
	if s := sockets[i]; len(s.Owners) != 1 || s.Owners[0] != p.ID || !strings.HasSuffix(s.Local, ":4444") || s.Reach != "world" {
		t.Errorf("got %+v", s)
	}
	own := see(t, l, os.Getpid(), 0).NetNS
	if own == p.NetNS {
		t.Error("the visit left this process in the other namespace")
	}
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestNewcomers: a process that began after the listing is a newcomer, and none that was listed is.
func TestNewcomers(t *testing.T) {
	l := opened(t)
	procs, _, _ := l.Processes(t.Context(), 0)
	cmd, _ := child(t, "", "burn", 0)
	var fresh []deminer.Process
	for tries := 0; ; tries++ { // a busy machine may be slow to let it run
		var gaps []deminer.Gap
		fresh, gaps = l.Newcomers(t.Context(), procs)
		if len(gaps) > 0 {
			t.Fatalf("gaps: %+v", gaps)
		}
		i := slices.IndexFunc(fresh, func(p deminer.Process) bool { return p.ID.PID == cmd.Process.Pid })
		if i < 0 {
			t.Fatalf("the child is not among %d newcomers", len(fresh))
		}
		if p := fresh[i]; p.CPU > 0 && p.Exe != "" && len(p.Argv) > 0 {
			break
		} else if tries == 500 {
			t.Fatalf("the child was not read whole: %+v", p)
		}
		time.Sleep(20 * time.Millisecond)
	}
	for _, p := range fresh {
		if slices.ContainsFunc(procs, func(q deminer.Process) bool { return p.ID == q.ID }) {
			t.Errorf("process %s was listed before", p.ID)
		}
	}
}
