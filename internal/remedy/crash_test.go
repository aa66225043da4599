//go:build linux

package remedy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/hands"
	"github.com/deminer/deminer/internal/journal"
	"github.com/deminer/deminer/internal/remedy"
)

// cut is a power supply that fails at the nth event. Events are the instants before, in and after every journal write and
// every change of the host.
type cut struct {
	at, now int
	held    []io.Closer
	die     func() // nil: panic
}

type powerCut struct{}

func (c *cut) tick() bool { c.now++; return c.now-1 == c.at }

func (c *cut) event() {
	if c.tick() {
		c.fail()
	}
}

func (c *cut) fail() {
	if c.die != nil {
		c.die()
	}
	panic(powerCut{})
}

// cutFile is a journal file whose power may fail before a write, in the middle of it, after it with what was not synced
// lost, and after it.
type cutFile struct {
	journal.File
	c *cut
}

func (f cutFile) Write(b []byte) (int, error) {
	f.c.event()
	if f.c.tick() {
		_, _ = f.File.Write(b[:len(b)/2])
		f.c.fail()
	}
	if f.c.tick() {
		f.c.fail() // written, but it never got to disk
	}
	n, err := f.File.Write(b)
	f.c.event()
	return n, err
}

func (f cutFile) Sync() error {
	err := f.File.Sync()
	f.c.event()
	return err
}

// cutWriter fails before and after every change.
type cutWriter struct {
	host.Writer
	c *cut
}

func (w cutWriter) Put(p string, n host.Node, r io.Reader, was deminer.Attr) error {
	w.c.event()
	err := w.Writer.Put(p, n, r, was)
	w.c.event()
	return err
}

func (w cutWriter) Remove(p string, was host.Node) error {
	w.c.event()
	err := w.Writer.Remove(p, was)
	w.c.event()
	return err
}

func (w cutWriter) Set(p string, was, to deminer.Attr) error {
	w.c.event()
	err := w.Writer.Set(p, was, to)
	w.c.event()
	return err
}

func (w cutWriter) Rename(p string, was deminer.Attr, to string) error {
	w.c.event()
	err := w.Writer.Rename(p, was, to)
	w.c.event()
	return err
}

func (w cutWriter) Settle(p string, dir deminer.Attr, when bool) error {
	w.c.event()
	err := w.Writer.Settle(p, dir, when)
	w.c.event()
	return err
}

// cuttable gives a runner on the world whose power fails at event at; never if it is negative.
func (w *world) cuttable(t testing.TB, at int) (*remedy.Runner, *cut) {
	t.Helper()
	c := &cut{at: at}
	r, err := openRunner(w.root, w.state, false)
	if err != nil {
		t.Fatal(err)
	}
	c.wire(r)
	return r, c
}

func (c *cut) wire(r *remedy.Runner) {
	r.Tools.Hands.Writer = cutWriter{r.Tools.Hands.Writer, c}
	r.Journal.Wrap = func(f journal.File) journal.File {
		c.held = append(c.held, f)
		return cutFile{f, c}
	}
	r.Journal.Lock = func(f *os.File) error {
		c.held = append(c.held, f)
		return hands.Lock(f)
	}
}

// survive runs do and reports whether the power failed; then it frees what a dead process would no longer hold.
func (c *cut) survive(do func() error) (failed bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(powerCut); !ok {
				panic(r)
			}
			failed = true
			for _, h := range c.held {
				_ = h.Close()
			}
		}
	}()
	return false, do()
}

// longSetup and longPlan are a host and a plan of 30 steps of all kinds that change files, several on the same file.
func longSetup(t testing.TB, w *world) {
	var tab strings.Builder
	for i := range 8 {
		fmt.Fprintf(&tab, "%d * * * * root good%d\n* * * * * root evil%d\n", i, i, i)
	}
	w.write(t, "/etc/crontab", tab.String(), 0o600)
	setFlags(t, w.root+"/etc/crontab", 0x10)
	w.write(t, "/etc/ld.so.preload", "/usr/lib/evil.so\n", 0o644)
	for i := range 6 {
		w.write(t, fmt.Sprintf("/etc/cron.d/x%d", i), fmt.Sprintf("evil %d\n", i), 0o644)
	}
	setFlags(t, w.root+"/etc/cron.d/x1", 0x30)
	w.write(t, "/etc/systemd/system/evil.service", "[Service]\nExecStart=/tmp/.x/miner\n", 0o644)
	w.write(t, "/etc/systemd/system/multi-user.target.wants/README", "x", 0o644)
	must(t, os.Symlink("../evil.service", w.root+"/etc/systemd/system/multi-user.target.wants/evil.service"))
	w.write(t, "/tmp/.x/a/miner", strings.Repeat("\x7fELF", 5000), 0o755)
	w.write(t, "/tmp/.x/config", "pool", 0o600)
	must(t, os.Symlink("a/miner", w.root+"/tmp/.x/l"))
	setFlags(t, w.root+"/tmp/.x/config", 0x10)
	w.write(t, "/usr/bin/curl.bak", "curl", 0o755)
	w.write(t, "/usr/bin/bash", "bash", 0o4755)
	must(t, os.Chmod(w.root+"/usr/bin/bash", 0o755|os.ModeSetuid))
	w.write(t, "/etc/hosts", "127.0.0.1 localhost\n0.0.0.0 rival.pool\n", 0o644)
	w.write(t, "/etc/pam.d/a", "bad", 0o644)
	w.write(t, "/etc/pam.d/a.good", "good", 0o644)
	w.write(t, "/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nevil:x:0:0::/:/bin/sh\nworse:x:0:0::/:/bin/sh\n", 0o644)
	w.write(t, "/etc/shadow", "root:*:1::::::\nevil:$6$x:1::::::\nworse:$6$y:1::::::\n", 0o600)
	w.write(t, "/etc/group", "root:x:0:\nsudo:x:27:evil,worse\n", 0o644)
	w.age(t)
}

func longPlan() deminer.Plan {
	var steps []deminer.Step
	add := func(s deminer.Step) { steps = append(steps, s) }
	for i := range 8 {
		add(do(deminer.VerbCutLine, line("/etc/crontab", fmt.Sprintf("* * * * * root evil%d", i))))
	}
	add(do(deminer.VerbCutLine, line("/etc/ld.so.preload", "/usr/lib/evil.so"), "drop-empty", "yes"))
	for i := range 6 {
		add(do(deminer.VerbDropFile, file(fmt.Sprintf("/etc/cron.d/x%d", i))))
	}
	add(do(deminer.VerbDropFile, file("/etc/systemd/system/evil.service")))
	add(do(deminer.VerbDropFile, file("/etc/systemd/system/multi-user.target.wants/evil.service")))
	add(do(deminer.VerbMaskUnit, deminer.Artifact{Kind: deminer.KindUnit, Name: "evil.service"}))
	add(do(deminer.VerbMaskUnit, deminer.Artifact{Kind: deminer.KindUnit, Name: "other.timer"}))
	add(do(deminer.VerbClearFlag, file("/tmp/.x/config"), "flags", "i"))
	add(do(deminer.VerbQuarantine, file("/tmp/.x/a/miner")))
	add(do(deminer.VerbQuarantine, file("/tmp/.x")))
	add(do(deminer.VerbRename, file("/usr/bin/curl.bak"), "to", "/usr/bin/curl"))
	add(do(deminer.VerbChmod, file("/usr/bin/bash"), "mode", "755"))
	add(do(deminer.VerbEditLine, line("/etc/hosts", "127.0.0.1 localhost"), "new", "127.0.0.1 localhost host"))
	add(do(deminer.VerbCutLine, line("/etc/hosts", "0.0.0.0 rival.pool")))
	add(do(deminer.VerbCopyFile, file("/etc/pam.d/a"), "from", "/etc/pam.d/a.good"))
	add(do(deminer.VerbLock, deminer.Artifact{Kind: deminer.KindAccount, Name: "evil"}))
	add(do(deminer.VerbRemoveAccount, deminer.Artifact{Kind: deminer.KindAccount, Name: "worse"}))
	add(do(deminer.VerbCutLine, line("/etc/gone", "x")))
	p := planOf("long", steps...)
	for i := range p.Steps {
		if i > 0 && i%3 == 0 {
			p.Steps[i].After = []string{p.Steps[i-1].ID}
		}
	}
	return p
}

// memWorld is a world in memory, where a sync costs nothing.
func memWorld(t testing.TB) *world {
	t.Helper()
	top, err := os.MkdirTemp("/dev/shm", "remedy")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{root: top + "/root", state: top + "/state"}
	for _, d := range []string{w.root, w.state} {
		must(t, os.Mkdir(d, 0o755))
	}
	t.Cleanup(func() {
		unflag(top)
		if err := os.RemoveAll(top); err != nil {
			t.Error(err)
		}
	})
	longSetup(t, w)
	return w
}

var timesText = regexp.MustCompile(` (mtime|atime) [0-9.]+`)

// timeless leaves the times out: a change has its own.
func timeless(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = timesText.ReplaceAllString(l, "")
	}
	sort.Strings(out)
	return out
}

func TestLongPlanHas30Steps(t *testing.T) {
	if n := len(longPlan().Steps); n != 30 {
		t.Fatalf("%d steps", n)
	}
}

// events counts the instants at which the power can fail.
func events(t *testing.T, undo bool) (n int, after []string) {
	t.Helper()
	w := memWorld(t)
	r, c := w.cuttable(t, -1)
	p := longPlan()
	must(t, r.Run(t.Context(), p, p.Digest(), nil))
	n, after = c.now, timeless(tree(t, w.root))
	if undo {
		before := c.now
		must(t, r.Undo(t.Context(), p.ID, nil))
		n = c.now - before
	}
	return n, after
}

func stride() int {
	if testing.Short() {
		return 17
	}
	return 1
}

func TestCrashInRun(t *testing.T) {
	n, done := events(t, false)
	p := longPlan()
	t.Logf("%d instants", n)
	for at := 0; at < n; at += stride() {
		for _, way := range []string{"resume", "undo"} {
			t.Run(fmt.Sprintf("%s/%d", way, at), func(t *testing.T) {
				w := memWorld(t)
				before := tree(t, w.root)
				r, c := w.cuttable(t, at)
				failed, err := c.survive(func() error { return r.Run(t.Context(), p, p.Digest(), nil) })
				if !failed {
					t.Fatalf("the power did not fail: %v", err)
				}
				r, _ = w.cuttable(t, -1)
				open, err := r.Journal.Unfinished()
				if err != nil || at < n-2 && len(open) != 1 {
					t.Errorf("unfinished: %v %v", open, err)
				}
				if way == "resume" {
					if err := r.Resume(t.Context(), p.ID, nil); err != nil {
						t.Fatalf("resume: %v", err)
					}
					want := done
					if s, err := r.Status(p.ID); err != nil || s.Done == 0 {
						want = timeless(before) // nothing was ever begun
					}
					same(t, want, timeless(tree(t, w.root)))
				}
				if err := r.Undo(t.Context(), p.ID, nil); err != nil {
					t.Fatalf("undo: %v", err)
				}
				same(t, before, tree(t, w.root))
				if open, err := r.Journal.Unfinished(); err != nil || len(open) != 0 {
					t.Errorf("still unfinished: %v %v", open, err)
				}
			})
		}
	}
}

func TestCrashInUndo(t *testing.T) {
	n, _ := events(t, true)
	p := longPlan()
	t.Logf("%d instants", n)
	for at := 0; at < n; at += stride() {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			w := memWorld(t)
			before := tree(t, w.root)
			r, _ := w.cuttable(t, -1)
			must(t, r.Run(t.Context(), p, p.Digest(), nil))
			r, c := w.cuttable(t, at)
			if failed, err := c.survive(func() error { return r.Undo(t.Context(), p.ID, nil) }); !failed {
				t.Fatalf("the power did not fail: %v", err)
			}
			r, _ = w.cuttable(t, -1)
			again := r.Undo
			if at%2 == 0 {
				if s, err := r.Status(p.ID); err == nil && s.Undoing {
					again = r.Resume
				}
			}
			if err := again(t.Context(), p.ID, nil); err != nil {
				t.Fatalf("again: %v", err)
			}
			same(t, before, tree(t, w.root))
		})
	}
}

// TestMain is also the child that is killed: it runs the long plan, and undoes it, over and over.
func TestMain(m *testing.M) {
	if os.Getenv("DEMINER_TEST_WATCHDOG") != "" {
		watchdog() // a copy of this binary as the intruder's program; does not come back
	}
	dir := os.Getenv("REMEDY_TEST_KILL_ME")
	if dir == "" {
		os.Exit(m.Run())
	}
	r, err := openRunner(dir+"/root", dir+"/state", false)
	if err == nil {
		p := longPlan()
		fmt.Println("go")
		if os.Getenv("REMEDY_TEST_UNDO") == "" {
			err = r.Run(context.Background(), p, p.Digest(), nil)
		} else {
			err = r.Undo(context.Background(), p.ID, nil)
		}
	}
	if err != nil {
		fmt.Println(err)
	}
}

// TestKill9 kills a process that runs, or undoes, the plan at arbitrary instants, also inside a change or the vault.
func TestKill9(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 6
	}
	p := longPlan()
	hit := 0
	for i := range rounds {
		w := memWorld(t)
		before := tree(t, w.root)
		undo := i%3 == 2
		if undo {
			r, _ := w.cuttable(t, -1)
			must(t, r.Run(t.Context(), p, p.Digest(), nil))
		}
		if killed := killChild(t, w, undo, time.Duration(i)*1500*time.Microsecond); killed {
			hit++
		}
		r, _ := w.cuttable(t, -1)
		if i%2 == 0 {
			if err := r.Resume(t.Context(), p.ID, nil); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatalf("round %d: resume: %v", i, err)
			}
		}
		if err := r.Undo(t.Context(), p.ID, nil); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("round %d: undo: %v", i, err)
		}
		same(t, before, tree(t, w.root))
		if t.Failed() {
			t.Fatalf("round %d", i)
		}
	}
	t.Logf("%d of %d were killed in the middle", hit, rounds)
}

func killChild(t *testing.T, w *world, undo bool, after time.Duration) bool {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "REMEDY_TEST_KILL_ME="+strings.TrimSuffix(w.root, "/root"))
	if undo {
		cmd.Env = append(cmd.Env, "REMEDY_TEST_UNDO=1")
	}
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	_, _ = io.ReadFull(out, make([]byte, 3))
	time.Sleep(after)
	_ = cmd.Process.Kill()
	rest, _ := io.ReadAll(out)
	err = cmd.Wait()
	if len(rest) > 0 {
		t.Errorf("the child says %q", rest)
	}
	return err != nil
}
