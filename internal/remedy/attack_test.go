//go:build linux

package remedy_test

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"golang.org/x/sys/unix"
)

// swapper are hands whose look at one name is followed at once by an intruder's deed.
type swapper struct {
	host.Files
	at   string
	deed func()
}

func (s *swapper) List(name string, limit int) ([]string, error) {
	out, err := s.Files.List(name, limit)
	if name == s.at && s.deed != nil {
		s.deed()
		s.deed = nil
	}
	return out, err
}

// TestSwappedDirectoryLeadsNowhere: between the listing of a quarantined directory and the look at its members it becomes a
// link to the owner's.
func TestSwappedDirectoryLeadsNowhere(t *testing.T) {
	w := newWorld(t, false)
	w.write(t, "/etc/shadow", "secret", 0o600)
	w.write(t, "/tmp/x/sub/shadow", "bait", 0o600)
	w.age(t)
	h := w.runner.Tools.Hands
	h.Files = &swapper{Files: h.Files, at: "/tmp/x/sub", deed: func() {
		must(t, os.Rename(w.root+"/tmp/x/sub", w.root+"/tmp/old"))
		must(t, os.Symlink("/etc", w.root+"/tmp/x/sub"))
	}}
	if err := w.run(planOf("p", do(deminer.VerbQuarantine, file("/tmp/x")))); !errors.Is(err, deminer.ErrChanged) {
		t.Errorf("got %v, want ErrChanged", err)
	}
	if got := w.text(t, "/etc/shadow"); got != "secret" {
		t.Errorf("the owner's file is %q", got)
	}
}

// TestDirectorySwappedBeforeRemoval: the swap comes after everything is in the vault; a hard link gives the owner's file
// the inode that was looked at.
func TestDirectorySwappedBeforeRemoval(t *testing.T) {
	w := newWorld(t, false)
	w.write(t, "/opt/app/data", "business", 0o644)
	must(t, os.MkdirAll(w.root+"/tmp/x/sub", 0o755))
	must(t, os.Link(w.root+"/opt/app/data", w.root+"/tmp/x/sub/data"))
	p := planOf("p", do(deminer.VerbQuarantine, file("/tmp/x")))
	err := w.runner.Run(t.Context(), p, p.Digest(), func(r deminer.Record) {
		if r.State == deminer.StateReady {
			must(t, os.Rename(w.root+"/tmp/x/sub", w.root+"/tmp/old"))
			must(t, os.Symlink("/opt/app", w.root+"/tmp/x/sub"))
		}
	})
	if !errors.Is(err, deminer.ErrChanged) {
		t.Errorf("got %v, want ErrChanged", err)
	}
	if _, err := os.Stat(w.root + "/opt/app/data"); err != nil {
		t.Errorf("the owner's file: %v", err)
	}
}

// TestMountInQuarantine: what is mounted inside a bad directory, or on a bad file, is somebody's data elsewhere.
func TestMountInQuarantine(t *testing.T) {
	w := newWorld(t, false)
	w.write(t, "/data/business", "business", 0o644)
	w.write(t, "/tmp/x/f", "bad", 0o644)
	w.write(t, "/tmp/y", "cover", 0o644)
	must(t, os.Mkdir(w.root+"/tmp/x/mnt", 0o755))
	if err := unix.Mount(w.root+"/data", w.root+"/tmp/x/mnt", "", unix.MS_BIND, ""); err != nil {
		t.Skipf("needs root, to mount a file system: %v", err)
	}
	defer unix.Unmount(w.root+"/tmp/x/mnt", unix.MNT_DETACH)
	must(t, unix.Mount(w.root+"/data/business", w.root+"/tmp/y", "", unix.MS_BIND, ""))
	defer unix.Unmount(w.root+"/tmp/y", unix.MNT_DETACH)
	before := tree(t, w.root)
	for id, target := range map[string]string{"dir": "/tmp/x", "file": "/tmp/y", "point": "/tmp/x/mnt"} {
		if err := w.run(planOf(id, do(deminer.VerbQuarantine, file(target)))); !errors.Is(err, deminer.ErrProtected) {
			t.Errorf("%s: got %v, want ErrProtected", target, err)
		}
		w.mustUndo(t, id)
	}
	same(t, before, tree(t, w.root))
}

// TestHardLinkKeepsFlags: the other name of a file that goes keeps its flags, content and rights.
func TestHardLinkKeepsFlags(t *testing.T) {
	w := newWorld(t, false)
	w.write(t, "/etc/shadow", "secret", 0o600)
	must(t, os.MkdirAll(w.root+"/tmp/x", 0o755))
	must(t, os.Link(w.root+"/etc/shadow", w.root+"/tmp/x/s"))
	setFlags(t, w.root+"/etc/shadow", 0x10)
	before, err := describe(w.root + "/etc/shadow")
	must(t, err)
	w.mustRun(t, planOf("p", do(deminer.VerbQuarantine, file("/tmp/x"))))
	after, err := describe(w.root + "/etc/shadow")
	must(t, err)
	if before != after {
		t.Errorf("the owner's file changed\nbefore %s\nafter  %s", before, after)
	}
}

// TestUndoStaysAtItsPlace: undo puts nothing where a link leads by now, and nothing into a directory that others made.
func TestUndoStaysAtItsPlace(t *testing.T) {
	for name, deed := range map[string]func(w *world){
		"link to cron": func(w *world) {
			must(t, os.RemoveAll(w.root+"/tmp/x"))
			must(t, os.Symlink("/etc/cron.d", w.root+"/tmp/x"))
		},
		"link above": func(w *world) {
			must(t, os.Rename(w.root+"/tmp", w.root+"/old"))
			must(t, os.MkdirAll(w.root+"/etc/x", 0o755))
			must(t, os.Symlink("/etc", w.root+"/tmp"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, false)
			must(t, os.MkdirAll(w.root+"/etc/cron.d", 0o755))
			w.write(t, "/tmp/x/job", "* * * * * root evil\n", 0o644)
			w.write(t, "/tmp/x/list", "keep\nbad\n", 0o644)
			w.mustRun(t, planOf("p", do(deminer.VerbQuarantine, file("/tmp/x/job")), do(deminer.VerbCutLine, line("/tmp/x/list", "bad"))))
			deed(w)
			if err := w.runner.Undo(t.Context(), "p", nil); !errors.Is(err, deminer.ErrChanged) {
				t.Errorf("undo: %v, want ErrChanged", err)
			}
			for _, f := range []string{"/etc/cron.d/job", "/etc/x/job", "/etc/cron.d/list", "/etc/x/list"} {
				if _, err := os.Lstat(w.root + f); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s is there: %v", f, err)
				}
			}
		})
	}
}

// TestUndoLeavesOwnersDirectory: a directory that the owner made where a bad one was keeps its rights.
func TestUndoLeavesOwnersDirectory(t *testing.T) {
	w := newWorld(t, false)
	w.write(t, "/opt/x/f", "bad", 0o644)
	must(t, os.Chmod(w.root+"/opt/x", 0o777))
	w.mustRun(t, planOf("p", do(deminer.VerbQuarantine, file("/opt/x"))))
	must(t, os.Mkdir(w.root+"/opt/x", 0o750))
	if err := w.runner.Undo(t.Context(), "p", nil); !errors.Is(err, deminer.ErrChanged) {
		t.Errorf("undo: %v, want ErrChanged", err)
	}
	if st, err := os.Stat(w.root + "/opt/x"); err != nil || st.Mode().Perm() != 0o750 {
		t.Errorf("the owner's directory: %v %v", st.Mode(), err)
	}
}

// growing are hands whose open file never ends.
type growing struct{ host.Files }

type endless struct{ host.File }

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func (g growing) Open(name string) (host.File, error) {
	f, err := g.Files.Open(name)
	return endless{f}, err
}

// TestFileWithoutEnd: a file that grows as fast as it is read is refused, and does not fill the vault.
func TestFileWithoutEnd(t *testing.T) {
	w := newWorld(t, false)
	w.write(t, "/tmp/log", "start", 0o644)
	h := w.runner.Tools.Hands
	h.Files = growing{h.Files}
	done := make(chan error, 1)
	go func() { done <- w.run(planOf("p", do(deminer.VerbQuarantine, file("/tmp/log")))) }()
	select {
	case err := <-done:
		if !errors.Is(err, deminer.ErrChanged) {
			t.Errorf("got %v, want ErrChanged", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("still reading")
	}
}

// TestOddTargets: what no plan of deminer holds is refused or absent, and changes nothing.
func TestOddTargets(t *testing.T) {
	w := newWorld(t, false)
	w.write(t, "/etc/passwd", "root:x:0:0::/root:/bin/sh\n", 0o644)
	must(t, os.Symlink(w.root+"/../..", w.root+"/out"))
	must(t, os.Symlink("/proc/self/root", w.root+"/magic"))
	before := tree(t, w.root)
	for i, name := range []string{"/", "//", "/..", "/../..", ".", "", "/proc/1/root/etc/passwd", "/magic/etc/passwd", "/out/etc/passwd", "/etc/passwd/..", "/etc/..", "/no\nsuch\x1b[2J", strings.Repeat("/a", 3000)} {
		for _, verb := range []deminer.Verb{deminer.VerbQuarantine, deminer.VerbDropFile} {
			id := "p" + string(rune('a'+i)) + string(verb)
			err := w.run(planOf(id, do(verb, file(name))))
			if err != nil && strings.ContainsAny(err.Error(), "\x1b") {
				t.Errorf("%q: raw text in %q", name, err)
			}
			w.mustUndo(t, id)
		}
	}
	same(t, before, tree(t, w.root))
}

// TestPoisonedPlans: names that are paths, doubled or hostile are refused before anything is written.
func TestPoisonedPlans(t *testing.T) {
	w := newWorld(t, false)
	w.write(t, "/f", "x", 0o644)
	step := func(id string) deminer.Step { s := do(deminer.VerbDropFile, file("/f")); s.ID = id; return s }
	for name, p := range map[string]deminer.Plan{
		"path":       planOf("../../x", step("s01")),
		"escape":     planOf("x\x1b]0;evil\a", step("s01")),
		"newline":    planOf("x\ny", step("s01")),
		"spaces":     planOf("x y", step("s01")),
		"empty":      planOf("", step("s01")),
		"dot":        planOf(".x", step("s01")),
		"same steps": planOf("a", step("s01"), step("s01")),
		"step name":  planOf("b", step("s\x1b[2J")),
		"verb":       planOf("c", do("rm", file("/f"))),
	} {
		if err := w.run(p); err == nil || strings.ContainsAny(err.Error(), "\x1b\a\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := w.text(t, "/f"); got != "x" {
		t.Errorf("the file is %q", got)
	}
	if names, _ := os.ReadDir(w.state + "/deminer/journal"); len(names) > 1 {
		t.Errorf("journals were left: %v", names)
	}
}

// TestStateTraps: FIFOs and giants in place of journal and vault files neither hang nor exhaust.
func TestStateTraps(t *testing.T) {
	w := newWorld(t, false)
	w.write(t, "/f", "x", 0o644)
	w.mustRun(t, planOf("p", do(deminer.VerbDropFile, file("/f"))))
	state := w.state + "/deminer"
	must(t, unix.Mkfifo(state+"/journal/trap.jsonl", 0o600))
	must(t, unix.Mkfifo(state+"/vault/entries/0123456789abcdef.json", 0o600))
	must(t, os.WriteFile(state+"/journal/big.jsonl", nil, 0o600))
	must(t, os.Truncate(state+"/journal/big.jsonl", 10<<30))
	must(t, os.WriteFile(state+"/journal/\x1b[2J.jsonl", nil, 0o600))
	done := make(chan struct{})
	go func() {
		defer close(done)
		names, err := w.runner.Journal.Unfinished()
		if err == nil || !strings.Contains(strings.Join(names, " "), "trap") {
			t.Errorf("unfinished %q, %v", names, err)
		}
		for _, n := range names {
			if strings.Contains(n, "\x1b") {
				t.Errorf("a raw name: %q", n)
			}
		}
		if _, err := w.runner.Tools.Vault.List(); err == nil {
			t.Error("the FIFO among the entries is not named")
		}
		if err := w.run(planOf("trap", do(deminer.VerbDropFile, file("/f")))); err == nil {
			t.Error("a plan ran with a FIFO as its journal")
		}
		w.mustUndo(t, "p")
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("hangs")
	}
	must(t, os.Remove(state+"/vault/key"))
	must(t, unix.Mkfifo(state+"/vault/key", 0o600))
	opened := make(chan error, 1)
	go func() { _, err := openRunner(w.root, w.state, false); opened <- err }()
	select {
	case err := <-opened:
		if err == nil {
			t.Error("a FIFO was taken for the key")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("opening the vault hangs")
	}
}

// TestSparedBranchLives: what the plan names stays, with all below it.
func TestSparedBranchLives(t *testing.T) {
	w := newWorld(t, true)
	id, _ := child(t)
	kid := children(id.PID)[0]
	word := deminer.ProcID{PID: kid, Start: startOf(t, kid)}.String()
	w.mustRun(t, planOf("p", do(deminer.VerbFreeze, proc(id), "spare", word), do(deminer.VerbKill, proc(id), "spare", word)))
	eventually(t, "the parent is dead", func() bool { return letter(id.PID) == "" })
	if letter(kid) != "S" {
		t.Errorf("the spared child is %q", letter(kid))
	}
	_ = unix.Kill(kid, unix.SIGKILL)
}

// TestForeignContentUnderTheName: a program of the owner that stands at the convicted path by now is no twin.
func TestForeignContentUnderTheName(t *testing.T) {
	w := newWorld(t, true)
	dir := t.TempDir()
	run := func(exe string, more string) int {
		copySelf(t, exe)
		f, err := os.OpenFile(exe, os.O_WRONLY|os.O_APPEND, 0)
		must(t, err)
		_, err = f.WriteString(more)
		must(t, errors.Join(err, f.Close()))
		return startWatch(t, exe, dir)
	}
	bad := run(dir+"/server", "miner")
	must(t, os.Remove(dir+"/server"))
	good := run(dir+"/server", "owner")
	s := do(deminer.VerbKill, proc(deminer.ProcID{PID: bad, Start: startOf(t, bad)}), "same-program", "yes", "after", "1")
	w.mustRun(t, planOf("p", s))
	eventually(t, "the miner is dead", func() bool { return letter(bad) == "" })
	if letter(good) == "" {
		t.Error("the owner's program died with it")
	}
}

// TestOwnersFileUnderAPlannedName: between plan and run the intruder links the owner's file to the name of his own.
func TestOwnersFileUnderAPlannedName(t *testing.T) {
	w := newWorld(t, false)
	w.write(t, "/opt/app/server", "business", 0o755)
	w.write(t, "/tmp/x", "miner", 0o755)
	var st unix.Stat_t
	must(t, unix.Stat(w.root+"/tmp/x", &st))
	s := do(deminer.VerbQuarantine, file("/tmp/x"))
	s.Expect = deminer.Expect{SHA256: sumOf(t, w.root+"/tmp/x"), Dev: uint64(st.Dev), Ino: st.Ino}
	must(t, os.Rename(w.root+"/tmp/x", w.root+"/tmp/y"))
	must(t, os.Symlink("/opt/app/server", w.root+"/tmp/x"))
	if err := w.run(planOf("link", s)); !errors.Is(err, deminer.ErrChanged) {
		t.Errorf("a link: %v, want ErrChanged", err)
	}
	must(t, os.Remove(w.root+"/tmp/x"))
	must(t, os.Link(w.root+"/opt/app/server", w.root+"/tmp/x"))
	if err := w.run(planOf("hard", s)); !errors.Is(err, deminer.ErrChanged) {
		t.Errorf("a hard link: %v, want ErrChanged", err)
	}
	// The watchdog's fresh copy is the same program and goes.
	must(t, os.Remove(w.root+"/tmp/x"))
	w.write(t, "/tmp/x", "miner", 0o755)
	w.mustRun(t, planOf("copy", s))
}
