//go:build linux

package deny

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// place is what a guard of another process is opened with.
type place struct{ Group, Pin, Mount string }

// guardAll is a guard in a process of its own. Its judge never answers. It says "open", and "asked" for each question.
func guardAll(arg string) error {
	var p place
	if err := json.Unmarshal([]byte(arg), &p); err != nil {
		return err
	}
	g := Open(Options{Mounts: []string{p.Mount}, Hold: true, Group: p.Group, Modes: blocking, Pin: p.Pin, Grace: time.Hour, Answer: answerMost,
		Judge: func(*Exec) Verdict { fmt.Println("asked"); select {} }})
	if err := g.AddPool(netip.MustParsePrefix("127.0.0.2/32"), 0, time.Time{}); err != nil || !g.Holds() {
		return fmt.Errorf("%w; %+v", err, g.Facets())
	}
	fmt.Println("open")
	select {}
}

// elsewhere starts a guard in a process of its own, and gives what it says.
func elsewhere(t *testing.T, p place) (*exec.Cmd, func(want string)) {
	t.Helper()
	arg, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVar+"=guard", argVar+"="+string(arg))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	return cmd, func(want string) {
		t.Helper()
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("the other guard says %q, want %q", lines.Text(), want)
		}
	}
}

// TestOutlivesAKill: a guard is killed with -9 while a program waits for its answer and a file in memory is stopped by it. The program
// runs at once, what is refused over sockets stays refused, and whoever was stopped goes on with the next guard, or when it is lifted.
func TestOutlivesAKill(t *testing.T) {
	for _, how := range []string{"next", "lifted"} {
		t.Run(how, func(t *testing.T) {
			g, dir, pin := newGroup(t), disk(t), pins(t)
			p := serve(t, "127.0.0.1:0", false)
			login, pool := talk{Addr: p.Addr().String(), Lines: []string{cnLogin}, Wait: soon}, talk{Addr: "127.0.0.2:1"}
			name := put(t, in(dir, "p"), program(t, ranCode, ""))
			other := place{Group: fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), g.fd), Pin: pin, Mount: dir}
			cmd, says := elsewhere(t, other)
			says("open")
			type end struct {
				wrote string
				state *os.ProcessState
			}
			held, waits := make(chan end, 1), make(chan tally, 1)
			go func() {
				wrote, _, state := g.plays(t, "exec memfd", name)
				held <- end{wrote, state}
			}()
			says("asked")
			go func() { waits <- once(t, name) }()
			says("asked")
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if got := <-waits; got != ran {
				t.Errorf("who waited for an answer: %+v", got)
			}
			for what, want := range map[*talk]heard{&login: {Silent: 1}, &pool: {Refused: 1}} {
				if got := g.talk(t, *what); got != want {
					t.Errorf("killed: %s: %+v", what.Addr, got)
				}
			}
			select {
			case got := <-held:
				t.Fatalf("nobody has let it go: %+v", got)
			default:
			}
			ended := func() (e end) {
				select {
				case e = <-held:
				case <-time.After(20 * time.Second):
					t.Error("it is stopped for ever")
				}
				return e
			}
			if how == "next" {
				next := Open(Options{Mounts: []string{dir}, Hold: true, Group: g.dir, Modes: blocking, Pin: pin, Judge: func(*Exec) Verdict { return Allow }})
				if got := ended(); got.wrote != "x" || got.state.ExitCode() != ranCode {
					t.Errorf("the next has come: %+v", got)
				}
				if got := g.talk(t, login); got.Silent != 1 {
					t.Errorf("the next has come: %+v", got)
				}
				if err := next.Close(); err != nil {
					t.Error(err)
				}
			} else if err := Lift(pin); err != nil {
				t.Error(err)
			} else if got := ended(); got.wrote != "x" || got.state.ExitCode() != ranCode {
				t.Errorf("lifted: %+v", got)
			}
			if _, err := os.Stat(pin); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("something is left: %v", err)
			}
			if got := g.talk(t, login); got.Answered != 1 {
				t.Errorf("afterwards: %+v", got)
			}
		})
	}
}
