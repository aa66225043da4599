//go:build linux

package hands

import (
	"net/netip"
	"testing"
	"time"
	"unsafe"

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
	for _, from := range []string{"10.0.0.0/8", "64:ff9b::/64", "2001:db8::1/128"} {
		if err := f.Block(host.Block{From: netip.MustParsePrefix(from), Until: time.Now().Add(time.Hour)}); err == nil {
			t.Errorf("%s was blocked", from)
		}
	}
	oneOfATranslator(t, f)
}

// oneOfATranslator: a block of one address of a translator is of that one, also in the table of an earlier version.
func oneOfATranslator(t *testing.T, f froms) {
	net, one, other := "2001:db8:5::/64", "64:ff9b::c633:6409", "64:ff9b::c633:640a"
	ownAddrs(t, one, other)
	c, err := f.dial()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := buildFrom(c, []fromKind{fromKindOf(netip.MustParsePrefix(one + "/128"))}); err != nil {
		t.Fatal(err)
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{net, one + "/128"} {
		if err := f.Block(host.Block{From: netip.MustParsePrefix(from), Until: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := f.List(); err != nil || len(list) != 2 || list[0].String() != "from "+one || list[1].String() != "from "+net {
		t.Errorf("list %v %v", list, err)
	}
	at := func(a string) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(a), 5555) }
	if sentFrom(t, at(one)) || !sentFrom(t, at(other)) {
		t.Error("not the one address of the translator is blocked")
	}
	if err := f.Lift(host.Block{From: netip.MustParsePrefix(one + "/128")}); err != nil {
		t.Fatal(err)
	}
	if !sentFrom(t, at(one)) {
		t.Error("still blocked")
	}
}

// ownAddrs gives the loopback of this network namespace addresses.
func ownAddrs(t *testing.T, list ...string) {
	t.Helper()
	s, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(s)
	for _, a := range list {
		req := struct { // struct in6_ifreq of linux/ipv6.h
			addr  [16]byte
			bits  uint32
			index int32
		}{netip.MustParseAddr(a).As16(), 128, 1}
		if _, _, err := unix.Syscall(unix.SYS_IOCTL, uintptr(s), unix.SIOCSIFADDR, uintptr(unsafe.Pointer(&req))); err != 0 {
			t.Fatalf("give loopback %s: %v", a, err)
		}
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
