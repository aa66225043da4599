//go:build linux

package hands

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

func itoa(n int) string { return strconv.Itoa(n) }

// sleeper starts a process that only sleeps and gives its PID.
func sleeper(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("/bin/sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd.Process.Pid
}

// ownMounts puts the test's thread into a mount namespace of its own and gives hands for which that is PID 1's.
func ownMounts(t *testing.T) *kernel {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread goes with the goroutine
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		t.Fatalf("make a mount namespace: %v", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"1", "self"} {
		if err := os.Symlink("/proc/"+itoa(os.Getpid())+"/task/"+itoa(unix.Gettid()), dir+"/"+name); err != nil {
			t.Fatal(err)
		}
	}
	return &kernel{proc: dir}
}

func TestUnmountCover(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		k := ownMounts(t)
		point := "/proc/" + itoa(sleeper(t))
		for range 2 {
			if err := unix.Mount("tmpfs", point, "tmpfs", 0, ""); err != nil {
				t.Error(err)
				return
			}
		}
		for left := 2; left > 0; left-- {
			list, err := k.Mounted(point)
			if err != nil || len(list) != left || list[0].Type != "tmpfs" {
				t.Errorf("mounted: %v %v, want %d", list, err, left)
				return
			}
			if err := k.Unmount(point, list[left-1].ID+100000); !errors.Is(err, deminer.ErrChanged) {
				t.Errorf("unmount of another mount: %v, want ErrChanged", err)
			}
			if err := k.Unmount(point, list[left-1].ID); err != nil {
				t.Error(err)
			}
		}
		if list, err := k.Mounted(point); err != nil || len(list) != 0 {
			t.Errorf("still mounted: %v %v", list, err)
		}
	}()
	<-done
}

func TestSettings(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		ownNet(t)
		k := &kernel{proc: "/proc"}
		const name = "net.ipv4.ip_default_ttl" // of our own namespace
		was, err := k.Setting(name)
		if err != nil {
			t.Error(err)
			return
		}
		if err := k.SetSetting(name, "77"); err != nil {
			t.Error(err)
		}
		if got, err := k.Setting(name); err != nil || got != "77" {
			t.Errorf("%s is %q after writing 77 (was %q): %v", name, got, was, err)
		}
	}()
	<-done
	k := &kernel{proc: "/proc"}
	for _, bad := range []string{"", "..", "kernel/../../x", "a//b", "kernel."} {
		if _, err := k.setting(bad); err == nil {
			t.Errorf("setting %q is not refused", bad)
		}
	}
}
