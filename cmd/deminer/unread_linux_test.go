package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestStateUnread: a state directory that cannot be opened, and a trail that cannot be read, are told and not taken for none.
func TestStateUnread(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	must(t, os.WriteFile(file, nil, 0o600))
	damaged := t.TempDir()
	must(t, os.WriteFile(filepath.Join(damaged, "agent-life.json"), []byte("{"), 0o600))
	must(t, os.WriteFile(filepath.Join(damaged, "guesses.json"), []byte("{"), 0o600))
	for name, dir := range map[string]string{"no directory": file, "damaged": damaged} {
		f := &flags{root: "/", state: dir}
		if life, err := lastLife(f); err == nil || life != nil {
			t.Errorf("%s: life %v, %v", name, life, err)
		}
		h, _, err := openHost(f)
		must(t, err)
		if st := stateOf(f, h); !strings.Contains(strings.Join(st.Problems, "\n"), "when the agent was alive last is not known") {
			t.Errorf("%s: problems %q", name, st.Problems)
		}
		must(t, closeHost(h))
		if list, err := guessers(f); err == nil {
			t.Errorf("%s: guessers %v", name, list)
		}
	}
	if life, err := lastLife(&flags{root: "/", state: filepath.Join(damaged, "none")}); err != nil || life != nil {
		t.Errorf("no agent ever ran: %v, %v", life, err)
	}
}
