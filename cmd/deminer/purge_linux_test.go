package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestPurge: --state may name a directory that holds more than deminer's.
func TestPurge(t *testing.T) {
	for _, foreign := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "state")
		f := &flags{root: "/", state: dir}
		s, err := openStore(f, true)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, "guesses.json"), nil, 0o600))
		if foreign {
			must(t, os.WriteFile(filepath.Join(dir, "ledger.db"), []byte("mine"), 0o600))
		}
		err = s.purge(dir)
		s.close()
		left, _ := os.ReadDir(dir)
		switch {
		case !foreign && (err != nil || len(left) > 0):
			t.Errorf("left %v, %v", left, err)
		case foreign && (err == nil || len(left) != 1 || left[0].Name() != "ledger.db"):
			t.Errorf("another's file: left %v, %v", left, err)
		}
	}
}
