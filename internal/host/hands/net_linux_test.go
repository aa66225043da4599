//go:build linux

package hands

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/deminer/deminer/internal/host"
	"golang.org/x/sys/unix"
)

// ownNet puts the test's thread into a network namespace of its own with only a loopback, and ends it with the thread.
func ownNet(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread goes with the goroutine
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("make a network namespace: %v", err)
	}
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(s)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	ifr.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, ifr); err != nil {
		t.Fatalf("bring loopback up: %v", err)
	}
}

// sends reports whether a datagram to the address arrives. Blocking calls on this thread only.
func sends(t *testing.T, addr netip.AddrPort) bool {
	t.Helper()
	family := unix.AF_INET
	var to unix.Sockaddr = &unix.SockaddrInet4{Port: int(addr.Port()), Addr: [4]byte(addr.Addr().AsSlice()[:4])}
	if addr.Addr().Is6() {
		family = unix.AF_INET6
		to = &unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16()}
	}
	open := func() int {
		s, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	in, out := open(), open()
	defer unix.Close(in)
	defer unix.Close(out)
	if err := unix.Bind(in, to); err != nil {
		t.Fatalf("bind %s: %v", addr, err)
	}
	tv := unix.Timeval{Usec: 100_000}
	if err := unix.SetsockoptTimeval(in, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		t.Fatal(err)
	}
	if err := unix.Sendto(out, []byte("x"), 0, to); err != nil {
		return false // EPERM: dropped on output
	}
	_, _, err := unix.Recvfrom(in, make([]byte, 8), 0)
	return err == nil
}

func TestBlockAndLift(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		ownNet(t)
		n := &nets{}
		for _, text := range []string{"127.0.0.2:0", "127.0.0.3:3333", "[::1]:4444", "[::1]:0"} {
			b := host.Block{Addr: netip.MustParseAddrPort(text), Until: time.Now().Add(time.Hour).Truncate(time.Second)}
			probe, other := b.Addr, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.9"), 3333)
			if probe.Port() == 0 {
				probe = netip.AddrPortFrom(probe.Addr(), 5555)
			} else {
				other = netip.AddrPortFrom(probe.Addr(), probe.Port()+1)
			}
			if !sends(t, probe) {
				t.Errorf("%s: nothing gets through before the block", text)
			}
			for range 2 { // a second time renews
				if err := n.Block(b); err != nil {
					t.Errorf("block %s: %v", text, err)
				}
			}
			if sends(t, probe) {
				t.Errorf("%s: gets through the block", text)
			}
			if !sends(t, other) {
				t.Errorf("%s: also blocks %s", text, other)
			}
			list, err := n.List()
			if err != nil || len(list) != 1 || list[0].Addr != b.Addr || list[0].Until.Sub(b.Until).Abs() > 3*time.Second {
				t.Errorf("list: %v %v, want %v", list, err, b)
			}
			for range 2 {
				if err := n.Lift(b); err != nil {
					t.Errorf("lift %s: %v", text, err)
				}
			}
			if !sends(t, probe) {
				t.Errorf("%s: still blocked", text)
			}
		}
		c, err := n.dial()
		if err != nil {
			t.Error(err)
			return
		}
		if left, err := n.table(c); err != nil || left != nil {
			t.Errorf("a table is left behind: %v %v", left, err)
		}
	}()
	<-done
}

func TestBlockRunsOut(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		ownNet(t)
		n, addr := &nets{}, netip.MustParseAddrPort("127.0.0.2:7")
		if err := n.Block(host.Block{Addr: addr, Until: time.Now().Add(time.Second)}); err != nil {
			t.Error(err)
		}
		time.Sleep(1500 * time.Millisecond)
		if !sends(t, addr) {
			t.Error("still blocked after its time")
		}
	}()
	<-done
}
