//go:build linux

package live

import (
	"errors"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// Parts of a look, as gaps name them.
const (
	partProc    = "live/processes"
	partSockets = "live/sockets"
)

// Live sees the running system. It may be used from several goroutines.
type Live struct {
	proc *procfs // nil if there is none, see err
	err  error
	note error // why the private mount could not be had
}

// Open makes ready to look. It never fails: what cannot be had is reported as a gap by each call that needs it.
func Open() *Live {
	p, err := openPrivate()
	if err == nil {
		return &Live{proc: p}
	}
	shared, err2 := openShared()
	if err2 != nil {
		return &Live{err: errors.Join(err, err2)}
	}
	return &Live{proc: shared, note: err}
}

// initialPidNS is the inode number of the first PID namespace (PROC_PID_INIT_INO of linux/proc_ns.h).
const initialPidNS = 0xEFFFFFFC

// contained says whether deminer runs in a container; what cannot be read counts as the host.
func (p *procfs) contained() bool {
	buf := make([]byte, 256)
	n, err := unix.Readlinkat(p.fd, "self/ns/pid", buf)
	return err == nil && namespaceID(string(buf[:n])) != initialPidNS
}

// gaps says what the whole look suffers from.
func (l *Live) gaps() []deminer.Gap {
	var out []deminer.Gap
	add := func(why string) {
		out = append(out, deminer.Gap{Part: partProc, State: deminer.Partial, What: "/proc", Why: why})
	}
	if l.note != nil {
		add("the host's own /proc had to be used: " + l.note.Error())
	}
	if b, err := l.proc.read("self/mountinfo", nil, maxMountinfo); err == nil && !l.proc.private {
		for _, m := range parseMountinfo(b) {
			if m.Point == "/proc" && m.Type == "proc" && strings.Contains(m.Opts, "hidepid=") && !strings.Contains(m.Opts, "hidepid=0") && !strings.Contains(m.Opts, "hidepid=off") {
				add("/proc is mounted with hidepid, which hides other users' processes")
			}
		}
	}
	if unix.Geteuid() != 0 {
		add("without root rights most of other users' processes cannot be read")
	}
	if l.proc.contained() {
		add("deminer runs in a PID namespace of its own, so it sees no process outside")
	}
	return out
}

// bootTime is when the system started, as exact as the clocks are.
func bootTime() time.Time {
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err != nil {
		return time.Time{}
	}
	return time.Now().Add(-time.Duration(up.Nano())).Round(0)
}

// Close gives back what Open took.
func (l *Live) Close() error {
	if l.proc == nil {
		return nil
	}
	return unix.Close(l.proc.fd)
}
