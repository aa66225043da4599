//go:build linux

package remedy_test

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/deminer/deminer"
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
	must(t, w.runner.Lift(addr))
	if list, err := w.runner.Blocks(); err != nil || len(list) != len(n.list) {
		t.Errorf("blocks: %v %v", list, err)
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
