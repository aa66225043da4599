//go:build linux

package hands

import (
	"errors"
	"fmt"
	"os"
	"path"
	"runtime"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/mountinfo"
	"golang.org/x/sys/unix"
)

// kernel is host.Kernel over /proc.
type kernel struct{ proc string }

// Mounted implements host.Kernel: it reads the mounts of PID 1's namespace.
func (k *kernel) Mounted(point string) ([]deminer.Mount, error) {
	text, err := slurp(k.proc+"/1/mountinfo", 16<<20)
	if err != nil {
		return nil, fmt.Errorf("read mounts: %w", err)
	}
	var out []deminer.Mount
	for line := range strings.Lines(text) {
		if m, ok := mountinfo.Parse([]byte(line)); ok && m.Point == path.Clean(point) {
			out = append(out, m)
		}
	}
	return out, nil
}

// Unmount implements host.Kernel.
func (k *kernel) Unmount(point string, id int) error {
	list, err := k.Mounted(point)
	if err != nil {
		return err
	}
	if len(list) == 0 || list[len(list)-1].ID != id {
		return fmt.Errorf("unmount %q: %w", point, deminer.ErrChanged)
	}
	if err := k.inside(func() error { return unix.Unmount(point, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) }); err != nil {
		return fmt.Errorf("unmount %q: %w", point, err)
	}
	return nil
}

// inside runs do in PID 1's mount namespace, on a thread that is thrown away afterwards.
func (k *kernel) inside(do func() error) error {
	var mine, init unix.Stat_t
	err := errors.Join(unix.Stat(k.proc+"/self/ns/mnt", &mine), unix.Stat(k.proc+"/1/ns/mnt", &init))
	if err == nil && mine.Ino == init.Ino {
		return do()
	}
	fd, err := unix.Open(k.proc+"/1/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("enter the mount namespace of PID 1: %w", err)
	}
	defer unix.Close(fd)
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine and takes the namespace with it.
		runtime.LockOSThread()
		// setns for mounts wants a thread that shares no file system information with others.
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			done <- err
			return
		}
		if err := unix.Setns(fd, unix.CLONE_NEWNS); err != nil {
			done <- fmt.Errorf("enter the mount namespace of PID 1: %w", err)
			return
		}
		done <- do()
	}()
	return <-done
}

// setting gives the file of a sysctl; a name that could leave /proc/sys is refused. A dot inside an interface name is
// written as a slash, as sysctl(8) does.
func (k *kernel) setting(name string) (string, error) {
	swap := strings.NewReplacer(".", "/", "/", ".")
	rel := swap.Replace(name)
	if rel == "" || strings.Contains(rel, "..") || strings.ContainsAny(rel, "\x00\n") || path.Clean("/"+rel) != "/"+rel {
		return "", fmt.Errorf("setting %q: %w", name, deminer.ErrProtected)
	}
	return k.proc + "/sys/" + rel, nil
}

// Setting implements host.Kernel.
func (k *kernel) Setting(name string) (string, error) {
	file, err := k.setting(name)
	if err != nil {
		return "", err
	}
	text, err := slurp(file, 64<<10)
	if err != nil {
		return "", fmt.Errorf("read setting %q: %w", name, err)
	}
	if strings.HasPrefix(name, "fs.binfmt_misc.") {
		text = switched(text)
	}
	return strings.TrimSuffix(text, "\n"), nil
}

// switched gives the state of a binfmt_misc rule in the form it is written in: "1" or "0". Read, it is a whole text.
func switched(text string) string {
	switch state, _, _ := strings.Cut(text, "\n"); state {
	case "enabled":
		return "1"
	case "disabled":
		return "0"
	}
	return text
}

// SetSetting implements host.Kernel.
func (k *kernel) SetSetting(name, value string) error {
	file, err := k.setting(name)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("write setting %q: %w", name, err)
	}
	_, err = f.WriteString(value + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write setting %q: %w", name, err)
	}
	return nil
}
