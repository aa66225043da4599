//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// immutableFlag is FS_IMMUTABLE_FL of linux/fs.h, which x/sys does not name.
const immutableFlag = 0x10

// disguise applies the tricks that change how this process or its files look.
func disguise(l labExtra) error {
	if l.Argv0 != "" {
		overwriteArgs(l.Argv0)
	}
	if l.Comm != "" {
		tasks, _ := filepath.Glob("/proc/self/task/*/comm")
		for _, t := range append(tasks, "/proc/self/comm") {
			if f, err := os.OpenFile(t, os.O_WRONLY, 0); err == nil { // a thread may have ended meanwhile, and what covers /proc gets no file of ours
				_, _ = f.WriteString(l.Comm)
				_ = f.Close()
			}
		}
	}
	if l.Nice > 0 {
		if err := unix.Setpriority(unix.PRIO_PROCESS, 0, l.Nice); err != nil {
			return fmt.Errorf("set nice: %w", err)
		}
	}
	if l.Sched == "idle" {
		if err := schedIdle(); err != nil {
			return err
		}
	}
	for _, name := range l.Immutable {
		if err := setImmutable(name); err != nil {
			return err
		}
	}
	if l.Delete {
		if exe, err := os.Readlink("/proc/self/exe"); err == nil && strings.HasPrefix(exe, "/") && !strings.HasPrefix(exe, "/memfd:") {
			_ = os.Remove(exe)
		}
	}
	return nil
}

// ownName is the base name of the running program's file, deleted or not.
func ownName() string {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return filepath.Base(os.Args[0])
	}
	return filepath.Base(strings.TrimSuffix(exe, " (deleted)"))
}

// renameByExec runs the program again under a new argv[0], where that is too long to
// be written over the old one and no other arguments would be lost.
func renameByExec(name string) error {
	if name == "" || len(os.Args) > 1 || len(name) <= len(os.Args[0]) {
		return nil
	}
	return unix.Exec("/proc/self/exe", []string{name}, os.Environ())
}

// overwriteArgs writes name over the arguments that the kernel shows in
// /proc/PID/cmdline. Go's os.Args point at that memory on Linux.
func overwriteArgs(name string) {
	size := len(os.Args) - 1
	for _, a := range os.Args {
		size += len(a)
	}
	area := unsafe.Slice(unsafe.StringData(os.Args[0]), size)
	clear(area)
	copy(area, name[:min(len(name), size)])
}

// schedIdle puts every thread of this process under SCHED_IDLE.
func schedIdle() error {
	tasks, err := filepath.Glob("/proc/self/task/[0-9]*")
	if err != nil {
		return err
	}
	for _, t := range tasks {
		var tid int
		if _, err := fmt.Sscan(filepath.Base(t), &tid); err != nil {
			continue
		}
		attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}
		if err := unix.SchedSetAttr(tid, &attr, 0); err != nil && err != unix.ESRCH {
			return fmt.Errorf("set SCHED_IDLE: %w", err)
		}
	}
	return nil
}

func setImmutable(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("open %q: %w", name, err)
	}
	defer f.Close()
	flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags|immutableFlag)
	}
	if err != nil {
		return fmt.Errorf("set flag +i on %q: %w", name, err)
	}
	return nil
}

// runFromMemory replaces this process by a copy of itself that has no file, unless
// it is that copy already.
func runFromMemory(name string, self []byte) error {
	if exe, err := os.Readlink("/proc/self/exe"); err != nil || strings.HasPrefix(exe, "/memfd:") {
		return err
	}
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("create memfd: %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.Write(self); err != nil {
		return fmt.Errorf("fill memfd: %w", err)
	}
	return unix.Exec(fmt.Sprintf("/proc/self/fd/%d", fd), os.Args, os.Environ())
}

// detached is set in the environment of a program that detach started.
const detached = "DEMINER_LAB_DETACHED"

// detach starts the same program again without a terminal and without a parent.
func detach() error {
	c := exec.Command("/proc/self/exe", os.Args[1:]...)
	c.Args[0] = os.Args[0]
	c.Env = append(os.Environ(), detached+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		return fmt.Errorf("detach: %w", err)
	}
	return nil
}

// keepTwin starts t whenever no process of its name runs, and puts its file back.
func keepTwin(ctx context.Context, t twin, self []byte) {
	for {
		if !running(t.Comm) {
			if _, err := os.Lstat(t.Path); err != nil && t.Copy {
				_ = os.WriteFile(t.Path, self, 0o755)
			}
			c := exec.Command(t.Path, t.Args...)
			c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			if c.Start() == nil {
				go func() { _ = c.Wait() }()
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// running says whether a process of that name exists and is not a zombie.
func running(comm string) bool {
	names, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			continue
		}
		s := string(b)
		open, end := strings.IndexByte(s, '('), strings.LastIndexByte(s, ')')
		if open >= 0 && end > open && s[open+1:end] == comm && !strings.HasPrefix(s[end+1:], " Z") {
			return true
		}
	}
	return false
}

// listen holds a port open and hangs up on everyone, like a silent back door.
func listen(ctx context.Context, address string) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return
	}
	defer context.AfterFunc(ctx, func() { l.Close() })()
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		c.Close()
	}
}
