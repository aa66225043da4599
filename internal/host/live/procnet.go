package live

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"

	"github.com/deminer/deminer"
)

// parseNet reads /proc/net/tcp, udp, raw and their v6 forms, see proc_pid_net(5). Sockets that wait to vanish (time-wait)
// are left out, as they have no owner.
func parseNet(b []byte, proto string, see func(deminer.Socket)) {
	for line := range bytes.Lines(b) {
		var f [10][]byte
		rest := line
		for i := range f {
			f[i], rest = nextWord(rest)
		}
		local, ok1 := parseEnd(f[1])
		remote, ok2 := parseEnd(f[2])
		state, err := strconv.ParseUint(string(f[3]), 16, 8)
		inode, ok3 := number(f[9])
		if !ok1 || !ok2 || err != nil || !ok3 || state == stateTimeWait {
			continue
		}
		if proto == "raw" { // the port is the protocol's number
			local = netip.AddrPortFrom(local.Addr(), local.Port()&0xff)
		}
		s := deminer.Socket{Proto: proto, State: stateName(byte(state), proto), UID: uint32(unsigned(f[7])), Inode: inode}
		place(&s, local, remote)
		see(s)
	}
}

// parseEnd reads "0100007F:1F90": words of 32 bits in the machine's byte order, then the port.
func parseEnd(b []byte) (netip.AddrPort, bool) {
	host, port, ok := bytes.Cut(b, []byte(":"))
	if !ok || len(host) != 8 && len(host) != 32 {
		return netip.AddrPort{}, false
	}
	n, err := strconv.ParseUint(string(port), 16, 16)
	raw := make([]byte, len(host)/2)
	if _, err2 := hex.Decode(raw, host); err != nil || err2 != nil {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	addr, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), true
}

// parsePacket reads /proc/net/packet: sockets that see or send whole frames.
func parsePacket(b []byte, see func(deminer.Socket)) {
	for line := range bytes.Lines(b) {
		var f [9][]byte
		rest := line
		for i := range f {
			f[i], rest = nextWord(rest)
		}
		inode, ok := number(f[8])
		iface, ok2 := number(f[4])
		if !ok || !ok2 {
			continue
		}
		see(deminer.Socket{Proto: "packet", State: "open", Local: "interface " + strconv.FormatUint(iface, 10),
			UID: uint32(unsigned(f[7])), Inode: inode})
	}
}

// parseUnix finds the inode numbers of the sockets that listen under a path, in /proc/net/unix: address, users, protocol,
// flags, type, state, inode, path. /var/run is a link to /run, so both names are meant.
func parseUnix(b []byte, path string) map[uint64]bool {
	const accepting = 0x10000 // __SO_ACCEPTCON of linux/net.h
	out := make(map[uint64]bool)
	for line := range bytes.Lines(b) {
		var f [7][]byte
		rest := line
		for i := range f {
			f[i], rest = nextWord(rest)
		}
		flags, err := strconv.ParseUint(string(f[3]), 16, 32)
		inode, ok := number(f[6])
		name := string(bytes.TrimSpace(rest))
		if err == nil && ok && flags&accepting != 0 && (name == path || name == "/var"+path) {
			out[inode] = true
		}
	}
	return out
}
