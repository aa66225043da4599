package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/auth"
	"github.com/deminer/deminer/internal/server"
)

var admin = auth.Who{Name: "ann", Role: auth.Admin, Address: "192.0.2.1"}

// places are the databases that the suite runs on.
func places(t *testing.T) map[string]func(t *testing.T) string {
	out := map[string]func(t *testing.T) string{"sqlite": func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "x.db") }}
	if url := os.Getenv("DEMINER_TEST_POSTGRES"); url != "" {
		out["postgres"] = func(t *testing.T) string { return url }
	}
	return out
}

// on runs a test on each database, which is empty when it begins.
func on(t *testing.T, run func(t *testing.T, d *DB)) {
	for name, place := range places(t) {
		t.Run(name, func(t *testing.T) {
			d, err := open(place(t))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { d.Close() })
			for _, version := range []int64{0, -1} {
				if err := d.Migrate(t.Context(), version); err != nil {
					t.Fatal(err)
				}
			}
			run(t, d)
		})
	}
}

// world is a server over a database, and a clock.
type world struct {
	*server.Server
	t   *testing.T
	d   *DB
	now time.Time
	n   int
	mu  sync.Mutex
}

// fleet is agents that answer yes.
type fleet struct {
	mu    sync.Mutex
	got   []deminer.Order
	reply deminer.Reply
	err   error
	sent  chan deminer.Order
}

func (f *fleet) Order(_ context.Context, o deminer.Order) (deminer.Reply, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got = append(f.got, o)
	if f.sent != nil {
		f.sent <- o
	}
	return f.reply, f.err
}

func (f *fleet) Revoke(string) error { return nil }

func newWorld(t *testing.T, d *DB, f server.Fleet) *world {
	w := &world{t: t, d: d, now: time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC)}
	w.Server = server.New(server.Options{Store: d, Fleet: f, Now: w.clock, Say: func(s string) { t.Log(s) }})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan bool)
	go func() { w.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	w.now = w.now.Add(d)
	w.mu.Unlock()
}

func (w *world) message(kind deminer.MessageKind, order string, body any) deminer.Message {
	w.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	w.n++
	id := fmt.Sprintf("%032x", w.n)
	w.mu.Unlock()
	return deminer.Message{ID: id, Kind: kind, Order: order, Time: w.clock(), Body: b}
}

func (w *world) tell(host string, kind deminer.MessageKind, order string, body any) {
	w.t.Helper()
	if err := w.Take(w.t.Context(), host, w.message(kind, order, body)); err != nil {
		w.t.Fatal(err)
	}
}

func miner(id string) alert.Alert {
	return alert.Alert{ID: id, Key: "file:/tmp/x", State: alert.Unhandled, Grade: alert.Proof, Topics: []deminer.Topic{deminer.TopicMining}, Title: "worker logs in to a mining pool",
		Why: []string{"the line"}, First: time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC), Last: time.Date(2026, 11, 27, 2, 30, 0, 0, time.UTC), Count: 1,
		Thing: alert.Thing{Artifact: deminer.Artifact{Kind: deminer.KindProcess, Name: "x"}, Path: "/tmp/x", SHA256: strings.Repeat("ab", 32)}}
}

func TestAlertCountsOnce(t *testing.T) {
	on(t, func(t *testing.T, d *DB) {
		w := newWorld(t, d, nil)
		m := w.message(deminer.MessageAlert, "", miner("0000000a"))
		for range 3 {
			if err := w.Take(t.Context(), "h1", m); err != nil {
				t.Fatal(err)
			}
		}
		old := w.message(deminer.MessageAlert, "", miner("0000000a"))
		later := miner("0000000a")
		later.State, later.Count = alert.Handled, 7
		w.tell("h1", deminer.MessageAlert, "", later)
		if err := w.Take(t.Context(), "h1", old); err != nil { // overtaken on the way
			t.Fatal(err)
		}
		list, total, err := w.Alerts(t.Context(), server.AlertFilter{})
		if err != nil || total != 1 || len(list) != 1 || list[0].State != alert.Handled || list[0].Count != 7 {
			t.Fatalf("got %d %+v %v, want one that is handled", total, list, err)
		}
		c, err := w.Counts(t.Context())
		if err != nil || c.Open != 0 || c.ByState["handled"] != 1 || c.Days[29].Handled != 1 || c.Days[29].Found != 1 {
			t.Fatalf("got %+v %v", c, err)
		}
	})
}

func TestFilters(t *testing.T) {
	on(t, func(t *testing.T, d *DB) {
		w := newWorld(t, d, nil)
		w.tell("h1", deminer.MessageAlert, "", miner("0000000a"))
		weak := miner("0000000b")
		weak.Grade, weak.Topics, weak.Title, weak.Thing.Path = alert.Suspected, []deminer.Topic{deminer.TopicBackdoor}, "a key 100% unknown", "/root/.ssh/a_b"
		w.tell("h2", deminer.MessageAlert, "", weak)
		for _, c := range []struct {
			f    server.AlertFilter
			want string
		}{
			{server.AlertFilter{}, "0000000a 0000000b"},
			{server.AlertFilter{Topic: "mining"}, "0000000a"},
			{server.AlertFilter{Grade: "suspected"}, "0000000b"},
			{server.AlertFilter{Host: "h2"}, "0000000b"},
			{server.AlertFilter{State: "open"}, "0000000a 0000000b"},
			{server.AlertFilter{State: "closed"}, ""},
			{server.AlertFilter{Text: "100% UNKNOWN"}, "0000000b"},
			{server.AlertFilter{Text: "a_b"}, "0000000b"},
			{server.AlertFilter{Text: "axb"}, ""},
			{server.AlertFilter{Text: "' OR 1=1 --"}, ""},
			{server.AlertFilter{Rule: server.RuleOf(&weak)}, "0000000b"},
		} {
			list, total, err := w.Alerts(t.Context(), c.f)
			var got []string
			for _, a := range list {
				got = append(got, a.ID)
			}
			if err != nil || strings.Join(got, " ") != c.want || total != len(got) {
				t.Errorf("%+v: got %v (%d) %v, want %s", c.f, got, total, err, c.want)
			}
		}
	})
}

// TestIncidents: what shares a content is one intrusion, on whichever host; two that prove to be one become one.
func TestIncidents(t *testing.T) {
	on(t, func(t *testing.T, d *DB) {
		w := newWorld(t, d, nil)
		one, two := miner("0000000a"), miner("0000000b")
		two.Thing.SHA256, two.Incident = strings.Repeat("cd", 32), "7f3a"
		two.First = one.First.Add(time.Hour)
		w.tell("h1", deminer.MessageAlert, "", one)
		w.tell("h2", deminer.MessageAlert, "", two)
		if list, err := w.Incidents(t.Context(), true, 10); err != nil || len(list) != 2 {
			t.Fatalf("got %+v %v, want two incidents", list, err)
		}
		rep := deminer.Report{Mode: "quick", Verdict: deminer.VerdictMining, Snapshot: deminer.Snapshot{Taken: w.clock()}, Incidents: []deminer.Incident{{ID: "7f3a", Title: "t",
			Members:    []deminer.Member{{Grade: deminer.Convicted, Artifact: deminer.Artifact{Kind: deminer.KindLine, Path: "/etc/crontab", Line: "* * * * *  root /x"}}},
			Indicators: []deminer.Indicator{{Kind: "sha256", Value: strings.Repeat("ab", 32)}, {Kind: "ip", Value: "192.0.2.9"}}}}}
		w.tell("h2", deminer.MessageReport, "", rep)
		list, err := w.Incidents(t.Context(), true, 10)
		if err != nil || len(list) != 1 || list[0].Alerts != 2 || len(list[0].Hosts) != 2 || list[0].Hosts[0].Host != "h1" || !list[0].Mining {
			t.Fatalf("got %+v %v, want one over h1, h2", list, err)
		}
		inc, err := w.Incident(t.Context(), list[0].ID)
		if err != nil || len(inc.Parts) != 1 || !slices.Contains(inc.Ties, server.Tie{Kind: "line", Value: "* * * * * root /x"}) {
			t.Fatalf("got %+v %v", inc, err)
		}
		if slices.ContainsFunc(inc.Ties, func(t server.Tie) bool { return t.Kind == "ip" }) {
			t.Error("an address ties strangers together")
		}
		// One host names more than there is room for: what two tell of stays, and who was thrown off has no say.
		for n := range 600 {
			noise := miner(fmt.Sprintf("%08x", 0x1000+n))
			noise.Incident, noise.Thing.SHA256 = fmt.Sprintf("%04x", n), fmt.Sprintf("%064x", n)
			noise.Thing.Artifact = deminer.Artifact{Kind: deminer.KindLine, Path: "/etc/crontab", Line: deminer.Raw(fmt.Sprintf("* * * * * root /x\n%d", n))}
			w.tell("h2", deminer.MessageAlert, "", noise)
		}
		ab := server.Tie{Kind: "sha256", Value: strings.Repeat("ab", 32)}
		if inc, err = w.Incident(t.Context(), list[0].ID); err != nil || !slices.Contains(inc.Ties, ab) || inc.Told[ab] != 2 {
			t.Errorf("what two hosts tell of was crowded out: %d hosts of %d ties, %v", inc.Told[ab], len(inc.Ties), err)
		}
		if err := d.RevokeHost(t.Context(), "h1", w.clock()); err != nil {
			t.Fatal(err)
		}
		if inc, err = w.Incident(t.Context(), list[0].ID); err != nil || inc.Told[ab] != 1 {
			t.Errorf("a host that was thrown off has a say: %d, %v", inc.Told[ab], err)
		}
		weak := miner("0000000c")
		weak.Grade = alert.Suspected
		w.tell("h3", deminer.MessageAlert, "", weak)
		if a, err := w.Alert(t.Context(), "h3", "0000000c"); err != nil || a.Fleet != "" {
			t.Errorf("what is only suspected was joined: %q %v", a.Fleet, err)
		}
	})
}

// TestLine is the whole line: a plan is asked for, shown, approved, runs step by step, and is taken back.
func TestLine(t *testing.T) {
	on(t, func(t *testing.T, d *DB) {
		f := &fleet{reply: deminer.Reply{OK: true}, sent: make(chan deminer.Order, 10)}
		w := newWorld(t, d, f)
		w.tell("h1", deminer.MessageAlert, "", miner("0000000a"))
		ctx := t.Context()
		_, res, err := w.Handle(ctx, admin, server.Request{How: "deep", Targets: []server.Target{{Host: "h1", Alert: "0000000a"}}})
		if err != nil || len(res) != 1 || res[0].Err != nil {
			t.Fatal(res, err)
		}
		id := res[0].Deed
		o := <-f.sent
		if o.Kind != deminer.OrderPlan || o.Host != "h1" || o.Plan.Alerts[0] != "0000000a" {
			t.Fatalf("got %+v", o)
		}
		plan := deminer.Plan{ID: "p1", Made: w.clock(), Steps: []deminer.Step{{ID: "s01", Phase: deminer.PhaseKill, Undo: true}, {ID: "s02", Phase: deminer.PhaseKill}}}
		w.tell("h2", deminer.MessagePlan, o.ID, plan) // another host answers in its place
		if deed, _, err := w.Deed(ctx, id); err != nil || deed.State != server.DeedAsked {
			t.Fatalf("the plan of another host was taken: %+v %v", deed, err)
		}
		w.tell("h1", deminer.MessagePlan, o.ID, plan)
		w.tell("h1", deminer.MessageDone, o.ID, deminer.Done{OK: true})
		deed, _, err := w.Deed(ctx, id)
		if err != nil || deed.State != server.DeedReady || deed.Digest != plan.Digest() || deed.Plan.Steps[1].ID != "s02" {
			t.Fatalf("got %+v %v", deed, err)
		}
		other := plan
		other.Steps = other.Steps[:1]
		w.tell("h1", deminer.MessagePlan, o.ID, other) // altered after it was shown
		if again, _, _ := w.Deed(ctx, id); again.Digest != deed.Digest {
			t.Fatal("a plan was altered after it was shown")
		}
		if err := w.Approve(ctx, admin, id, other.Digest()); !errors.Is(err, server.ErrStale) {
			t.Fatalf("a digest that nobody saw was approved: %v", err)
		}
		if err := w.Approve(ctx, auth.Who{Name: "v", Role: auth.Viewer}, id, deed.Digest); !errors.Is(err, auth.ErrForbidden) {
			t.Fatalf("a viewer approved: %v", err)
		}
		var wg sync.WaitGroup
		errs := make([]error, 5)
		for i := range errs {
			wg.Go(func() { errs[i] = w.Approve(ctx, admin, id, deed.Digest) })
		}
		wg.Wait()
		if n := len(slices.DeleteFunc(errs, func(e error) bool { return e != nil })); n != 1 {
			t.Fatalf("approved %d times at once, want once", n)
		}
		run := <-f.sent
		if run.Kind != deminer.OrderRun || run.Run.Digest != deed.Digest || run.Run.Plan != "p1" {
			t.Fatalf("got %+v", run)
		}
		for i, s := range []string{"s01", "s02"} {
			w.tell("h1", deminer.MessageRecord, run.ID, deminer.PlanRecord{Plan: "p1", Record: deminer.Record{Seq: i + 1, Step: s, State: deminer.StateDone, Time: w.clock()}})
		}
		deed, steps, err := w.Deed(ctx, id)
		if err != nil || deed.State != server.DeedRunning || len(steps) != 2 || steps[0].State != deminer.StateDone {
			t.Fatalf("got %+v %+v %v", deed, steps, err)
		}
		w.tell("h1", deminer.MessageDone, run.ID, deminer.Done{OK: true, Text: "all done", Plan: "p1"})
		if deed, _, _ = w.Deed(ctx, id); deed.State != server.DeedDone || deed.Text != "all done" || deed.Approver != "ann" {
			t.Fatalf("got %+v", deed)
		}
		if err := w.Undo(ctx, admin, id); err != nil {
			t.Fatal(err)
		}
		undo := <-f.sent
		w.tell("h1", deminer.MessageRecord, undo.ID, deminer.PlanRecord{Plan: "p1", Record: deminer.Record{Seq: 9, Step: "s01", State: deminer.StateUndone, Time: w.clock()}})
		w.tell("h1", deminer.MessageDone, undo.ID, deminer.Done{OK: true, Text: "taken back"})
		if deed, steps, _ = w.Deed(ctx, id); deed.State != server.DeedUndone || steps[0].State != deminer.StateUndone {
			t.Fatalf("got %+v %+v", deed, steps)
		}
		if n, err := w.CheckLog(ctx); err != nil || n != 3 {
			t.Fatalf("the audit log has %d entries, %v; want plan, run, undo", n, err)
		}
	})
}

// TestUndoFails: a plan whose undo fails, or gets to nobody, stands as its run left it.
func TestUndoFails(t *testing.T) {
	on(t, func(t *testing.T, d *DB) {
		f := &fleet{reply: deminer.Reply{OK: true}, sent: make(chan deminer.Order, 100)}
		w := newWorld(t, d, f)
		ctx := t.Context()
		for i, ok := range []bool{true, false} {
			id, plan, want := fmt.Sprintf("%032x", 0xd0+i), deminer.Plan{ID: fmt.Sprint("p", i), Steps: []deminer.Step{{ID: "s01"}}}, server.DeedFailed
			if ok {
				want = server.DeedDone
			}
			ask := server.Order{Order: deminer.Order{ID: id, Host: "h1", Kind: deminer.OrderPlan, Plan: &deminer.PlanOrder{}, Made: w.clock()}, Deed: id, State: server.OrderAccepted}
			if err := d.AddDeed(ctx, server.Deed{ID: id, Host: "h1", State: server.DeedAsked}, ask); err != nil {
				t.Fatal(err)
			}
			w.tell("h1", deminer.MessageState, "", deminer.AgentState{Mode: "watching"})
			w.tell("h1", deminer.MessagePlan, id, plan)
			if err := w.Approve(ctx, admin, id, plan.Digest()); err != nil {
				t.Fatal(err)
			}
			w.tell("h1", deminer.MessageDone, (<-f.sent).ID, deminer.Done{OK: ok})
			for _, end := range []func(){
				func() { w.tell("h1", deminer.MessageDone, (<-f.sent).ID, deminer.Done{Text: "no"}) },
				func() {
					<-f.sent
					from, to := server.DeedAfter(deminer.OrderUndo, server.OrderExpired)
					if moved, err := d.MoveDeed(ctx, id, server.Move{From: from, To: to, Text: "no"}); err != nil || !moved {
						t.Error(moved, err)
					}
				},
			} {
				if err := w.Undo(ctx, admin, id); err != nil {
					t.Fatal(err)
				}
				end()
				if deed, _, err := w.Deed(ctx, id); err != nil || deed.State != want || deed.Text != "no" {
					t.Errorf("got %s %q %v, want %s", deed.State, deed.Text, err, want)
				}
			}
		}
	})
}

// TestAway: what an agent that is away is asked waits until it speaks again, and expires.
func TestAway(t *testing.T) {
	on(t, func(t *testing.T, d *DB) {
		f := &fleet{err: errors.New("nobody there"), sent: make(chan deminer.Order, 100)}
		w := newWorld(t, d, f)
		w.tell("h1", deminer.MessageAlert, "", miner("0000000a"))
		group, err := w.Scan(t.Context(), admin, []string{"h1"}, deminer.ScanOrder{Mode: "quick"})
		if err != nil {
			t.Fatal(err)
		}
		first := <-f.sent
		f.mu.Lock()
		f.err, f.reply = nil, deminer.Reply{OK: true}
		f.mu.Unlock()
		w.Server.Away("h1", "the connection ended")
		w.tell("h1", deminer.MessageState, "", deminer.AgentState{Mode: "watching", Host: deminer.HostInfo{Name: "web01"}})
		if again := <-f.sent; again.ID != first.ID {
			t.Fatalf("another order was sent: %s, %s", first.ID, again.ID)
		}
		w.tell("h1", deminer.MessageDone, first.ID, deminer.Done{OK: true})
		os, err := w.Orders(t.Context(), server.OrderFilter{Group: group})
		if err != nil || len(os) != 1 || os[0].State != server.OrderDone || os[0].HostName != "web01" {
			t.Fatalf("got %+v %v", os, err)
		}
		w.pass(time.Hour)
		if h, err := w.OneHost(t.Context(), "h1"); err != nil || h.Standing != server.Offline {
			t.Fatalf("got %v %v, want offline", h.Standing, err)
		}
	})
}

func TestAuditBites(t *testing.T) {
	on(t, func(t *testing.T, d *DB) {
		w := newWorld(t, d, nil)
		for i := range 5 {
			if err := w.Audit(t.Context(), admin, "test", fmt.Sprint(i), ""); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := w.CheckLog(t.Context()); n != 5 || err != nil {
			t.Fatal(n, err)
		}
		if _, err := d.exec(t.Context(), "UPDATE audit SET target = 'x' WHERE seq = 3"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.CheckLog(t.Context()); err == nil {
			t.Error("a changed entry was not seen")
		}
		if _, err := d.exec(t.Context(), "DELETE FROM audit WHERE seq = 3"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.CheckLog(t.Context()); err == nil {
			t.Error("an entry that was taken out was not seen")
		}
	})
}

func TestHostile(t *testing.T) {
	on(t, func(t *testing.T, d *DB) {
		w := newWorld(t, d, nil)
		good := w.message(deminer.MessageAlert, "", miner("0000000a"))
		with := func(change func(*deminer.Message)) deminer.Message {
			m := good
			change(&m)
			return m
		}
		bad := miner("0000000a")
		bad.State = "'; DROP TABLE alerts; --"
		for name, m := range map[string]deminer.Message{
			"id":        with(func(m *deminer.Message) { m.ID = "../../x" }),
			"order":     with(func(m *deminer.Message) { m.Order = "x" }),
			"kind":      with(func(m *deminer.Message) { m.Kind = "shell" }),
			"no body":   with(func(m *deminer.Message) { m.Body = nil }),
			"null":      with(func(m *deminer.Message) { m.Body = []byte("null") }),
			"no JSON":   with(func(m *deminer.Message) { m.Body = []byte(`{"id":`) }),
			"big":       with(func(m *deminer.Message) { m.Body = []byte(`"` + strings.Repeat("x", deminer.MaxBody-1) + `"`) }),
			"big alert": with(func(m *deminer.Message) { m.Body = []byte(`{"title":"` + strings.Repeat("x", 300<<10) + `"}`) }),
			"state":     w.message(deminer.MessageAlert, "", bad),
			"mode":      w.message(deminer.MessageState, "", deminer.AgentState{Mode: "root"}),
			"plan":      w.message(deminer.MessagePlan, "", deminer.Plan{ID: "p"}),
		} {
			if err := w.Take(t.Context(), "h1", m); !errors.Is(err, server.ErrRefused) {
				t.Errorf("%s: got %v, want it refused", name, err)
			}
		}
		if err := w.Take(t.Context(), "../h1", good); !errors.Is(err, server.ErrRefused) {
			t.Errorf("a host id was taken: %v", err)
		}
		odd := miner("0000000b")
		odd.Title, odd.Thing.Path, odd.Why = "\x00\x1b[31m<script>", "/tmp/\xff\x00", []string{"\u202e"}
		w.tell("h1", deminer.MessageAlert, "", odd)
		a, err := w.Alert(t.Context(), "h1", "0000000b")
		if err != nil || a.Title != `\x00\x1b[31m<script>` || a.Thing.Path != "/tmp/\xff\x00" {
			t.Errorf("got %q %q %v", a.Title, a.Thing.Path, err)
		}
		for _, state := range []server.OrderState{server.OrderMade, server.OrderAccepted, server.OrderRunning} {
			o := server.Order{Order: deminer.Order{ID: string(state), Host: "h1", Kind: deminer.OrderScan, Expires: w.clock().Add(time.Hour)}, State: state}
			if err := d.AddOrders(t.Context(), []server.Order{o}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Revoke(t.Context(), admin, "h1"); err != nil {
			t.Fatal(err)
		}
		if os, err := w.Orders(t.Context(), server.OrderFilter{Unended: true}); err != nil || len(os) > 0 {
			t.Errorf("a host that was revoked has orders: %+v %v", os, err)
		}
		if err := w.Take(t.Context(), "h1", w.message(deminer.MessageAlert, "", odd)); !errors.Is(err, server.ErrRefused) {
			t.Errorf("a host that was revoked was heard: %v", err)
		}
	})
}

// TestManyReports: a host that tells report after report has no more of them kept, before anything is tidied.
func TestManyReports(t *testing.T) {
	on(t, func(t *testing.T, d *DB) {
		w := newWorld(t, d, nil)
		w.tell("h2", deminer.MessageReport, "", deminer.Report{Mode: "quick"})
		for i := range server.DefaultKeep.Reports + 5 {
			w.tell("h1", deminer.MessageReport, "", deminer.Report{Mode: "quick", Elapsed: time.Duration(i), Snapshot: deminer.Snapshot{Taken: w.clock().Add(time.Duration(i) * time.Minute)}})
		}
		got, err := w.Reports(t.Context(), "h1", "", 1000)
		if err != nil || len(got) != server.DefaultKeep.Reports || got[0].Elapsed != time.Duration(server.DefaultKeep.Reports+4) {
			t.Errorf("%d reports are kept, %v", len(got), err)
		}
		if got, err := w.Reports(t.Context(), "h2", "", 10); err != nil || len(got) != 1 {
			t.Errorf("of another host: %d, %v", len(got), err)
		}
	})
}

func TestForget(t *testing.T) {
	on(t, func(t *testing.T, d *DB) {
		w := newWorld(t, d, nil)
		old := miner("0000000a")
		old.State = alert.Handled
		w.tell("h1", deminer.MessageAlert, "", old)
		w.tell("h1", deminer.MessageAlert, "", miner("0000000b"))
		w.tell("h1", deminer.MessageReport, "", deminer.Report{Mode: "quick"})
		w.tell("h1", deminer.MessageReport, "", deminer.Report{Mode: "full"})
		k := server.DefaultKeep
		k.Reports = 1
		if err := d.Forget(t.Context(), k, w.clock().Add(365*24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		list, _, err := w.Alerts(t.Context(), server.AlertFilter{})
		if err != nil || len(list) != 1 || list[0].ID != "0000000b" {
			t.Fatalf("got %+v %v", list, err)
		}
		if r, err := w.Reports(t.Context(), "h1", "", 10); err != nil || len(r) != 1 {
			t.Fatalf("got %+v %v", r, err)
		}
		k.Alerts = 0
		if err := d.Forget(t.Context(), k, w.clock()); err != nil {
			t.Fatal(err)
		}
		if list, err := w.Incidents(t.Context(), false, 10); err != nil || len(list) != 0 {
			t.Fatalf("got %+v %v", list, err)
		}
	})
}

func TestPeople(t *testing.T) {
	on(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		p := auth.Person{Name: "ann", Role: auth.Admin, Hash: "h", Made: time.Unix(1000, 0)}
		if err := errors.Join(d.AddPerson(ctx, p), d.AddLink(ctx, auth.Link{Hash: "l", Role: auth.Viewer, Expires: time.Unix(2000, 0)}),
			d.AddSession(ctx, auth.Session{Hash: "s", Person: "ann", Seen: time.Unix(1000, 0)})); err != nil {
			t.Fatal(err)
		}
		if err := d.AddPerson(ctx, p); !errors.Is(err, auth.ErrTaken) {
			t.Errorf("a name was taken twice: %v", err)
		}
		took := func(took bool, err error) bool { return took && err == nil }
		if !took(d.SetCodes(ctx, "ann", "c", 7)) || took(d.SetCodes(ctx, "ann", "d", 7)) || took(d.TakeCode(ctx, "ann", "c", 7)) || took(d.TakeCode(ctx, "ann", "d", 8)) ||
			!took(d.TakeCode(ctx, "ann", "c", 8)) || took(d.TakeCode(ctx, "ann", "c", 8)) {
			t.Error("a code is not taken once")
		}
		if err := errors.Join(d.SetHash(ctx, "ann", "h2", false), d.SetRole(ctx, "ann", auth.Viewer, true)); err != nil {
			t.Fatal(err)
		}
		if err := d.SetHash(ctx, "ann", "h3", true); !errors.Is(err, auth.ErrNobody) || took(d.TakeCode(ctx, "ann", "c", 9)) {
			t.Errorf("a locked account: %v", err)
		}
		if got, err := d.Person(ctx, "ann"); err != nil || got.Hash != "h2" || got.Secret != "c" || got.Used != 8 || got.Role != auth.Viewer || !got.Disabled {
			t.Errorf("got %+v %v", got, err)
		}
		if err := errors.Join(d.SetRole(ctx, "ann", auth.Admin, false), d.SetHash(ctx, "ann", "h3", true)); err != nil {
			t.Fatal(err)
		}
		if got, err := d.Person(ctx, "ann"); err != nil || got.Hash != "h3" || got.Secret != "" || got.Disabled {
			t.Errorf("got %+v %v", got, err)
		}
		if _, err := d.TakeLink(ctx, "l", time.Unix(3000, 0)); !errors.Is(err, auth.ErrLink) {
			t.Errorf("an old link opened: %v", err)
		}
		if l, err := d.TakeLink(ctx, "l", time.Unix(1500, 0)); err != nil || l.Role != auth.Viewer {
			t.Errorf("got %+v %v", l, err)
		}
		if _, err := d.TakeLink(ctx, "l", time.Unix(1500, 0)); !errors.Is(err, auth.ErrLink) {
			t.Errorf("a link opened twice: %v", err)
		}
		for _, person := range []string{"", "ann", "bob"} {
			if err := d.AddLink(ctx, auth.Link{Hash: "l" + person, Person: person, Role: auth.Viewer, Expires: time.Unix(2000, 0)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(d.EndLinks(ctx, ""), d.EndLinks(ctx, "ann")); err != nil {
			t.Fatal(err)
		}
		for person, want := range map[string]error{"": auth.ErrLink, "ann": auth.ErrLink, "bob": nil} {
			if _, err := d.TakeLink(ctx, "l"+person, time.Unix(1500, 0)); !errors.Is(err, want) {
				t.Errorf("the link of %q: %v, want %v", person, err, want)
			}
		}
		if err := d.EndSessions(ctx, "ann", ""); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Session(ctx, "s"); !errors.Is(err, auth.ErrNobody) {
			t.Errorf("an ended session is there: %v", err)
		}
		for range 3 {
			if _, err := d.Guess(ctx, "x", func(g auth.Guess) auth.Guess { g.Failures++; return g }); err != nil {
				t.Fatal(err)
			}
		}
		if g, err := d.Guess(ctx, "x", nil); err != nil || g.Failures != 3 {
			t.Errorf("got %+v %v", g, err)
		}
	})
}

// BenchmarkIngest is alerts as many agents send them, through the server into the database.
func BenchmarkIngest(b *testing.B) {
	where := "sqlite:" + filepath.Join(b.TempDir(), "x.db")
	if url := os.Getenv("DEMINER_TEST_POSTGRES"); url != "" {
		where = url
	}
	d, err := Open(b.Context(), where)
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	s := server.New(server.Options{Store: d})
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan bool)
	go func() { s.Run(ctx); close(done) }()
	defer func() { cancel(); <-done }()
	const senders = 1000
	bodies := make([][]byte, 64)
	for i := range bodies {
		a := miner(fmt.Sprintf("%08x", i))
		a.Incident = fmt.Sprintf("%04x", i%4)
		bodies[i], _ = json.Marshal(a)
	}
	b.ResetTimer()
	var wg sync.WaitGroup
	for h := range senders {
		wg.Go(func() {
			host := fmt.Sprintf("host%04d", h)
			for i := h; i < b.N; i += senders {
				m := deminer.Message{ID: fmt.Sprintf("%032x", i+1), Kind: deminer.MessageAlert, Time: time.Now(), Body: bodies[i/senders%64]}
				for {
					if err := s.Take(ctx, host, m); err == nil {
						break
					} else if !errors.Is(err, server.ErrBusy) {
						b.Error(err)
						return
					}
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "alerts/s")
}

// TestSchedules: what is due is asked for once, also by several servers, and what was missed meanwhile is not made up for.
func TestSchedules(t *testing.T) {
	on(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		w := newWorld(t, d, nil)
		w.tell("h1", deminer.MessageState, "", deminer.AgentState{Mode: "watching"})
		w.tell("h2", deminer.MessageState, "", deminer.AgentState{Mode: "watching"})
		for _, bad := range []struct {
			mode  string
			every time.Duration
		}{{"paths", 24 * time.Hour}, {"quick", time.Minute}, {"quick", 400 * 24 * time.Hour}} {
			if err := w.AddSchedule(ctx, admin, nil, bad.mode, bad.every); !errors.Is(err, server.ErrRequest) {
				t.Errorf("%+v: got %v", bad, err)
			}
		}
		if err := w.AddSchedule(ctx, auth.Who{Role: auth.Viewer}, nil, "quick", 24*time.Hour); !errors.Is(err, auth.ErrForbidden) {
			t.Errorf("a viewer: %v", err)
		}
		if err := w.AddSchedule(ctx, admin, nil, "quick", 24*time.Hour); err != nil {
			t.Fatal(err)
		}
		all, err := w.Schedules(ctx)
		if err != nil || len(all) != 1 || all[0].Every != 24*time.Hour || all[0].Hosts != nil {
			t.Fatalf("got %+v %v", all, err)
		}
		due := all[0].Next
		var taken int
		for range 3 {
			if mine, err := d.TakeSchedule(ctx, all[0].ID, due, due.Add(24*time.Hour)); err != nil {
				t.Fatal(err)
			} else if mine {
				taken++
			}
		}
		if taken != 1 {
			t.Errorf("it was taken %d times", taken)
		}
		if err := w.EndSchedule(ctx, admin, all[0].ID); err != nil {
			t.Fatal(err)
		}
		if err := w.EndSchedule(ctx, admin, all[0].ID); !errors.Is(err, server.ErrNone) {
			t.Errorf("ended twice: %v", err)
		}
	})
}
