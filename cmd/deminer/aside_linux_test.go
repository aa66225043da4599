package main

import (
	"strings"
	"testing"

	"github.com/deminer/deminer/internal/host/hands"
)

// TestAside: an agent that no service started is told, and enrolling names the next step where none runs.
func TestAside(t *testing.T) {
	dir := t.TempDir()
	f := &flags{root: "/", state: dir}
	if agentAside(f) {
		t.Fatal("an agent runs where none ever ran")
	}
	s, err := openStore(f, true)
	if err != nil {
		t.Skip("needs the rights for a state directory: ", err)
	}
	defer s.close()
	lock, err := s.dir.Create("agent.lock")
	if err != nil {
		t.Fatal(err)
	}
	list := func() string {
		t.Helper()
		var out, errs strings.Builder
		if code := run(t.Context(), []string{"alerts", "list", "--state", dir}, nil, &out, &errs); code != exitClean {
			t.Fatal(code, errs.String())
		}
		return out.String()
	}
	if agentAside(f) || !strings.Contains(list(), "deminer service install") {
		t.Error("a lock that nobody holds is taken for an agent")
	}
	if err := hands.Lock(lock); err != nil {
		t.Fatal(err)
	}
	if !agentAside(f) {
		t.Error("the agent that holds its lock is not seen")
	}
	if text := list(); !strings.Contains(text, aside) || strings.Contains(text, "service install") {
		t.Errorf("alerts list: %s", text)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if agentAside(f) {
		t.Error("an agent that ended is still seen")
	}
}
