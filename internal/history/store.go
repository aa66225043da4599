// Package history keeps what happened on a host: processes with where they came from, connections, changes of files, answers
// of name servers, alerts. It is bounded in size and memory, and it shows when it was tampered with.
//
// Entries go into a buffer and from there, some seconds later at most, into the tail, a file that is written through to the
// disk. When the tail has enough for a block, the block is compressed, put behind the others of the newest segment with an
// index of its own, and a new tail begins. Every frame of the tail and every block carries a hash over itself and the one
// before; the head, a file of its own, says how far they have come. So a kill or a power cut costs what was not in the tail yet
// and nothing else, and what was changed, taken out or moved is named when it is read.
//
// What comes again and again is counted, not kept: see fold.go. The package starts no goroutine: whoever keeps a history runs
// [Store.Run].
package history

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/deminer/deminer"
)

// Options say how much is kept. The zero value keeps 200 MB or the last 7 days.
type Options struct {
	// Max is how many bytes the history may have on disk, at least 1 MiB; 0: 200,000,000. What is oldest goes.
	Max int64
	// Age is how long an entry is kept at least where Max allows, in time during which the history was kept; 0: 7 days.
	// A clock that is set forward does not make anything old.
	Age time.Duration
	// Segment is the size of the pieces in which what is oldest goes; 0: 4 MiB, or a sixteenth of Max where that is less.
	Segment int64
	// Every is how often entries are written to disk; 0: 2 seconds. Alerts and what was denied are written at once by Run.
	Every time.Duration
	// Now is the clock of the host, Mono one that never runs back; nil: those of the system.
	Now  func() time.Time
	Mono func() time.Duration
	// Lock takes an exclusive lock of an open file or answers deminer.ErrBusy; nil: no lock.
	Lock func(*os.File) error
	// Wrap, where set, stands between the history and its files: tests cut the power there.
	Wrap func(name string, f File) File
}

func (o *Options) defaults() {
	if o.Max == 0 {
		o.Max = 200e6
	}
	o.Max = max(o.Max, 1<<20)
	if o.Age == 0 {
		o.Age = 7 * 24 * time.Hour
	}
	if o.Segment == 0 {
		o.Segment = min(4<<20, o.Max/16)
	}
	if o.Every == 0 {
		o.Every = 2 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Mono == nil {
		begin := time.Now()
		o.Mono = func() time.Duration { return time.Since(begin) }
	}
	if o.Wrap == nil {
		o.Wrap = func(_ string, f File) File { return f }
	}
}

// Limits of the buffer before the disk. The last quarter is for what matters most.
const (
	bufferMost = 768 << 10
	bufferAll  = 1 << 20
)

// Store is a history that is being kept. Its methods may be called by many at a time.
type Store struct {
	opt Options
	dir *os.Root

	mu      sync.Mutex // of what is below
	next    uint64     // Seq of the next entry
	base    time.Duration
	coder   coder
	coderAt uint64 // block for which the coder began
	buffer  []byte
	number  uint64 // entries in buffer
	procs   procs
	fold    folder
	most    bucket // what an hour may bring of ordinary entries
	best    bucket // the same for what matters most
	drops   drops
	kept    uint64
	wake    chan struct{}
	off     error // why nothing is kept at all; nil: it is

	disk disk // has a lock of its own; taken before mu
}

// Open goes on with the history in dir, or begins one. What was cut by a crash is cut off; what is damaged is left as it is,
// named by [Store.Faults], and gone on after.
func Open(dir *os.Root, opt Options) (*Store, error) {
	opt.defaults()
	s := &Store{opt: opt, dir: dir, procs: newProcs(), fold: newFolder(), wake: make(chan struct{}, 1)}
	if err := s.disk.open(dir, &s.opt); err != nil {
		return nil, err
	}
	d := &s.disk
	s.next, s.base = d.seq+1, time.Duration(d.clock)*time.Millisecond-opt.Mono()
	s.coder, s.coderAt = d.coder, d.begin.Block
	s.drops = newDrops(opt.Now())
	// Whatever floods the history, what the last day brought stays: entries compress about eightfold.
	rate := float64(opt.Max) * 8 / (24 * 3600) / 2
	s.most, s.best = newBucket(rate), newBucket(rate)
	for _, fault := range d.faults {
		s.Alert(Entry{Event: deminer.Event{Time: opt.Now()}, Alert: &Alert{Rule: "history-damaged", Text: fault.Error()}})
	}
	return s, nil
}

// Without is a history that keeps nothing, because of why: what comes is counted as dropped, and [Store.State] says why. Of what lies
// in dir questions are answered all the same.
func Without(dir *os.Root, why error, opt Options) *Store {
	opt.defaults()
	s := &Store{opt: opt, dir: dir, procs: newProcs(), fold: newFolder(), wake: make(chan struct{}, 1), drops: newDrops(opt.Now()), off: why}
	s.disk.err = why
	return s
}

// Put keeps an event, or counts it: nothing waits for the disk, and nothing fails. Where there is no room it is dropped, and
// counted as such.
func (s *Store) Put(e deminer.Event) { s.put(Entry{Event: e}, matters(&e)) }

// Keep keeps an event that something was judged by, though its kind or its likes would have it counted only.
func (s *Store) Keep(e deminer.Event) { s.put(Entry{Event: e}, true) }

// Alert keeps what was judged, with the event that led to it.
func (s *Store) Alert(e Entry) {
	e.Kind = KindAlert
	s.put(e, true)
}

// Seen keeps a process that runs already.
func (s *Store) Seen(p *deminer.Process) {
	e := Entry{Event: deminer.Event{Kind: KindProcess, Time: p.Started, Proc: p.ID, Parent: p.PPID, Exe: deminer.Raw(p.Exe), Deleted: p.Deleted, Memfd: p.Memfd,
		Comm: deminer.Raw(p.Comm), UID: p.UID, EUID: p.EUID, Unit: p.Unit, Container: p.Container}}
	for _, a := range p.Argv {
		e.Argv = append(e.Argv, deminer.Raw(a))
	}
	s.put(e, false)
}

// matters tells what is kept first when there is no room for all.
func matters(e *deminer.Event) bool {
	switch e.Kind {
	case deminer.EventModule, deminer.EventBPF, deminer.EventMount, deminer.EventPtrace, deminer.EventMemWrite, deminer.EventFlags, deminer.EventSignal:
		return true
	}
	return e.Denied || e.Memfd || e.Deleted && e.Kind == deminer.EventExec
}

// Lost says that the sensors lost n events of a kind: the history shows where it has holes.
func (s *Store) Lost(kind deminer.EventKind, n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drops.add(kind, n, s.opt.Now())
}

// put is the way of all entries into the buffer.
func (s *Store) put(e Entry, best bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.Clock = (s.base + s.opt.Mono()).Truncate(time.Millisecond)
	if e.Time.IsZero() {
		e.Time = s.opt.Now()
	}
	if trim(&e); e.Kind == deminer.EventDNS {
		var ok bool
		if e.Name, e.Addrs, ok = answer(e.Data); !ok {
			return
		}
	}
	e.Data = ""
	k := s.procs.see(&e)
	keep := true
	switch e.Kind {
	case deminer.EventFork:
		return // told when the process does something
	case deminer.EventExit:
		s.lastUsage(k)
		keep = k != nil && k.kept != keptNever
		defer s.procs.forget(e.Proc.PID, k)
	case deminer.EventFlow:
		keep = best && s.fold.keeps(&e, "")
	case KindAlert, KindProcess, KindCPU:
	default:
		keep = s.fold.keeps(&e, s.parentExe(&e))
	}
	if keep && s.room(&e, best) {
		s.ancestry(k, &e, best)
		s.append(&e)
		if k != nil && e.begins() {
			k.kept = s.coderAt
		}
	}
	if best || len(s.buffer) > bufferMost/2 {
		s.hurry()
	}
}

func (s *Store) hurry() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Store) parentExe(e *Entry) deminer.Raw {
	if e.Kind != deminer.EventExec || e.Parent == 0 {
		return ""
	}
	if up := s.procs.find(e.ParentID()); up != nil {
		return up.first.Exe
	}
	return ""
}

// ancestry keeps what a process and those it descends from are, where no entry says so or the one that did is gone.
func (s *Store) ancestry(k *known, e *Entry, best bool) {
	var line []*known
	if k != nil && e.begins() {
		k = s.procs.find(k.parent)
	}
	for range maxLineage {
		if k == nil || k.kept != keptNever && k.kept >= s.disk.floorBlock.Load() || k.first.Kind == "" {
			break
		}
		line = append(line, k)
		k = s.procs.find(k.parent)
	}
	for i := len(line) - 1; i >= 0; i-- {
		one := line[i].first
		if line[i].kept != keptNever {
			one.Kind = KindProcess
		}
		one.Clock = e.Clock
		if s.room(&one, best) {
			s.append(&one)
			line[i].kept = s.coderAt
		}
	}
}

// room reports whether an entry may be appended; else it is counted as dropped.
func (s *Store) room(e *Entry, best bool) bool {
	limit, from := bufferMost, &s.most
	if best {
		limit, from = bufferAll, &s.best
	}
	size := weight(e)
	if s.off != nil || len(s.buffer)+size > limit || !from.take(size, e.Clock) {
		s.drops.add(e.Kind, max(1, e.Count), e.Time)
		return false
	}
	return true
}

// weight is about how many bytes an entry takes, and never less than it does.
func weight(e *Entry) int {
	n := 160 + len(e.Exe) + len(e.Comm) + len(e.Path) + len(e.Name) + len(e.Unit) + len(e.Container) + len(e.Remote) + len(e.Local)
	for _, a := range e.Argv {
		n += 3 + len(a)
	}
	for _, a := range e.Addrs {
		n += 3 + len(a)
	}
	if a := e.Alert; a != nil {
		n += len(a.ID) + len(a.Incident) + len(a.Rule) + len(a.Grade) + len(a.Text) + len(a.Done)
	}
	return n
}

func (s *Store) append(e *Entry) {
	s.buffer = s.coder.add(s.buffer, e)
	s.next, s.number, s.kept = s.next+1, s.number+1, s.kept+1
}

// trim cuts what is too long for an entry.
func trim(e *Entry) {
	left := maxArgs
	for i, a := range e.Argv {
		if i == maxWords || left < len(a)+1 {
			some := append([]deminer.Raw{}, e.Argv[:i]...)
			if left > 1 && i < maxWords {
				some = append(some, a[:left-1])
			}
			e.Argv, e.ArgvCut = some, true
			break
		}
		left -= len(a) + 1
	}
	for _, t := range []*deminer.Raw{&e.Exe, &e.Path, &e.Name, &e.Comm} {
		*t = (*t)[:min(len(*t), maxText)]
	}
}

// Run writes to disk what comes, until the context ends, and then the rest. It answers nil: a disk that takes nothing is told
// by [Store.State], and tried again.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(s.opt.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			s.tell(true)
			_ = s.Flush() // State tells
			return nil
		case <-s.wake:
			// What comes close behind goes with it.
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		case <-tick.C:
		}
		s.tell(false)
		_ = s.Flush() // State tells
	}
}

// tell puts down what was counted in the meantime.
func (s *Store) tell(all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.off != nil {
		return
	}
	clock := (s.base + s.opt.Mono()).Truncate(time.Millisecond)
	for _, e := range s.fold.over(clock, all) {
		e.Clock = clock
		if s.room(e, false) {
			s.append(e)
		}
	}
	for _, e := range s.drops.told(s.opt.Now(), clock, all) {
		if len(s.buffer)+weight(e) <= bufferAll {
			s.append(e)
		} else {
			s.drops.again(e)
		}
	}
}

// Close writes what is left and gives the files back.
func (s *Store) Close() error {
	if s.off != nil {
		return nil
	}
	s.tell(true)
	err := s.Flush()
	if e := s.disk.close(); err == nil {
		err = e
	}
	return err
}
