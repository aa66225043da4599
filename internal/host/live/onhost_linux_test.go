//go:build linux

package live

import (
	"os"
	"os/exec"
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
	// A child that waits in another root directory until its input ends; static, as the test itself is not under the race detector.
	dir, src := t.TempDir(), t.TempDir()+"/main.go"
	if err := os.WriteFile(src, []byte("package main\n\nimport \"os\"\n\nfunc main() { os.Stdin.Read(make([]byte, 1)) }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", dir+"/test", src)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	child, err := os.StartProcess("/test", []string{"/test"}, &os.ProcAttr{Dir: "/", Files: []*os.File{in}, Sys: &syscall.SysProcAttr{Chroot: dir}})
	if err != nil {
		t.Fatalf("start %s in another root (needs root): %v", strconv.Quote(dir), err)
	}
	in.Close()
	defer func() { out.Close(); _, _ = child.Wait() }()
	if onHost(child.Pid) {
		t.Error("a process in another root counts as one of the host")
	}
}
