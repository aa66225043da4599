package sense

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// Where the fields of struct record and struct long_record lie, see bpf/record.h. A test holds them against the objects.
const (
	atKind, atFlags                                 = 0, 2
	atTgid, atTid, atPpid, atUID                    = 4, 8, 12, 16
	atEUID, atMntNS, atTarget                       = 20, 24, 28
	atWhen, atStart, atCgroup                       = 32, 40, 48
	atA, atB, atC                                   = 56, 64, 72
	atLocal, atRemote, atLocalPort, atRemotePort    = 80, 96, 112, 114
	atFamily, atProto, atPathLen, atDataLen, atComm = 116, 117, 118, 120, 124
	recordSize                                      = 144
	atPath, atData                                  = recordSize, recordSize + 1024 // of exec the data stands right behind the path
	atOnlyData                                      = recordSize                    // of flow and dns, which have no path
	longSize                                        = recordSize + 2048
)

// Bits of the flags of a record.
const (
	flagOut, flagDeleted, flagCutPath, flagCutData, flagOddPath, flagInbound = 1, 2, 4, 8, 16, 32
)

// kinds are the kinds of records by their number in bpf/record.h.
var kinds = [...]deminer.EventKind{1: deminer.EventExec, deminer.EventFork, deminer.EventExit, deminer.EventConnect, deminer.EventBind,
	deminer.EventFlow, deminer.EventDNS, deminer.EventFlags, deminer.EventAnonExec, deminer.EventModule, deminer.EventBPF,
	deminer.EventMount, deminer.EventPtrace, deminer.EventMemWrite, deminer.EventUID, deminer.EventSignal}

var errRecord = errors.New("record is not what the programs write")

// record is what a record says beyond the event itself.
type record struct {
	event  deminer.Event
	when   time.Duration // since boot
	group  place
	odd    bool // Exe or Path does not begin at the root of the process
	cutArg bool
}

// place is what unit and container can be found by.
type place struct {
	cgroup uint64
	mnt    uint32
}

// ticks turns nanoseconds since boot into clock ticks, as /proc/PID/stat shows the start of a process.
func ticks(ns uint64) uint64 { return ns / (uint64(time.Second) / 100) }

// parseRecord reads one record of the ring. The bytes are the kernel's, but what they hold is chosen by those who are
// watched, so nothing is believed about lengths.
func parseRecord(b []byte) (record, error) {
	if len(b) < recordSize {
		return record{}, errRecord
	}
	u16 := func(at int) int { return int(binary.NativeEndian.Uint16(b[at:])) }
	u32 := func(at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }
	u64 := func(at int) uint64 { return binary.NativeEndian.Uint64(b[at:]) }
	kind, flags := u16(atKind), u16(atFlags)
	if kind == 0 || kind >= len(kinds) {
		return record{}, errRecord
	}
	r := record{when: time.Duration(u64(atWhen)), group: place{u64(atCgroup), u32(atMntNS)}, odd: flags&flagOddPath != 0}
	e := &r.event
	e.Kind, e.Sensor = kinds[kind], deminer.SensorBPF
	e.Proc = deminer.ProcID{PID: int(u32(atTgid)), Start: ticks(u64(atStart))}
	e.Parent, e.UID, e.EUID = int(u32(atPpid)), u32(atUID), u32(atEUID)
	e.Comm = text(b[atComm : atComm+16])
	e.Deleted = flags&flagDeleted != 0
	e.Sent, e.Inbound, e.DataCut = flags&flagOut != 0, flags&flagInbound != 0, flags&flagCutData != 0
	if family := b[atFamily]; family != 0 {
		e.Proto = protocols[b[atProto]]
		e.Local = endpoint(family, b[atLocal:atLocal+16], uint16(u16(atLocalPort)))
		e.Remote = endpoint(family, b[atRemote:atRemote+16], uint16(u16(atRemotePort)))
	}
	if e.Kind == deminer.EventExec {
		e.File = deminer.FileID{Dev: uint64(u32(atTarget)), Ino: u64(atA), Changed: int64(u64(atB)), Size: int64(u64(atC))}
	} else {
		e.Target, e.Code = int(int32(u32(atTarget))), int64(u64(atA))
	}
	path, data, ok := r.texts(b, min(u16(atPathLen), 1024), min(u16(atDataLen), 1024))
	if !ok {
		return record{}, errRecord
	}
	r.fill(upside(path), data, u64(atB), flags&flagCutPath != 0)
	return r, nil
}

// texts gives path and data of a record; those that have none are shorter.
func (r *record) texts(b []byte, pathLen, dataLen int) (path, data []byte, ok bool) {
	from := atData
	switch r.event.Kind {
	case deminer.EventExec:
		from = atPath + pathLen
	case deminer.EventFlow, deminer.EventDNS:
		from, pathLen = atOnlyData, 0
	}
	if dataLen == 0 && pathLen == 0 {
		return nil, nil, true
	}
	if len(b) < from+dataLen || len(b) < atPath+pathLen {
		return nil, nil, false
	}
	return b[atPath : atPath+pathLen], b[from : from+dataLen], true
}

var protocols = map[byte]string{6: "tcp", 17: "udp"}

// fill gives path, data and numbers the meaning of the kind.
func (r *record) fill(path deminer.Raw, data []byte, b uint64, cut bool) {
	e := &r.event
	switch e.Kind {
	case deminer.EventExec:
		e.Exe, e.Argv, r.cutArg, e.DataCut = path, arguments(data), e.DataCut, false
		e.Memfd = r.odd && strings.HasPrefix(string(path), "/memfd:")
		e.ExeCut = cut || r.odd && !e.Memfd
	case deminer.EventFlow:
		e.Piece, e.Code, e.Data = int(e.Code), 0, deminer.Raw(data)
	case deminer.EventDNS:
		e.Code, e.Data = 0, deminer.Raw(data)
	case deminer.EventFlags:
		e.Path = path
	case deminer.EventUID:
		e.ToUID, e.ToEUID, e.Code = uint32(e.Code), uint32(b), 0
	case deminer.EventModule, deminer.EventBPF:
		e.Name = text(data)
	case deminer.EventMount:
		e.Path = text(data)
	case deminer.EventMemWrite:
		if len(data) > 0 {
			e.Path = text(data)
		}
	case deminer.EventAnonExec:
		e.Code = 0
	}
}

// text ends at the first NUL. The result is a copy.
func text(b []byte) deminer.Raw {
	if at := slices.Index(b, 0); at >= 0 {
		b = b[:at]
	}
	return deminer.Raw(b)
}

// upside makes a path of names that are ended by NUL and stand the last one first.
func upside(b []byte) deminer.Raw {
	if len(b) == 0 {
		return ""
	}
	out := make([]byte, 0, len(b)+1)
	for end := len(b); end > 0; {
		end-- // the NUL
		from := end
		for from > 0 && b[from-1] != 0 {
			from--
		}
		out = append(append(out, '/'), b[from:end]...)
		end = from
	}
	return deminer.Raw(out)
}

// arguments parts a command line at its NULs, as the kernel lays it out: each argument is ended by one.
func arguments(b []byte) []deminer.Raw {
	if len(b) == 0 {
		return nil
	}
	var out []deminer.Raw
	for s := range strings.SplitSeq(strings.TrimSuffix(string(b), "\x00"), "\x00") {
		out = append(out, deminer.Raw(s))
	}
	return out
}

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
