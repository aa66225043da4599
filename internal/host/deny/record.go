package deny

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/deminer/deminer"
)

// Where the fields of struct record lie, see bpf/record.h. A test holds them against the objects.
const (
	atKind, atFlags, atTgid, atUID, atMask             = 0, 2, 4, 8, 12
	atWhen, atStart, atCgroup, atCookie                = 16, 24, 32, 40
	atLocal, atRemote, atLocalPort, atRemotePort       = 48, 64, 80, 82
	atFamily, atClass, atDataLen, atComm, atData, size = 84, 85, 86, 88, 104, 104 + 1024
)

const (
	flagDenied, flagCutData, flagHeld = 1, 2, 4
	kindLogin, kindPool, kindHeld     = 1, 2, 3
)

var errRecord = errors.New("record is not what the programs write")

// parseRecord reads one record of the ring. The bytes are the kernel's, but what they hold is chosen by those who are watched.
func parseRecord(b []byte) (r Refusal, when time.Duration, err error) {
	if len(b) < size {
		return r, 0, errRecord
	}
	u16 := func(at int) uint16 { return binary.NativeEndian.Uint16(b[at:]) }
	u32 := func(at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }
	u64 := func(at int) uint64 { return binary.NativeEndian.Uint64(b[at:]) }
	if int(b[atClass]) >= len(classes) {
		return r, 0, errRecord
	}
	r.Class, r.Cookie, r.Cgroup = classes[b[atClass]], u64(atCookie), u64(atCgroup)
	e := &r.Event
	e.Sensor, e.Proto, e.Sent = deminer.SensorBPF, "tcp", true
	e.Kind = deminer.EventFlow
	switch u16(atKind) {
	case kindPool:
		e.Kind, e.Sent = deminer.EventConnect, false
	case kindHeld:
		e.Kind, e.Sent, e.Proto, e.Memfd = deminer.EventExec, false, "", true
	}
	r.held = u16(atFlags)&flagHeld != 0
	e.Denied, e.DataCut = u16(atFlags)&flagDenied != 0, u16(atFlags)&flagCutData != 0
	e.Proc = deminer.ProcID{PID: int(u32(atTgid)), Start: ticks(u64(atStart))}
	e.UID, e.EUID = u32(atUID), u32(atUID)
	e.Comm = deminer.Raw(b[atComm : atComm+16])
	if end := slices.Index(b[atComm:atComm+16], 0); end >= 0 {
		e.Comm = e.Comm[:end]
	}
	if b[atFamily] == 0 {
		return r, time.Duration(u64(atWhen)), nil
	}
	e.Local, e.Remote = endpoint(b[atFamily], b[atLocal:atLocal+16], u16(atLocalPort)), endpoint(b[atFamily], b[atRemote:atRemote+16], u16(atRemotePort))
	data := slices.Clone(b[atData : atData+min(int(u16(atDataLen)), deminer.MaxEventData)])
	mask := b[atMask : atMask+4] // the first byte is the lowest: both processors that there are objects for write it first
	for i := range data {
		data[i] ^= mask[i%4]
	}
	e.Data = deminer.Raw(data)
	return r, time.Duration(u64(atWhen)), nil
}

// ticks turns nanoseconds since boot into clock ticks, as /proc/PID/stat shows the start of a process.
func ticks(ns uint64) uint64 { return ns / (uint64(time.Second) / 100) }

// endpoint writes an address as sockets are written; "" for none.
func endpoint(family byte, b []byte, port uint16) string {
	a := netip.AddrFrom16([16]byte(b))
	if family == 4 {
		a = netip.AddrFrom4([4]byte(b[:4]))
	}
	if a = a.Unmap(); a.IsUnspecified() && port == 0 {
		return ""
	}
	return netip.AddrPortFrom(a, port).String()
}
