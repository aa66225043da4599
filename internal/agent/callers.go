package agent

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/deminer/deminer"
)

// What a miner says over TLS cannot be read on the wire, but a miner computes while it is connected. So whoever connects to somebody
// is asked a few times what it used of the processor since; who used enough is looked at, with its memory, each time: one look may come
// before there is all to see, or between two connections to a pool that does not answer.
const (
	computes   = 0.15 // cores since the question before: a throttled miner uses more
	maxCallers = 1024
)

// questions are when a caller is asked, since it connected. The first one only says from where to count.
var questions = []time.Duration{0, 3 * time.Second, 8 * time.Second, 20 * time.Second, 45 * time.Second}

// caller is a process that connected to somebody.
type caller struct {
	event deminer.Event
	since time.Time
	asked int
	at    time.Time // of the question before
	used  time.Duration
	look  bool // it was looked at
}

// callers are those that are still to be asked, and when a process that was looked at may be looked at again.
type callers struct {
	mu   sync.Mutex
	list map[deminer.ProcID]*caller
	rest map[deminer.ProcID]rest
}

// rest is for how long nobody asks about a process.
type rest struct {
	until time.Time
	wait  time.Duration
}

func newCallers() *callers {
	return &callers{list: map[deminer.ProcID]*caller{}, rest: map[deminer.ProcID]rest{}}
}

// note takes a connection that is begun. Those within the host are left out: most of what computes there talks to its data base.
func (c *callers) note(e *deminer.Event, now time.Time) {
	to, err := netip.ParseAddrPort(e.Remote)
	if err != nil || e.Proto != "tcp" || e.Proc.PID <= 0 || to.Addr().Unmap().IsLoopback() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.list[e.Proc] != nil || len(c.list) >= maxCallers || now.Before(c.rest[e.Proc].until) {
		return
	}
	c.list[e.Proc] = &caller{event: *e, since: now}
}

// due gives those that are to be asked now.
func (c *callers) due(now time.Time) (out []*caller) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.list {
		if now.Sub(one.since) >= questions[one.asked] {
			out = append(out, one)
		}
	}
	return out
}

// answer takes what a caller used of the processor in all, and reports whether it is worth a look.
func (c *callers) answer(one *caller, used time.Duration, lives bool, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := one.event.Proc
	share := 0.0
	if span := now.Sub(one.at); one.asked > 0 && span > 0 {
		share = (used - one.used).Seconds() / span.Seconds()
	}
	one.asked, one.at, one.used = one.asked+1, now, used
	look := lives && share >= computes
	one.look = one.look || look
	switch {
	case !lives:
		delete(c.list, id)
		delete(c.rest, id)
	case one.asked >= len(questions):
		delete(c.list, id)
		if !one.look {
			break
		}
		if len(c.rest) >= maxCallers {
			clear(c.rest) // a look too many is the least harm
		}
		wait := min(max(2*c.rest[id].wait, again), longest)
		c.rest[id] = rest{now.Add(wait), wait}
	}
	return look
}

// ask asks callers until ctx ends.
func (a *Agent) ask(ctx context.Context) {
	if a.opt.UsedBy == nil {
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, one := range a.callers.due(time.Now()) {
			used, lives := a.opt.UsedBy(one.event.Proc)
			if a.callers.answer(one, used, lives, time.Now()) {
				j := (&job{why: "a program that connected to somebody uses the processor", due: time.Now(), window: longWindow}).of(&one.event)
				a.queue.add(j)
			}
		}
	}
}
