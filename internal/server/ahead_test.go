package server

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

// TestFarFuture: an id that would stand above all later ones of its host is refused and said once; a clock that is hours off is not.
func TestFarFuture(t *testing.T) {
	var said []string
	s := New(Options{Now: func() time.Time { return hour(5) }, Say: func(line string) { said = append(said, line) }})
	body, err := json.Marshal(deminer.AgentState{Mode: "watching"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		host, id string
		ok       bool
	}{
		{"h1", deminer.NewID(hour(5)), true}, {"h1", deminer.NewID(hour(5).Add(23 * time.Hour)), true}, {"h1", deminer.NewID(hour(5).AddDate(-30, 0, 0)), true},
		{"h1", strings.Repeat("f", 32), false}, {"h1", deminer.NewID(hour(5).Add(25 * time.Hour)), false}, {"h2", strings.Repeat("f", 32), false},
	} {
		_, err := s.read(c.host, deminer.Message{ID: c.id, Kind: deminer.MessageState, Body: body})
		if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrRefused) {
			t.Errorf("%s of %s: %v", c.id, c.host, err)
		}
	}
	if len(said) != 2 || !strings.Contains(said[0], "h1") || !strings.Contains(said[1], "h2") {
		t.Errorf("said %q", said)
	}
}
