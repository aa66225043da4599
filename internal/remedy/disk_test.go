//go:build linux

package remedy_test

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// mounted runs a test in a mount namespace of its own, with small file systems of the sizes given as root and state.
func mounted(t *testing.T, root, state string, test func(w *world)) {
	t.Helper()
	top := t.TempDir()
	w := &world{root: top + "/root", state: top + "/state"}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: thread and mounts go with the goroutine
		if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
			t.Errorf("make a mount namespace: %v", err)
			return
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Error(err)
			return
		}
		for dir, size := range map[string]string{w.root: root, w.state: state} {
			if err := errors.Join(os.Mkdir(dir, 0o755), unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=755,size="+size)); err != nil {
				t.Error(err)
				return
			}
		}
		test(w)
	}()
	<-done
}

// fill leaves no byte free.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	must(t, err)
	defer f.Close()
	for _, size := range []int{1 << 16, 4096} {
		for {
			if _, err := f.Write(make([]byte, size)); err != nil {
				break
			}
		}
	}
}

func diskSteps() map[string]deminer.Step {
	return map[string]deminer.Step{
		"cut-line":     do(deminer.VerbCutLine, line("/etc/f", "X")),
		"edit-line":    do(deminer.VerbEditLine, line("/etc/f", "X"), "new", "YYYYY"),
		"copy-file":    do(deminer.VerbCopyFile, file("/etc/f"), "from", "/etc/g"),
		"lock":         do(deminer.VerbLock, deminer.Artifact{Kind: deminer.KindAccount, Name: "evil"}),
		"mask-unit":    do(deminer.VerbMaskUnit, deminer.Artifact{Kind: deminer.KindUnit, Name: "u.service"}),
		"drop-file":    do(deminer.VerbDropFile, file("/etc/f")),
		"quarantine":   do(deminer.VerbQuarantine, file("/etc")),
		"chmod":        do(deminer.VerbChmod, file("/etc/f"), "mode", "600"),
		"clear-flag":   do(deminer.VerbClearFlag, file("/etc/f"), "flags", "i"),
		"rename":       do(deminer.VerbRename, file("/etc/f"), "to", "/etc/h"),
		"drop-a-large": do(deminer.VerbDropFile, file("/etc/large")),
	}
}

func diskSetup(t *testing.T, w *world) *world {
	w.write(t, "/etc/f", "a\nX\nb\n", 0o644)
	w.write(t, "/etc/g", strings.Repeat("g", 9000), 0o644)
	w.write(t, "/etc/passwd", "evil:x:0:0::/:/bin/sh\n", 0o644)
	w.write(t, "/etc/systemd/system/x", "", 0o644)
	w.write(t, "/etc/large", strings.Repeat("0123456789", 300_000), 0o644)
	r, err := openRunner(w.root, w.state, false)
	must(t, err)
	w.runner = r
	return w
}

// refused runs a step that must be refused with the error, without any change; then the host is not left locked or half done.
func refused(t *testing.T, w *world, name string, s deminer.Step, want error) {
	t.Helper()
	before := tree(t, w.root)
	if err := w.run(planOf("p-"+name, s)); !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", name, err, want)
	}
	same(t, before, tree(t, w.root))
}

func TestReadOnlyRoot(t *testing.T) {
	mounted(t, "16m", "16m", func(w *world) {
		diskSetup(t, w)
		must(t, unix.Mount("", w.root, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		for name, s := range diskSteps() {
			refused(t, w, name, s, unix.EROFS)
		}
	})
}

func TestFullRoot(t *testing.T) {
	mounted(t, "16m", "16m", func(w *world) {
		diskSetup(t, w)
		fill(t, w.root+"/fill")
		before := tree(t, w.root)
		for _, name := range []string{"cut-line", "edit-line", "copy-file", "lock", "mask-unit"} {
			refused(t, w, name, diskSteps()[name], unix.ENOSPC)
		}
		// What needs no room works even now, there and back.
		for _, name := range []string{"drop-file", "chmod", "rename", "clear-flag"} {
			w.mustRun(t, planOf("q-"+name, diskSteps()[name]))
			w.mustUndo(t, "q-"+name)
		}
		same(t, before, tree(t, w.root))
	})
}

func TestFullState(t *testing.T) {
	mounted(t, "16m", "6m", func(w *world) {
		diskSetup(t, w)
		refused(t, w, "large", diskSteps()["drop-a-large"], unix.ENOSPC)
		before := tree(t, w.root)
		steps := []deminer.Step{diskSteps()["drop-file"]}
		for range 40 { // so that the journal of the undo cannot fit into what is left of its last block
			steps = append(steps, do(deminer.VerbCutLine, line("/etc/g", "not there"), "if-present", "yes"))
		}
		w.mustRun(t, planOf("small", steps...))
		fill(t, w.state+"/fill")
		// The journal cannot begin: nothing is done.
		refused(t, w, "none", diskSteps()["drop-a-large"], unix.ENOSPC)
		if err := w.runner.Undo(t.Context(), "small", nil); !errors.Is(err, unix.ENOSPC) {
			t.Errorf("undo with a full disk: %v, want a refusal", err)
		}
		gone("/etc/f")(t, w)
		// With room again all of it works, over the torn line too.
		must(t, os.Remove(w.state+"/fill"))
		w.mustUndo(t, "small")
		same(t, before, tree(t, w.root))
	})
}
