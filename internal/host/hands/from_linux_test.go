//go:build linux

package hands

import (
	"net/netip"
	"testing"
	"time"

	"github.com/deminer/deminer/internal/host"
	"golang.org/x/sys/unix"
)

// TestBlockSources blocks what comes from 127.0.0.2 and ::1 in a network namespace of its own, and lifts it.
func TestBlockSources(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		blockSources(t)
	}()
	<-done
}

func blockSources(t *testing.T) {
	ownNet(t)
	f := froms{nets{}}
	for from, probe := range map[string]string{"127.0.0.2/32": "127.0.0.2:5555", "::/64": "[::1]:5555"} {
		b := host.Block{From: netip.MustParsePrefix(from), Until: time.Now().Add(time.Hour).Truncate(time.Second)}
		to, other := netip.MustParseAddrPort(probe), netip.MustParseAddrPort("127.0.0.9:5555")
		if !sends(t, to) || !sends(t, other) {
			t.Fatal("nothing arrives before")
		}
		for range 2 { // the second time renews it
			if err := f.Block(b); err != nil {
				t.Fatal(err)
			}
		}
		list, err := f.List()
		if err != nil || len(list) != 1 || !list[0].Same(b) || list[0].Until.Sub(b.Until).Abs() > 5*time.Second {
			t.Errorf("list %v %v", list, err)
		}
		if sentFrom(t, to) {
			t.Errorf("%s: still comes in", from)
		}
		if !sends(t, other) {
			t.Errorf("%s: another source is blocked, too", from)
		}
		if err := f.Lift(b); err != nil {
			t.Fatal(err)
		}
		if !sentFrom(t, to) {
			t.Errorf("%s: still blocked", from)
		}
		if list, err := f.List(); err != nil || len(list) != 0 {
			t.Errorf("left: %v %v", list, err)
		}
		c, err := f.dial()
		if err != nil {
			t.Fatal(err)
		}
		if left, err := f.named(c, fromTable); err != nil || left != nil {
			t.Errorf("the table is left: %v %v", left, err)
		}
		if err := f.Lift(b); err != nil {
			t.Errorf("lift of what is not there: %v", err)
		}
	}
	if err := f.Block(host.Block{From: netip.MustParsePrefix("10.0.0.0/8"), Until: time.Now().Add(time.Hour)}); err == nil {
		t.Error("a whole network was blocked")
	}
}

// sentFrom reports whether a datagram that comes from the address arrives at it.
func sentFrom(t *testing.T, a netip.AddrPort) bool {
	t.Helper()
	family, addr := unix.AF_INET, func(port int) unix.Sockaddr {
		return &unix.SockaddrInet4{Port: port, Addr: [4]byte(a.Addr().AsSlice()[:4])}
	}
	if a.Addr().Is6() {
		family, addr = unix.AF_INET6, func(port int) unix.Sockaddr { return &unix.SockaddrInet6{Port: port, Addr: a.Addr().As16()} }
	}
	open := func(port int) int {
		s, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Bind(s, addr(port))
		}
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	in, out := open(int(a.Port())), open(0)
	defer unix.Close(in)
	defer unix.Close(out)
	tv := unix.Timeval{Usec: 100_000}
	if err := unix.SetsockoptTimeval(in, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		t.Fatal(err)
	}
	if err := unix.Sendto(out, []byte("x"), 0, addr(int(a.Port()))); err != nil {
		return false
	}
	_, _, err := unix.Recvfrom(in, make([]byte, 8), 0)
	return err == nil
}
