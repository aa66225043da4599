//go:build linux

package deny

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// TestPools refuses one port of an address, a network, and not what is beside them or over.
func TestPools(t *testing.T) {
	g := newGroup(t)
	d, s := watched(t, g, blocking, Options{})
	one, two, six := serve(t, "127.0.0.1:0", false), serve(t, "127.0.0.1:0", false), serve(t, "[::1]:0", false)
	port := func(p *pool) uint16 { return uint16(p.Addr().(*net.TCPAddr).Port) }
	reach := func(addr string) heard { return g.talk(t, talk{Addr: addr, Lines: []string{"hello\n"}}) }
	home := netip.MustParsePrefix("127.0.0.1/32")
	if err := d.AddPool(home, port(one), time.Time{}); err != nil {
		t.Fatal(err)
	}
	mapped := "[::ffff:127.0.0.1]:" + strconv.Itoa(int(port(one)))
	for addr, want := range map[string]heard{one.Addr().String(): {Refused: 1}, mapped: {Refused: 1}, two.Addr().String(): {Answered: 1}, six.Addr().String(): {Answered: 1}} {
		if got := reach(addr); got != want {
			t.Errorf("one port: %s: %+v", addr, got)
		}
	}
	for _, r := range s.wait(t, 2) {
		if r.Class != Pool || !r.Event.Denied || r.Event.Remote != one.Addr().String() || r.Event.Proc.PID == 0 {
			t.Errorf("told: %+v", r)
		}
	}
	if err := errors.Join(d.RemovePool(home), d.RemovePool(home), d.AddPool(netip.MustParsePrefix("::/16"), 0, time.Time{}),
		d.AddPool(netip.MustParsePrefix("127.0.0.0/8"), 0, time.Now().Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]heard{two.Addr().String(): {Refused: 1}, six.Addr().String(): {Refused: 1}} {
		if got := reach(addr); got != want {
			t.Errorf("networks: %s: %+v", addr, got)
		}
	}
	if err := d.AddPool(netip.MustParsePrefix("127.0.0.0/8"), 0, time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := reach(two.Addr().String()); got.Answered != 1 {
		t.Errorf("over: %+v", got)
	}
	if err := d.AddPool(netip.MustParsePrefix("0.0.0.0/0"), 0, time.Time{}); err == nil {
		t.Error("everything was refused as a pool")
	}
}

// pins mounts a bpf file system of the test's own.
func pins(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("deny-test", dir, "bpf", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return filepath.Join(dir, "deminer")
}

// TestOutlives: what is pinned goes on when its process has gone, is taken over by the next, and is lifted without a trace.
func TestOutlives(t *testing.T) {
	g, dir := newGroup(t), pins(t)
	p := serve(t, "127.0.0.1:0", false)
	login := talk{Addr: p.Addr().String(), Lines: []string{cnLogin}, Wait: soon}
	if got := g.talk(t, login); got.Answered != 1 {
		t.Fatalf("nobody is there yet: %+v", got)
	}
	first := Open(Options{Group: g.dir, Modes: blocking, Pin: dir, Grace: time.Hour})
	if err := first.AddPool(netip.MustParsePrefix("127.0.0.2/32"), 0, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := first.Leave(); err != nil {
		t.Fatal(err)
	}
	pool2 := talk{Addr: "127.0.0.2:1"}
	for what, want := range map[*talk]heard{&login: {Silent: 1}, &pool2: {Refused: 1}} {
		if got := g.talk(t, *what); got != want {
			t.Errorf("its process has gone: %s: %+v", what.Addr, got)
		}
	}
	second := Open(Options{Group: g.dir, Modes: map[Class]Mode{Pool: Block}, Pin: dir, Grace: time.Hour})
	for what, want := range map[*talk]heard{&login: {Answered: 1}, &pool2: {Refused: 1}} {
		if got := g.talk(t, *what); got != want {
			t.Errorf("the next has taken over, and asks for less: %s: %+v", what.Addr, got)
		}
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something is left: %v", err)
	}
	if got := g.talk(t, pool2); got.Refused != 0 {
		t.Errorf("closed: %+v", got)
	}
	// One that has gone and is not followed: its time ends, and it can be cleaned up.
	third := Open(Options{Group: g.dir, Modes: blocking, Pin: dir, Grace: 500 * time.Millisecond})
	if err := third.Leave(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(600 * time.Millisecond)
	if got := g.talk(t, login); got.Answered != 1 {
		t.Errorf("after its time: %+v", got)
	}
	if err := errors.Join(Lift(dir), Lift(dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something is left: %v", err)
	}
}

// TestTakesCutsOver: what an earlier process cut stays cut when the next takes over. The login is not the first that its connection
// says: what the next sees of it is a piece that is sent again, behind others that went by before.
func TestTakesCutsOver(t *testing.T) {
	g, dir := newGroup(t), pins(t)
	p := serve(t, "127.0.0.1:0", false)
	first := Open(Options{Group: g.dir, Modes: blocking, Pin: dir, Grace: time.Hour})
	before := `{"id":7,"method":"hello",` + mute
	_, ended := g.start(t, talk{Addr: p.Addr().String(), Lines: []string{before, cnLogin}, Times: 1, Wait: 8 * soon})
	time.Sleep(soon)
	if err := first.Leave(); err != nil {
		t.Fatal(err)
	}
	second := Open(Options{Group: g.dir, Modes: blocking, Pin: dir, Grace: time.Hour})
	if got := ended(); got.Silent != 1 {
		t.Errorf("the next has let it go: %+v, and the pool heard %q", got, p.bytes())
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestOutlivesItsEnemies: whatever somebody else takes from its place or changes is named, and is in force again with the next guard.
func TestOutlivesItsEnemies(t *testing.T) {
	g, dir := newGroup(t), pins(t)
	p := serve(t, "127.0.0.1:0", false)
	login := talk{Addr: p.Addr().String(), Lines: []string{cnLogin}, Wait: soon}
	open := func() *Guard { return Open(Options{Group: g.dir, Modes: blocking, Pin: dir, Grace: time.Hour}) }
	first := open()
	if hurt := first.Check(); len(hurt) > 0 {
		t.Errorf("nothing happened: %q", hurt)
	}
	off := first.socks.set
	off.Until = 1
	if err := first.socks.maps[kernelMapConfig].Put(uint32(0), &off); err != nil {
		t.Fatal(err)
	}
	if got := g.talk(t, login); got.Answered != 1 {
		t.Errorf("switched off: %+v", got)
	}
	if hurt := first.Check(); len(hurt) != 1 || !strings.Contains(hurt[0], "settings") {
		t.Errorf("switched off: named %q", hurt)
	}
	if got := g.talk(t, login); got.Silent != 1 {
		t.Errorf("switched on again: %+v", got)
	}
	info, err := first.socks.links[kernelProgOnEgress].Info()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := link.NewFromID(info.ID) // as any program with the right to do so can
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(theirs.Detach(), theirs.Close(), os.Remove(filepath.Join(dir, kernelProgOnConnect4))); err != nil {
		t.Fatal(err)
	}
	if got := g.talk(t, login); got.Answered != 1 {
		t.Errorf("taken away: %+v", got)
	}
	hurt := first.Check()
	slices.Sort(hurt)
	if len(hurt) != 2 || !strings.Contains(hurt[0], kernelProgOnEgress+" was taken") || !strings.Contains(hurt[1], "pin of the kernel's program "+kernelProgOnConnect4) {
		t.Errorf("taken away: named %q", hurt)
	}
	if err := first.Leave(); err != nil {
		t.Error(err)
	}
	next := open()
	if hurt := next.Check(); len(hurt) > 0 {
		t.Errorf("put back: %q", hurt)
	}
	if got := g.talk(t, login); got.Silent != 1 {
		t.Errorf("put back: %+v", got)
	}
	if err := next.Close(); err != nil {
		t.Error(err)
	}
}
