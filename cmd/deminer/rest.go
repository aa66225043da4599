package main

import (
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/deminer/deminer/internal/contract"
)

// A look needs more memory than the time between two. While there are looks around events more garbage is kept, for what is in use is gone
// through each time that it is collected; a look at the whole host is rare, and has enough in use. Afterwards what is not needed goes back
// to the host.
const (
	lookGarbage = 100 // in percent of what is in use
	restEvery   = time.Minute
)

// rest sees to that.
type rest struct {
	mu     sync.Mutex
	looks  bool // more garbage is kept
	due    *time.Timer
	before time.Time // when memory was given back last
}

// busy says that a look begins, at the whole host or around an event.
func (r *rest) busy(whole bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if near := !whole; near != r.looks && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(map[bool]int{true: lookGarbage, false: garbage}[near])
		r.looks = near
	}
	if r.due != nil {
		r.due.Stop()
		r.due = nil
	}
}

// later says that there are no more looks for now. What is not needed is given back at once, or a minute after the last time.
func (r *rest) later() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.due == nil {
		r.due = time.AfterFunc(max(0, restEvery-time.Since(r.before)), r.now)
	}
}

func (r *rest) now() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.due == nil {
		return // a look began in this moment
	}
	r.due, r.looks, r.before = nil, false, time.Now()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	_ = contract.GiveBack() // what stays is the agent's loss alone
}
