package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/deny"
)

// TestBegan: each program that begins is judged again where the policy asks for it, a container that begins is covered some times while it
// is new, and what has no room is counted.
func TestBegan(t *testing.T) {
	exec := func(pid int, container string, memfd bool) *deminer.Event {
		return &deminer.Event{Kind: deminer.EventExec, Proc: deminer.ProcID{PID: pid, Start: 1}, Container: container, Memfd: memfd}
	}
	synctest.Test(t, func(t *testing.T) {
		b := newBegan()
		var mu sync.Mutex
		var judged, covered []int
		var said []string
		ctx, stop := context.WithCancel(context.Background())
		go b.run(ctx, func(id deminer.ProcID, memfd bool) bool {
			mu.Lock()
			defer mu.Unlock()
			if judged = append(judged, id.PID); memfd != (id.PID == 3) {
				t.Errorf("process %d is a memfd: %v", id.PID, memfd)
			}
			return false
		}, func(pid int) error {
			covered = append(covered, pid)
			return map[bool]error{true: errors.New("broken")}[pid == 5]
		}, func(what string, err error) { said = append(said, what) })
		b.hear(exec(1, "c1", false))
		synctest.Wait()
		if len(judged)+len(covered) > 0 {
			t.Error("judged though the policy says nothing of programs")
		}
		b.on.Store(true)
		for _, e := range []*deminer.Event{exec(2, "", false), exec(3, "", true), {Kind: deminer.EventFork, Proc: deminer.ProcID{PID: 9, Start: 1}}, exec(4, "c1", false), exec(5, "c2", false), exec(6, "c1", false)} {
			b.hear(e)
			synctest.Wait()
		}
		for pid := 10; pid < 20; pid++ {
			time.Sleep(time.Second)
			b.hear(exec(pid, "c1", false))
			synctest.Wait()
		}
		slices.Sort(judged)
		if !slices.Equal(judged, []int{2, 3, 4, 5, 6, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}) || !slices.Equal(covered, []int{4, 5, 10, 11}) || !slices.Equal(said, []string{"ask about the programs of container c2"}) {
			t.Errorf("judged %v, covered %v, said %q", judged, covered, said)
		}
		stop()
		synctest.Wait()
		for range maxBegan + 3 {
			b.hear(exec(7, "", false))
		}
		if got := b.told(); got != "3 programs that began could not be looked at again: too many at once" || b.told() != "" {
			t.Errorf("said %q", got)
		}
	})
}

// TestBeganStuck: programs that cannot be looked at, as their file system does not answer, keep no other from being looked at; there is a
// bound to how many hang, and what is over is said.
func TestBeganStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBegan()
		b.on.Store(true)
		var judged atomic.Int32
		answer := make(chan struct{})
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			b.run(ctx, func(id deminer.ProcID, _ bool) bool {
				if id.PID == 1 {
					<-answer
				}
				judged.Add(1)
				return false
			}, func(int) error { <-answer; return nil }, func(string, error) {})
		}()
		hear := func(pid, times int, container string) {
			for range times {
				b.hear(&deminer.Event{Kind: deminer.EventExec, Proc: deminer.ProcID{PID: pid, Start: 1}, Container: container})
			}
			synctest.Wait()
		}
		hear(2, 1, "c1") // to cover it hangs
		hear(1, beganWorkers, "")
		hear(2, 1, "")
		time.Sleep(2 * stuckAfter)
		if n := judged.Load(); n != 2 {
			t.Errorf("%d looks ended beside those that hang", n)
		}
		hear(1, maxLooks, "")
		time.Sleep(time.Hour)
		if got, want := b.told(), fmt.Sprintf("%d programs that began could not be looked at again: too many at once", 1+beganWorkers); got != want {
			t.Errorf("said %q", got)
		}
		stop()
		<-ended
		close(answer) // the server is back
		synctest.Wait()
		if n, left := judged.Load(), b.looks.Load(); n != maxLooks+1 || left != 0 {
			t.Errorf("%d looks ended when all answer, %d did not", n, left)
		}
	})
}

// TestBeganGone: what a program made of itself before it ended is judged in its place, whether that is heard of before or afterwards, also
// by who was made by who has ended, too; and nothing else is.
func TestBeganGone(t *testing.T) {
	at := func(kind deminer.EventKind, pid int, start uint64, parent int) *deminer.Event {
		return &deminer.Event{Kind: kind, Proc: deminer.ProcID{PID: pid, Start: start}, Parent: parent}
	}
	synctest.Test(t, func(t *testing.T) {
		b := newBegan()
		b.on.Store(true)
		var mu sync.Mutex
		var judged []int
		ctx, stop := context.WithCancel(context.Background())
		go b.run(ctx, func(id deminer.ProcID, _ bool) bool {
			mu.Lock()
			defer mu.Unlock()
			judged = append(judged, id.PID)
			return id.PID < 20
		}, func(int) error { return nil }, nil)
		for _, e := range []*deminer.Event{
			at(deminer.EventFork, 11, 100, 10), at(deminer.EventFork, 9, 90, 10), // 9 is of another that had the number
			at(deminer.EventFork, 31, 100, 30), // who lives
			at(deminer.EventExec, 10, 99, 1), at(deminer.EventExec, 30, 99, 1),
		} {
			b.hear(e)
		}
		synctest.Wait()
		b.hear(at(deminer.EventFork, 21, 101, 11)) // of the one that it made
		b.hear(at(deminer.EventFork, 22, 101, 10)) // heard of late
		b.hear(at(deminer.EventFork, 23, 101, 30))
		synctest.Wait()
		slices.Sort(judged)
		if !slices.Equal(judged, []int{10, 11, 21, 22, 30}) {
			t.Errorf("judged %v", judged)
		}
		stop()
		synctest.Wait()
	})
}

// TestEnded: an alert says which processes were killed, and that not all were.
func TestEnded(t *testing.T) {
	many := &refusal{}
	for pid := range maxEnded + 2 {
		many.Ended = append(many.Ended, deminer.ProcID{PID: pid + 100})
	}
	for want, one := range map[string]*refusal{
		"none of its processes could be killed; at least 1 run it still": {Refusal: deny.Refusal{Left: 1}},
		"killed: process 7":                             {Refusal: deny.Refusal{Ended: []deminer.ProcID{{PID: 7}}}},
		"killed: process 7, 8; at least 2 run it still": {Refusal: deny.Refusal{Ended: []deminer.ProcID{{PID: 7}, {PID: 8}}, Left: 2}},
	} {
		if got := ended(one); got != want {
			t.Errorf("said %q, want %q", got, want)
		}
	}
	if got := ended(many); !strings.HasPrefix(got, "killed: process 100, 101, ") || !strings.HasSuffix(got, ", 119 and 2 more") {
		t.Errorf("said %q", got)
	}
}
