package history

import (
	"time"

	"github.com/deminer/deminer"
)

// How processor time is kept: a stretch in which a process used about as much all the time is one entry.
const (
	busy      = 0.2              // cores; who uses less is at rest and not told of
	stretch   = 10 * time.Minute // an entry tells of so much at most
	alikeness = 0.3              // a part of the cores: so much more or less is as much
)

// Sample takes the processor time that a process has used since it began, as looked at now. Call it for every process about
// once a minute, or more often: a stretch of work is then kept with its begin and end.
func (s *Store) Sample(p *deminer.Process, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.procs.find(p.ID)
	if k == nil {
		return
	}
	u := &k.cpu
	if u.last.IsZero() || !now.After(u.last) || p.CPUTime < u.to {
		*u = usage{since: now, last: now, from: p.CPUTime, to: p.CPUTime}
		return
	}
	cores := (p.CPUTime - u.to).Seconds() / now.Sub(u.last).Seconds()
	change := u.since != u.last && (cores >= busy != (u.cores >= busy) || max(cores, u.cores) >= busy && abs(cores-u.cores) > alikeness*max(cores, u.cores))
	if change || now.Sub(u.since) > stretch {
		s.usage(k)
		*u = usage{since: u.last, last: u.last, from: u.to, to: u.to}
	}
	if u.since == u.last {
		u.cores = cores
	}
	u.last, u.to = now, p.CPUTime
}

func abs(f float64) float64 { return max(f, -f) }

// usage keeps a stretch of work that is over.
func (s *Store) usage(k *known) {
	u := &k.cpu
	if length := u.last.Sub(u.since); length <= 0 || (u.to-u.from).Seconds()/length.Seconds() < busy {
		return
	}
	e := Entry{Event: k.first.Event, ParentStart: k.first.ParentStart, Last: u.last, CPU: u.to - u.from, Clock: (s.base + s.opt.Mono()).Truncate(time.Millisecond)}
	e.Kind, e.Time, e.Argv, e.ArgvCut, e.Sensor = KindCPU, u.since, nil, false, ""
	if s.room(&e, false) {
		s.ancestry(k, &e, false)
		s.append(&e)
	}
}

// lastUsage keeps what a process did up to its end.
func (s *Store) lastUsage(k *known) {
	if k != nil && !k.cpu.last.IsZero() {
		s.usage(k)
	}
}
