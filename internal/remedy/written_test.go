//go:build linux

package remedy_test

import (
	"os"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

// TestWrittenTellsItsOwnWrites: the time that a changed file has lies in a span of the list, and no other file is in it.
func TestWrittenTellsItsOwnWrites(t *testing.T) {
	w := newWorld(t, false)
	w.write(t, "/etc/real", "good\nbad\n", 0o644)
	must(t, os.Symlink("real", w.root+"/etc/link"))
	w.write(t, "/etc/passwd", "root:x:0:0::/root:/bin/sh\nevil:x:0:0::/:/bin/sh\n", 0o644)
	w.write(t, "/tmp/x", "evil", 0o755)
	w.age(t)
	w.mustRun(t, planOf("p", do(deminer.VerbCutLine, line("/etc/link", "bad")), do(deminer.VerbQuarantine, file("/tmp/x")), do(deminer.VerbRemoveAccount, deminer.Artifact{Kind: deminer.KindAccount, Name: "evil"})))
	got, err := w.runner.Written()
	must(t, err)
	if len(got) != 2 || got[0].Path != "/etc/real" || got[1].Path != "/etc/passwd" {
		t.Fatalf("written: %+v", got)
	}
	for _, one := range got {
		st, err := os.Stat(w.root + string(one.Path))
		must(t, err)
		if at := st.ModTime(); at.Before(one.From.Add(-10*time.Millisecond)) || at.After(one.To) {
			t.Errorf("%s was written at %s, not between %s and %s", one.Path, at, one.From, one.To)
		}
	}
	w.mustUndo(t, "p")
	if got, err := w.runner.Written(); err != nil || len(got) != 4 {
		t.Errorf("after undo: %+v %v", got, err)
	}
	f, err := w.runner.Journal.Dir.Create("q.jsonl")
	must(t, err)
	_, err = f.WriteString("{}\nno record\n{}\n")
	must(t, err)
	must(t, f.Close())
	if got, err := w.runner.Written(); err == nil || len(got) != 4 {
		t.Errorf("beside a damaged journal: %d changes, error %v; want those of the other and an error", len(got), err)
	}
}
