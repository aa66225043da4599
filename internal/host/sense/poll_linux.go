//go:build linux

package sense

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/deminer/deminer"
)

// slowly is how many short looks come before a long one.
const slowly = 10

// pollKinds is what looking at /proc and the file system again and again finds, and what it does not.
var pollKinds = map[deminer.EventKind]string{
	deminer.EventExec:     "processes that end before the next look, and who is another program twice between two long looks",
	deminer.EventFork:     "processes that end before the next look",
	deminer.EventExit:     "processes that were never seen; how a process ended, and when exactly",
	deminer.EventFile:     "who changed it, changes that were taken back, when exactly",
	deminer.EventAnonExec: "memory that is executable only between two long looks",
	deminer.EventModule:   "who loaded it, modules that hide or are gone at the next look",
	deminer.EventBPF:      "who loaded it, programs that are gone at the next look, attempts that the kernel refused",
	deminer.EventMount:    "who mounted it, mounts outside the mount namespace of PID 1, mounts that are gone at the next look",
	deminer.EventUID:      "who changes back before the next look",
}

// socketKinds is what asking for the list of sockets again and again finds.
var socketKinds = map[deminer.EventKind]string{
	deminer.EventConnect: "connections that end before the next look, UDP without connect, attempts that fail",
	deminer.EventBind:    "sockets that close before the next look, and those bound but neither listening nor open to all",
}

// poller looks again and again and tells the differences.
type poller struct {
	opt   Options
	can   map[deminer.EventKind]string
	kinds []deminer.EventKind

	procs   map[deminer.ProcID]*deminer.Process
	sockets map[string]bool
	late    map[string]bool // sockets whose owner may be known at the next look
	kernel  map[string]bool
	files   map[string]deminer.Attr
	list    map[string]map[string]bool // directory -> names
	see     func(deminer.Event)        // nil: the first look, which tells nothing
}

func (p *poller) take(want []deminer.EventKind) (map[deminer.EventKind]deminer.Sense, map[deminer.EventKind]string) {
	got, why := map[deminer.EventKind]deminer.Sense{}, map[deminer.EventKind]string{}
	p.procs, p.sockets, p.kernel = map[deminer.ProcID]*deminer.Process{}, map[string]bool{}, map[string]bool{}
	p.files, p.list = map[string]deminer.Attr{}, map[string]map[string]bool{}
	for _, k := range want {
		lost, can := p.can[k]
		if k == deminer.EventFile && can && (p.opt.FS == nil || len(p.opt.Files)+len(p.opt.Dirs) == 0) {
			why[k], can = "no places are given", false
		}
		if !can {
			continue
		}
		every := p.opt.Every * slowly
		if k == deminer.EventExec || k == deminer.EventFork {
			every = p.opt.Every
		}
		p.kinds = append(p.kinds, k)
		got[k] = deminer.Sense{How: fmt.Sprintf("a look every %v", every), Lost: lost}
	}
	return got, why
}

// want reports whether one of the kinds was taken.
func (p *poller) want(kinds ...deminer.EventKind) bool {
	return slices.ContainsFunc(kinds, func(k deminer.EventKind) bool { return slices.Contains(p.kinds, k) })
}

func (p *poller) run(ctx context.Context, see func(deminer.Event)) error {
	p.long(ctx)
	p.see = see
	tick := time.NewTicker(p.opt.Every)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if n%slowly == 0 {
			p.long(ctx)
		} else if p.want(deminer.EventExec, deminer.EventFork) {
			p.short(ctx)
		}
	}
}

func (p *poller) drops(func(deminer.EventKind, uint64)) {}
func (p *poller) close() error                          { return nil }

// tell reports an event of a kind that was taken; by is nil where nobody is known.
func (p *poller) tell(by *deminer.Process, e deminer.Event) {
	if p.see == nil || !p.want(e.Kind) {
		return
	}
	e.Time, e.Sensor = time.Now().UTC(), deminer.SensorPoll
	if _, ok := socketKinds[e.Kind]; ok {
		e.Sensor = deminer.SensorSockDiag
	}
	if by != nil {
		e.Proc, e.Parent, e.Comm, e.UID, e.EUID = by.ID, by.PPID, deminer.Raw(by.Comm), by.UID, by.EUID
		e.Exe, e.ExeCut = limit(by.Exe, deminer.MaxEventPath)
		e.Deleted, e.Memfd, e.Unit, e.Container = by.Deleted, by.Memfd, by.Unit, by.Container
		if e.Kind == deminer.EventExec {
			e.Argv, e.ArgvCut = limitArgv(by.Argv)
		}
	}
	p.see(e)
}

// short looks for new processes only.
func (p *poller) short(ctx context.Context) {
	known := make([]deminer.Process, 0, len(p.procs))
	for id := range p.procs {
		known = append(known, deminer.Process{ID: id})
	}
	fresh, _ := p.opt.Look.Newcomers(ctx, known)
	for i := range fresh {
		p.process(&fresh[i])
	}
}

// long looks at everything that was taken.
func (p *poller) long(ctx context.Context) {
	var procs []deminer.Process
	if p.want(deminer.EventExec, deminer.EventFork, deminer.EventExit, deminer.EventUID, deminer.EventAnonExec, deminer.EventConnect, deminer.EventBind) {
		procs, _, _ = p.opt.Look.Processes(ctx, 0)
		p.all(procs)
	}
	if p.want(deminer.EventConnect, deminer.EventBind) {
		list, _ := p.opt.Look.Sockets(ctx, procs)
		p.allSockets(list)
	}
	if p.want(deminer.EventModule, deminer.EventBPF, deminer.EventMount) {
		k, _ := p.opt.Look.Kernel(ctx)
		p.allKernel(&k)
	}
	if p.want(deminer.EventFile) {
		p.allFiles(ctx)
	}
}

func (p *poller) all(procs []deminer.Process) {
	if len(procs) == 0 {
		return // the look failed: nobody has ended
	}
	here := make(map[deminer.ProcID]bool, len(procs))
	for i := range procs {
		here[procs[i].ID] = true
		p.process(&procs[i])
	}
	for id, was := range p.procs {
		if !here[id] {
			delete(p.procs, id)
			p.tell(was, deminer.Event{Kind: deminer.EventExit})
		}
	}
}

// process tells what is new of one process.
func (p *poller) process(now *deminer.Process) {
	if now.Kernel {
		return
	}
	was := p.procs[now.ID]
	if was == nil && now.Gone {
		return
	}
	if was == nil {
		p.tell(now, deminer.Event{Kind: deminer.EventFork})
	}
	// One that only forked runs the program of its parent; that cannot be told from an exec of the same, so it is told.
	if was == nil || now.Exe != "" && (now.Exe != was.Exe || now.ExeAttr.Ino != was.ExeAttr.Ino) {
		p.tell(now, deminer.Event{Kind: deminer.EventExec})
		if was != nil {
			was.Memory = nil
		}
	}
	if was != nil && (now.UID != was.UID || now.EUID != was.EUID) && !now.Gone {
		p.tell(was, deminer.Event{Kind: deminer.EventUID, ToUID: now.UID, ToEUID: now.EUID})
	}
	anon := func(q *deminer.Process) bool { return q != nil && q.Memory != nil && q.Memory.AnonExec > 0 }
	if anon(now) && !anon(was) {
		p.tell(now, deminer.Event{Kind: deminer.EventAnonExec})
	}
	keep := *now
	keep.Env, keep.Threads, keep.Argv = nil, nil, nil
	p.procs[now.ID] = &keep
}

func (p *poller) allSockets(list []deminer.Socket) {
	here, late := make(map[string]bool, len(list)), map[string]bool{}
	listens := map[string]bool{}
	port := func(addr string) string { return addr[1+lastColon(addr):] }
	for i := range list {
		if s := &list[i]; s.Listening() {
			listens[fmt.Sprint(s.NetNS, s.Proto, port(s.Local))] = true
		}
	}
	for i := range list {
		s := &list[i]
		key := fmt.Sprint(s.NetNS, s.Proto, s.Local, s.Remote, s.Inode)
		if p.sockets[key] || s.Proto != "tcp" && s.Proto != "udp" {
			here[key] = true
			continue
		}
		var by *deminer.Process
		for _, id := range s.Owners {
			if by = p.procs[id]; by != nil {
				break
			}
		}
		// A process that began between the two lists is known the next time.
		if by == nil && p.see != nil && !p.late[key] {
			late[key] = true
			continue
		}
		here[key] = true
		switch {
		case s.Remote == "":
			p.tell(by, deminer.Event{Kind: deminer.EventBind, Proto: s.Proto, Local: s.Local})
		case !listens[fmt.Sprint(s.NetNS, s.Proto, port(s.Local))]: // else somebody connected to us
			p.tell(by, deminer.Event{Kind: deminer.EventConnect, Proto: s.Proto, Local: s.Local, Remote: s.Remote})
		}
	}
	p.sockets, p.late = here, late
}

func lastColon(s string) int {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == ':' {
			return i
		}
	}
	return -1
}

func (p *poller) allKernel(k *deminer.Kernel) {
	here := map[string]bool{}
	add := func(key string, e deminer.Event) {
		if here[key] = true; !p.kernel[key] {
			p.tell(nil, e)
		}
	}
	for _, m := range k.Modules {
		add("module "+m.Name, deminer.Event{Kind: deminer.EventModule, Name: deminer.Raw(m.Name)})
	}
	for _, b := range k.BPF {
		add(fmt.Sprint("bpf ", b.ID), deminer.Event{Kind: deminer.EventBPF, Name: deminer.Raw(b.Name)})
	}
	for _, m := range k.Mounts {
		if m.Point != "/proc" && overProc(m.Point) {
			point, _ := limit(m.Point, deminer.MaxEventPath)
			add(fmt.Sprint("mount ", m.ID, " ", m.Point), deminer.Event{Kind: deminer.EventMount, Path: point})
		}
	}
	p.kernel = here
}
