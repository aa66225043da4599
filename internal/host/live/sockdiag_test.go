package live

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/google/go-cmp/cmp"
)

// diagSocket builds one answer of sock_diag as the kernel lays it out.
func diagSocket(state byte, local, remote string, uid, inode uint32, info []byte) []byte {
	l, r := netip.MustParseAddrPort(local), netip.MustParseAddrPort(remote)
	b := make([]byte, 16+diagMsgSize)
	b[16], b[17] = familyInet, state
	if l.Addr().Is6() {
		b[16] = familyInet6
	}
	binary.BigEndian.PutUint16(b[20:], l.Port())
	binary.BigEndian.PutUint16(b[22:], r.Port())
	copy(b[24:], l.Addr().AsSlice())
	copy(b[40:], r.Addr().AsSlice())
	binary.NativeEndian.PutUint32(b[16+64:], uid)
	binary.NativeEndian.PutUint32(b[16+68:], inode)
	if info != nil {
		b = binary.NativeEndian.AppendUint16(b, uint16(4+len(info)))
		b = binary.NativeEndian.AppendUint16(b, diagInfo)
		b = append(b, info...)
	}
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], diagByFamily)
	return b
}

func tcpInfoBytes(sent, recv uint64, lastSent, lastRecv uint32) []byte {
	b := make([]byte, 232)
	binary.NativeEndian.PutUint32(b[infoSent:], lastSent)
	binary.NativeEndian.PutUint32(b[infoRecv:], lastRecv)
	binary.NativeEndian.PutUint64(b[infoBytesAcked:], sent)
	binary.NativeEndian.PutUint64(b[infoBytesRecved:], recv)
	return b
}

func nlMessage(kind uint16, body ...byte) []byte {
	b := make([]byte, 16, 16+len(body))
	binary.NativeEndian.PutUint32(b, uint32(16+len(body)))
	binary.NativeEndian.PutUint16(b[4:], kind)
	return append(b, body...)
}

func TestParseDiag(t *testing.T) {
	b := diagSocket(1, "10.0.0.5:40000", "203.0.113.9:3333", 1000, 77, tcpInfoBytes(1234, 98765, 9000, 2500))
	b = append(b, diagSocket(stateListen, "[::]:22", "[::]:0", 0, 78, tcpInfoBytes(1, 1, 1, 1))...)
	b = append(b, diagSocket(1, "[::ffff:127.0.0.1]:80", "[::ffff:127.0.0.1]:50000", 0, 79, nil)...)
	b = append(b, diagSocket(99, "10.0.0.5:1", "10.0.0.6:2", 0, 80, []byte{1, 2, 3, 4})...)
	b = append(b, nlMessage(nlDone, 0, 0, 0, 0)...)
	var got []deminer.Socket
	done, err := parseDiag(b, "tcp", func(s deminer.Socket) { got = append(got, s) })
	if !done || err != nil {
		t.Fatalf("got done %v, %v", done, err)
	}
	want := []deminer.Socket{
		{Proto: "tcp", State: "established", Local: "10.0.0.5:40000", Remote: "203.0.113.9:3333", UID: 1000, Inode: 77, Sent: 1234, Recv: 98765, Age: 2500 * time.Millisecond},
		{Proto: "tcp", State: "listen", Local: "[::]:22", Inode: 78, Reach: "world"},
		{Proto: "tcp", State: "established", Local: "127.0.0.1:80", Remote: "127.0.0.1:50000", Inode: 79},
		{Proto: "tcp", State: "state-99", Local: "10.0.0.5:1", Remote: "10.0.0.6:2", Inode: 80},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseDiagErrors(t *testing.T) {
	none := func(deminer.Socket) { t.Error("a socket came out of nothing") }
	code := binary.NativeEndian.AppendUint32(nil, uint32(0xffffffff)) // -EPERM
	if done, err := parseDiag(nlMessage(nlError, code...), "tcp", none); !done || !errors.Is(err, syscall.EPERM) {
		t.Errorf("got %v, %v", done, err)
	}
	for name, b := range map[string][]byte{
		"length beyond the end": {200, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"length too small":      {3, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"error without code":    nlMessage(nlError),
	} {
		if _, err := parseDiag(b, "tcp", none); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if done, err := parseDiag(nlMessage(diagByFamily, 1, 2, 3), "tcp", none); done || err != nil {
		t.Errorf("a short socket: got %v, %v", done, err)
	}
}

func TestReach(t *testing.T) {
	for a, want := range map[string]string{
		"0.0.0.0": "world", "::": "world", "203.0.113.5": "world", "2001:db8::1": "world",
		"127.0.0.1": "loopback", "127.9.9.9": "loopback", "::1": "loopback",
		"10.1.2.3": "private", "192.168.0.1": "private", "172.31.0.1": "private", "100.64.1.1": "private", "fd00::1": "private", "fe80::1": "private",
	} {
		if got := reach(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s: got %s, want %s", a, got, want)
		}
	}
}

func FuzzDiag(f *testing.F) {
	f.Add(diagSocket(1, "10.0.0.5:40000", "203.0.113.9:3333", 1000, 77, tcpInfoBytes(1, 2, 3, 4)))
	f.Add(nlMessage(nlDone))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		parseDiag(b, "tcp", func(deminer.Socket) { n++ })
		if n > len(b)/diagMsgSize {
			t.Errorf("%d sockets out of %d bytes", n, len(b))
		}
	})
}

// BenchmarkDiag50k reads the answer for 50,000 sockets.
func BenchmarkDiag50k(b *testing.B) {
	one := diagSocket(1, "10.0.0.5:40000", "203.0.113.9:3333", 1000, 77, tcpInfoBytes(1, 2, 3, 4))
	var buf []byte
	for range 30 {
		buf = append(buf, one...)
	}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for n < 50000 {
			if _, err := parseDiag(buf, "tcp", func(deminer.Socket) { n++ }); err != nil {
				b.Fatal(err)
			}
		}
	}
}
