package agent

import (
	"net/netip"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/deminer/deminer"
)

// Limits of what is remembered of events.
const (
	maxTalks    = 512 // pieces of connections
	maxPools    = 256
	maxPrograms = 8192
	poolAge     = time.Hour
)

// hearing is what was seen lately: one event alone says little of a conversation.
type hearing struct {
	mu       sync.Mutex
	talks    []deminer.Event // flows that may be a conversation with a pool, and what led to it
	pools    map[netip.Addr]answer
	programs map[int]string // base name by pid
	asked    func(deminer.Raw) []netip.Addr
}

// answer is what a name server said of a pool, and when that came by the clock that nobody sets.
type answer struct {
	event deminer.Event
	came  time.Time
}

func newHearing() *hearing {
	return &hearing{pools: map[netip.Addr]answer{}, programs: map[int]string{}}
}

func (h *hearing) note(e *deminer.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch e.Kind {
	case deminer.EventExec:
		if len(h.programs) >= maxPrograms {
			clear(h.programs) // those that go on are learned again
		}
		h.programs[e.Proc.PID] = path.Base(string(e.Exe))
	case deminer.EventFork:
		if name := h.programs[e.Parent]; name != "" && len(h.programs) < maxPrograms {
			h.programs[e.Proc.PID] = name
		}
	case deminer.EventExit:
		delete(h.programs, e.Proc.PID)
	case deminer.EventFlow:
		if mayTalk(e.Data) {
			h.keep(*e)
		}
	case deminer.EventDNS:
		if h.asked == nil {
			return
		}
		for _, addr := range h.asked(e.Data) {
			h.learn(addr, *e)
		}
	case deminer.EventConnect:
		if to, err := netip.ParseAddrPort(e.Remote); err == nil {
			if from, ok := h.pools[to.Addr().Unmap()]; ok {
				h.keep(*e)
				from.event.Proc = e.Proc // so that it is found with the connection
				h.keep(from.event)
			}
		}
	}
}

// learn remembers the address of a pool. Where there is no room the oldest makes way.
func (h *hearing) learn(addr netip.Addr, e deminer.Event) {
	if _, known := h.pools[addr]; !known && len(h.pools) >= maxPools {
		var oldest netip.Addr
		for one, seen := range h.pools {
			if !oldest.IsValid() || seen.came.Before(h.pools[oldest].came) {
				oldest = one
			}
		}
		delete(h.pools, oldest)
	}
	h.pools[addr] = answer{e, time.Now()}
}

func (h *hearing) keep(e deminer.Event) {
	if len(h.talks) >= maxTalks {
		h.talks = slices.Delete(h.talks, 0, maxTalks/4)
	}
	h.talks = append(h.talks, e)
}

// of gives what is remembered of a process.
func (h *hearing) of(id deminer.ProcID) (out []deminer.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.talks {
		if e.Proc == id {
			out = append(out, e)
		}
	}
	return out
}

// pool reports whether an address was the answer to the name of a pool.
func (h *hearing) pool(addr netip.Addr) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	a, ok := h.pools[addr]
	if ok && time.Since(a.came) > poolAge {
		delete(h.pools, addr)
		return false
	}
	return ok
}

func (h *hearing) program(pid int) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.programs[pid]
}

// onceEach leaves out events that are there twice.
func onceEach(list []deminer.Event) (out []deminer.Event) {
	type key struct {
		kind          deminer.EventKind
		id            deminer.ProcID
		local, remote string
		sent          bool
		piece         int
		at            time.Time
	}
	seen := map[key]bool{}
	for _, e := range list {
		k := key{e.Kind, e.Proc, e.Local, e.Remote, e.Sent, e.Piece, e.Time}
		if !seen[k] {
			seen[k] = true
			out = append(out, e)
		}
	}
	return out
}
