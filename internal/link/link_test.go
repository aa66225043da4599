package link

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/trust"
)

// post is a server that takes messages, by their id, once.
type post struct {
	mu    sync.Mutex
	got   []deminer.Message
	seen  map[string]int
	reply func(deminer.Message) (deminer.Reply, error) // nil: takes all
}

func (p *post) Send(_ context.Context, m deminer.Message) (deminer.Reply, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	reply, err := deminer.Reply{OK: true}, error(nil)
	if p.reply != nil {
		reply, err = p.reply(m)
	}
	if reply.OK && err == nil {
		if p.seen[m.ID]++; p.seen[m.ID] == 1 {
			p.got = append(p.got, m)
		}
	}
	return reply, err
}

func (p *post) set(f func(deminer.Message) (deminer.Reply, error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reply = f
}

// of lists the messages of a kind, in short.
func (p *post) of(kind deminer.MessageKind) (out []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.got {
		if m.Kind != kind {
			continue
		}
		text := string(m.Body)
		if kind == deminer.MessageDone {
			var d deminer.Done
			if json.Unmarshal(m.Body, &d) == nil {
				text = fmt.Sprint(d.OK, " ", d.Text)
			}
		}
		out = append(out, text)
	}
	return out
}

// plain takes any order as it comes, once.
type plain struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (c *plain) Check(wire []byte, keep func(deminer.Order) error) (o deminer.Order, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := json.Unmarshal(wire, &o); err != nil {
		return deminer.Order{}, trust.ErrForged
	}
	if c.seen[o.ID] {
		return o, trust.ErrSeen
	}
	if keep != nil {
		if err := keep(o); err != nil {
			return deminer.Order{}, err
		}
	}
	c.seen[o.ID] = true
	return o, nil
}

// host is an agent whose deeds are counted.
type host struct {
	*Link
	dir   *os.Root
	check *plain
	post  *post
	mu    sync.Mutex
	did   []string
	fates map[string]Fate
	run   func(context.Context) error // nil: goes well
	lines []string
	fits  func(deminer.Message) error
	vault []deminer.Kept
	made  time.Time // of plans
}

func newHost(t testing.TB) *host {
	t.Helper()
	dir, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	h := &host{dir: dir, check: &plain{seen: map[string]bool{}}, post: &post{seen: map[string]int{}}, fates: map[string]Fate{}, made: time.Now()}
	h.open(t)
	return h
}

func (h *host) note(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.did = append(h.did, what)
}

func (h *host) deeds() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.did, ",")
}

func (h *host) open(t testing.TB) {
	t.Helper()
	one := func(what string) func(context.Context, string) (string, error) {
		return func(_ context.Context, id string) (string, error) {
			h.note(what + " " + id)
			return what + " " + id, nil
		}
	}
	through := func(ctx context.Context, plan string, tell func(deminer.Record)) error {
		tell(deminer.Record{Seq: 1, Plan: plan, Step: "s01", State: deminer.StateDone})
		if h.run != nil {
			return h.run(ctx)
		}
		return nil
	}
	var err error
	h.Link, err = Open(Options{Dir: h.dir, Check: h.check, Fits: func(m deminer.Message) error {
		if h.fits != nil {
			return h.fits(m)
		}
		return nil
	}, Say: func(_ bool, s string) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.lines = append(h.lines, s)
	}, State: func() deminer.AgentState { return deminer.AgentState{Mode: "watching"} },
		Deeds: Deeds{
			Scan: func(_ context.Context, o deminer.ScanOrder) (deminer.Report, error) {
				h.note("scan " + o.Mode)
				return deminer.Report{Verdict: deminer.VerdictClean}, nil
			},
			Plan: func(_ context.Context, o deminer.PlanOrder) (deminer.Plan, error) {
				h.note("plan " + string(o.Handling))
				return deminer.Plan{ID: "p-" + string(o.Handling), Made: h.made, Steps: []deminer.Step{{ID: "s01"}}}, nil
			},
			Run: func(ctx context.Context, p deminer.Plan, _ string, tell func(deminer.Record)) (string, error) {
				h.note("run " + p.ID)
				return "1 steps", through(ctx, p.ID, tell)
			},
			Undo: func(ctx context.Context, p, _ string, tell func(deminer.Record)) (string, error) {
				h.note("undo " + p)
				return "taken back", through(ctx, p, tell)
			},
			Fate: func(p string) (Fate, error) { h.mu.Lock(); defer h.mu.Unlock(); return h.fates[p], nil },
			Block: func(_ context.Context, o deminer.BlockOrder) (string, error) {
				h.note("block " + o.What)
				return "blocked", nil
			},
			Restore: one("restore"), Delete: one("delete"),
			State: func(o deminer.StateOrder, by string) (string, error) {
				h.note("state " + o.State + " by " + by)
				return "set", nil
			},
			Allow: func(o deminer.AllowOrder, _ string) (string, error) {
				h.note("allow")
				return "", errors.New("the book is \x1b[31m shut")
			},
			Policy: func(o deminer.PolicyOrder, _ string) (string, error) { h.note("policy"); return "in force", nil },
			Vault:  func() ([]deminer.Kept, error) { h.mu.Lock(); defer h.mu.Unlock(); return h.vault, nil },
			Blocks: func() ([]deminer.Blocked, error) { return nil, nil },
		}})
	if err != nil {
		t.Fatal(err)
	}
}

// while runs the link until f has ended.
func (h *host) while(f func()) {
	ctx, stop := context.WithCancel(context.Background())
	end := make(chan struct{})
	go func() { defer close(end); h.Run(ctx, h.post) }()
	f()
	stop()
	<-end
}

func (h *host) give(t testing.TB, o deminer.Order) (deminer.Reply, []byte) {
	t.Helper()
	if o.ID == "" {
		o.ID = deminer.NewID(time.Now())
	}
	o.By, o.Made, o.Expires = "somebody", time.Now(), time.Now().Add(time.Hour)
	wire, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return h.Take(t.Context(), wire), wire
}

// bubble runs a test of time with a clock of its own.
func bubble(t *testing.T, f func(*testing.T, *host)) {
	synctest.Test(t, func(t *testing.T) { f(t, newHost(t)) })
}

func TestServerAway(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.post.set(func(deminer.Message) (deminer.Reply, error) { return deminer.Reply{}, errors.New("no line") })
		var want []string
		h.while(func() {
			for n := range 50 {
				if err := h.Tell(deminer.MessageAlert, "", n); err != nil {
					t.Fatal(err)
				}
				want = append(want, fmt.Sprint(n))
				time.Sleep(10 * time.Second)
			}
		})
		if h.Spooled() != 50 || len(h.post.got) > 0 {
			t.Fatalf("%d spooled, %d sent while the server was away", h.Spooled(), len(h.post.got))
		}
		h.open(t) // a restart loses nothing
		lost := 0
		h.post.set(func(m deminer.Message) (deminer.Reply, error) { // the answer to each third is lost: the server has it
			if lost++; lost%3 == 0 && m.Kind == deminer.MessageAlert {
				if h.post.seen[m.ID]++; h.post.seen[m.ID] == 1 {
					h.post.got = append(h.post.got, m)
				}
				return deminer.Reply{}, errors.New("no answer")
			}
			return deminer.Reply{OK: true}, nil
		})
		h.while(func() { time.Sleep(30 * time.Minute) })
		if got := h.post.of(deminer.MessageAlert); !slices.Equal(got, want) || h.Spooled() != 0 {
			t.Errorf("got %v\nwant each once in order; %d still spooled", got, h.Spooled())
		}
		if n := len(h.post.of(deminer.MessageState)); n < 20 || n > 45 {
			t.Errorf("%d states in 30 minutes", n)
		}
	})
}

// TestNoFilesLeft: what cannot be read for a moment stays and is told later; an order that was taken, too.
func TestNoFilesLeft(t *testing.T) {
	h := newHost(t)
	for _, s := range []string{"one", "two", "three", "four", "five"} {
		if err := h.Tell(deminer.MessageAlert, "", s); err != nil {
			t.Fatal(err)
		}
	}
	if reply, _ := h.give(t, deminer.Order{ID: strings.Repeat("a", 32), Kind: deminer.OrderScan, Scan: &deminer.ScanOrder{Mode: "quick"}}); !reply.OK {
		t.Fatal(reply)
	}
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	low := unix.Rlimit{Cur: 0, Max: old.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	ok := h.sendAll(t.Context(), h.post)
	_, orderErr := h.work.read(strings.Repeat("a", 32))
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if ok || h.Spooled() != 5 || len(h.post.got) > 0 || !passing(orderErr) {
		t.Errorf("without files: all sent %v, %d spooled, an order: %v", ok, h.Spooled(), orderErr)
	}
	if ok := h.sendAll(t.Context(), h.post); !ok || len(h.post.got) != 5 || h.Spooled() != 0 {
		t.Errorf("later: all sent %v, %d told, %d spooled", ok, len(h.post.got), h.Spooled())
	}
}

func TestAnswers(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.post.set(func(m deminer.Message) (deminer.Reply, error) {
			switch string(m.Body) {
			case `"never"`:
				return deminer.Reply{Why: "odd"}, nil
			case `"later"`:
				return deminer.Reply{Again: true}, nil
			}
			return deminer.Reply{OK: true}, nil
		})
		for _, body := range []string{"later", "never", "now"} {
			if err := h.Tell(deminer.MessageAlert, "", body); err != nil {
				t.Fatal(err)
			}
		}
		h.while(func() { time.Sleep(time.Minute) })
		if got := fmt.Sprint(h.post.of(deminer.MessageAlert)); got != `["now"]` || h.Spooled() != 1 {
			t.Errorf("%s, %d spooled: want that one waits, one is dropped and the third is not held up", got, h.Spooled())
		}
	})
}

func TestWhatGivesWay(t *testing.T) {
	h := newHost(t)
	h.spool.files, h.spool.bytes = 4, 1<<20
	tell := func(kind deminer.MessageKind, n int) error { return h.Tell(kind, "", n) }
	for n, kind := range []deminer.MessageKind{deminer.MessageReport, deminer.MessageAlert, deminer.MessagePlan, deminer.MessageReport, deminer.MessageDone, deminer.MessageRecord, deminer.MessageAlert} {
		if err := tell(kind, n); err != nil {
			t.Fatalf("%d %s: %v", n, kind, err)
		}
	}
	var left []string
	for from := uint64(0); ; {
		seq, m, ok, bad := h.spool.read(from)
		if !ok || bad != nil {
			break
		}
		left, from = append(left, string(m.Body)), seq+1
	}
	if fmt.Sprint(left) != "[1 4 5 6]" {
		t.Errorf("left %v: want that reports and plans gave way, and nothing else", left)
	}
	if err := tell(deminer.MessageReport, 9); !errors.Is(err, ErrFull) {
		t.Errorf("a report into a spool full of alerts: %v", err)
	}
	for n := range 4 {
		if err := tell(deminer.MessageAlert, 10+n); err != nil {
			t.Errorf("an alert over the limit: %v", err)
		}
	}
	if err := tell(deminer.MessageAlert, 20); !errors.Is(err, ErrFull) || h.Spooled() != 8 {
		t.Errorf("an alert over twice the limit: %v, %d spooled", err, h.Spooled())
	}
}

func TestTornWrites(t *testing.T) {
	h := newHost(t)
	if err := errors.Join(h.Tell(deminer.MessageAlert, "", "one"), h.Tell(deminer.MessageAlert, "", "two")); err != nil {
		t.Fatal(err)
	}
	names := []string{"0000000000000003.alert.new", "0000000000000009.alert", "notes", "0000000000000004.shell"}
	for _, n := range names {
		if err := h.spool.dir.WriteFile(n, []byte(`{"id":"x`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.open(t)
	if _, err := h.spool.dir.Stat(names[0]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was half written stays: %v", err)
	}
	if !h.sendAll(t.Context(), h.post) {
		t.Error("not all was sent")
	}
	if got := fmt.Sprint(h.post.of(deminer.MessageAlert)); got != `["one" "two"]` || h.Spooled() != 0 {
		t.Errorf("%s, %d spooled", got, h.Spooled())
	}
	if !strings.Contains(strings.Join(h.lines, " "), "0000000000000009.alert") {
		t.Errorf("the damaged one was not told: %v", h.lines)
	}
}

func TestEachOrder(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		plan := deminer.Plan{ID: "p-deep", Made: h.made, Steps: []deminer.Step{{ID: "s01"}}}
		h.while(func() {
			for _, o := range []deminer.Order{
				{Kind: deminer.OrderScan, Scan: &deminer.ScanOrder{Mode: "quick"}},
				{Kind: deminer.OrderPlan, Plan: &deminer.PlanOrder{Handling: deminer.HandleDeep}},
				{Kind: deminer.OrderRun, Run: &deminer.RunOrder{Plan: plan.ID, Digest: plan.Digest()}},
				{Kind: deminer.OrderUndo, Run: &deminer.RunOrder{Plan: plan.ID, Digest: plan.Digest()}},
				{Kind: deminer.OrderBlock, Block: &deminer.BlockOrder{What: "192.0.2.1"}},
				{Kind: deminer.OrderRestore, Vault: "v1"}, {Kind: deminer.OrderDelete, Vault: "v2"},
				{Kind: deminer.OrderState, State: &deminer.StateOrder{State: "ignored"}},
				{Kind: deminer.OrderAllow, Allow: &deminer.AllowOrder{}}, {Kind: deminer.OrderPolicy, Policy: &deminer.PolicyOrder{}},
			} {
				if r, _ := h.give(t, o); !r.OK {
					t.Errorf("%s: %+v", o.Kind, r)
				}
				time.Sleep(time.Second) // each has ended
			}
		})
		if want := "scan quick,plan deep,run p-deep,undo p-deep,block 192.0.2.1,restore v1,delete v2,state ignored by somebody,allow,policy"; h.deeds() != want {
			t.Errorf("did %s\nwant %s", h.deeds(), want)
		}
		if got, want := h.post.of(deminer.MessageDone), []string{"true looked: clean", "true a plan of 1 steps", "true 1 steps", "true taken back", "true blocked", "true restore v1", "true delete v2", "true set", `false the book is \x1b[31m shut`, "true in force"}; !slices.Equal(got, want) {
			t.Errorf("told %q\nwant %q", got, want)
		}
		for _, kind := range []deminer.MessageKind{deminer.MessageReport, deminer.MessagePlan, deminer.MessageRecord} {
			if len(h.post.of(kind)) != 1 { // the record of the undo bears the same number in this test
				t.Errorf("%s: %v", kind, h.post.of(kind))
			}
		}
		for _, m := range h.post.got {
			if (m.Kind == deminer.MessageReport || m.Kind == deminer.MessagePlan || m.Kind == deminer.MessageDone || m.Kind == deminer.MessageRecord) && !deminer.IsID(m.Order) {
				t.Errorf("%s answers no order", m.Kind)
			}
		}
	})
}

func TestOrdersThatAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		plan := deminer.Plan{ID: "p-deep", Made: h.made, Steps: []deminer.Step{{ID: "s01"}}}
		other := plan
		other.Steps = []deminer.Step{{ID: "s01", Action: deminer.Action{Verb: deminer.VerbKill}}}
		run := func(id, digest string) deminer.Order {
			return deminer.Order{Kind: deminer.OrderRun, Run: &deminer.RunOrder{Plan: id, Digest: digest}}
		}
		h.while(func() {
			if r := h.Take(t.Context(), []byte("forged")); r.OK || r.Again {
				t.Errorf("forged: %+v", r)
			}
			_, wire := h.give(t, deminer.Order{Kind: deminer.OrderPlan, Plan: &deminer.PlanOrder{Handling: deminer.HandleDeep}})
			time.Sleep(time.Second)
			if r := h.Take(t.Context(), wire); !r.OK {
				t.Errorf("replayed: %+v", r)
			}
			for _, o := range []deminer.Order{run("p-deep", other.Digest()), run("p-deep", ""), run("../../etc/passwd", plan.Digest()), run("p-none", plan.Digest())} {
				h.give(t, o)
				time.Sleep(time.Second)
			}
			h.mu.Lock()
			h.fates["p-deep"] = Fate{Known: true}
			h.mu.Unlock()
			h.give(t, run("p-deep", plan.Digest())) // by another order: it ran before
			time.Sleep(25 * time.Hour)
			h.mu.Lock()
			clear(h.fates)
			h.mu.Unlock()
			h.give(t, run("p-deep", plan.Digest())) // too old by now
			time.Sleep(time.Second)
		})
		if h.deeds() != "plan deep" {
			t.Errorf("did %s, want the plan alone, once", h.deeds())
		}
		got := h.post.of(deminer.MessageDone)
		for i, want := range []string{"true a plan", "what was approved is not", "what was approved is not", "made no plan", "made no plan", "was run here before", "make a new one"} {
			if i >= len(got) || !strings.Contains(got[i], want) {
				t.Errorf("%d: %q, want %q", i, got, want)
			}
		}
	})
}

// TestPlanAltered has somebody write another plan into the agent's own state.
func TestPlanAltered(t *testing.T) {
	h := newHost(t)
	plan := deminer.Plan{ID: "p", Made: time.Now(), Steps: []deminer.Step{{ID: "s01"}}}
	digest := plan.Digest()
	plan.Steps[0].Action.Verb = deminer.VerbKill
	if err := h.work.keepPlan(keptPlan{Plan: plan}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.work.approved(&deminer.RunOrder{Plan: "p", Digest: digest}); !errors.Is(err, deminer.ErrNotApproved) {
		t.Errorf("%v", err)
	}
	for n := range maxPlans + 10 {
		if err := h.work.keepPlan(keptPlan{Plan: deminer.Plan{ID: fmt.Sprint(n)}}); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := fs.ReadDir(h.plans.FS(), "."); err != nil || len(all) > maxPlans {
		t.Errorf("%d plans are kept, %v", len(all), err)
	}
}

// TestUndoAfterManyPlans: a plan that was run can be taken back however many were made after it.
func TestUndoAfterManyPlans(t *testing.T) {
	h := newHost(t)
	p := deminer.Plan{ID: "ran", Made: time.Now(), Steps: []deminer.Step{{ID: "s01"}}}
	if err := h.work.keepPlan(keptPlan{Plan: p}); err != nil {
		t.Fatal(err)
	}
	o := deminer.Order{Kind: deminer.OrderRun, Run: &deminer.RunOrder{Plan: "ran", Digest: p.Digest()}}
	if _, err := h.work.runPlan(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	h.fates["ran"] = Fate{Known: true}
	for n := range maxPlans + 1 {
		if err := h.work.keepPlan(keptPlan{Plan: deminer.Plan{ID: fmt.Sprint(n)}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.work.runPlan(t.Context(), o); !errors.Is(err, fs.ErrExist) {
		t.Errorf("it was run again: %v", err)
	}
	o.Kind = deminer.OrderUndo
	if _, err := h.work.runPlan(t.Context(), o); err != nil || !strings.Contains(h.deeds(), "undo ran") {
		t.Errorf("undo: %v; %s", err, h.deeds())
	}
}

func TestAgentEndsInTheMiddle(t *testing.T) {
	plan := deminer.Plan{ID: "p-deep", Steps: []deminer.Step{{ID: "s01"}}}
	for name, c := range map[string]struct {
		fate  Fate
		kind  deminer.OrderKind
		want  string
		deeds string
	}{
		"the journal has its end": {Fate{Known: true, Records: []deminer.Record{{Seq: 1, Plan: "p-deep"}, {Seq: 2, Plan: "p-deep"}}}, deminer.OrderRun, "true done, before", "run p-deep"},
		"interrupted":             {Fate{Known: true, Interrupted: true}, deminer.OrderRun, "false the agent ended in the middle", "run p-deep"},
		"a step failed":           {Fate{Known: true, Failed: 2}, deminer.OrderRun, "false 2 steps failed", "run p-deep"},
		"not begun":               {Fate{}, deminer.OrderRun, "false the agent ended before it had begun", "run p-deep"},
		"undo not begun":          {Fate{Known: true}, deminer.OrderUndo, "false the agent ended before it had begun", "undo p-deep"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, h *host) {
				plan := plan
				plan.Made = time.Now()
				if err := h.work.keepPlan(keptPlan{Plan: plan}); err != nil {
					t.Fatal(err)
				}
				h.run = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
				var wire []byte
				h.while(func() {
					_, wire = h.give(t, deminer.Order{Kind: c.kind, Run: &deminer.RunOrder{Plan: plan.ID, Digest: plan.Digest()}})
					time.Sleep(time.Second)
				})
				if got := h.post.of(deminer.MessageDone); len(got) > 0 {
					t.Fatalf("told %q before it was known", got)
				}
				h.fates[plan.ID] = c.fate
				for range 2 { // the second start has nothing to tell any more
					h.open(t)
					h.while(func() { time.Sleep(time.Second) })
				}
				if r := h.Take(t.Context(), wire); !r.OK {
					t.Errorf("the same order again: %+v", r)
				}
				h.while(func() { time.Sleep(time.Second) })
				if got := h.post.of(deminer.MessageDone); len(got) != 1 || !strings.HasPrefix(got[0], c.want) {
					t.Errorf("told %q, want once %q", got, c.want)
				}
				if h.deeds() != c.deeds {
					t.Errorf("did %s, want %s: nothing runs twice", h.deeds(), c.deeds)
				}
				if want := max(1, len(c.fate.Records)); len(h.post.of(deminer.MessageRecord)) != want {
					t.Errorf("%d steps told, want %d, each once", len(h.post.of(deminer.MessageRecord)), want)
				}
			})
		})
	}
}

func TestOrderTakenBeforeTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		_, wire := h.give(t, deminer.Order{Kind: deminer.OrderState, State: &deminer.StateOrder{State: "ignored"}})
		clear(h.check.seen) // as if the crash came between the two
		h.open(t)
		if r := h.Take(t.Context(), wire); !r.OK {
			t.Errorf("%+v", r)
		}
		h.while(func() { time.Sleep(time.Second) })
		if h.deeds() != "state ignored by somebody" {
			t.Errorf("did %q, want it once", h.deeds())
		}
	})
}

func TestTooManyWait(t *testing.T) {
	h := newHost(t)
	for n := range maxOrders + 1 {
		r, _ := h.give(t, deminer.Order{Kind: deminer.OrderScan, Scan: &deminer.ScanOrder{}})
		if want := n < maxOrders; r.OK != want || r.Again == want {
			t.Fatalf("%d: %+v", n, r)
		}
	}
}

func TestLargeReport(t *testing.T) {
	h := newHost(t)
	h.fits = func(m deminer.Message) error {
		if len(m.Body) > 5000 {
			return deminer.ErrRefused
		}
		return nil
	}
	rep := deminer.Report{Verdict: deminer.VerdictMining}
	for n := range 100 {
		rep.Snapshot.Sockets = append(rep.Snapshot.Sockets, deminer.Socket{})
		rep.Snapshot.Processes = append(rep.Snapshot.Processes, deminer.Process{Exe: fmt.Sprint("/usr/bin/", n)})
	}
	if err := h.Tell(deminer.MessageReport, "", rep); err != nil {
		t.Fatal(err)
	}
	var got deminer.Report
	_, m, _, err := h.spool.read(0)
	if err := errors.Join(err, json.Unmarshal(m.Body, &got)); err != nil || got.Verdict != deminer.VerdictMining || len(got.Snapshot.Gaps) == 0 {
		t.Errorf("%v %s", err, m.Body)
	}
	if len(rep.Snapshot.Processes) != 100 {
		t.Error("the report of the caller was changed")
	}
}

func TestListsAreToldWhenTheyChange(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.while(func() {
			time.Sleep(10 * time.Minute)
			h.mu.Lock()
			h.vault = []deminer.Kept{{ID: "v1"}}
			h.mu.Unlock()
			h.Changed()
			time.Sleep(time.Second)
		})
		if got := h.post.of(deminer.MessageVault); len(got) != 2 || got[0] != "[]" || !strings.Contains(got[1], "v1") {
			t.Errorf("vault: %v", got)
		}
		if got := h.post.of(deminer.MessageBlocks); len(got) != 1 {
			t.Errorf("blocks: %v", got)
		}
		before := len(h.post.of(deminer.MessageState))
		h.while(func() {
			time.Sleep(time.Second) // the first is told at the start
			h.give(t, deminer.Order{Kind: deminer.OrderPolicy, Policy: &deminer.PolicyOrder{}})
			time.Sleep(time.Second)
		})
		if got := len(h.post.of(deminer.MessageState)) - before; got != 2 {
			t.Errorf("%d states, want one at the start and one after another policy", got)
		}
	})
}

// TestKilled kills a process with SIGKILL while it spools, and reads what it was told is kept.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("LINK_TEST_SPOOL"); dir != "" {
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		s, err := openSpool(root)
		if err != nil {
			t.Fatal(err)
		}
		for n := 0; ; n++ {
			body, err := json.Marshal(strings.Repeat("x", n%5000))
			if err == nil {
				err = s.put(deminer.Message{ID: deminer.NewID(time.Now()), Kind: deminer.MessageAlert, Body: body})
			}
			if err != nil {
				t.Fatal(err)
			}
			fmt.Println("kept", n)
		}
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestKilled$")
	cmd.Env = append(os.Environ(), "LINK_TEST_SPOOL="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buf, text := make([]byte, 4096), ""
	for strings.Count(text, "kept") < 50 {
		n, err := out.Read(buf)
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		text += string(buf[:n])
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it says that it was killed
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	s, err := openSpool(root)
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for from := uint64(0); ; read++ {
		seq, _, ok, bad := s.read(from)
		if bad != nil {
			t.Fatal(bad)
		}
		if !ok {
			break
		}
		from = seq + 1
	}
	if promised := strings.Count(text, "kept"); read < promised {
		t.Errorf("%d messages are left, %d were kept before it was killed", read, promised)
	}
}

// TestNothingCanBeWritten: what cannot be kept is not promised, and goes well once it can.
func TestNothingCanBeWritten(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		block := func(dir *os.Root, name string) (free func()) {
			t.Helper()
			if err := dir.Mkdir(name, 0o700); err != nil { // no file can be made there
				t.Fatal(err)
			}
			return func() {
				if err := dir.Remove(name); err != nil {
					t.Fatal(err)
				}
			}
		}
		free := block(h.spool.dir, spooled{seq: 1, kind: deminer.MessageAlert}.name()+".new")
		if err := h.Tell(deminer.MessageAlert, "", "lost?"); err == nil || h.Spooled() != 0 {
			t.Errorf("an alert that could not be written: %v, %d spooled", err, h.Spooled())
		}
		free()
		if err := h.Tell(deminer.MessageAlert, "", "kept"); err != nil {
			t.Error(err)
		}
		o := deminer.Order{ID: deminer.NewID(time.Now()), Kind: deminer.OrderState, State: &deminer.StateOrder{State: "ignored"}}
		free = block(h.work.dir, o.ID+ending+".new")
		if r, _ := h.give(t, o); r.OK || !r.Again {
			t.Errorf("an order that could not be kept: %+v", r)
		}
		free()
		if r, _ := h.give(t, o); !r.OK {
			t.Errorf("the same order, later: %+v", r)
		}
		h.while(func() { time.Sleep(time.Second) })
		if h.deeds() != "state ignored by somebody" {
			t.Errorf("did %q, want it once", h.deeds())
		}
		if got := fmt.Sprint(h.post.of(deminer.MessageAlert)); got != `["kept"]` {
			t.Errorf("sent %s", got)
		}
	})
}
