package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/guard"
	"github.com/deminer/deminer/internal/history"
	"github.com/deminer/deminer/internal/host/hands"
	"github.com/deminer/deminer/internal/host/live"
)

// ridden is a host from which a clean-up took one thing of each kind that is guarded.
type ridden struct {
	t     *testing.T
	root  string
	store *store
	net   *blockedNet
	guard *recurrence
	book  *alert.Book
	past  *history.Store
	out   bytes.Buffer
	mode  string // file of the policy
	ill   []byte // content of the program
}

const (
	keyLine    = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJustATestNotAKeyOfAnybodyXXXXXXXXXXXX theirs"
	ownersKey  = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOwnersKeyAlsoOfNobodyXXXXXXXXXXXXXXX owner\n"
	cronLine   = "* * * * * root /opt/.x/worker"
	ownersCron = "17 * * * * root run-parts /etc/cron.hourly\n"
	passwd     = "root:x:0:0:root:/root:/bin/bash\n"
	intruder   = "system0:x:0:0::/root:/bin/bash\n"
	poolAddr   = "203.0.113.7:3333"
)

func (c *ridden) file(name string) string { return filepath.Join(c.root, name) }

func (c *ridden) write(name, content string) {
	c.t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(c.file(name)), 0o755), os.WriteFile(c.file(name), []byte(content), 0o600)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *ridden) read(name string) string {
	b, err := os.ReadFile(c.file(name))
	if err != nil {
		return ""
	}
	return string(b)
}

// returns sets what the policy says of what comes back.
func (c *ridden) returns(mode string) {
	c.t.Helper()
	if err := os.WriteFile(c.mode, []byte("version: 1\nprevent: {return: "+mode+"}\n"), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func newRidden(t *testing.T) *ridden {
	t.Helper()
	dir := t.TempDir()
	c := &ridden{t: t, root: filepath.Join(dir, "root"), mode: filepath.Join(dir, "policy"), net: &blockedNet{}, ill: []byte("\x7fELF a program that is not one")}
	c.write("/opt/.x/worker", string(c.ill))
	c.write("/opt/.y/list", "what the program read\n")
	c.write("/root/.ssh/authorized_keys", ownersKey+keyLine+"\n")
	c.write("/etc/crontab", ownersCron+cronLine+"\n")
	c.write("/etc/passwd", passwd+intruder)
	c.write("/etc/shadow", "root:*:1::::::\nsystem0:*:1::::::\n")
	c.write("/etc/group", "root:x:0:\n")
	c.write("/etc/gshadow", "root:*::\n")
	c.returns("block")
	f := &flags{root: c.root}
	var err error
	if c.store, err = openStore(f, true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.store.close)
	h, err := c.store.reach(f)
	if err != nil {
		t.Fatal(err)
	}
	c.store.runner.Tools.Hands.Net = c.net
	line := func(name, text string) deminer.Artifact {
		return deminer.Artifact{Kind: deminer.KindLine, Path: deminer.Raw(name), Line: deminer.Raw(text)}
	}
	c.clean(t, "p1",
		deminer.Action{Verb: deminer.VerbQuarantine, Target: deminer.Artifact{Kind: deminer.KindFile, Path: "/opt/.x/worker"}},
		deminer.Action{Verb: deminer.VerbQuarantine, Target: deminer.Artifact{Kind: deminer.KindFile, Path: "/opt/.y/list"}},
		deminer.Action{Verb: deminer.VerbCutLine, Target: line("/root/.ssh/authorized_keys", keyLine)},
		deminer.Action{Verb: deminer.VerbCutLine, Target: line("/etc/crontab", cronLine)},
		deminer.Action{Verb: deminer.VerbRemoveAccount, Target: deminer.Artifact{Kind: deminer.KindAccount, Name: "system0"}},
		deminer.Action{Verb: deminer.VerbBlock, Target: deminer.Artifact{Kind: deminer.KindAddress, Addr: poolAddr}, Args: map[string]deminer.Raw{"for": "1h"}})
	var dirs [2]*os.Root
	for i := range dirs {
		if dirs[i], err = os.OpenRoot(t.TempDir()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { dirs[i].Close() })
	}
	if c.past, err = history.Open(dirs[0], history.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.past.Close() })
	c.book = &alert.Book{Dir: dirs[1], Lock: hands.Lock}
	eyes := live.Open()
	t.Cleanup(func() { eyes.Close() })
	c.guard = newRecurrence(&resident{flags: f, host: h, eyes: eyes, store: c.store, policy: residentPolicy(c.store, c.mode), out: &c.out}, c.past)
	c.guard.refresh()
	return c
}

// clean runs a clean-up.
func (c *ridden) clean(t *testing.T, id string, actions ...deminer.Action) {
	t.Helper()
	p := deminer.Plan{ID: id, Version: "1", Made: time.Now(), Purpose: deminer.ForCleanup}
	for i, a := range actions {
		p.Steps = append(p.Steps, deminer.Step{ID: fmt.Sprintf("s%02d", i+1), Action: a, Undo: true})
	}
	if err := c.store.runner.Run(t.Context(), p, p.Digest(), nil); err != nil {
		t.Fatal(err)
	}
}

// happens has the guard hear and judge an event, and gives the alerts that are new or seen again by it.
func (c *ridden) happens(e deminer.Event, f guard.Facts) (out []alert.Alert) {
	c.t.Helper()
	before := map[string]int{}
	list, err := c.book.List()
	if err != nil {
		c.t.Fatal(err)
	}
	for _, a := range list {
		before[a.ID] = a.Count
	}
	e.Time = time.Now()
	c.guard.hear(&e, f)
	for len(c.guard.events) > 0 {
		c.guard.judge(c.t.Context(), <-c.guard.events, c.book)
	}
	if list, err = c.book.List(); err != nil {
		c.t.Fatal(err)
	}
	return slices.DeleteFunc(list, func(a alert.Alert) bool { return a.Count == before[a.ID] })
}

func wroteTo(name string) deminer.Event {
	return deminer.Event{Kind: deminer.EventFile, Op: deminer.FileWritten, Path: deminer.Raw(name), Proc: deminer.ProcID{PID: 1 << 22, Start: 1}, Exe: "/bin/sh"}
}

// kind is a thing that comes back: how, what is left of it, and what is told.
type kind struct {
	back  func(*ridden) (deminer.Event, guard.Facts)
	gone  func(*ridden) bool // taken away again, and nothing else
	about string             // in the title of the alert
}

var guardedKinds = map[string]kind{
	"content": {func(c *ridden) (deminer.Event, guard.Facts) {
		c.write("/srv/other", string(c.ill))
		return wroteTo("/srv/other"), guard.Facts{}
	}, func(c *ridden) bool { return c.read("/srv/other") == "" }, "/opt/.x/worker"},
	"key": {func(c *ridden) (deminer.Event, guard.Facts) {
		c.write("/root/.ssh/authorized_keys", ownersKey+keyLine+"\n")
		return wroteTo("/root/.ssh/authorized_keys"), guard.Facts{}
	}, func(c *ridden) bool { return c.read("/root/.ssh/authorized_keys") == ownersKey }, "/root/.ssh/authorized_keys"},
	"cron line": {func(c *ridden) (deminer.Event, guard.Facts) {
		c.write("/etc/crontab", ownersCron+cronLine+"\n")
		return wroteTo("/etc/crontab"), guard.Facts{}
	}, func(c *ridden) bool { return c.read("/etc/crontab") == ownersCron }, "/etc/crontab"},
	"account": {func(c *ridden) (deminer.Event, guard.Facts) {
		c.write("/etc/passwd", passwd+intruder)
		return wroteTo("/etc/passwd"), guard.Facts{}
	}, func(c *ridden) bool { return c.read("/etc/passwd") == passwd }, "system0"},
	"pool": {func(c *ridden) (deminer.Event, guard.Facts) {
		c.net.list = nil // its time is over
		return deminer.Event{Kind: deminer.EventConnect, Proto: "tcp", Remote: poolAddr, Proc: deminer.ProcID{PID: 1 << 22, Start: 1}, Exe: "/tmp/m"}, guard.Facts{}
	}, func(c *ridden) bool { return len(c.net.list) == 1 && c.net.list[0].String() == poolAddr }, poolAddr},
}

// TestReturns brings back one thing of each kind: it is taken away again by a plan of its own and is an alert that says so; where the
// policy tells only, or nothing, that is what happens.
func TestReturns(t *testing.T) {
	for name, k := range guardedKinds {
		t.Run(name, func(t *testing.T) {
			c := newRidden(t)
			c.returns("off")
			if got := c.happens(k.back(c)); len(got) != 0 || k.gone(c) {
				t.Errorf("off: %d alerts", len(got))
			}
			c.returns("alert")
			got := c.happens(k.back(c))
			if len(got) != 1 || k.gone(c) || !strings.HasPrefix(got[0].Title, "came back: ") || !strings.Contains(got[0].Title, k.about) || got[0].Grade != alert.Proof || len(got[0].Deeds) > 0 {
				t.Fatalf("told only: %+v", got)
			}
			c.returns("block")
			got = c.happens(k.back(c))
			if len(got) != 1 || !k.gone(c) {
				t.Fatalf("not taken away: %+v\n%s", got, c.out.String())
			}
			deeds := got[0].Deeds
			if len(deeds) != 1 || deeds[0].Plan == "" || !strings.Contains(deeds[0].What, "removed again by plan "+deeds[0].Plan) {
				t.Fatalf("%+v", got[0])
			}
			st, err := c.store.runner.Status(deeds[0].Plan)
			if err != nil || st.Plan.Purpose != deminer.ForGuard || st.Done != 1 {
				t.Errorf("its plan: %+v, %v", st, err)
			}
			said := 0
			if err := c.past.Query(history.Filter{}, func(e history.Entry) bool {
				if e.Alert != nil && e.Alert.Rule == "recurrence" && strings.HasPrefix(e.Alert.Text, "came back, blocked: ") {
					said++
				}
				return true
			}); err != nil || said != 1 {
				t.Errorf("in the history %d times, %v", said, err)
			}
			if e, f := k.back(c); true { // by another who is refused in the kernel
				e.Denied = true
				if got := c.happens(e, f); len(got) != 1 || !strings.Contains(got[0].Deeds[len(got[0].Deeds)-1].What, "denied") {
					t.Errorf("denied: %+v", got)
				}
			}
		})
	}
}

// TestReturnsElse: another content at the name of what was taken away, what a package owns, and what an undo put back are left alone; the
// first is told.
func TestReturnsElse(t *testing.T) {
	c := newRidden(t)
	c.write("/opt/.y/list", "the owner's\n")
	got := c.happens(wroteTo("/opt/.y/list"), guard.Facts{})
	if len(got) != 1 || c.read("/opt/.y/list") != "the owner's\n" || !slices.ContainsFunc(got[0].Why, func(w string) bool { return strings.Contains(w, "told only") }) {
		t.Errorf("another content: %+v", got)
	}
	c.write("/srv/other", string(c.ill))
	if got := c.happens(wroteTo("/srv/other"), guard.Facts{SHA256: sumOfText(string(c.ill)), Vouched: true}); len(got) > 0 || c.read("/srv/other") == "" {
		t.Errorf("of a package: %+v", got)
	}
	if got := c.happens(wroteTo("/etc/hosts"), guard.Facts{}); len(got) > 0 {
		t.Errorf("has nothing to do with it: %+v", got)
	}
	if c.guard.contents()[sumOfText(string(c.ill))] != true || c.guard.stamp() == "" {
		t.Error("whoever judges programs does not know what was taken away")
	}
	if err := os.Remove(c.file("/opt/.y/list")); err != nil { // an undo puts nothing in the place of the owner's
		t.Fatal(err)
	}
	if err := c.store.runner.Undo(t.Context(), "p1", nil); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/etc/crontab", "/root/.ssh/authorized_keys", "/etc/passwd", "/opt/.x/worker"} {
		if got := c.happens(wroteTo(name), guard.Facts{}); len(got) > 0 || c.read(name) == "" {
			t.Errorf("an undo put back %s: %+v", name, got)
		}
	}
	c.guard.refresh()
	if c.guard.guarded.Load() || len(c.guard.contents()) > 0 {
		t.Error("what an undo put back is guarded")
	}
	c.guard.hear(&deminer.Event{Kind: deminer.EventFile}, guard.Facts{})
	if len(c.guard.events) > 0 {
		t.Error("events are kept though nothing is guarded")
	}
}

// TestReturnsTooOften: who brings something back again and again gets no plan for each; what cannot wait is counted.
func TestReturnsTooOften(t *testing.T) {
	c := newRidden(t)
	k := guardedKinds["cron line"]
	c.guard.room()
	c.guard.plans = maxAgain - 1
	if got := c.happens(k.back(c)); len(got) != 1 || !k.gone(c) {
		t.Fatalf("the last plan of the hour: %+v", got)
	}
	if got := c.happens(k.back(c)); len(got) != 1 || k.gone(c) {
		t.Errorf("one more: %+v", got)
	}
	c.guard.hour = time.Now().Add(-time.Hour)
	if got := c.happens(k.back(c)); len(got) != 1 || !k.gone(c) {
		t.Errorf("an hour later: %+v", got)
	}
	for range maxReturns + 7 {
		e := wroteTo("/etc/hosts")
		c.guard.hear(&e, guard.Facts{})
	}
	c.guard.refresh()
	if !strings.Contains(c.out.String(), "7 events could not be held against what clean-ups took away") {
		t.Errorf("said %q", c.out.String())
	}
}
