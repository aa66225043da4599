//go:build linux

package remedy_test

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/remedy"
)

func TestRestoreFromVault(t *testing.T) {
	w := newWorld(t, false)
	w.write(t, "/d/sub/f", "content", 0o640)
	w.write(t, "/x", "", 0o644)
	w.age(t)
	before := tree(t, w.root)
	w.mustRun(t, planOf("p", do(deminer.VerbQuarantine, file("/d"))))
	list, err := w.runner.Tools.Vault.List()
	if err != nil || len(list) != 1 || list[0].Path != "/d" || list[0].Plan != "p" || list[0].Step != "s01" {
		t.Fatalf("list: %+v %v", list, err)
	}
	id := list[0].ID
	if at, err := w.runner.Restore(id, "/elsewhere"); err != nil || at != "/elsewhere" {
		t.Errorf("restore elsewhere: %q %v", at, err)
	}
	holds("/elsewhere/sub/f", "content")(t, w)
	if _, err := w.runner.Restore(id, "/x"); !errors.Is(err, deminer.ErrChanged) {
		t.Errorf("restore over another: %v, want ErrChanged", err)
	}
	if at, err := w.runner.Restore(id, ""); err != nil || at != "/d" {
		t.Errorf("restore: %q %v", at, err)
	}
	must(t, os.RemoveAll(w.root+"/elsewhere"))
	w.mustUndo(t, "p") // finds it back already
	same(t, before, tree(t, w.root))
	must(t, w.runner.Delete(id))
	if _, err := w.runner.Restore(id, ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("restore after delete: %v", err)
	}
}

func TestWithoutPlanIsBusyToo(t *testing.T) {
	w, n, _, _, _ := liveWorld(t)
	w.write(t, "/a", "a", 0o644)
	p := planOf("p", do(deminer.VerbDropFile, file("/a")))
	addr, err := remedy.ParseBlock("10.0.0.1")
	must(t, err)
	must(t, w.runner.Run(t.Context(), p, p.Digest(), func(deminer.Record) {
		for _, err := range []error{w.runner.Delete(strings.Repeat("0", 16)), w.runner.Lift(addr)} {
			if !errors.Is(err, deminer.ErrBusy) {
				t.Errorf("while a plan runs: %v, want ErrBusy", err)
			}
		}
	}))
	if list, err := w.runner.Blocks(); err != nil || len(list) != len(n.list) {
		t.Errorf("blocks: %v %v", list, err)
	}
}

// TestLiftOnlyWhatIsThere: a block that is in force or written down is lifted once; a mistyped one is named, not lifted.
func TestLiftOnlyWhatIsThere(t *testing.T) {
	w, n, _, _, _ := liveWorld(t)
	w.mustRun(t, planOf("p", do(deminer.VerbBlock, address("10.9.8.7:3333"), "keep", "yes"), do(deminer.VerbBlock, address("10.9.8.6"))))
	lift := func(text string) error {
		t.Helper()
		b, err := remedy.ParseBlock(text)
		must(t, err)
		return w.runner.Lift(b)
	}
	for _, text := range []string{"10.9.8.7", "10.9.8.7:3334", "10.9.8.6:1", "/system.slice/x.service"} {
		if err := lift(text); !errors.Is(err, fs.ErrNotExist) || len(n.list) != 2 {
			t.Errorf("%s, which is not blocked: %v, in force %v", text, err, n.list)
		}
	}
	must(t, lift("10.9.8.6"))
	n.list = nil // a reboot forgets; what is written down would come back
	must(t, lift("10.9.8.7:3333"))
	if got, err := w.runner.Reapply(); err != nil || got != 0 {
		t.Errorf("reapply after lift: %d %v", got, err)
	}
	if err := lift("10.9.8.7:3333"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("lifted twice: %v", err)
	}
	n.half = host.ErrUnsupported // not all groups could be asked: one may well be blocked
	must(t, lift("/system.slice/x.service"))
	if err := lift("10.9.8.6"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an address that is not blocked, groups half seen: %v", err)
	}
}

// TestDamagedVaultRestoresNothing: a tree with one bad content is not put back by half.
func TestDamagedVaultRestoresNothing(t *testing.T) {
	w := newWorld(t, false)
	w.write(t, "/d/a", "one", 0o644)
	w.write(t, "/d/b", "two", 0o644)
	w.mustRun(t, planOf("p", do(deminer.VerbQuarantine, file("/d"))))
	objects, err := os.ReadDir(w.state + "/deminer/vault/objects")
	must(t, err)
	must(t, os.WriteFile(w.state+"/deminer/vault/objects/"+objects[0].Name(), []byte("rot"), 0o600))
	if err := w.runner.Undo(t.Context(), "p", nil); err == nil || !strings.Contains(err.Error(), "tampered") {
		t.Errorf("undo: %v", err)
	}
	gone("/d")(t, w)
}

// TestVaultIsTidied: what a killed deminer left half written goes at the next start.
func TestVaultIsTidied(t *testing.T) {
	w := newWorld(t, false)
	w.write(t, "/a", "a", 0o644)
	left := w.state + "/deminer/vault/objects/incoming.tmp-00"
	must(t, os.WriteFile(left, []byte("x"), 0o600))
	w.mustRun(t, planOf("p", do(deminer.VerbDropFile, file("/a"))))
	if _, err := os.Lstat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left over: %v", err)
	}
}

// TestBansDoNotWait: who guesses passwords is blocked, and let in again, while another plan runs; two that block sources wait for each
// other; sources are blocked by plans of their own.
func TestBansDoNotWait(t *testing.T) {
	w, n, _, _, _ := liveWorld(t)
	source := func(a string) deminer.Step { return do(deminer.VerbBlock, address(a), "from", "yes", "keep", "yes") }
	long, err := w.runner.Journal.Hold()
	must(t, err)
	must(t, w.run(planOf("ban", source("198.51.100.9"))))
	if err := w.run(planOf("other", do(deminer.VerbBlock, address("198.51.100.9")))); !errors.Is(err, deminer.ErrBusy) {
		t.Errorf("another plan: %v", err)
	}
	must(t, w.runner.Undo(t.Context(), "ban", nil))
	must(t, w.run(planOf("ban2", source("198.51.100.9"))))
	must(t, w.runner.Lift(n.list[0]))
	if len(n.list) != 0 {
		t.Errorf("left: %v", n.list)
	}
	must(t, long.Close())
	bans, err := w.runner.Journal.Beside("bans").Hold()
	must(t, err)
	if err := w.run(planOf("ban3", source("198.51.100.9"))); !errors.Is(err, deminer.ErrBusy) {
		t.Errorf("two at a time: %v", err)
	}
	must(t, w.run(planOf("other2", do(deminer.VerbBlock, address("198.51.100.9")))))
	must(t, bans.Close())
	if err := w.run(planOf("mixed", source("198.51.100.9"), do(deminer.VerbBlock, address("198.51.100.10")))); err == nil {
		t.Error("a plan of both was run")
	}
}
