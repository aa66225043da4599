//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestMedian(t *testing.T) {
	for want, list := range map[float64][]float64{2: {3, 1, 2}, 2.5: {4, 1, 3, 2}, 7: {7}} {
		if got := median(list); got != want {
			t.Errorf("of %v: %v, want %v", list, got, want)
		}
	}
}

// TestProven takes an agent's words from a script: only files of imitations count, each once, and only with proof.
func TestProven(t *testing.T) {
	name := filepath.Join(t.TempDir(), "deminer")
	text := `#!/bin/sh
echo '[{"grade":"proof","thing":{"path":"/w/agentbench-imitation-1"}},{"grade":"proof","thing":{"path":"/w/agentbench-imitation-1"}},
{"grade":"strong","thing":{"path":"/w/agentbench-imitation-2"}},{"grade":"proof","thing":{"path":"/usr/bin/other"}},{"grade":"proof","thing":{"path":"/w/agentbench-imitation-3"}}]'
`
	if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	b := &bench{deminer: name}
	if n, err := b.proven("/state"); n != 2 || err != nil {
		t.Errorf("%d %v", n, err)
	}
}

// TestWatcher reads the figures of a process that is known: this one's child.
func TestWatcher(t *testing.T) {
	w := &watcher{cmd: exec.Command("sleep", "60")}
	if err := w.start(); err != nil {
		t.Fatal(err)
	}
	if kib := w.sizes("status", "VmRSS", "NoSuchLine"); kib[0] <= 0 || kib[1] != 0 {
		t.Errorf("memory %v", kib)
	}
	if w.cpu() < 0 {
		t.Error("negative processor time")
	}
	if _, err := w.stop(); err == nil {
		t.Error("a program that a signal ended ended well")
	}
}
