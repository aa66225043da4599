package sense

import (
	"path"
	"strings"
	"sync"

	"github.com/deminer/deminer"
)

// Limits of what is remembered. What is forgotten is asked again.
const (
	maxKnown  = 32_768 // processes
	maxEnded  = 1_024  // of them such as have ended
	maxPlaces = 4_096  // control groups
)

// rootGroup is the number of the root of the unified control groups. A process that is there may be in a group of an old
// hierarchy that the kernel's program did not look at, so it says nothing of a process.
const rootGroup = 1

// process is what is remembered of a process for its later events. It stays for a while after the end, for events that come late.
type process struct {
	start           uint64
	parent          int
	uid, euid       uint32
	comm, exe       deminer.Raw
	deleted, memfd  bool
	unit, container string
}

// origin is what a control group says.
type origin struct{ unit, container string }

// overProc reports a path of /proc.
func overProc(name string) bool { return name == "/proc" || strings.HasPrefix(name, "/proc/") }

// known remembers processes and control groups, so that an event costs no look at /proc.
type known struct {
	look  Looker
	mu    sync.Mutex
	procs map[int]process
	group map[place]origin
	ended [maxEnded]deminer.ProcID // the oldest at last
	last  int
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
			p.tell(e)
			k.keep(e.Proc.PID, remember(e))
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
			k.end(e.Proc)
		}
	}
}

// end forgets the process that ended longest ago of so many.
func (k *known) end(id deminer.ProcID) {
	if old := k.ended[k.last]; old.PID != 0 && k.procs[old.PID].start == old.Start {
		delete(k.procs, old.PID)
	}
	k.ended[k.last] = id
	k.last = (k.last + 1) % maxEnded
}

// matters settles whether a mount is over /proc: what the program wrote may be relative to where it is. A target that is named by
// a descriptor, as container engines do, cannot be told and is left out.
func (k *known) matters(e *deminer.Event) bool {
	if e.Kind != deminer.EventMount {
		return true
	}
	name := string(e.Path)
	if !path.IsAbs(name) {
		p, err := k.look.Glance(e.Proc.PID)
		if err != nil || p.Cwd == "" {
			return true // better one too many
		}
		name = p.Cwd + "/" + name
	}
	name = path.Clean(name)
	if !overProc(name) {
		return false
	}
	e.Path = deminer.Raw(name)
	part := strings.Split(name, "/") // "", "proc", pid, "fd", number
	return len(part) < 5 || part[3] != "fd"
}

func remember(e *deminer.Event) process {
	return process{e.Proc.Start, e.Parent, e.UID, e.EUID, e.Comm, e.Exe, e.Deleted, e.Memfd, e.Unit, e.Container}
}

// tell says of an event's process what is remembered of its program.
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
	k.keep(e.Proc.PID, remember(e))
}

// complete takes from a look what an event had no room for. A process that ends has no command line any more: then the event
// keeps its part and says that there was more.
func complete(e *deminer.Event, p *deminer.Process, argv bool) {
	if e.ExeCut && p.Exe != "" {
		e.Exe, e.ExeCut = limit(p.Exe, deminer.MaxEventPath)
	}
	if !argv {
		return
	}
	e.ArgvCut = true
	if whole, cut := limitArgv(p.Argv); len(whole) >= len(e.Argv) && len(whole) > 0 {
		e.Argv, e.ArgvCut = whole, cut
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
	p := seen(&got)
	k.keep(id.PID, p)
	return p, true
}

// seen is what is remembered of a look.
func seen(p *deminer.Process) process {
	exe, _ := limit(p.Exe, deminer.MaxEventPath)
	return process{p.ID.Start, p.PPID, p.UID, p.EUID, deminer.Raw(p.Comm), exe, p.Deleted, p.Memfd, p.Unit, p.Container}
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
	one, ok := k.procs[pid]
	if e.Kind == deminer.EventFork {
		ok = false // whatever had this number before is another process
	}
	if e.Kind != deminer.EventExit || !ok { // a zombie has no program any more
		if p, err := k.look.Glance(pid); err == nil && (p.Exe != "" || !ok || p.ID.Start != one.start) {
			if one, ok = seen(&p), true; e.Kind == deminer.EventExec {
				_, e.ExeCut = limit(p.Exe, deminer.MaxEventPath)
				e.Argv, e.ArgvCut = limitArgv(p.Argv)
			}
		} else if e.Kind == deminer.EventExec {
			ok = false // it is another program now
		}
	}
	if !ok {
		delete(k.procs, pid)
		return
	}
	k.keep(pid, one)
	e.Proc.Start, e.UID, e.EUID, e.Comm = one.start, one.uid, one.euid, one.comm
	if e.Parent == 0 {
		e.Parent = one.parent
	}
	one.tell(e)
	if e.Kind == deminer.EventExit {
		k.end(e.Proc)
	}
}
