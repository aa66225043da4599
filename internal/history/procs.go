package history

import (
	"time"

	"github.com/deminer/deminer"
)

// known is what is remembered of a process: enough to say later what it was, should it do something that is kept.
type known struct {
	id, parent deminer.ProcID
	first      Entry // its last exec, or how it was heard of first; nothing but what begins a process
	kept       uint64
	cpu        usage
}

// keptNever says that no entry tells of the process yet; else kept is the number of the block that does.
const keptNever = 0

// usage is the processor time of a process that was not stored yet.
type usage struct {
	since, last time.Time
	from, to    time.Duration
	cores       float64
}

// maxProcs bounds each of the two halves of the table.
const maxProcs = 3072

// procs remembers processes: those of late, and those before. What is asked for moves to those of late; when these are full
// those before are forgotten.
type procs struct {
	now, before map[int]*known
	free        []*known // of processes that ended, to be used again: a program a moment makes no garbage
}

// maxFree bounds what is kept to be used again.
const maxFree = 64

func newProcs() procs { return procs{now: map[int]*known{}, before: map[int]*known{}} }

// find gives what is known of a process; nil if nothing. A start of 0 stands for the last process of that number.
func (p *procs) find(id deminer.ProcID) *known {
	k, ok := p.now[id.PID]
	if !ok {
		if k, ok = p.before[id.PID]; ok {
			delete(p.before, id.PID)
			p.put(k)
		}
	}
	if !ok || id.Start != 0 && k.id.Start != 0 && k.id.Start != id.Start {
		return nil
	}
	return k
}

func (p *procs) put(k *known) {
	if len(p.now) >= maxProcs {
		p.now, p.before = map[int]*known{}, p.now
	}
	p.now[k.id.PID] = k
}

// forget is called when a process has ended and nothing more is asked about k, which is what see gave of it.
func (p *procs) forget(pid int, k *known) {
	delete(p.now, pid)
	delete(p.before, pid)
	if k != nil && len(p.free) < maxFree {
		p.free = append(p.free, k)
	}
}

// fresh makes an entry of the table.
func (p *procs) fresh(id deminer.ProcID) *known {
	n := len(p.free)
	if n == 0 {
		return &known{id: id}
	}
	k := p.free[n-1]
	p.free = p.free[:n-1]
	*k = known{id: id}
	return k
}

// see learns from an event what its process is, and names its parent for good.
func (p *procs) see(e *Entry) *known {
	if e.Proc.PID == 0 {
		return nil
	}
	k := p.find(e.Proc)
	fresh := k == nil
	if fresh {
		k = p.fresh(e.Proc)
	}
	if e.Parent == 0 || e.Parent == k.parent.PID {
		e.Parent, e.ParentStart = k.parent.PID, k.parent.Start
	} else if up := p.find(deminer.ProcID{PID: e.Parent}); up != nil && up.id.Start <= e.Proc.Start {
		e.ParentStart = up.id.Start
	}
	if k.parent.PID == 0 {
		k.parent = e.ParentID()
	}
	if e.begins() {
		k.first = sparse(e)
		k.kept = keptNever
	}
	if fresh {
		p.put(k)
	}
	return k
}

// maxSparse is how much of the arguments is remembered of a process that nothing is stored of.
const maxSparse = 256

// sparse keeps of an entry what says what a process is.
func sparse(e *Entry) Entry {
	out := *e
	left := maxSparse
	for i, a := range e.Argv {
		if left -= len(a) + 1; left < 0 {
			out.Argv, out.ArgvCut = e.Argv[:i:i], true
			break
		}
	}
	return out
}
