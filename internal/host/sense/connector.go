package sense

import (
	"encoding/binary"
	"time"

	"github.com/deminer/deminer"
)

// Numbers of linux/cn_proc.h and linux/connector.h.
const (
	cnProc     = 1 // CN_IDX_PROC and CN_VAL_PROC
	cnHeader   = 20
	cnEvent    = 16 // what, cpu, timestamp
	procFork   = 0x1
	procExec   = 0x2
	procUID    = 0x4
	procPtrace = 0x100
	procExit   = 0x80000000
)

// netlinkDone is NLMSG_DONE, the type that the connector gives its messages.
const netlinkDone = 3

// parseConnector reads the events of one datagram of the proc connector. Those of single threads and of kinds that deminer
// does not know are left out; who did it is a pid alone. Damaged messages end the reading.
func parseConnector(b []byte, see func(e deminer.Event, since time.Duration)) {
	for len(b) >= 16 {
		size := int(binary.NativeEndian.Uint32(b))
		if size < 16 || size > len(b) {
			return
		}
		if binary.NativeEndian.Uint16(b[4:]) == netlinkDone {
			parseConnectorMessage(b[16:size], see)
		}
		b = b[min((size+3)&^3, len(b)):]
	}
}

func parseConnectorMessage(b []byte, see func(e deminer.Event, since time.Duration)) {
	if len(b) < cnHeader+cnEvent+8 || binary.NativeEndian.Uint32(b) != cnProc || binary.NativeEndian.Uint32(b[4:]) != cnProc {
		return
	}
	if size := int(binary.NativeEndian.Uint16(b[16:])); size < cnEvent+8 || size > len(b)-cnHeader {
		return
	}
	b = b[cnHeader:]
	since := time.Duration(binary.NativeEndian.Uint64(b[8:]))
	field := func(n int) uint32 { // of the data that depends on what happened
		if at := cnEvent + 4*n; at+4 <= len(b) {
			return binary.NativeEndian.Uint32(b[at:])
		}
		return 0
	}
	e := deminer.Event{Sensor: deminer.SensorConnector}
	pid, tgid := field(0), field(1)
	switch binary.NativeEndian.Uint32(b) {
	case procFork:
		// The parent stands first.
		e.Kind, e.Parent = deminer.EventFork, int(tgid)
		if pid, tgid = field(2), field(3); pid != tgid {
			return
		}
	case procExec:
		e.Kind = deminer.EventExec
	case procUID:
		e.Kind, e.ToUID, e.ToEUID = deminer.EventUID, field(2), field(3)
	case procPtrace:
		// The traced stands first; nobody as the tracer means that it was let go.
		e.Kind, e.Target = deminer.EventPtrace, int(tgid)
		if tgid = field(3); tgid == 0 {
			return
		}
	case procExit:
		if pid != tgid {
			return
		}
		e.Kind, e.Code = deminer.EventExit, int64(field(2))
	default:
		return
	}
	e.Proc.PID = int(tgid)
	see(e, since)
}

// connectorRequest asks the connector to send events or to stop.
func connectorRequest(listen bool) []byte {
	op := uint32(2) // PROC_CN_MCAST_IGNORE
	if listen {
		op = 1
	}
	b := make([]byte, 16+cnHeader+4)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], netlinkDone)
	binary.NativeEndian.PutUint32(b[16:], cnProc)
	binary.NativeEndian.PutUint32(b[20:], cnProc)
	binary.NativeEndian.PutUint16(b[32:], 4)
	binary.NativeEndian.PutUint32(b[16+cnHeader:], op)
	return b
}
