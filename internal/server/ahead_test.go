package server

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

// TestFarFuture: an id that would stand above all later ones of its host counts as of now, which is said once; a clock that is hours off
// counts as it is.
func TestFarFuture(t *testing.T) {
	var said []string
	s := New(Options{Now: func() time.Time { return hour(5) }, Say: func(line string) { said = append(said, line) }})
	body, err := json.Marshal(deminer.AgentState{Mode: "watching"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		host, id string
		as       bool // it counts as it is
	}{
		{"h1", deminer.NewID(hour(5)), true}, {"h1", deminer.NewID(hour(5).Add(23 * time.Hour)), true}, {"h1", deminer.NewID(hour(5).AddDate(-30, 0, 0)), true},
		{"h1", strings.Repeat("f", 32), false}, {"h1", deminer.NewID(hour(5).Add(25 * time.Hour)), false}, {"h2", strings.Repeat("f", 32), false},
	} {
		d, err := s.read(c.host, deminer.Message{ID: c.id, Kind: deminer.MessageState, Body: body})
		if err != nil || d.ID != c.id || (d.Told == c.id) != c.as || d.Told >= deminer.NewID(hour(5).Add(maxAhead)) {
			t.Errorf("%s of %s: %+v, %v", c.id, c.host, d, err)
		}
	}
	record, err := json.Marshal(deminer.PlanRecord{Plan: "p1", Record: deminer.Record{Plan: "p1", Step: "s01", State: deminer.StateDone}})
	if err != nil {
		t.Fatal(err)
	}
	if d, err := s.read("h3", deminer.Message{ID: strings.Repeat("f", 32), Order: deminer.NewID(hour(5)), Kind: deminer.MessageRecord, Body: record}); err != nil || d.Told != d.ID {
		t.Errorf("the step of a plan: %+v, %v", d, err)
	}
	if len(said) != 2 || !strings.Contains(said[0], "h1") || !strings.Contains(said[1], "h2") {
		t.Errorf("said %q", said)
	}
}
