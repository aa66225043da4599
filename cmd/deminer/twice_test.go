package main

import (
	"testing"
	"time"

	"github.com/deminer/deminer/internal/bus"
	"github.com/deminer/deminer/internal/server"
)

// TestTwiceIsToldOnce: a host that connects again and again beside another connection is looked at later once, not each time.
func TestTwiceIsToldOnce(t *testing.T) {
	n := 0
	h := &headOffice{server: server.New(server.Options{})}
	h.twice.after = func(time.Duration, func()) { n++ }
	for range 1000 {
		h.notice(bus.Notice{Host: "a", Up: true, Others: 1})
	}
	h.notice(bus.Notice{Host: "b", Up: true, Others: 1})
	h.notice(bus.Notice{Host: "c", Up: true})
	if n != 2 {
		t.Errorf("%d looks, want 2", n)
	}
	h.twice.end("a")
	h.notice(bus.Notice{Host: "a", Up: true, Others: 1})
	if n != 3 {
		t.Errorf("after its time %d looks, want 3", n)
	}
}
