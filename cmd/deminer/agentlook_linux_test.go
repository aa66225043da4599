package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/deminer/deminer/internal/scan"
)

// TestAgentLooksLeaveNothingOpen: an agent looks for months. A directory that it holds open cannot be unmounted by its owner.
func TestAgentLooksLeaveNothingOpen(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"etc", "tmp", "usr/bin", "var/www/shop", "opt/app"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f := &flags{root: root, state: t.TempDir()}
	r := &resident{flags: f, beat: func() {}}
	var err error
	if r.host, _, err = openHost(f); err != nil {
		t.Fatal(err)
	}
	if r.store, err = openStore(f, true); err != nil {
		t.Fatal(err)
	}
	defer r.store.close()
	if r.rules, err = loadRules(f); err != nil {
		t.Fatal(err)
	}
	open := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	look := func() {
		if _, err := r.look(t.Context(), scan.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	look()
	before := open()
	for range 3 {
		look()
	}
	if after := open(); after > before {
		t.Errorf("%d descriptors before, %d after three more looks", before, after)
	}
	before = open()
	live, _, err := openHost(&flags{root: "/"})
	if err != nil {
		t.Fatal(err)
	}
	if err := closeHost(live); err != nil {
		t.Error(err)
	}
	if after := open(); after > before {
		t.Errorf("%d descriptors before, %d after the running host was opened and closed", before, after)
	}
}
