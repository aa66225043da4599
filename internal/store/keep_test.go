package store

import (
	"os"
	"path/filepath"
	"testing"
)

// TestOwnerAlone: nobody else reads the memory of a fleet, also where an older server left it open.
func TestOwnerAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "server.db")
	for _, left := range []os.FileMode{0, 0o644} {
		names, err := filepath.Glob(path + "*")
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			if err := os.Chmod(n, left); err != nil {
				t.Fatal(err)
			}
		}
		d, err := Open(t.Context(), "sqlite:"+path)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []string{path, path + "-wal", path + "-shm"} {
			if st, err := os.Stat(n); err != nil || st.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v %v", n, st.Mode(), err)
			}
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
