package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/guard"
	"github.com/deminer/deminer/internal/history"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/deny"
	"github.com/deminer/deminer/internal/host/hands"
	"github.com/deminer/deminer/internal/host/live"
	"github.com/deminer/deminer/internal/match"
	"github.com/deminer/deminer/internal/policy"
)

// packaged says of some contents that a package owns them unchanged.
type packaged struct {
	host.Packages
	intact map[string]bool
}

func (p packaged) CheckContent(name string, _ io.Reader) deminer.Provenance {
	if p.intact[filepath.Base(name)] {
		return deminer.Provenance{State: deminer.Intact}
	}
	return deminer.Provenance{State: deminer.Unowned}
}

const proofRule = "rule own { meta: strength = \"proof\" class = \"mining\" what = \"a mark of ours\" strings: $a = \"OUR-MARK\" condition: $a }\n" +
	"rule less { meta: strength = \"strong\" class = \"mining\" what = \"a sign\" strings: $a = \"OUR-SIGN\" condition: $a }\n"

// bench is a judge with rules of the test, and programs to ask about.
type bench struct {
	dir   string
	judge *judge
	told  []string
	pol   *policy.Policy
	gone  map[string]bool
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{dir: t.TempDir(), pol: &policy.Policy{Version: 1, Prevent: policy.Prevent{Program: policy.Block}}, gone: map[string]bool{}}
	set, err := match.Load(fstest.MapFS{"a.yar": {Data: []byte(proofRule)},
		"a.txt": {Data: fmt.Appendf(nil, "#! type=hash\tstrength=proof\tclass=mining\twhat=a known content\n%s\n", sumOfText("known"))}})
	if err != nil {
		t.Fatal(err)
	}
	b.judge = &judge{rules: set, packages: packaged{intact: map[string]bool{"packaged": true}}, removed: func() map[string]bool { return b.gone },
		policy: func() *policy.Policy { return b.pol }, told: func(_ *deny.Exec, name string) { b.told = append(b.told, name) }, own: sumOfText("own OUR-MARK"),
		turns: make(chan struct{}, maxTurns), clean: map[progKey]string{}, bad: map[string]badness{}}
	return b
}

func sumOfText(s string) string { return contentSum(strings.NewReader(s), 1<<20) }

// ask asks about a program of a name and content that was written two seconds ago.
func (b *bench) ask(t *testing.T, name, content string, until time.Duration) deny.Verdict {
	t.Helper()
	file := filepath.Join(b.dir, name)
	if err := os.WriteFile(file, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return b.judge.ask(&deny.Exec{File: f, Attr: deminer.Attr{Ino: uint64(len(name)), Size: int64(len(content)), Ctime: time.Now().Add(-2 * time.Second)}, Until: time.Now().Add(until)})
}

// TestJudge: what is proven is refused, what is packaged or clean is known, what could not be looked at runs.
func TestJudge(t *testing.T) {
	b := newBench(t)
	b.gone[sumOfText("removed")] = true
	for _, c := range []struct {
		name, content string
		until         time.Duration
		want          deny.Verdict
	}{
		{"known", "known", time.Minute, deny.Deny},
		{"removed", "removed", time.Minute, deny.Deny},
		{"proven", "x OUR-MARK x", time.Minute, deny.Deny},
		{"a sign", "x OUR-SIGN x", time.Minute, deny.Known},
		{"clean", "x", time.Minute, deny.Known},
		{"packaged", "x OUR-MARK x", time.Minute, deny.Known},
		{"packaged", "removed", time.Minute, deny.Known},
		{"own", "own OUR-MARK", time.Minute, deny.Known},
		{"no time", "x y z", time.Millisecond, deny.Allow},
	} {
		if got := b.ask(t, c.name, c.content, c.until); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	if bad := b.judge.reason(filepath.Join(b.dir, "known")); bad.sum != sumOfText("known") || !strings.Contains(bad.why, "a known content") {
		t.Errorf("told why: %+v", bad)
	}
	if len(b.told) > 0 {
		t.Errorf("told twice: %q", b.told)
	}
}

// TestJudgeCrowd: who finds no turn in time runs.
func TestJudgeCrowd(t *testing.T) {
	b := newBench(t)
	for range maxTurns {
		b.judge.turns <- struct{}{}
	}
	if got := b.ask(t, "proven", "x OUR-MARK x", time.Millisecond); got != deny.Allow {
		t.Errorf("%d", got)
	}
}

// TestJudgePolicy: the owner's word goes first; what is only told runs.
func TestJudgePolicy(t *testing.T) {
	b := newBench(t)
	ask := func() deny.Verdict { return b.ask(t, "proven", "x OUR-MARK x", time.Minute) }
	b.pol.Allow = []policy.Entry{{SHA256: strings.ToUpper(sumOfText("x OUR-MARK x")), Path: "/opt/ours", Reason: "ours", Expires: time.Now().Add(time.Hour)}}
	if got := ask(); got != deny.Allow {
		t.Errorf("allowed: %d", got)
	}
	b.pol.Allow[0].Expires = time.Now().Add(-time.Hour)
	if got := ask(); got != deny.Deny {
		t.Errorf("its time is over: %d", got)
	}
	b.pol.Prevent.Program = policy.Alert
	if got := ask(); got != deny.Allow || len(b.told) != 1 {
		t.Errorf("told only: %d, %q", got, b.told)
	}
	b.pol = &policy.Policy{}
	if got := ask(); got != deny.Allow || len(b.told) != 1 {
		t.Errorf("without a policy: %d, %q", got, b.told)
	}
}

// TestJudgeForgets: what was clean is not when a clean-up has taken the same content away elsewhere.
func TestJudgeForgets(t *testing.T) {
	b := newBench(t)
	if got := b.ask(t, "copy", "x", time.Minute); got != deny.Known {
		t.Fatalf("clean: %d", got)
	}
	b.gone[sumOfText("x")] = true
	if got := b.ask(t, "copy", "x", time.Minute); got != deny.Deny {
		t.Errorf("removed elsewhere: %d", got)
	}
}

// refusing is a refuser with a history and a book of the test's own, and without a guard in the kernel.
func refusing(t *testing.T) (*refuser, *alert.Book, *bytes.Buffer) {
	t.Helper()
	dirs := make([]*os.Root, 2)
	for i := range dirs {
		var err error
		if dirs[i], err = os.OpenRoot(t.TempDir()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { dirs[i].Close() })
	}
	past, err := history.Open(dirs[0], history.Options{Lock: hands.Lock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { past.Close() })
	eyes := live.Open()
	t.Cleanup(func() { eyes.Close() })
	var out bytes.Buffer
	r := &resident{eyes: eyes, out: &out}
	f := &refuser{r: r, past: past, back: &recurrence{}, judge: &judge{bad: map[string]badness{}}, heard: make(chan *refusal, 4), feed: make(chan *deminer.Event, 4)}
	return f, &alert.Book{Dir: dirs[1], Lock: func(*os.File) error { return nil }}, &out
}

// TestRefusalsAreTold: a program that was refused and a login that was cut are alerts with who asked; the agent is to look at who
// logged in, and at nobody for a program that did not begin.
func TestRefusalsAreTold(t *testing.T) {
	f, book, out := refusing(t)
	self, err := f.r.eyes.Glance(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	f.judge.bad["/tmp/\x1b[2J"] = badness{sum: "aa", why: "its content is known: a miner", by: self}
	f.see(deny.Refusal{Event: deminer.Event{Kind: deminer.EventExec, Time: time.Now(), Proc: self.ID, Path: "/tmp/\x1b[2J", Denied: true}})
	one := <-f.heard
	f.tell(one, book)
	f.see(deny.Refusal{Class: deny.Login, Event: deminer.Event{Kind: deminer.EventFlow, Time: time.Now(), Proc: self.ID, Comm: "m", Remote: "203.0.113.9:3333", Sent: true, Data: "{}", Denied: true}})
	one = <-f.heard
	f.tell(one, book)
	f.see(deny.Refusal{Class: deny.Pool, Event: deminer.Event{Kind: deminer.EventConnect, Time: time.Now(), Proc: deminer.ProcID{PID: 1 << 22, Start: 1}, Remote: "203.0.113.9:443"}})
	one = <-f.heard
	f.tell(one, book)
	list, err := book.List()
	if err != nil || len(list) != 3 {
		t.Fatalf("%v: %d alerts", err, len(list))
	}
	byTitle := map[string]alert.Alert{}
	for _, a := range list {
		byTitle[a.Title] = a
	}
	program, login, pool := byTitle["a program whose content is known to be bad was refused"], byTitle["a login to a mining pool was refused"], byTitle["a connection to a mining pool was seen, and not refused"]
	if program.Grade != alert.Proof || program.Thing.SHA256 != "aa" || !strings.Contains(program.Why[0], "a miner; asked for by ") || len(program.Deeds) != 1 {
		t.Errorf("program: %+v", program)
	}
	if login.Grade != alert.Proof || login.Thing.Path != deminer.Raw(self.Exe) || login.Key != alert.KeyOf(login.Thing.Artifact, self.Exe, self.Container) || len(login.Lineage) == 0 {
		t.Errorf("login: %+v", login)
	}
	if pool.Grade != alert.Suspected || len(pool.Deeds) > 0 {
		t.Errorf("pool: %+v", pool)
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("raw bytes were said: %q", out)
	}
	if len(f.feed) != 2 || (<-f.feed).Kind != deminer.EventFlow {
		t.Error("the agent does not look at who logged in")
	}
}

// TestRefusedReturn: a refused program that a clean-up took away is one alert, with what it is that came back; where returns are not
// told it is one of the refusal.
func TestRefusedReturn(t *testing.T) {
	for mode, want := range map[string]string{"block": "came back, blocked: ", "off": "a program whose content is known to be bad was refused"} {
		f, book, _ := refusing(t)
		state := t.TempDir()
		file := filepath.Join(state, "policy.yaml")
		must(t, os.WriteFile(file, []byte("version: 1\nprevent: {program: block, return: "+mode+"}\n"), 0o600))
		s, err := openStore(&flags{root: "/", state: state}, true)
		must(t, err)
		t.Cleanup(s.close)
		f.r.policy, err = openPolicy(s, file)
		must(t, err)
		stamp, err := s.runner.Journal.Stamp()
		must(t, err)
		sum := strings.Repeat("a", 64)
		miner := deminer.Artifact{Kind: deminer.KindFile, Path: "/tmp/m"}
		list := guard.New([]deminer.Removed{{Plan: "p1", Step: "s01", At: time.Now(), Action: deminer.Action{Verb: deminer.VerbQuarantine, Target: miner}, Contents: []string{sum}}}, time.Now())
		f.back = &recurrence{r: f.r, past: f.past, events: make(chan *returning, 4), keeper: &keeper{store: s, now: time.Now, list: list, stamp: stamp, made: time.Now()}}
		f.back.guarded.Store(true)
		for _, c := range []struct{ sum, path string }{{sum, "/tmp/again"}, {strings.Repeat("b", 64), "/tmp/other"}} {
			f.judge.bad[c.path] = badness{sum: c.sum, why: "its content is known: a miner"}
			f.see(deny.Refusal{Event: deminer.Event{Kind: deminer.EventExec, Time: time.Now(), Path: deminer.Raw(c.path), Denied: true}})
			one := <-f.heard
			f.tell(one, book)
			f.back.judge(t.Context(), <-f.back.events, book)
		}
		all, err := book.List()
		must(t, err)
		got := map[string]string{}
		for _, a := range all {
			got[string(a.Thing.Path)] = a.Title
		}
		if mode == "block" { // the alert is of what was taken away
			got["/tmp/again"] = got["/tmp/m"]
		}
		if len(all) != 2 || !strings.HasPrefix(got["/tmp/again"], want) || !strings.Contains(got["/tmp/other"], "was refused") {
			t.Errorf("returns are %s: %d alerts, %q", mode, len(all), got)
		}
	}
}

// scripted is sensors that tell one event and wait.
type scripted struct{ host.Sensors }

func (scripted) Watch(ctx context.Context, see func(deminer.Event)) error {
	see(deminer.Event{Kind: deminer.EventExec})
	<-ctx.Done()
	return nil
}

// TestFed: what was refused comes to the agent among what the sensors tell, one at a time.
func TestFed(t *testing.T) {
	more := make(chan *deminer.Event, 1)
	more <- &deminer.Event{Kind: deminer.EventFlow}
	ctx, stop := context.WithCancel(t.Context())
	var alone sync.Mutex
	seen := map[deminer.EventKind]int{}
	err := fed{scripted{}, more}.Watch(ctx, func(e deminer.Event) {
		if !alone.TryLock() {
			t.Error("two at a time")
			return
		}
		defer alone.Unlock()
		if seen[e.Kind]++; len(seen) == 2 {
			stop()
		}
	})
	if err != nil || seen[deminer.EventExec] != 1 || seen[deminer.EventFlow] != 1 {
		t.Errorf("%v: %v", err, seen)
	}
}

// TestNeeds: nothing is opened that the policy does not ask for.
func TestNeeds(t *testing.T) {
	off, on := policy.Off, policy.Alert
	for _, c := range []struct {
		p    policy.Prevent
		want inForce
		any  bool
	}{
		{policy.Prevent{Program: off, Login: off, Like: off, Pool: off, Return: policy.Block}, inForce{}, false},
		{policy.Prevent{Program: on, Login: off, Like: off, Pool: off}, inForce{programs: true, removed: "x"}, true},
		{policy.Prevent{Program: policy.Block, Login: off, Like: off, Pool: on}, inForce{programs: true, hold: true, sockets: true, removed: "x"}, true},
		{policy.Prevent{Program: off, Login: off, Like: on, Pool: off}, inForce{sockets: true}, true},
	} {
		if got, any := needs(c.p, "x"); got != c.want || any != c.any {
			t.Errorf("%+v: %+v %v", c.p, got, any)
		}
	}
}

// TestRefusedAtTheEnd: what was refused as the agent ends is an alert, too, also where the recurrence guard did not come to it.
func TestRefusedAtTheEnd(t *testing.T) {
	f, book, _ := refusing(t)
	f.back.events = make(chan *returning, 4)
	f.back.guarded.Store(true)
	for _, name := range []deminer.Raw{"/tmp/one", "/tmp/two"} {
		f.see(deny.Refusal{Event: deminer.Event{Kind: deminer.EventExec, Time: time.Now(), Path: name, Denied: true}})
	}
	f.tell(<-f.heard, book)
	if list, err := book.List(); err != nil || len(list) != 0 {
		t.Fatalf("told before it is judged: %v, %d alerts", err, len(list))
	}
	f.rest(book)
	if list, err := book.List(); err != nil || len(list) != 2 {
		t.Errorf("%v: %d alerts", err, len(list))
	}
}

// TestLearn: an answer of a name server, which anybody can forge, refuses nothing in the owner's own networks.
func TestLearn(t *testing.T) {
	f := &refuser{pools: map[netip.Addr]time.Time{}}
	for addr, want := range map[string]bool{"203.0.113.9": true, "10.0.0.5": false, "192.168.1.1": false, "127.0.0.1": false, "169.254.169.254": false, "fd00::1": false, "2001:db8::1": true} {
		a := netip.MustParseAddr(addr)
		f.learn(a, time.Now().Add(time.Hour))
		if _, got := f.pools[a]; got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
}
