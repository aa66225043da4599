//go:build linux

package sense

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/live"
	"golang.org/x/sys/unix"
)

// watchInside watches in a container of its own and tells what it sees until nothing is said to it any more. Of each line that is
// said it starts a program.
func watchInside() error {
	if err := errors.Join(unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("proc", "/proc", "proc", 0, "")); err != nil {
		return err
	}
	l := live.Open()
	defer l.Close()
	s := Open(Options{Want: []deminer.EventKind{deminer.EventExec, deminer.EventFork, deminer.EventExit, deminer.EventConnect, deminer.EventAnonExec}, Agent: os.Getpid(), Look: l, Every: time.Hour})
	defer s.Close()
	for _, f := range s.Facets() {
		fmt.Println("facet", f.Kind, f.Sensor, f.Why)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan error, 1)
	go func() {
		done <- s.Watch(ctx, func(e deminer.Event) { fmt.Println(e.Kind, e.Proc, "of", e.Parent, e.Comm, e.Argv) })
	}()
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		c := exec.Command("/bin/sh", "-c", "read line; exit 0", in.Text())
		hold, err := c.StdinPipe()
		if err != nil {
			return err
		}
		if err := c.Start(); err != nil {
			return err
		}
		is, err := l.Glance(c.Process.Pid)
		fmt.Println("started", is.ID, err)
		hold.Close()
		_ = c.Wait()
		time.Sleep(4 * flushEvery)
		fmt.Println("done")
	}
	stop()
	return <-done
}

// TestInAContainer: who watches in a PID namespace of its own is told the numbers that are there, and nothing of what is outside.
func TestInAContainer(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("this test needs root")
	}
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), roleVar+"=watch inside")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
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
	out := bufio.NewScanner(hear)
	until := func(word string) {
		for out.Scan() {
			told = append(told, out.Text())
			if out.Text() == word {
				return
			}
		}
		t.Fatalf("%q was not said: %s", word, strings.Join(told, "\n"))
	}
	until("ready")
	if err := exec.Command("/bin/true", "it-is-outside").Run(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(say, "it-is-inside")
	until("done")
	say.Close()
	for out.Scan() {
		told = append(told, out.Text())
	}
	_ = c.Wait()
	all := strings.Join(told, "\n")
	if !strings.Contains(all, "facet exec "+string(deminer.SensorBPF)) {
		t.Skipf("needs a kernel with BTF (CONFIG_DEBUG_INFO_BTF) that takes the eBPF programs: %s", all)
	}
	_, rest, _ := strings.Cut(all, "started ")
	id, _, _ := strings.Cut(rest, " <nil>")
	for _, want := range []string{"exec " + id + " of 1 sh [/bin/sh -c read line; exit 0 it-is-inside]", "fork " + id + " of 1 ", "exit " + id + " of 1 "} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(all, "it-is-outside") || t.Failed() {
		t.Errorf("what was told:\n%s", all)
	}
}
