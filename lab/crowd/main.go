//go:build linux

// Command crowd runs a command on a host with many processes and sockets, and says what the command used:
//
//	crowd -processes 10000 -sockets 50000 -- bin/deminer scan --json
//
// The processes sleep and hold TCP connections over the loopback device of a network namespace of their own. They end with
// crowd, whatever ends it, and by themselves after -for. It needs root and touches nothing else.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// inside marks the run that is in the namespace already.
const inside = "DEMINER_CROWD_INSIDE"

func main() {
	processes := flag.Int("processes", 10_000, "how many processes sleep")
	sockets := flag.Int("sockets", 50_000, "how many sockets they hold together")
	bound := flag.Duration("for", 5*time.Minute, "when everything ends at the latest")
	flag.Parse()
	if flag.NArg() == 0 || *processes < 1 || *processes > 30_000 || *sockets > 8**processes {
		fmt.Fprintln(os.Stderr, "usage: crowd [-processes N] [-sockets N] [-for DURATION] -- COMMAND [ARG...]")
		os.Exit(2)
	}
	var err error
	if os.Getenv(inside) == "" {
		err = again()
	} else {
		err = run(*processes, *sockets, *bound, flag.Args())
	}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		os.Exit(max(1, exit.ExitCode()))
	case err != nil:
		fmt.Fprintln(os.Stderr, "crowd:", err)
		os.Exit(1)
	}
}

// again runs this program in a network namespace of its own.
func again() error {
	runtime.LockOSThread() // the death signal is sent when the thread ends
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=yes")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: unix.SIGKILL}
	return cmd.Run()
}

func run(processes, sockets int, bound time.Duration, command []string) error {
	runtime.LockOSThread() // as above
	if err := loopbackUp(); err != nil {
		return err
	}
	c := crowd{bound: bound}
	defer c.end()
	begin := time.Now()
	for i := range processes {
		if time.Since(begin) > bound/2 {
			return fmt.Errorf("after %s only %d processes run", bound/2, i)
		}
		if err := c.one((i+1)*sockets/2/processes - i*sockets/2/processes); err != nil {
			return fmt.Errorf("process %d: %w", i, err)
		}
	}
	fmt.Printf("crowd: %d processes and %d sockets after %.1f s\n", len(c.pids), c.sockets, time.Since(begin).Seconds())
	return measure(command, bound-time.Since(begin))
}

// measure runs a command and prints what it used; what the command writes to standard output is thrown away.
func measure(command []string, bound time.Duration) error {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	timer := time.AfterFunc(bound, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	timer.Stop()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() >= 3 && exit.ExitCode() <= 4 {
		err = nil // deminer found something
	}
	use, _ := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	fmt.Printf("command: exit code %d, %.2f s wall, %.2f s CPU (%.2f user, %.2f system), %.1f MiB\n", cmd.ProcessState.ExitCode(), time.Since(begin).Seconds(),
		(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), cmd.ProcessState.UserTime().Seconds(), cmd.ProcessState.SystemTime().Seconds(), float64(use.Maxrss)/1024)
	return err
}

// loopbackUp gives the namespace its loopback device.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}

// crowd is what was started.
type crowd struct {
	bound   time.Duration
	pids    []int
	sockets int
}

// one starts a process that holds both ends of some connections; this program keeps none of them.
func (c *crowd) one(connections int) error {
	files := []uintptr{0, 1, 2}
	defer func() {
		for _, fd := range files[3:] {
			_ = unix.Close(int(fd))
		}
	}()
	if connections > 0 {
		server, addr, err := listen()
		if err != nil {
			return err
		}
		defer unix.Close(server)
		for range connections {
			a, b, err := connect(server, addr)
			if err != nil {
				return err
			}
			files = append(files, uintptr(a), uintptr(b))
			c.sockets += 2
		}
	}
	pid, err := syscall.ForkExec("/bin/sleep", []string{"sleep", strconv.Itoa(int(c.bound.Seconds()) + 1)},
		&syscall.ProcAttr{Env: []string{}, Files: files, Sys: &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}})
	if err == nil {
		c.pids = append(c.pids, pid)
	}
	return err
}

func listen() (int, unix.Sockaddr, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, nil, err
	}
	err = errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 16))
	addr, err2 := unix.Getsockname(fd)
	if err = errors.Join(err, err2); err != nil {
		unix.Close(fd)
		return -1, nil, err
	}
	return fd, addr, nil
}

// connect gives both ends of a new connection.
func connect(server int, addr unix.Sockaddr) (client, accepted int, err error) {
	client, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, -1, err
	}
	if err = unix.Connect(client, addr); err == nil {
		accepted, _, err = unix.Accept4(server, unix.SOCK_CLOEXEC)
	}
	if err != nil {
		unix.Close(client)
	}
	return client, accepted, err
}

// end ends exactly what was started.
func (c *crowd) end() {
	for _, pid := range c.pids {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	for _, pid := range c.pids {
		_, _ = unix.Wait4(pid, nil, 0, nil)
	}
}
