//go:build linux

package remedy_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/deminer/deminer"
)

// TestUndoKeepsWhatOthersWrote: when the file changed since, the lines come back and nothing else goes.
func TestUndoKeepsWhatOthersWrote(t *testing.T) {
	cases := []struct{ name, old, cut, since, want string }{
		{"line added at the end", "a\nX\nb\n", "X", "a\nb\nnew\n", "a\nX\nb\nnew\n"},
		{"line added at the start", "a\nX\nb\n", "X", "new\na\nb\n", "new\na\nX\nb\n"},
		{"neighbor changed", "a\nX\nb\n", "X", "a\nB\n", "a\nX\nB\n"},
		{"was first", "X\na\nb\n", "X", "a\nb\nc\n", "X\na\nb\nc\n"},
		{"was last", "a\nb\nX\n", "X", "0\na\nb\n", "0\na\nb\nX\n"},
		{"was last, without newline", "a\nX", "X", "a\nb\n", "a\nX\nb\n"},
		{"file without newline since", "a\nX\n", "X", "0\na", "0\na\nX\n"},
		{"was alone", "X\n", "X", "new\n", "X\nnew\n"},
		{"twice in a row", "a\nX\nX\nb\n", "X", "a\nb\nc\n", "a\nX\nX\nb\nc\n"},
		{"two places", "a\nX\nb\nX\nc\n", "X", "0\na\nb\nc\n", "0\na\nX\nb\nX\nc\n"},
		{"equal neighbors", "#\nX\n#\n#\n", "X", "#\n#\n#\nz\n", "#\nX\n#\n#\nz\n"},
		{"put back by hand", "a\nX\nb\n", "X", "a\nX\nb\nc\n", "a\nX\nb\nc\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, false)
			w.write(t, "/f", c.old, 0o640)
			w.mustRun(t, planOf("p", do(deminer.VerbCutLine, line("/f", c.cut))))
			must(t, os.WriteFile(w.root+"/f", []byte(c.since), 0o640))
			must(t, os.Chmod(w.root+"/f", 0o600))
			w.mustUndo(t, "p")
			holds("/f", c.want)(t, w)
			if d, _ := describe(w.root + "/f"); !strings.HasPrefix(d, "100600 ") {
				t.Errorf("the mode that was set since is gone: %s", d)
			}
		})
	}
}

func TestUndoOfEditKeepsWhatOthersWrote(t *testing.T) {
	w := newWorld(t, false)
	w.write(t, "/f", "a\nold\nb\n", 0o644)
	w.mustRun(t, planOf("p", do(deminer.VerbEditLine, line("/f", "old"), "new", "new1\nnew2")))
	holds("/f", "a\nnew1\nnew2\nb\n")(t, w)
	w.write(t, "/f", "x\na\nnew1\nnew2\nb\n", 0o644)
	w.mustUndo(t, "p")
	holds("/f", "x\na\nold\nb\n")(t, w)
}

// TestUndoNeverOverwrites: a name that others took since is theirs; the content stays in the vault and is named.
func TestUndoNeverOverwrites(t *testing.T) {
	w := newWorld(t, false)
	w.write(t, "/dropped", "old", 0o644)
	w.write(t, "/edited", "a\nX\nb\n", 0o644)
	w.write(t, "/removed", "a\nX\n", 0o644)
	w.write(t, "/copied", "old", 0o644)
	w.write(t, "/good", "good", 0o644)
	w.write(t, "/fine", "x", 0o644)
	w.mustRun(t, planOf("p", do(deminer.VerbDropFile, file("/fine")), do(deminer.VerbDropFile, file("/dropped")), do(deminer.VerbCutLine, line("/edited", "X")),
		do(deminer.VerbCutLine, line("/removed", "X")), do(deminer.VerbCopyFile, file("/copied"), "from", "/good")))
	w.write(t, "/dropped", "theirs", 0o644)
	w.write(t, "/edited", "all new\n", 0o644)
	w.write(t, "/copied", "theirs", 0o644)
	must(t, os.Remove(w.root+"/removed"))
	err := w.runner.Undo(t.Context(), "p", nil)
	if !errors.Is(err, deminer.ErrChanged) || strings.Count(err.Error(), "vault entry") != 4 {
		t.Errorf("undo: %v, want four refusals that name the vault entry", err)
	}
	for name, want := range map[string]string{"/dropped": "theirs", "/edited": "all new\n", "/copied": "theirs", "/fine": "x"} {
		holds(name, want)(t, w)
	}
	gone("/removed")(t, w)
	// Once the names are free again, undo gets through.
	must(t, os.Remove(w.root+"/dropped"))
	_ = w.runner.Undo(t.Context(), "p", nil)
	holds("/dropped", "old")(t, w)
}

// TestQuarantineLeavesWhatIsNew: a directory into which something was put since is not removed over it.
func TestQuarantineLeavesWhatIsNew(t *testing.T) {
	w := newWorld(t, false)
	w.write(t, "/d/a", "a", 0o644)
	p := planOf("p", do(deminer.VerbQuarantine, file("/d")))
	err := w.runner.Run(t.Context(), p, p.Digest(), func(r deminer.Record) {
		if r.State == deminer.StateReady {
			w.write(t, "/d/new", "new", 0o644)
		}
	})
	if !errors.Is(err, deminer.ErrChanged) {
		t.Errorf("run: %v, want ErrChanged", err)
	}
	holds("/d/new", "new")(t, w)
	w.mustUndo(t, "p")
	holds("/d/a", "a")(t, w)
	holds("/d/new", "new")(t, w)
}

// TestChangedBetweenReadyAndDo: the last look comes right before the change.
func TestChangedBetweenReadyAndDo(t *testing.T) {
	for _, verb := range []deminer.Verb{deminer.VerbQuarantine, deminer.VerbCutLine, deminer.VerbDropFile} {
		for name, change := range map[string]func(*testing.T, *world){
			"other content": func(t *testing.T, w *world) { must(t, os.WriteFile(w.root+"/f", []byte("a\nX\nc\n"), 0o644)) },
			"other file": func(t *testing.T, w *world) {
				w.write(t, "/g", "a\nX\nd\n", 0o644)
				must(t, os.Rename(w.root+"/g", w.root+"/f"))
			},
			"a link": func(t *testing.T, w *world) {
				must(t, os.Remove(w.root+"/f"))
				must(t, os.Symlink("/etc/passwd", w.root+"/f"))
			},
		} {
			t.Run(string(verb)+"/"+name, func(t *testing.T) {
				w := newWorld(t, false)
				w.write(t, "/f", "a\nX\nb\n", 0o644)
				w.write(t, "/etc/passwd", "root", 0o644)
				target := file("/f")
				target.Line = "X"
				p := planOf("p", do(verb, target))
				var theirs []string
				err := w.runner.Run(t.Context(), p, p.Digest(), func(r deminer.Record) {
					if r.State == deminer.StateReady {
						change(t, w)
						theirs = tree(t, w.root)
					}
				})
				if !errors.Is(err, deminer.ErrChanged) {
					t.Errorf("run: %v, want ErrChanged", err)
				}
				same(t, theirs, tree(t, w.root))
			})
		}
	}
}
