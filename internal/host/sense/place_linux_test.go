//go:build linux

package sense

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// start runs a command to its end and gives its pid.
func start(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return cmd.Process.Pid
}

// TestPathsAreThoseOfTheProcess runs a program behind another root and behind a mount that only its namespace has.
func TestPathsAreThoseOfTheProcess(t *testing.T) {
	w := watch(t, Options{Want: []deminer.EventKind{deminer.EventExec}})
	chroot := exec.Command("/bin/true")
	chroot.Path, chroot.SysProcAttr = "/bin/true", &syscall.SysProcAttr{Chroot: "/usr"}
	dir := filepath.Join(t.TempDir(), "only here")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	apart := exec.Command("/proc/self/exe")
	apart.Env = append(os.Environ(), roleVar+"=exec apart", argVar+"="+dir)
	apart.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	for want, cmd := range map[string]*exec.Cmd{"/bin/true": chroot, filepath.Join(dir, "true"): apart} {
		pid := start(t, cmd)
		w.wait(t, want, func(e *deminer.Event) bool { return e.Proc.PID == pid && string(e.Exe) == want && !e.ExeCut })
	}
}

// inGroup makes a control group and gives what starts a process in it.
func inGroup(t *testing.T, name string) *syscall.SysProcAttr {
	t.Helper()
	root := groupsToChange(t)
	if err := unix.Mkdirat(root, name, 0o755); err != nil && err != unix.EEXIST {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unlinkat(root, name, unix.AT_REMOVEDIR); err != nil {
			t.Error(err)
		}
	})
	group, err := unix.Openat(root, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(group) })
	return &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: group}
}

// TestUnitOfTheControlGroup runs a program in a control group that is called like a unit.
func TestUnitOfTheControlGroup(t *testing.T) {
	const name = "deminer-sense-test.service"
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVar+"=exec later", lingerVar+"=1s")
	cmd.SysProcAttr = inGroup(t, name)
	w := watch(t, Options{Want: []deminer.EventKind{deminer.EventExec, deminer.EventExit}})
	pid := start(t, cmd)
	for _, kind := range []deminer.EventKind{deminer.EventExec, deminer.EventExit} {
		w.wait(t, string(kind)+" in the unit", func(e *deminer.Event) bool {
			return e.Kind == kind && e.Proc.PID == pid && e.Unit == name && e.Container == ""
		})
	}
	// The program that it became is of the unit, too, though it is gone before anybody can ask.
	w.wait(t, "the second program", func(e *deminer.Event) bool { return e.Proc.PID == pid && e.Comm == "true" && e.Unit == name })
}

// TestContainerOfTheControlGroup runs a program with a root of its own in a control group that is called like a container's; one
// that only calls its group so is in no container.
func TestContainerOfTheControlGroup(t *testing.T) {
	id := strings.Repeat("0de1", 16)
	attr := inGroup(t, "docker-"+id+".scope")
	w := watch(t, Options{Want: []deminer.EventKind{deminer.EventExec}})
	for root, want := range map[string]string{"/usr": id, "": ""} {
		cmd := exec.Command("/bin/sleep", "1")
		cmd.Path, cmd.SysProcAttr = "/bin/sleep", &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: attr.CgroupFD, Chroot: root}
		if root == "" { // another mount namespace: what is known of a group holds for those who see the same files
			cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWNS
		}
		pid := start(t, cmd)
		w.wait(t, "a program with root "+root, func(e *deminer.Event) bool {
			return e.Proc.PID == pid && e.Comm == "sleep" && e.Container == want && e.Unit == "docker-"+id+".scope"
		})
	}
}

// groupsToChange opens the root of the unified control groups so that groups can be made.
func groupsToChange(t *testing.T) int {
	t.Helper()
	ctx, err := unix.Fsopen("cgroup2", unix.FSOPEN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ctx)
	if err := unix.FsconfigCreate(ctx); err != nil {
		t.Fatal(err)
	}
	mount, err := unix.Fsmount(ctx, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(mount) })
	root, err := unix.Openat(mount, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(root) })
	return root
}
