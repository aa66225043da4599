package sense

import (
	"sync"

	"github.com/deminer/deminer"
)

// Limits of what is remembered. What is forgotten is asked again.
const (
	maxKnown  = 32_768 // processes
	maxPlaces = 4_096  // control groups
)

// rootGroup is the number of the root of the unified control groups. A process that is there may be in a group of an old
// hierarchy that the kernel's program did not look at, so it says nothing of a process.
const rootGroup = 1

// process is what is remembered of a process for its later events.
type process struct {
	start           uint64
	exe             deminer.Raw
	deleted, memfd  bool
	unit, container string
}

// origin is what a control group says.
type origin struct{ unit, container string }

// known remembers processes and control groups, so that an event costs no look at /proc.
type known struct {
	look  Looker
	mu    sync.Mutex
	procs map[int]process
	group map[place]origin
}

func newKnown(l Looker) *known {
	return &known{look: l, procs: map[int]process{}, group: map[place]origin{}}
}

// fill completes an event with what is known of its process.
func (k *known) fill(r *record) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := &r.event
	switch {
	case e.Proc.PID == 0:
	case e.Kind == deminer.EventExec:
		k.exec(r)
	case e.Kind == deminer.EventFork:
		if p, ok := k.procs[e.Parent]; ok {
			p.start = e.Proc.Start
			k.keep(e.Proc.PID, p)
			p.tell(e)
		}
	default:
		p, ok := k.procs[e.Proc.PID]
		if !ok || p.start != e.Proc.Start {
			p, ok = k.ask(e.Proc)
		}
		if ok {
			p.tell(e)
		}
		if e.Kind == deminer.EventExit {
			delete(k.procs, e.Proc.PID)
		}
	}
}

func (p *process) tell(e *deminer.Event) {
	e.Exe, e.Deleted, e.Memfd, e.Unit, e.Container = p.exe, p.deleted, p.memfd, p.unit, p.container
}

// exec takes the event of an exec, which carries nearly all, and completes it.
func (k *known) exec(r *record) {
	e := &r.event
	o, ok := k.group[r.group]
	if r.group.cgroup == rootGroup {
		// It is where its parent was: who moves it elsewhere moves it to no root.
		p, forked := k.procs[e.Proc.PID]
		o, ok = origin{p.unit, p.container}, forked && p.start == e.Proc.Start
	}
	if !ok || e.ExeCut || r.cutArg {
		if p, err := k.look.Glance(e.Proc.PID); err == nil && p.ID == e.Proc && !p.Gone {
			o, ok = origin{p.Unit, p.Container}, true
			k.learn(r.group, o)
			complete(e, &p, r.cutArg)
		} else {
			e.ArgvCut = r.cutArg
		}
	}
	e.Unit, e.Container = o.unit, o.container
	k.keep(e.Proc.PID, process{e.Proc.Start, e.Exe, e.Deleted, e.Memfd, e.Unit, e.Container})
}

// complete takes from a look what an event had no room for.
func complete(e *deminer.Event, p *deminer.Process, argv bool) {
	if e.ExeCut && p.Exe != "" {
		e.Exe, e.ExeCut = limit(p.Exe, deminer.MaxEventPath)
	}
	if argv {
		e.Argv, e.ArgvCut = limitArgv(p.Argv)
	}
}

// limit cuts a text of the host at n bytes.
func limit(s string, n int) (deminer.Raw, bool) {
	if len(s) > n {
		return deminer.Raw(s[:n]), true
	}
	return deminer.Raw(s), false
}

// limitArgv keeps the first deminer.MaxEventArgv bytes of a command line.
func limitArgv(argv []string) (out []deminer.Raw, cut bool) {
	left := deminer.MaxEventArgv
	for _, a := range argv {
		if left <= 0 {
			return out, true
		}
		part, short := limit(a, left)
		left -= len(part) + 1
		out = append(out, part)
		if short {
			return out, true
		}
	}
	return out, false
}

// ask looks at a process that was there before anybody watched.
func (k *known) ask(id deminer.ProcID) (process, bool) {
	got, err := k.look.Glance(id.PID)
	if err != nil || got.ID != id || got.Gone {
		return process{}, false
	}
	exe, _ := limit(got.Exe, deminer.MaxEventPath)
	p := process{id.Start, exe, got.Deleted, got.Memfd, got.Unit, got.Container}
	k.keep(id.PID, p)
	return p, true
}

func (k *known) keep(pid int, p process) {
	if len(k.procs) >= maxKnown {
		clear(k.procs)
	}
	k.procs[pid] = p
}

func (k *known) learn(g place, o origin) {
	if len(k.group) >= maxPlaces {
		clear(k.group)
	}
	k.group[g] = o
}

// glance completes an event that names its process by pid alone.
func (k *known) glance(e *deminer.Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	pid := e.Proc.PID
	known, ok := k.procs[pid]
	switch {
	case e.Kind == deminer.EventExit && ok:
		// A zombie has no program any more, so it is not looked at.
		e.Proc.Start = known.start
		known.tell(e)
		delete(k.procs, pid)
		return
	case e.Kind == deminer.EventFork:
		// Most forks end in an exec at once; only what the child's own life needs is read then.
		delete(k.procs, pid)
	}
	p, err := k.look.Glance(pid)
	if err != nil {
		return
	}
	e.Proc, e.Comm, e.UID, e.EUID = p.ID, deminer.Raw(p.Comm), p.UID, p.EUID
	if e.Parent == 0 {
		e.Parent = p.PPID
	}
	exe, cut := limit(p.Exe, deminer.MaxEventPath)
	one := process{p.ID.Start, exe, p.Deleted, p.Memfd, p.Unit, p.Container}
	if one.tell(e); e.Kind == deminer.EventExec {
		e.ExeCut = cut
		e.Argv, e.ArgvCut = limitArgv(p.Argv)
	}
	if e.Kind == deminer.EventExit {
		delete(k.procs, pid)
	} else if !p.Gone {
		k.keep(pid, one)
	}
}
