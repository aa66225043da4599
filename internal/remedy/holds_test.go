//go:build linux

package remedy_test

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/remedy"
)

// stands wants that nothing came back.
func stands(t *testing.T, r *remedy.Runner, plan string) {
	t.Helper()
	if got, err := r.Holding(plan); err != nil || len(got) > 0 {
		t.Errorf("right after the run: %+v %v", got, err)
	}
}

// returned wants that something came back and is told with these words.
func returned(t *testing.T, r *remedy.Runner, plan string, words ...string) []remedy.Return {
	t.Helper()
	got, err := r.Holding(plan)
	if err != nil || len(got) == 0 {
		t.Fatalf("what came back is not seen: %+v %v", got, err)
	}
	for _, one := range got {
		if one.Step == "" || one.What == "" || deminer.Safe(one.What) != one.What {
			t.Errorf("not whole, or not safe: %+v", one)
		}
	}
	for _, word := range words {
		if !slices.ContainsFunc(got, func(one remedy.Return) bool { return strings.Contains(one.What, word) }) {
			t.Errorf("nobody says %q: %+v", word, got)
		}
	}
	return got
}

// TestWhatComesBackIsSeen lets every file verb's target come back by itself: the tree is taken back behind the journal.
func TestWhatComesBackIsSeen(t *testing.T) {
	for _, c := range fileCases() {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, false)
			c.setup(t, w)
			w.age(t)
			w.mustRun(t, planOf("p", c.steps...))
			after := tree(t, w.root)
			stands(t, w.runner, "p")
			same(t, after, tree(t, w.root))
			if out, err := exec.Command("cp", "-a", w.state, w.state+"2").CombinedOutput(); err != nil {
				t.Fatalf("copy: %v %s", err, out)
			}
			w.mustUndo(t, "p")
			stands(t, w.runner, "p") // taken back by deminer: nothing to hold
			r, err := openRunner(w.root, w.state+"2", false)
			must(t, err)
			returned(t, r, "p")
		})
	}
}

func TestKeyOnAnotherLineIsBack(t *testing.T) {
	w := newWorld(t, false)
	key := "ssh-rsa AAAAB3NzaEVIL x@y"
	w.write(t, "/root/.ssh/authorized_keys", "ssh-rsa AAAAGOOD me\n"+key+"\n", 0o600)
	w.write(t, "/etc/ld.so.preload", "/usr/lib/evil.so\n", 0o644)
	target := line("/root/.ssh/authorized_keys", key)
	target.Mechanism = "ssh-keys"
	w.mustRun(t, planOf("p", do(deminer.VerbCutLine, target), do(deminer.VerbCutLine, line("/etc/ld.so.preload", "/usr/lib/evil.so"), "drop-empty", "yes")))
	w.write(t, "/root/.ssh/authorized_keys", "# AAAAB3NzaEVIL\nssh-rsa AAAAGOOD me\n", 0o600)
	w.write(t, "/etc/ld.so.preload", "#/usr/lib/evil.so\n/usr/lib/evil.so.1\n", 0o644)
	stands(t, w.runner, "p")
	w.write(t, "/root/.ssh/authorized_keys", "no-pty ssh-rsa AAAAB3NzaEVIL other comment\n", 0o600)
	w.write(t, "/etc/ld.so.preload", "/lib/x.so:/usr/lib/evil.so", 0o644)
	if got := returned(t, w.runner, "p", "authorized_keys names it again", "ld.so.preload names it again"); len(got) != 2 {
		t.Errorf("%+v", got)
	}
}

func TestReinstalledIsNotBack(t *testing.T) {
	w := newWorld(t, false)
	w.write(t, "/usr/bin/top", "a trojan", 0o755)
	w.mustRun(t, planOf("p", do(deminer.VerbQuarantine, file("/usr/bin/top"))))
	w.write(t, "/usr/bin/top", "packaged", 0o755)
	returned(t, w.runner, "p", "with another content")
	w.runner.Tools.Packages = knows("/usr/bin/top", "packaged")
	stands(t, w.runner, "p")
}

func TestLiveChangesThatDoNotStand(t *testing.T) {
	w, n, k, _, e := liveWorld(t)
	w.mustRun(t, planOf("p",
		do(deminer.VerbBlock, address("10.9.8.7:3333")),
		do(deminer.VerbUnmount, deminer.Artifact{Kind: deminer.KindMount, Path: "/proc/77"}),
		do(deminer.VerbSysctl, deminer.Artifact{Kind: deminer.KindSetting, Name: "vm.nr_hugepages"}, "value", "0"),
		do(deminer.VerbStopContainer, deminer.Artifact{Kind: deminer.KindContainer, Name: "c1"}, "engine", "docker")))
	stands(t, w.runner, "p")
	kept := n.list
	cases := []struct {
		name string
		do   func()
		undo func()
		word string
	}{
		{"block", func() { n.list = nil }, func() { n.list = kept }, "block of 10.9.8.7:3333 is not in force"},
		{"cover", func() { k.mounts["/proc/77"] = []deminer.Mount{{ID: 9, Type: "tmpfs", Source: "x\x1b"}} }, func() { delete(k.mounts, "/proc/77") }, "/proc/77 is covered again"},
		{"setting", func() { k.settings["vm.nr_hugepages"] = "1280" }, func() { k.settings["vm.nr_hugepages"] = "0" }, "vm.nr_hugepages is 1280 again"},
		{"other value", func() { k.settings["vm.nr_hugepages"] = "64" }, func() { k.settings["vm.nr_hugepages"] = "0" }, "neither what it was"},
		{"container", func() { e.c.Running = true }, func() { e.c.Running = false }, "container c1 runs again"},
		{"policy", func() { e.c.Restart = "always" }, func() { e.c.Restart = "no" }, "restart policy always again"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.do()
			if got := returned(t, w.runner, "p", c.word); len(got) != 1 {
				t.Errorf("%+v", got)
			}
			c.undo()
			stands(t, w.runner, "p")
		})
	}
	e.gone = true
	stands(t, w.runner, "p")
}

// TestTwinThatLivesIsBack starts the killed program once more.
func TestTwinThatLivesIsBack(t *testing.T) {
	w := newWorld(t, true)
	id, _ := child(t)
	w.mustRun(t, planOf("p", do(deminer.VerbFreeze, deminer.Artifact{Kind: deminer.KindProcess, Proc: id})))
	stands(t, w.runner, "p")
	must(t, w.runner.Tools.Hands.Procs.Signal(id, host.SignContinue))
	eventually(t, "it goes on", func() bool { return letter(id.PID) == "S" })
	returned(t, w.runner, "p", "goes on again")
	w.mustRun(t, planOf("q", do(deminer.VerbKill, deminer.Artifact{Kind: deminer.KindProcess, Proc: id})))
	stands(t, w.runner, "q")
	stands(t, w.runner, "p")
}

// TestStepThatFailedIsSaid: what was never gone must not pass as clean.
func TestStepThatFailedIsSaid(t *testing.T) {
	w := newWorld(t, false)
	w.write(t, "/tmp/x", "evil", 0o755)
	s := do(deminer.VerbQuarantine, file("/tmp/x"))
	s.Expect.SHA256 = strings.Repeat("0", 64)
	if err := w.run(planOf("p", s)); err == nil {
		t.Fatal("the step did not fail")
	}
	returned(t, w.runner, "p", "its step did not end well")
	must(t, os.Remove(w.root+"/tmp/x"))
	stands(t, w.runner, "p")
}

// TestUndoOfAKillIsNoFailure: what can never be taken back is counted by itself.
func TestUndoOfAKillIsNoFailure(t *testing.T) {
	w := newWorld(t, true)
	w.write(t, "/tmp/x", "evil", 0o755)
	id, _ := child(t)
	w.mustRun(t, planOf("p", do(deminer.VerbKill, deminer.Artifact{Kind: deminer.KindProcess, Proc: id}), do(deminer.VerbQuarantine, file("/tmp/x"))))
	for range 2 {
		if err := w.runner.Undo(t.Context(), "p", nil); !errors.Is(err, deminer.ErrIrreversible) {
			t.Errorf("undo: %v, want ErrIrreversible", err)
		}
		s, err := w.runner.Status("p")
		must(t, err)
		if s.Done != 0 || s.Failed != 0 || s.Undone != 1 || s.Kept != 1 {
			t.Errorf("done %d, failed %d, undone %d, kept %d; want one undone, one kept", s.Done, s.Failed, s.Undone, s.Kept)
		}
	}
}
