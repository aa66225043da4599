//go:build linux

package hands

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/deminer/deminer/internal/host"
	"golang.org/x/sys/unix"
)

// oldKernel runs do on a thread for which openat2 does not exist, as before Linux 5.6. The thread ends with it.
func oldKernel(t *testing.T, do func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the filter cannot be taken off
		filter := []unix.SockFilter{
			{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // seccomp_data.nr
			{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_OPENAT2, Jf: 1},
			{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
			{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		}
		prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
		err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		if err == nil {
			err = unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0)
		}
		if err == nil {
			do()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestKernelWithoutOpenat2IsRefused(t *testing.T) {
	root := t.TempDir()
	if err := Able(root); err != nil {
		t.Fatalf("this kernel: %v", err)
	}
	oldKernel(t, func() {
		_, opened := Open(root, false)
		_, state := State(root, "/deminer")
		for name, err := range map[string]error{"Able": Able(root), "Open": opened, "State": state} {
			if !errors.Is(err, host.ErrUnsupported) || !strings.Contains(err.Error(), "Linux 5.6") {
				t.Errorf("%s: %v, want a refusal that names the kernel", name, err)
			}
		}
	})
	if names, err := os.ReadDir(root); err != nil || len(names) > 0 {
		t.Errorf("left behind: %v %v", names, err)
	}
}
