//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// inside is the first argument of the run that is a load.
const inside = "load"

// load runs a load in a process and a network namespace of its own, for at most three minutes.
func (b *bench) load(name string, arg ...string) (result, error) {
	ctx, stop := context.WithTimeout(context.Background(), 3*time.Minute)
	defer stop()
	self, err := os.Executable()
	if err != nil {
		return result{}, err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{inside, name, b.work}, arg...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return result{}, fmt.Errorf("load %s: %w", name, err)
	}
	var r result
	if err := json.Unmarshal(out, &r); err != nil {
		return result{}, fmt.Errorf("load %s said %.200q: %w", name, out, err)
	}
	return r, nil
}

// runLoad is what the process of a load does.
func runLoad(args []string) error {
	if err := upLoopback(); err != nil {
		return err
	}
	name, work, arg := args[0], args[1], args[2:]
	from, before := time.Now(), cpuOfChildren()
	var r result
	var err error
	switch name {
	case "build":
		r.Ops, err = 1, build(work, arg[0])
	case "spawn":
		var n int
		if n, err = strconv.Atoi(arg[0]); err == nil {
			r.Ops, err = float64(n), spawn(n)
		}
	case "redis":
		r.Ops, err = redis(work)
	case "wrk":
		r.Ops, err = nginx(work)
	case "storm":
		r.Ops, err = storm(work, arg)
	case "login":
		err = login()
	case "wait":
		time.Sleep(2 * heard)
	default:
		err = fmt.Errorf("there is no load %q", name)
	}
	if err != nil {
		return err
	}
	r.Wall, r.CPU = time.Since(from).Seconds(), (cpuOfChildren() - before).Seconds()
	fmt.Println(r)
	return nil
}

// upLoopback switches on the only device of the namespace.
func upLoopback() error {
	list, err := net.Interfaces()
	if err != nil {
		return err
	}
	if len(list) != 1 {
		return fmt.Errorf("this is to run in a network namespace of its own, with one device and not %d", len(list))
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
}

// cpuOfChildren is the processor time of this process and of its children that have ended, and theirs.
func cpuOfChildren() (sum time.Duration) {
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if unix.Getrusage(who, &u) == nil {
			sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return sum
}

// build compiles a package and all below it, with a cache that is empty.
func build(work, pkg string) error {
	cache := filepath.Join(work, "gocache")
	defer os.RemoveAll(cache)
	cmd := exec.Command("go", "build", "-o", "/dev/null", pkg)
	cmd.Env = append(os.Environ(), "GOCACHE="+cache, "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %.500s", err, out)
	}
	return nil
}

// spawn starts a program that ends at once, n times one after the other.
func spawn(n int) error {
	for range n {
		pid, err := syscall.ForkExec("/bin/true", []string{"/bin/true"}, &syscall.ProcAttr{})
		if err != nil {
			return err
		}
		if _, err := unix.Wait4(pid, nil, 0, nil); err != nil {
			return err
		}
	}
	return nil
}

// server starts a server that stays in the foreground, waits until it listens, and gives back how to end it.
func server(addr string, name string, arg ...string) (end func() error, err error) {
	cmd := exec.Command(name, arg...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	end = func() error {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended: Wait tells
		err := cmd.Wait()
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGTERM {
			return nil
		}
		return err
	}
	for range 100 {
		if c, err := net.Dial("tcp", addr); err == nil {
			return end, c.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil, fmt.Errorf("%s does not listen: %w: %.500s", name, end(), said.String())
}

// redis has redis-benchmark ask a server that keeps nothing. The answer is how many requests were served.
func redis(string) (ops float64, err error) {
	end, err := server("127.0.0.1:6390", "redis-server", "--port", "6390", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
	if err != nil {
		return 0, err
	}
	const requests = 200_000
	out, err := exec.Command("redis-benchmark", "-p", "6390", "-t", "set,get", "-n", strconv.Itoa(requests), "-q").CombinedOutput()
	if err = errors.Join(err, end()); err != nil {
		return 0, fmt.Errorf("%w: %.500s", err, out)
	}
	return 2 * requests, nil
}

// nginx has wrk ask a server with one worker for a small file for five seconds. The answer is how many requests were served.
func nginx(work string) (ops float64, err error) {
	dir := filepath.Join(work, "nginx")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	conf := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf("daemon off; user root; worker_processes 1; pid %[1]s/pid; error_log %[1]s/error;\nevents { worker_connections 512; }\nhttp { access_log off; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;\nserver { listen 127.0.0.1:8090; location / { root %[1]s; } } }\n", dir)
	if err := errors.Join(os.WriteFile(conf, []byte(text), 0o644), os.WriteFile(filepath.Join(dir, "index.html"), make([]byte, 1000), 0o644)); err != nil {
		return 0, err
	}
	end, err := server("127.0.0.1:8090", "nginx", "-p", dir, "-c", conf)
	if err != nil {
		return 0, err
	}
	out, err := exec.Command("wrk", "-t", "1", "-c", "32", "-d", "5s", "http://127.0.0.1:8090/").CombinedOutput()
	if err = errors.Join(err, end()); err != nil {
		return 0, fmt.Errorf("%w: %.500s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if count, _, ok := strings.Cut(strings.TrimSpace(line), " requests in "); ok {
			return strconv.ParseFloat(count, 64)
		}
	}
	return 0, fmt.Errorf("wrk said no number of requests: %.500s", out)
}
