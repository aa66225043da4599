package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/deminer/deminer"
)

// Limits of looking at programs that have begun.
const (
	maxBegan     = 1024 // wait to be looked at
	beganWorkers = 2
	maxNests     = 4096 // containers that are remembered
	coverTimes   = 3    // a container mounts while it begins
	coverEvery   = time.Second
	maxLooks     = 32 // at a time, with those that hang: on a file server that is gone
	stuckAfter   = 15 * time.Second
	maxForks     = 256  // that are remembered
	maxGone      = 4096 // programs that are remembered as gone
)

// began judges programs that the kernel asked nobody about, as they begin, and has the file systems of containers that begin asked about.
type began struct {
	on    atomic.Bool // programs are judged at all
	late  atomic.Uint64
	looks atomic.Int32 // that have begun and not ended
	execs chan beganExec
	nests map[string]*nest // by container; of the one worker that covers
	news  chan beganExec   // of containers

	mu       sync.Mutex    // of what follows
	parents  [maxForks]int // who made whom lately
	children [maxForks]beganExec
	last     int                    // where the next goes
	gone     map[int]deminer.ProcID // by pid: programs that had ended before they could be looked at
}

// beganExec is what is needed of the event of an exec.
type beganExec struct {
	id        deminer.ProcID
	memfd     bool
	container string
}

// nest is a container whose file systems were covered.
type nest struct {
	times int
	last  time.Time
}

func newBegan() *began {
	return &began{execs: make(chan beganExec, maxBegan), news: make(chan beganExec, maxBegan), nests: map[string]*nest{}, gone: map[int]deminer.ProcID{}}
}

// hear takes an event; it does not wait.
func (b *began) hear(e *deminer.Event) {
	if e.Kind != deminer.EventExec && e.Kind != deminer.EventFork || e.Proc.PID <= 0 || e.Proc.Start == 0 || !b.on.Load() {
		return
	}
	one := beganExec{e.Proc, e.Memfd, e.Container}
	if e.Kind == deminer.EventFork {
		b.forked(e.Parent, one)
		return
	}
	b.judge(one)
	if e.Container == "" {
		return
	}
	select {
	case b.news <- one:
	default: // the next program of the container stands for it
	}
}

func (b *began) judge(one beganExec) {
	select {
	case b.execs <- one:
	default:
		b.late.Add(1)
	}
}

// forked remembers who made whom. Where the parent is a program that was gone before it could be looked at, the child runs it still.
func (b *began) forked(parent int, child beganExec) {
	b.mu.Lock()
	b.parents[b.last], b.children[b.last] = parent, child
	b.last = (b.last + 1) % maxForks
	id, gone := b.gone[parent]
	b.mu.Unlock()
	if gone && child.id.Start >= id.Start {
		b.judge(child)
	}
}

// left has the processes judged that a program made of itself before it ended. Those that it makes in the time until that is heard of
// follow when they are.
func (b *began) left(one beganExec) {
	var list []beganExec
	b.mu.Lock()
	if len(b.gone) >= maxGone {
		clear(b.gone)
	}
	b.gone[one.id.PID] = one.id
	for i, parent := range &b.parents {
		if parent == one.id.PID && b.children[i].id.Start >= one.id.Start {
			list = append(list, b.children[i])
		}
	}
	b.mu.Unlock()
	for _, child := range list {
		b.judge(child)
	}
}

// run looks at what was heard until ctx ends. judge may take as long as the content takes to read, and reports a program that had ended
// before; cover is quick.
func (b *began) run(ctx context.Context, judge func(deminer.ProcID, bool) bool, cover func(pid int) error, trouble func(string, error)) {
	for range beganWorkers {
		go func() { // whoever waits for a look that hangs must not keep the agent from ending
			for {
				select {
				case <-ctx.Done():
					return
				case e := <-b.execs:
					look := func() {
						if judge(e.id, e.memfd) {
							b.left(e)
						}
					}
					if !b.await(look) {
						b.late.Add(1)
					}
				}
			}
		}()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-b.news:
			if b.due(e.container, time.Now()) {
				b.await(func() {
					if err := cover(e.id.PID); err != nil {
						trouble("ask about the programs of container "+deminer.Cut(e.container, 12), err)
					}
				})
			}
		}
	}
}

// await lets a look end, or leaves it alone where it hangs: a program on a file system that does not answer must not keep the others
// from being looked at. It reports whether there was room for one more.
func (b *began) await(look func()) bool {
	if b.looks.Add(1) > maxLooks {
		b.looks.Add(-1)
		return false
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer b.looks.Add(-1)
		look()
	}()
	patience := time.NewTimer(stuckAfter)
	defer patience.Stop()
	select {
	case <-done:
	case <-patience.C:
	}
	return true
}

// due reports whether the file systems of a container are to be covered now: some times while it is new. What it mounts later is covered
// when a program begins there.
func (b *began) due(container string, now time.Time) bool {
	n := b.nests[container]
	if n == nil {
		if len(b.nests) >= maxNests {
			clear(b.nests)
		}
		n = &nest{}
		b.nests[container] = n
	}
	if n.times >= coverTimes || n.times > 0 && now.Sub(n.last) < coverEvery {
		return false
	}
	n.times, n.last = n.times+1, now
	return true
}

// told says how many were too many since the last time.
func (b *began) told() string {
	if n := b.late.Swap(0); n > 0 {
		return fmt.Sprintf("%d programs that began could not be looked at again: too many at once", n)
	}
	return ""
}
