//go:build linux

package live

import (
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestTheNameOfAControlGroupMakesNoContainer: a miner in a group that is named like a container's still runs a program of the
// host; one with another root directory does not.
func TestTheNameOfAControlGroupMakesNoContainer(t *testing.T) {
	p, err := openShared()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(p.fd)
	r := newReader(p, time.Time{})
	onHost := func(pid int) bool {
		task, err := p.open(pid)
		if err != nil {
			t.Fatal(err)
		}
		defer task.close()
		return r.onHost(task)
	}
	if !onHost(os.Getpid()) {
		t.Error("the test itself does not run on the host")
	}
	// A child that waits in another root directory: the test's own program, which waits for its input to end.
	dir := t.TempDir()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/test", self, 0o755); err != nil {
		t.Fatal(err)
	}
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	child, err := os.StartProcess("/test", []string{"/test", "-test.run=^TestWaitsForTheEnd$"}, &os.ProcAttr{
		Dir: "/", Env: []string{"DEMINER_WAIT=1"}, Files: []*os.File{in}, Sys: &syscall.SysProcAttr{Chroot: dir}})
	if err != nil {
		t.Fatalf("start %s in another root (needs root): %v", strconv.Quote(dir), err)
	}
	in.Close()
	defer func() { out.Close(); _, _ = child.Wait() }()
	if onHost(child.Pid) {
		t.Error("a process in another root counts as one of the host")
	}
}

// TestWaitsForTheEnd is the child of the test above, and nothing by itself.
func TestWaitsForTheEnd(t *testing.T) {
	if os.Getenv("DEMINER_WAIT") == "" {
		return
	}
	_, _ = os.Stdin.Read(make([]byte, 1))
}
