package live

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// ErrNoHost: PID 1 has the same mounts as the caller, so there is no host beside it that could be seen.
var ErrNoHost = errors.New("this is no container that sees the processes of its host")

// joined are the namespaces of a host that a program takes, in this order: mounts come last, for /proc is that of the caller until then.
var joined = []struct {
	name string
	flag int
}{{"uts", unix.CLONE_NEWUTS}, {"ipc", unix.CLONE_NEWIPC}, {"net", unix.CLONE_NEWNET}, {"cgroup", unix.CLONE_NEWCGROUP}, {"mnt", unix.CLONE_NEWNS}}

// Join runs this very program anew, with the given arguments, in the namespaces of the host's PID 1: what runs then sees and changes the
// host and not the container that it was started in. It returns only where it failed; nothing was changed then. The container needs the
// host's process numbers and the rights of root over the host (privileged). No program of the host is run: the kernel is handed the file
// that is open.
func Join(args, environment []string) error {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("open the own program: %w", err)
	}
	defer self.Close()
	if there, err := ofHost(); err != nil {
		return err
	} else if !there {
		return ErrNoHost
	}
	runtime.LockOSThread() // the thread that changes its namespaces is the one that execs
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("take root and directory of one thread: %w", err)
	}
	var open []int
	for _, ns := range joined {
		fd, err := unix.Open("/proc/1/ns/"+ns.name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open the host's %s namespace: %w", ns.name, err)
		}
		defer unix.Close(fd)
		open = append(open, fd)
	}
	for i, ns := range joined {
		if err := unix.Setns(open[i], ns.flag); err != nil {
			return fmt.Errorf("enter the host's %s namespace: %w", ns.name, err)
		}
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("go to the host's root: %w", err)
	}
	return fmt.Errorf("start anew on the host: %w", unix.Exec(fmt.Sprintf("/proc/self/fd/%d", self.Fd()), args, environment))
}

// ofHost tells whether PID 1 has other mounts than this process, as the host has beside a container.
func ofHost() (bool, error) {
	var own, host unix.Stat_t
	if err := unix.Stat("/proc/self/ns/mnt", &own); err != nil {
		return false, fmt.Errorf("read the own mount namespace: %w", err)
	}
	if err := unix.Stat("/proc/1/ns/mnt", &host); err != nil {
		return false, fmt.Errorf("read the mount namespace of PID 1: %w", err)
	}
	return own.Dev != host.Dev || own.Ino != host.Ino, nil
}
