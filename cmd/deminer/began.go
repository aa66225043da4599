package main

import (
	"context"
	"fmt"
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
)

// began judges programs that the kernel asked nobody about, as they begin, and has the file systems of containers that begin asked about.
type began struct {
	on    atomic.Bool // programs are judged at all
	late  atomic.Uint64
	looks atomic.Int32 // that have begun and not ended
	execs chan beganExec
	nests map[string]*nest // by container; of the one worker that covers
	news  chan beganExec   // of containers
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
	return &began{execs: make(chan beganExec, maxBegan), news: make(chan beganExec, maxBegan), nests: map[string]*nest{}}
}

// hear takes an event; it does not wait.
func (b *began) hear(e *deminer.Event) {
	if e.Kind != deminer.EventExec || e.Proc.PID <= 0 || e.Proc.Start == 0 || !b.on.Load() {
		return
	}
	one := beganExec{e.Proc, e.Memfd, e.Container}
	select {
	case b.execs <- one:
	default:
		b.late.Add(1)
	}
	if e.Container == "" {
		return
	}
	select {
	case b.news <- one:
	default: // the next program of the container stands for it
	}
}

// run looks at what was heard until ctx ends. judge may take as long as the content takes to read, cover is quick.
func (b *began) run(ctx context.Context, judge func(deminer.ProcID, bool), cover func(pid int) error, trouble func(string, error)) {
	for range beganWorkers {
		go func() { // whoever waits for a look that hangs must not keep the agent from ending
			for {
				select {
				case <-ctx.Done():
					return
				case e := <-b.execs:
					if !b.await(func() { judge(e.id, e.memfd) }) {
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
