//go:build linux

package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Result is what a program printed and how it ended.
type Result struct {
	Stdout, Stderr string
	Code           int
	Usage          *syscall.Rusage // of nsenter and its child; never nil after a run. Its Maxrss is the harness's own: Go forks with its memory shared
	Peak           int64           // most memory the program itself had at a time, KiB
}

// environment is what programs inside the host get.
var environment = [...]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "USER=root", "LOGNAME=root", "LANG=C.UTF-8", "TERM=dumb"}

// Exec runs a program inside the host as root and waits. A program that ends with
// another code than 0 is no error; only one that could not be run is.
func (h *Host) Exec(ctx context.Context, stdin io.Reader, argv ...string) (Result, error) {
	if h.leader == 0 {
		return Result{}, errors.New("host is not booted")
	}
	c := exec.CommandContext(ctx, "nsenter", append([]string{"-t", strconv.Itoa(h.leader), "-m", "-u", "-i", "-n", "-p", "-C", "--"}, argv...)...)
	var out, errOut bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = stdin, &out, &errOut
	c.Env = environment[:]
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err := c.Start()
	var peak chan int64
	if err == nil {
		peak = make(chan int64, 1)
		ended := make(chan struct{})
		go func() { peak <- watchPeak(c.Process.Pid, ended) }()
		err = c.Wait()
		close(ended)
	}
	r := Result{Stdout: out.String(), Stderr: errOut.String()}
	if c.ProcessState != nil {
		r.Code = c.ProcessState.ExitCode()
		r.Usage, _ = c.ProcessState.SysUsage().(*syscall.Rusage)
		r.Peak = <-peak
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		err = nil
	}
	if err != nil {
		return r, fmt.Errorf("run %s in host: %w", argv[0], err)
	}
	return r, nil
}

// watchPeak looks at the only child of a process, which is the program in the host, until it has ended, and gives the most
// memory it had, in KiB: the kernel keeps the maximum, so only what is added in the last moments can be missed.
func watchPeak(parent int, ended <-chan struct{}) (peak int64) {
	list := fmt.Sprintf("/proc/%d/task/%d/children", parent, parent)
	for {
		select {
		case <-ended:
			return peak
		case <-time.After(5 * time.Millisecond):
		}
		children, _ := os.ReadFile(list)
		for child := range strings.FieldsSeq(string(children)) {
			status, _ := os.ReadFile("/proc/" + child + "/status")
			_, rest, ok := strings.Cut(string(status), "VmHWM:")
			f := strings.Fields(rest)
			if ok && len(f) > 0 {
				n, _ := strconv.ParseInt(f[0], 10, 64)
				peak = max(peak, n)
			}
		}
	}
}

// Shell runs a script inside the host, as a session of its own that systemd knows,
// so that what it leaves running lies in the host's own control groups. A script
// that fails is an error.
func (h *Host) Shell(ctx context.Context, script string) (Result, error) {
	r, err := h.Exec(ctx, strings.NewReader(script), "/usr/bin/systemd-run", "--quiet", "--scope", "--slice=user.slice", "/bin/sh", "-eu", "-s")
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("script in host ended with %d: %s", r.Code, strings.TrimSpace(r.Stderr))
	}
	return r, err
}

// CopyIn writes content to a file inside the host, making its directories.
func (h *Host) CopyIn(ctx context.Context, content []byte, path string, mode os.FileMode) error {
	const script = `mkdir -p -- "$1" && cat > "$2" && chmod "$3" "$2"`
	r, err := h.Exec(ctx, bytes.NewReader(content), "/bin/sh", "-c", script, "sh", filepath.Dir(path), path, fmt.Sprintf("%o", mode.Perm()))
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("copy to %q: %s", path, strings.TrimSpace(r.Stderr))
	}
	return err
}

// CopyFileIn copies a file of the harness's machine into the host.
func (h *Host) CopyFileIn(ctx context.Context, from, path string, mode os.FileMode) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return h.CopyIn(ctx, b, path, mode)
}

// run runs a program of the harness's own machine; what it prints is in the error.
func run(ctx context.Context, argv ...string) error {
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// tail returns the end of a log for an error message.
func tail(name string) string {
	b, _ := os.ReadFile(name)
	return strings.TrimSpace(string(b[max(0, len(b)-2000):]))
}
