package sense

import (
	"errors"
	"testing"

	"github.com/deminer/deminer"
)

// blind sees no process.
type blind struct{ Looker }

func (blind) Glance(int) (deminer.Process, error) { return deminer.Process{}, errors.New("gone") }

// TestEndedAreForgotten: of processes that began and ended some are remembered, for what comes late; those that live all are, and so is
// one that got the number of another that ended.
func TestEndedAreForgotten(t *testing.T) {
	k := newKnown(blind{})
	tell := func(kind deminer.EventKind, pid int, start uint64) deminer.Event {
		r := record{event: deminer.Event{Kind: kind, Proc: deminer.ProcID{PID: pid, Start: start}}, group: place{2, 1}}
		if kind == deminer.EventExec {
			r.event.Exe = "/bin/x"
		}
		k.fill(&r)
		return r.event
	}
	tell(deminer.EventExec, 1, 1)
	tell(deminer.EventExec, 2, 2)
	tell(deminer.EventExit, 2, 2)
	tell(deminer.EventExec, 2, 3) // the number again
	for i := range 5 * maxEnded {
		tell(deminer.EventExec, 10+i, 10)
		tell(deminer.EventExit, 10+i, 10)
	}
	if n := len(k.procs); n != maxEnded+2 {
		t.Errorf("%d are remembered, want %d that ended and 2 that live", n, maxEnded)
	}
	for pid, start := range map[int]uint64{1: 1, 2: 3, 10 + 5*maxEnded - 1: 10} {
		if e := tell(deminer.EventConnect, pid, start); e.Exe != "/bin/x" {
			t.Errorf("process %d is forgotten", pid)
		}
	}
}
