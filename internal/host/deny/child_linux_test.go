//go:build linux

package deny

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// roleVar makes the test program play a part instead of testing; argVar is what the part needs to know.
const (
	roleVar = "DEMINER_DENY_TEST_ROLE"
	argVar  = "DEMINER_DENY_TEST_ARG"
)

func TestMain(m *testing.M) {
	role := os.Getenv(roleVar)
	if role == "" {
		os.Exit(m.Run())
	}
	runtime.LockOSThread()
	if err := play(role, os.Getenv(argVar)); err != nil {
		fmt.Fprintln(os.Stderr, role+":", err)
		os.Exit(1)
	}
	os.Exit(7)
}

func play(role, arg string) error {
	switch role {
	case "run":
		return runAll(arg)
	case "time":
		return timeAll(arg)
	case "talk":
		return talkAll(arg)
	case "guard":
		return guardAll(arg)
	case "exec memfd":
		return execMemfd(arg)
	case "guard inside":
		return guardInside(arg)
	case "pin inside":
		return pinInside(arg)
	case "ask inside":
		return askInside(arg)
	case "exec deleted":
		return execDeleted(arg)
	}
	return errors.New("no such role")
}

func execMemfd(from string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	fd, err := unix.MemfdCreate("hidden", 0)
	if err != nil {
		return err
	}
	if _, err := unix.Write(fd, content); err != nil {
		return err
	}
	again, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	return unix.Exec(fmt.Sprintf("/proc/self/fd/%d", again), []string{"memfd"}, nil)
}

func execDeleted(name string) error {
	fd, err := unix.Open(name, unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	if err := os.Remove(name); err != nil {
		return err
	}
	return unix.Exec(fmt.Sprintf("/proc/self/fd/%d", fd), []string{"deleted"}, nil)
}

// program is a whole program for this processor: it writes one byte to its standard output and ends with code. What follows the
// code is content that it never reads.
func program(t testing.TB, code byte, content string) []byte {
	if runtime.GOARCH != "amd64" {
		t.Skip("needs an amd64 processor: the test's program is written in its language")
	}
	text := []byte{
		0xb8, 1, 0, 0, 0, // mov eax, 1 (write)
		0xbf, 1, 0, 0, 0, // mov edi, 1
		0x48, 0x8d, 0x35, 14 + 5 - 5, 0, 0, 0, // lea rsi, the "x" below
		0xba, 1, 0, 0, 0, // mov edx, 1
		0x0f, 0x05, // syscall
		0xb8, 60, 0, 0, 0, // mov eax, 60 (exit)
		0xbf, code, 0, 0, 0, // mov edi, code
		0x0f, 0x05, // syscall
		'x',
	}
	text[13] = byte(len(text) - 1 - 17)
	const base, head = 0x400000, 64 + 56
	size := uint64(head + len(text))
	var b bytes.Buffer
	b.WriteString("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	for _, v := range []any{uint16(2), uint16(62), uint32(1), uint64(base + head), uint64(64), uint64(0), uint32(0), uint16(64), uint16(56), uint16(1), uint16(0), uint16(0), uint16(0),
		uint32(1), uint32(5), uint64(0), uint64(base), uint64(base), size, size, uint64(4096)} {
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	b.Write(text)
	b.WriteString(content)
	return b.Bytes()
}

const ranCode = 42

// disk mounts a tmpfs of the test's own, the only place where it asks for permission.
func disk(t testing.TB) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root, to mount a file system of its own")
	}
	dir := t.TempDir()
	if err := unix.Mount("deny-test", dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// put writes a program to run.
func put(t testing.TB, name string, content []byte) string {
	t.Helper()
	// Written by a descriptor that no child of a parallel fork can have: such a file cannot be run.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(name, content, 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

// tally is what came of running a program many times.
type tally struct{ Ran, Refused, Other int }

// runAll runs programs, each on a line of "TIMES NAME", side by side, and prints a tally for each. It is a process of its own: who
// starts a program waits with all his threads until the kernel has its answer, so he cannot be the one who gives it.
func runAll(lines string) error {
	var all sync.WaitGroup
	list := strings.Split(lines, "\n")
	out := make([]tally, len(list))
	for i, line := range list {
		times, name, _ := strings.Cut(line, " ")
		n, err := strconv.Atoi(times)
		if err != nil {
			return err
		}
		all.Go(func() {
			for range n {
				wrote, err := runOne(name)
				switch {
				case wrote == "x" && err == nil:
					out[i].Ran++
				case wrote == "" && errors.Is(err, syscall.EPERM):
					out[i].Refused++
				default:
					out[i].Other++
				}
			}
		})
	}
	all.Wait()
	return json.NewEncoder(os.Stdout).Encode(out)
}

func runOne(name string) (wrote string, err error) {
	cmd := exec.Command(name)
	var out bytes.Buffer
	cmd.Stdout = &out
	err = cmd.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) && ended.ExitCode() == ranCode {
		err = nil
	}
	return out.String(), err
}

// run has programs run by a child; each line is "TIMES NAME".
func run(t testing.TB, lines ...string) []tally {
	t.Helper()
	wrote, said, _ := plays(t, "run", strings.Join(lines, "\n"))
	var out []tally
	if err := json.Unmarshal([]byte(wrote), &out); err != nil || said != "" {
		t.Fatalf("run %q: %v %q %s", lines, err, wrote, said)
	}
	return out
}

var (
	ran     = tally{Ran: 1}
	refused = tally{Refused: 1}
)

// once runs one program once.
func once(t testing.TB, name string) tally {
	t.Helper()
	return run(t, "1 "+name)[0]
}

// plays runs a role in a child.
func plays(t testing.TB, role, arg string) (wrote, said string, state *os.ProcessState) {
	t.Helper()
	return playsAs(t, role, arg, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL})
}

// plays runs a role in a child in the group.
func (g group) plays(t testing.TB, role, arg string) (wrote, said string, state *os.ProcessState) {
	t.Helper()
	return playsAs(t, role, arg, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, UseCgroupFD: true, CgroupFD: g.fd})
}

func playsAs(t testing.TB, role, arg string, as *syscall.SysProcAttr) (wrote, said string, state *os.ProcessState) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVar+"="+role, argVar+"="+arg)
	cmd.SysProcAttr = as
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatalf("%s did not start", role)
	}
	return out.String(), strings.TrimSpace(errs.String()), cmd.ProcessState
}

func in(dir, name string) string { return filepath.Join(dir, name) }
