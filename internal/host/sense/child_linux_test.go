//go:build linux

package sense

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// roleVar makes the test program play a part instead of testing; argVar is what the part needs to know.
const (
	roleVar = "DEMINER_SENSE_TEST_ROLE"
	argVar  = "DEMINER_SENSE_TEST_ARG"
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
	time.Sleep(linger())
	os.Exit(7)
}

// lingerVar makes a child stay for a while after its part, for sensors that look at it only then.
const lingerVar = "DEMINER_SENSE_TEST_LINGER"

func linger() time.Duration {
	d, _ := time.ParseDuration(os.Getenv(lingerVar))
	return d
}

// play does one thing that a sensor should see. Everything it does is harmless: to itself, to its own children or files, or
// asked for in a way that the kernel refuses.
func play(role, arg string) error {
	switch role {
	case "nothing":
		return nil
	case "watch inside":
		return watchInside()
	case "spawn":
		words := strings.Fields(arg)
		n, err := strconv.Atoi(words[0])
		if err != nil {
			return err
		}
		return spawnTrue(n, words[1:])
	case "exec":
		return unix.Exec("/bin/true", []string{"/bin/true", "argument", "\xff\n", ""}, nil)
	case "exec later":
		time.Sleep(linger())
		return unix.Exec("/bin/true", []string{"true"}, nil)
	case "exec apart": // behind a mount of a namespace of its own
		if err := errors.Join(unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("/usr/bin", arg, "", unix.MS_BIND, "")); err != nil {
			return err
		}
		return unix.Exec(filepath.Join(arg, "true"), []string{"true"}, nil)
	case "exec long":
		return unix.Exec("/bin/true", append([]string{"/bin/true"}, long()...), nil)
	case "exec memfd", "exec deleted":
		return execNameless(role, arg)
	case "connect":
		return talk("tcp", arg)
	case "flood":
		return flood(arg)
	case "bind":
		l, err := net.Listen("tcp", arg)
		if err != nil {
			return err
		}
		return l.Close()
	case "serve": // one connection, whose other side speaks first
		return serve(arg)
	case "ask":
		return ask(arg)
	case "ask unconnected":
		return askUnconnected(arg)
	case "flags":
		f, err := os.Create(arg)
		if err != nil {
			return err
		}
		defer f.Close()
		return unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, 0x40) // "no dump"
	case "mmap":
		_, err := unix.Mmap(-1, 0, 8192, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		return err
	case "mprotect":
		b, err := unix.Mmap(-1, 0, 8192, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		if err != nil {
			return err
		}
		return unix.Mprotect(b, unix.PROT_READ|unix.PROT_EXEC)
	case "module":
		f, err := os.Open(arg)
		if err != nil {
			return err
		}
		defer f.Close()
		return unix.FinitModule(int(f.Fd()), "", 0)
	case "bpf":
		return loadProgram()
	case "mount":
		if err := unix.Mount("none", "/proc/1/no-such-directory", "tmpfs", 0, ""); err != unix.ENOENT {
			return fmt.Errorf("mount: %v", err)
		}
		return nil
	case "ptrace", "write memory":
		return meddle(role)
	case "open memory":
		f, err := os.OpenFile("/proc/self/mem", os.O_RDWR, 0)
		if err != nil {
			return err
		}
		return f.Close()
	case "setuid":
		time.Sleep(linger())
		return syscall.Setuid(65534)
	case "hold": // all that polling can find
		return hold(arg)
	case "signal":
		return unix.Kill(unix.Getppid(), unix.SIGUSR1)
	case "files":
		return changeFiles(arg)
	}
	return errors.New("no such role")
}

// long is a command line beyond what a record holds.
func long() []string {
	var out []string
	for i := range 40 {
		out = append(out, fmt.Sprintf("%04d-%s", i, strings.Repeat("x", 70)))
	}
	return out
}

func execNameless(role, dir string) error {
	from, err := os.Open("/bin/true")
	if err != nil {
		return err
	}
	var to *os.File
	if role == "exec memfd" {
		fd, err := unix.MemfdCreate("hidden", 0)
		if err != nil {
			return err
		}
		to = os.NewFile(uintptr(fd), "memfd")
	} else if to, err = os.OpenFile(filepath.Join(dir, "gone"), os.O_CREATE|os.O_WRONLY, 0o700); err != nil {
		return err
	}
	if _, err := io.Copy(to, from); err != nil {
		return err
	}
	// A file that is open for writing cannot be run.
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", to.Fd()), unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	if role == "exec deleted" {
		if err := errors.Join(to.Close(), os.Remove(filepath.Join(dir, "gone"))); err != nil {
			return err
		}
	}
	return unix.Exec(fmt.Sprintf("/proc/self/fd/%d", fd), []string{"true", "kworker/0:0"}, nil)
}

// login is the first line of a miner to its pool.
const login = `{"id":1,"jsonrpc":"2.0","method":"login","params":{"login":"test","pass":"x","agent":"test"}}` + "\n"

// talk says the login line and waits for one line.
func talk(network, addr string) error {
	c, err := net.Dial(network, addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := io.WriteString(c, login); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 256))
	return err
}

// floods is how many connections flood makes: more than the ring has room for.
const floods = 4500

// flood says what may be a login, as long as is told, over one connection after the other.
func flood(addr string) error {
	line := "{" + strings.Repeat("x", 2000)
	for range floods {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(c, line); err != nil {
			return err
		}
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	return nil
}

// hold connects, listens and has executable memory for as long as it is to linger.
func hold(addr string) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	fmt.Println(l.Addr())
	if _, err := unix.Mmap(-1, 0, 8192, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS); err != nil {
		return err
	}
	time.Sleep(linger())
	return nil
}

func serve(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	c, err := l.Accept()
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 1024)); err != nil {
		return err
	}
	_, err = io.WriteString(c, "answer\n")
	return err
}

func ask(addr string) error {
	c, err := net.Dial("udp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := io.WriteString(c, "question"); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 256))
	return err
}

func askUnconnected(addr string) error {
	to, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return err
	}
	c, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.WriteTo([]byte("question"), to); err != nil {
		return err
	}
	_, _, err = c.ReadFrom(make([]byte, 256))
	return err
}

// loadProgram asks to load a program of no instruction, which the kernel refuses.
func loadProgram() error {
	var attr [72]byte
	attr[0] = 1
	copy(attr[48:], "testprog")
	if _, _, err := unix.Syscall(unix.SYS_BPF, 5, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr)); err == 0 {
		return errors.New("an empty program was loaded")
	}
	return nil
}

func meddle(role string) error {
	cmd := exec.Command("/bin/sleep", "60")
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	fmt.Println(cmd.Process.Pid)
	if role == "ptrace" {
		defer time.Sleep(linger())
		return unix.PtraceSeize(cmd.Process.Pid)
	}
	b := []byte("x")
	_, _ = unix.ProcessVMWritev(cmd.Process.Pid, []unix.Iovec{{Base: &b[0], Len: 1}}, []unix.RemoteIovec{{Base: 0, Len: 1}}, 0)
	return nil // nothing is at address 0, so nothing is written
}

func changeFiles(dir string) error {
	name := filepath.Join(dir, "new")
	return errors.Join(
		os.WriteFile(name, []byte("x"), 0o600),
		os.Chmod(name, 0o644),
		os.Rename(name, filepath.Join(dir, "renamed")),
		os.Link(filepath.Join(dir, "renamed"), filepath.Join(dir, "linked")),
		os.Rename(filepath.Join(dir, "linked"), filepath.Join(dir, "..", "elsewhere")),
		os.Remove(filepath.Join(dir, "renamed")),
	)
}
