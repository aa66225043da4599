//go:build linux

package hands

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"golang.org/x/sys/unix"
)

// TestMain is also the process whose control group is blocked.
func TestMain(m *testing.M) {
	if addr := os.Getenv("HANDS_TEST_SENDER"); addr != "" {
		sender(addr)
		return
	}
	os.Exit(m.Run())
}

// sender has one connection to addr from the start, and tells for each line it reads whether it could send by a new
// connection, by a new datagram, or by the old connection.
func sender(addr string) {
	old, err := net.Dial("tcp", addr)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("ready")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var err error
		switch in.Text() {
		case "tcp":
			var c net.Conn
			if c, err = net.DialTimeout("tcp", addr, time.Second); err == nil {
				c.Close()
			}
		case "udp":
			var c net.PacketConn
			if c, err = net.ListenPacket("udp", "127.0.0.1:0"); err == nil {
				var to *net.UDPAddr
				if to, err = net.ResolveUDPAddr("udp", addr); err == nil {
					_, err = c.WriteTo([]byte("x"), to)
				}
				c.Close()
			}
		case "old":
			_, err = old.Write([]byte("x"))
		}
		fmt.Println(err == nil)
	}
}

// box is a control group of the test's own with a sender in it.
type box struct {
	name, dir string
	say       func(word string) bool
	got       chan byte // what arrives over the old connection
}

func newBox(t *testing.T, g *groups) *box {
	t.Helper()
	top, err := g.top()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.Readlink(self(top))
	if err != nil {
		t.Fatal(err)
	}
	b := &box{name: fmt.Sprintf("/deminer-test-%d", os.Getpid()), got: make(chan byte, 16)}
	b.dir = dir + b.name
	if err := os.Mkdir(b.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", `echo $$ > "$0" && exec "$1"`, b.dir+"/cgroup.procs", os.Args[0])
	cmd.Env = append(os.Environ(), "HANDS_TEST_SENDER="+l.Addr().String())
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
		l.Close()
		for range 100 { // the kernel lets go of the group a little after its last process
			if err = os.Remove(b.dir); err == nil || errors.Is(err, fs.ErrNotExist) {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Error(err)
	})
	go b.serve(l)
	words := bufio.NewScanner(out)
	if !words.Scan() || words.Text() != "ready" {
		t.Fatalf("the sender says %q", words.Text())
	}
	b.say = func(word string) bool {
		fmt.Fprintln(in, word)
		return words.Scan() && words.Text() == "true"
	}
	return b
}

func (b *box) serve(l net.Listener) {
	for first := true; ; first = false {
		c, err := l.Accept()
		if err != nil {
			return
		}
		if !first {
			c.Close()
			continue
		}
		go func() {
			one := make([]byte, 1)
			for {
				if _, err := io.ReadFull(c, one); err != nil {
					return
				}
				b.got <- one[0]
			}
		}()
	}
}

// arrives reports whether a byte of the old connection comes within a time.
func (b *box) arrives(within time.Duration) bool {
	select {
	case <-b.got:
		return true
	case <-time.After(within):
		return false
	}
}

func testGroups() *groups { return &groups{tops: cgroups(), keep: map[int]bool{os.Getpid(): true}} }

func TestBlockGroup(t *testing.T) {
	g := testGroups()
	b := newBox(t, g)
	for _, word := range []string{"tcp", "udp", "old"} {
		if !b.say(word) {
			t.Fatalf("%s: nothing gets out before the block", word)
		}
	}
	if !b.arrives(5 * time.Second) {
		t.Fatal("nothing arrives before the block")
	}
	want := host.Block{Cgroup: b.name, Until: time.Now().Add(time.Hour).UTC().Truncate(time.Second)}
	for range 2 { // a second time renews
		if err := g.Block(want); err != nil {
			t.Fatal(err)
		}
	}
	for _, word := range []string{"tcp", "udp"} {
		if b.say(word) {
			t.Errorf("%s: gets out in spite of the block", word)
		}
	}
	if b.say("old"); b.arrives(300 * time.Millisecond) {
		t.Error("an open connection goes on in spite of the block")
	}
	if c, err := net.Dial("udp", "127.0.0.1:9"); err != nil {
		t.Errorf("others are blocked, too: %v", err)
	} else {
		c.Close()
	}
	list, err := g.List()
	if err != nil || len(list) != 1 || list[0] != want {
		t.Errorf("list: %v %v, want %v once", list, err, want)
	}
	for range 2 {
		if err := g.Lift(want); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := g.List(); err != nil || len(list) != 0 {
		t.Errorf("after lift: %v %v", list, err)
	}
	if !b.say("tcp") || !b.say("udp") {
		t.Error("still blocked")
	}
}

func TestBlockOfGroupRunsOut(t *testing.T) {
	g := testGroups()
	b := newBox(t, g)
	if err := g.Block(host.Block{Cgroup: b.name, Until: time.Now().Add(time.Second)}); err != nil {
		t.Fatal(err)
	}
	if b.say("udp") {
		t.Error("not blocked")
	}
	time.Sleep(1200 * time.Millisecond)
	if !b.say("udp") || !b.say("tcp") {
		t.Error("still blocked after its time")
	}
	if list, err := g.List(); err != nil || len(list) != 0 {
		t.Errorf("what ran out is listed: %v %v", list, err)
	}
	if err := g.Lift(host.Block{Cgroup: b.name}); err != nil {
		t.Error(err)
	}
}

func TestGroupsThatAreRefused(t *testing.T) {
	g := testGroups()
	until := time.Now().Add(time.Minute)
	for name, want := range map[string]error{"/": fs.ErrInvalid, "x": fs.ErrInvalid, "/../..": fs.ErrInvalid, "/a/../b": fs.ErrInvalid, "/deminer-no-such": fs.ErrNotExist} {
		if err := g.Block(host.Block{Cgroup: name, Until: until}); !errors.Is(err, want) {
			t.Errorf("block of %q: %v, want %v", name, err, want)
		}
	}
	if err := g.Lift(host.Block{Cgroup: "/deminer-no-such"}); err != nil {
		t.Errorf("lift of a group that is gone: %v", err)
	}
	b := newBox(t, g)
	pids, err := os.ReadFile(b.dir + "/cgroup.procs")
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(pids)))
	if err != nil {
		t.Fatal(err)
	}
	g.keep[pid] = true
	if err := g.Block(host.Block{Cgroup: b.name, Until: until}); !errors.Is(err, deminer.ErrProtected) || !b.say("udp") {
		t.Errorf("block of deminer's own line: %v, want ErrProtected", err)
	}
	none := &groups{tops: []string{t.TempDir()}}
	if err := none.Block(host.Block{Cgroup: "/x", Until: until}); !errors.Is(err, host.ErrUnsupported) {
		t.Errorf("without a hierarchy: %v, want ErrUnsupported", err)
	}
	if list, err := none.List(); err != nil || list != nil {
		t.Errorf("without a hierarchy: %v %v", list, err)
	}
}

func TestProgramThatEndsWhileListed(t *testing.T) {
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	got, err := ours([]uint32{1, 2, 3}, func(id uint32) (string, error) {
		switch id {
		case 1:
			return "", unix.ENOENT
		case 2:
			return nameOf(until), nil
		}
		return "somebody_else", nil
	})
	if err != nil || len(got) != 1 || !got[2].Equal(until) {
		t.Errorf("got %v %v, want ours alone", got, err)
	}
	if _, err := ours([]uint32{1}, func(uint32) (string, error) { return "", unix.EPERM }); !errors.Is(err, unix.EPERM) {
		t.Errorf("got %v, want what went wrong", err)
	}
}
