//go:build linux

package remedy_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// TestChangedTarget: what is not what was planned for stays as it is.
func TestChangedTarget(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	expect := func(s deminer.Step, e deminer.Expect) deminer.Step { s.Expect = e; return s }
	steps := map[string]deminer.Step{
		"cut-line":         do(deminer.VerbCutLine, line("/f", "other")),
		"edit-line":        do(deminer.VerbEditLine, line("/f", "other"), "new", "x"),
		"drop-file sum":    expect(do(deminer.VerbDropFile, file("/f")), deminer.Expect{SHA256: sum}),
		"drop-file ino":    expect(do(deminer.VerbDropFile, file("/f")), deminer.Expect{Ino: 1}),
		"drop-file link":   expect(do(deminer.VerbDropFile, file("/l")), deminer.Expect{Link: "/elsewhere"}),
		"quarantine sum":   expect(do(deminer.VerbQuarantine, file("/f")), deminer.Expect{SHA256: sum}),
		"quarantine dir":   expect(do(deminer.VerbQuarantine, file("/d")), deminer.Expect{SHA256: sum}),
		"chmod":            expect(do(deminer.VerbChmod, file("/f"), "mode", "600"), deminer.Expect{SHA256: sum}),
		"clear-flag":       expect(do(deminer.VerbClearFlag, file("/f"), "flags", "i"), deminer.Expect{Dev: 1}),
		"rename":           expect(do(deminer.VerbRename, file("/f"), "to", "/new"), deminer.Expect{SHA256: sum}),
		"rename over":      do(deminer.VerbRename, file("/f"), "to", "/g"),
		"copy-file":        expect(do(deminer.VerbCopyFile, file("/f"), "from", "/g"), deminer.Expect{SHA256: sum}),
		"mask with a file": do(deminer.VerbMaskUnit, deminer.Artifact{Kind: deminer.KindUnit, Name: "u.service"}),
		"lock root":        do(deminer.VerbLock, deminer.Artifact{Kind: deminer.KindAccount, Name: "root"}),
		"device":           do(deminer.VerbQuarantine, file("/dev")),
	}
	for name, s := range steps {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, false)
			w.write(t, "/f", "a\nb\n", 0o644)
			w.write(t, "/g", "g", 0o644)
			w.write(t, "/d/x", "x", 0o644)
			w.write(t, "/etc/systemd/system/u.service", "u", 0o644)
			must(t, os.Symlink("/g", w.root+"/l"))
			must(t, unix.Mknod(w.root+"/dev", unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))))
			w.age(t)
			before := tree(t, w.root)
			if err := w.run(planOf("p", s)); !errors.Is(err, deminer.ErrChanged) && !errors.Is(err, deminer.ErrProtected) {
				t.Errorf("got %v, want ErrChanged or ErrProtected", err)
			}
			same(t, before, tree(t, w.root))
			w.mustUndo(t, "p")
			same(t, before, tree(t, w.root))
		})
	}
}

// TestGoneTarget: what had to go and is gone is no failure.
func TestGoneTarget(t *testing.T) {
	w := newWorld(t, false)
	w.write(t, "/etc/x", "x", 0o644)
	before := tree(t, w.root)
	w.mustRun(t, planOf("p", do(deminer.VerbDropFile, file("/etc/gone")), do(deminer.VerbQuarantine, file("/no/where")), do(deminer.VerbCutLine, line("/etc/gone", "l")),
		do(deminer.VerbCutLine, line("/etc/x", "l"), "if-present", "yes"), do(deminer.VerbRemoveAccount, deminer.Artifact{Kind: deminer.KindAccount, Name: "nobodyhere"})))
	w.mustUndo(t, "p")
	same(t, before, tree(t, w.root))
}

func TestFailedStepSkipsOnlyThoseAfterIt(t *testing.T) {
	w := newWorld(t, false)
	for _, f := range []string{"/a", "/b", "/c"} {
		w.write(t, f, f, 0o644)
	}
	bad := do(deminer.VerbCutLine, line("/a", "not in it"))
	after := do(deminer.VerbDropFile, file("/b"))
	after.After = []string{"s01"}
	afterThat := do(deminer.VerbDropFile, file("/b"))
	afterThat.After = []string{"s02"}
	p := planOf("p", bad, after, afterThat, do(deminer.VerbDropFile, file("/c")))
	if err := w.run(p); !errors.Is(err, deminer.ErrChanged) {
		t.Errorf("run: %v", err)
	}
	holds("/b", "/b")(t, w)
	gone("/c")(t, w)
	s, err := w.runner.Status("p")
	if err != nil || s.Done != 1 || s.Failed != 1 || s.Interrupted {
		t.Errorf("status: %+v %v", s, err)
	}
	// Resume of what ended changes nothing.
	must(t, w.runner.Resume(t.Context(), "p", nil))
	holds("/b", "/b")(t, w)
}

func TestApproval(t *testing.T) {
	w := newWorld(t, false)
	w.write(t, "/a", "a", 0o644)
	p := planOf("p", do(deminer.VerbDropFile, file("/a")))
	approved := p.Digest()
	p.Steps[0].Action.Target.Path = "/b"
	for _, digest := range []string{"", "x", approved} {
		if err := w.runner.Run(t.Context(), p, digest, nil); !errors.Is(err, deminer.ErrNotApproved) {
			t.Errorf("digest %q: %v, want ErrNotApproved", digest, err)
		}
	}
	if err := w.run(planOf("q", do("rm-rf", file("/a")))); !errors.Is(err, deminer.ErrProtected) {
		t.Errorf("unknown verb: %v", err)
	}
	holds("/a", "a")(t, w)
}

func TestSecondRunnerIsBusy(t *testing.T) {
	w := newWorld(t, false)
	w.write(t, "/a", "a", 0o644)
	w.write(t, "/b", "b", 0o644)
	second, err := openRunner(w.root, w.state, false)
	must(t, err)
	p, q := planOf("p", do(deminer.VerbDropFile, file("/a"))), planOf("q", do(deminer.VerbDropFile, file("/b")))
	tried := 0
	err = w.runner.Run(t.Context(), p, p.Digest(), func(r deminer.Record) {
		if r.State == deminer.StateReady {
			tried++
			if err := second.Run(context.Background(), q, q.Digest(), nil); !errors.Is(err, deminer.ErrBusy) {
				t.Errorf("second runner: %v, want ErrBusy", err)
			}
			if err := second.Undo(context.Background(), "p", nil); !errors.Is(err, deminer.ErrBusy) {
				t.Errorf("second undo: %v, want ErrBusy", err)
			}
		}
	})
	if err != nil || tried != 1 {
		t.Errorf("first runner: %v, tried %d", err, tried)
	}
	must(t, second.Run(t.Context(), q, q.Digest(), nil))
}

func TestCancelLeavesItUnfinished(t *testing.T) {
	w := newWorld(t, false)
	w.write(t, "/a", "a", 0o644)
	w.write(t, "/b", "b", 0o644)
	before := tree(t, w.root)
	ctx, cancel := context.WithCancel(t.Context())
	p := planOf("p", do(deminer.VerbDropFile, file("/a")), do(deminer.VerbDropFile, file("/b")))
	err := w.runner.Run(ctx, p, p.Digest(), func(r deminer.Record) {
		if r.State == deminer.StateDone {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("run: %v", err)
	}
	if open, err := w.runner.Journal.Unfinished(); err != nil || fmt.Sprint(open) != "[p]" {
		t.Errorf("unfinished: %v %v", open, err)
	}
	must(t, w.runner.Resume(t.Context(), "p", nil))
	gone("/b")(t, w)
	w.mustUndo(t, "p")
	same(t, before, tree(t, w.root))
}
