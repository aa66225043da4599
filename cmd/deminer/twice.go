package main

import (
	"sync"
	"time"
)

// twiceFor is how long two connections of one host stand until it is told: a line that broke without a word, or one that another key took over,
// is gone by then.
const twiceFor = 10 * time.Minute

// twice are the hosts that are looked at again after that time, each once however often it connects: whoever comes and goes all the time would
// fill the log and the audit log.
type twice struct {
	after func(time.Duration, func()) // nil: time.AfterFunc

	mu    sync.Mutex
	hosts map[string]bool
}

// begin reports whether a host was not waited for yet.
func (w *twice) begin(host string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hosts[host] {
		return false
	}
	if w.hosts == nil {
		w.hosts = map[string]bool{}
	}
	w.hosts[host] = true
	return true
}

func (w *twice) end(host string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.hosts, host)
}

func (w *twice) later(do func()) {
	if w.after != nil {
		w.after(twiceFor, do)
		return
	}
	time.AfterFunc(twiceFor, do)
}
