//go:build linux

package deny

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// guardInside guards the control group of its descriptor 3 in a container of its own; arg is a program that becomes a file in memory. It
// tells how that ended, and what was told of it. First it says that it is ready, and waits for a line.
func guardInside(arg string) error {
	if err := errors.Join(unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("proc", "/proc", "proc", 0, "")); err != nil {
		return err
	}
	told := make(chan Refusal, 8)
	g := Open(Options{Judge: func(x *Exec) Verdict {
		if bad(x.File) {
			return Deny
		}
		return Known
	}, Hold: true, Group: "/proc/self/fd/3", See: func(r Refusal) { told <- r }})
	defer g.Close()
	fmt.Println(g.Facets())
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), roleVar+"=exec memfd", argVar+"="+arg)
	_ = c.Run()
	fmt.Println("ended:", c.ProcessState)
	select {
	case r := <-told:
		fmt.Println("itself:", r.Event.Proc.PID == c.Process.Pid, r.Event.Denied, r.Event.Path)
	case <-time.After(5 * time.Second):
		fmt.Println("nothing told")
	}
	fmt.Println("others:", len(told))
	return nil
}

// askInside asks about programs on the file system of arg, which others outside see, too, in a container of its own, and would watch all
// control groups. It says what it does, and when it is ready; at the end of its input it runs the bad one itself.
func askInside(arg string) error {
	if err := errors.Join(unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("proc", "/proc", "proc", 0, "")); err != nil {
		return err
	}
	g := Open(Options{Judge: func(x *Exec) Verdict {
		if bad(x.File) {
			return Deny
		}
		return Known
	}, Mounts: []string{arg}, Group: "/", Modes: map[Class]Mode{Login: Alert}})
	defer g.Close()
	fmt.Println("all groups:", g.SetMode(Login, Alert), g.Facets())
	fmt.Println("ready")
	if _, err := io.ReadAll(os.Stdin); err != nil {
		return err
	}
	fmt.Println("asked outside:", g.Counts().Asked)
	fmt.Println("inside:", exec.Command(in(arg, "bad")).Run())
	return nil
}

// TestOthersAreNotAsked: who guards in a PID namespace of its own asks about nobody outside, on file systems that both see, and hangs
// nothing at the control groups of the whole machine.
func TestOthersAreNotAsked(t *testing.T) {
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/cgroup", &st); err != nil {
		t.Fatal(err)
	}
	dir := disk(t)
	ill := put(t, in(dir, "bad"), program(t, ranCode, evil))
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), roleVar+"=ask inside", argVar+"="+dir)
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	say, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	hear, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var told []string
	for out := bufio.NewScanner(hear); out.Scan(); {
		if told = append(told, out.Text()); out.Text() != "ready" {
			continue
		}
		if got := once(t, ill); got != ran {
			t.Errorf("one outside: %+v", got)
		}
		say.Close()
	}
	_ = c.Wait()
	all := strings.Join(told, "\n")
	wants := []string{"inside: fork/exec " + ill + ": operation not permitted"}
	if st.Ino == firstGroups { // elsewhere "/" is the container's own group, and no other's
		wants = append(wants, "all groups: "+ErrOff.Error(), errApart.Error())
	}
	for _, want := range wants {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
}

// TestHeldInAContainer: who guards in a PID namespace of its own holds who is in it, and leaves others alone.
func TestHeldInAContainer(t *testing.T) {
	files, group := disk(t), newGroup(t)
	ill := put(t, in(files, "bad"), program(t, ranCode, evil))
	dup, err := unix.FcntlInt(uintptr(group.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), roleVar+"=guard inside", argVar+"="+ill)
	c.ExtraFiles = []*os.File{os.NewFile(uintptr(dup), "group")}
	defer c.ExtraFiles[0].Close()
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS, UseCgroupFD: true, CgroupFD: group.fd, Pdeathsig: syscall.SIGKILL}
	say, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	hear, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var told []string
	for out := bufio.NewScanner(hear); out.Scan(); {
		if told = append(told, out.Text()); out.Text() != "ready" {
			continue
		}
		if wrote, _, state := group.plays(t, "exec memfd", ill); wrote != "x" || state.ExitCode() != ranCode {
			t.Errorf("one outside: %q %v", wrote, state)
		}
		fmt.Fprintln(say, "go")
	}
	_ = c.Wait()
	all := strings.Join(told, "\n")
	for _, want := range []string{"ended: signal: killed", "itself: true true /memfd:hidden (deleted)", "others: 0"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
}

// pinInside guards in a container of its own that has the bpf file system of others, where nothing can be refused over sockets, and ends
// without taking away what it pinned; it says what it finds, and lifts it.
func pinInside(pin string) error {
	if err := errors.Join(unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("proc", "/proc", "proc", 0, "")); err != nil {
		return err
	}
	list := func() (out []string) {
		all, err := os.ReadDir(filepath.Dir(pin))
		for _, one := range all {
			if !one.IsDir() {
				continue // maps.debug, progs.debug
			}
			inside, err := os.ReadDir(filepath.Join(filepath.Dir(pin), one.Name()))
			out = append(out, fmt.Sprint(strings.Contains(one.Name(), "-"), len(inside), err))
		}
		return append(out, fmt.Sprint(err))
	}
	fmt.Println("before:", list())
	err := Lift(pin)
	fmt.Println("lifted what is not there:", list(), err)
	g := Open(Options{Judge: func(*Exec) Verdict { return Allow }, Mounts: []string{"/"}, Hold: true, Group: "/", Modes: blocking, Pin: pin})
	fmt.Println("holds:", g.Holds(), "sockets:", g.watches(), g.Bare())
	err = g.Leave()
	fmt.Println("left:", list(), err)
	err = Lift(pin)
	fmt.Println("after:", list(), err)
	return nil
}

// TestPinsOfAContainer: an agent in a container that has the bpf file system of its host pins, and takes away, what is its own, and keeps
// whom it holds there also where sockets are none of its own.
func TestPinsOfAContainer(t *testing.T) {
	g, pin := newGroup(t), pins(t)
	host := Open(Options{Group: g.dir, Modes: blocking, Pin: pin})
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), roleVar+"=pin inside", argVar+"="+pin)
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	c.Stderr = os.Stderr
	out, _ := c.Output()
	own := fmt.Sprintf("false %d <nil>", len(hooks)+len(kept))
	want := fmt.Sprintf("before: [%s <nil>]\nlifted what is not there: [%[1]s <nil>] <nil>\nholds: true sockets: false <nil>\nleft: [%[1]s true %d <nil> <nil>] <nil>\nafter: [%[1]s <nil>] <nil>\n", own, len(kept))
	if string(out) != want {
		t.Errorf("said\n%swant\n%s", out, want)
	}
	if hurt := host.Check(); len(hurt) > 0 {
		t.Errorf("the host's: %q", hurt)
	}
	if err := host.Close(); err != nil {
		t.Error(err)
	}
}

// TestPinsNowhere: where nothing can be pinned all is in force, and it is said that it ends with the process.
func TestPinsNowhere(t *testing.T) {
	g := newGroup(t)
	d, _ := watched(t, g, blocking, Options{Pin: filepath.Join(t.TempDir(), "pins"), Hold: true, Judge: func(*Exec) Verdict { return Allow }, Mounts: []string{disk(t)}})
	if !errors.Is(d.Bare(), errPin) || !d.Holds() {
		t.Errorf("%v, holds %v", d.Bare(), d.Holds())
	}
}
