package live

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"github.com/deminer/deminer"
)

// Numbers of linux/netlink.h, linux/sock_diag.h and linux/inet_diag.h.
const (
	nlError         = 2
	nlDone          = 3
	diagByFamily    = 20
	nlDumpRequest   = 0x301 // NLM_F_REQUEST | NLM_F_DUMP
	familyInet      = 2
	familyInet6     = 10
	protoTCP        = 6
	protoUDP        = 17
	diagInfo        = 2 // INET_DIAG_INFO, the attribute that holds tcp_info
	diagMsgSize     = 72
	stateTimeWait   = 6
	stateClose      = 7
	stateListen     = 10
	infoSent        = 44 // offsets in struct tcp_info of linux/tcp.h
	infoRecv        = 52
	infoBytesAcked  = 120
	infoBytesRecved = 128
)

// wanted are the states asked for: all but those that have no owner any more.
const wanted = ^uint32(1 << stateTimeWait)

// stateNames are the states of TCP by their number in net/tcp_states.h.
var stateNames = [...]string{1: "established", "syn-sent", "syn-recv", "fin-wait-1", "fin-wait-2", "time-wait", "close",
	"close-wait", "last-ack", "listen", "closing", "syn-recv"}

// diagRequest asks for the sockets of one family and protocol, with tcp_info.
func diagRequest(family, proto byte) []byte {
	b := make([]byte, 16+56)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], diagByFamily)
	binary.NativeEndian.PutUint16(b[6:], nlDumpRequest)
	b[16], b[17] = family, proto
	if proto == protoTCP {
		b[18] = 1 << (diagInfo - 1)
	}
	binary.NativeEndian.PutUint32(b[20:], wanted)
	return b
}

// parseDiag reads the messages of one netlink datagram and hands each socket to see; done is true after the last one.
func parseDiag(b []byte, proto string, see func(deminer.Socket)) (done bool, err error) {
	for len(b) >= 16 {
		size := int(binary.NativeEndian.Uint32(b))
		if size < 16 || size > len(b) {
			return false, errShort
		}
		body := b[16:size]
		switch binary.NativeEndian.Uint16(b[4:]) {
		case nlDone:
			return true, nil
		case nlError:
			if len(body) < 4 {
				return false, errShort
			}
			if code := int32(binary.NativeEndian.Uint32(body)); code != 0 {
				return true, fmt.Errorf("ask for sockets: %w", syscall.Errno(-code))
			}
			return true, nil
		case diagByFamily:
			if s, ok := parseDiagSocket(body, proto); ok {
				see(s)
			}
		}
		b = b[min(align4(size), len(b)):]
	}
	return false, nil
}

func align4(n int) int { return (n + 3) &^ 3 }

// parseDiagSocket reads struct inet_diag_msg and its attributes.
func parseDiagSocket(b []byte, proto string) (deminer.Socket, bool) {
	if len(b) < diagMsgSize {
		return deminer.Socket{}, false
	}
	s := deminer.Socket{Proto: proto, State: stateName(b[1], proto),
		UID: binary.NativeEndian.Uint32(b[64:]), Inode: uint64(binary.NativeEndian.Uint32(b[68:]))}
	src, dst := address(b[0], b[8:24]), address(b[0], b[24:40])
	place(&s, netip.AddrPortFrom(src, binary.BigEndian.Uint16(b[4:])), netip.AddrPortFrom(dst, binary.BigEndian.Uint16(b[6:])))
	for rest := b[diagMsgSize:]; len(rest) >= 4; {
		size := int(binary.NativeEndian.Uint16(rest))
		if size < 4 || size > len(rest) {
			break
		}
		if binary.NativeEndian.Uint16(rest[2:]) == diagInfo && proto == "tcp" {
			tcpInfo(&s, rest[4:size])
		}
		rest = rest[min(align4(size), len(rest)):]
	}
	return s, true
}

// tcpInfo takes byte counts and the time since the last data; an old kernel's struct is shorter. A listener's counts mean
// something else.
func tcpInfo(s *deminer.Socket, b []byte) {
	if s.Listening() || len(b) < infoRecv+4 {
		return
	}
	last := min(binary.NativeEndian.Uint32(b[infoSent:]), binary.NativeEndian.Uint32(b[infoRecv:]))
	s.Age = time.Duration(last) * time.Millisecond
	if len(b) >= infoBytesRecved+8 {
		s.Sent, s.Recv = binary.NativeEndian.Uint64(b[infoBytesAcked:]), binary.NativeEndian.Uint64(b[infoBytesRecved:])
	}
}

// stateName gives the state; of an unconnected UDP or raw socket, which is open to all, "open".
func stateName(n byte, proto string) string {
	if proto != "tcp" && n == stateClose {
		return "open"
	}
	if int(n) < len(stateNames) && stateNames[n] != "" {
		return stateNames[n]
	}
	return fmt.Sprintf("state-%d", n)
}

func address(family byte, b []byte) netip.Addr {
	if family == familyInet {
		return netip.AddrFrom4([4]byte(b[:4]))
	}
	return netip.AddrFrom16([16]byte(b[:16])).Unmap()
}

// place sets the ends of a socket, and who can reach it if it waits for others.
func place(s *deminer.Socket, local, remote netip.AddrPort) {
	s.Local = local.String()
	if remote.Port() != 0 || !remote.Addr().IsUnspecified() {
		s.Remote = remote.String()
	}
	if s.State == "listen" || s.State == "open" {
		s.Reach = reach(local.Addr())
	}
}

// reach says who can reach a listener by the address it is bound to; an unbound one listens on all.
func reach(a netip.Addr) string {
	switch {
	case a.IsLoopback():
		return "loopback"
	case a.IsPrivate(), a.IsLinkLocalUnicast(), sharedSpace.Contains(a):
		return "private"
	}
	return "world"
}

// sharedSpace is the carrier's private space of RFC 6598.
var sharedSpace = netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, 0, 0}), 10)
