//go:build linux

package hands

import (
	"errors"
	"testing"
	"time"
)

// TestPatienceEnds: a file system that never answers costs time, not the clean-up.
func TestPatienceEnds(t *testing.T) {
	never := make(chan struct{})
	defer close(never)
	_, err := patient(20*time.Millisecond, func() (int, error) { <-never; return 0, nil })
	if !errors.Is(err, errSilent) {
		t.Errorf("got %v", err)
	}
	want := errors.New("said so")
	if n, err := patient(time.Minute, func() (int, error) { return 7, want }); n != 7 || !errors.Is(err, want) {
		t.Errorf("got %d, %v", n, err)
	}
}

// TestLocalFilesAreNotRefused: only what a program serves is.
func TestLocalFilesAreNotRefused(t *testing.T) {
	h, err := Open(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	f := h.Files.(*files)
	if err := f.served(f.root); err != nil {
		t.Error(err)
	}
}
