//go:build linux

package contract

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestHarden runs in a child of its own: what is given up cannot be taken back.
func TestHarden(t *testing.T) {
	if os.Getenv("CONTRACT_CHILD") == "" {
		c := exec.Command(os.Args[0], "-test.run", "^TestHarden$", "-test.v")
		c.Env = append(os.Environ(), "CONTRACT_CHILD=1")
		if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestHarden") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	start := make(chan struct{})
	result := make(chan error)
	for range 8 { // threads that were there before
		go func() { <-start; result <- exec.Command("/bin/true").Run() }()
	}
	if err := Harden(); err != nil {
		t.Fatal(err)
	}
	close(start)
	for range 8 {
		if err := <-result; !errors.Is(err, unix.EPERM) {
			t.Errorf("a program was started: %v", err)
		}
	}
	if n, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); n != 0 || err != nil {
		t.Errorf("dumpable %d %v", n, err)
	}
	if n, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); n != 1 || err != nil {
		t.Errorf("no new privileges %d %v", n, err)
	}
	if err := unix.PtraceAttach(os.Getppid()); !errors.Is(err, unix.EPERM) {
		t.Errorf("ptrace: %v", err)
	}
	if _, err := os.ReadFile("/proc/self/status"); err != nil {
		t.Errorf("what it needs: %v", err)
	}
}
