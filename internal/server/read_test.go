package server

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
)

func convicted() alert.Alert {
	return alert.Alert{ID: "0000000a", State: alert.Unhandled, Grade: alert.Proof, Topics: []deminer.Topic{deminer.TopicMining}, Title: "t", Incident: "7f3a",
		Thing: alert.Thing{SHA256: strings.Repeat("a", 64), Path: "/x"}}
}

func TestTies(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*alert.Alert)
		want   string
	}{
		"a program":      {func(a *alert.Alert) {}, "[{incident h1/7f3a} {sha256 " + strings.Repeat("a", 64) + "}]"},
		"suspected":      {func(a *alert.Alert) { a.Grade = alert.Suspected }, "[{incident h1/7f3a}]"},
		"of a package":   {func(a *alert.Alert) { a.Thing.Package = "coreutils" }, "[{incident h1/7f3a}]"},
		"a false digest": {func(a *alert.Alert) { a.Thing.SHA256 = strings.Repeat("z", 64) }, "[{incident h1/7f3a}]"},
		"a line": {func(a *alert.Alert) {
			a.Thing = alert.Thing{Artifact: deminer.Artifact{Kind: deminer.KindLine, Line: "*/5  *\t* * * root /x"}}
		}, "[{incident h1/7f3a} {line */5 * * * * root /x}]"},
		"nothing": {func(a *alert.Alert) { *a = alert.Alert{Grade: alert.Proof} }, "[]"},
	} {
		a := convicted()
		c.change(&a)
		if got := fmt.Sprint(tiesOf("h1", &a)); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
	rsa := "AAAAB3NzaC1yc2E" + strings.Repeat("k", 701)
	inc := Incident{Ties: []Tie{lineTie(deminer.Raw("ssh-rsa " + rsa + " " + strings.Repeat("x", 5000))), lineTie(deminer.Raw("ssh-rsa " + strings.Repeat(rsa, 3)))}}
	if got := inc.sought(); len(got) != 1 || got[0].Value != rsa {
		t.Errorf("of a key that is looked for as a whole: %+v", got)
	}
	long := lineTie(deminer.Raw(strings.Repeat("x", 100_000)))
	if len(long.Value) > 300 || long == lineTie(deminer.Raw(strings.Repeat("x", 99_999))) {
		t.Errorf("a long line is %q", long.Value)
	}
}

func TestRule(t *testing.T) {
	a, b := convicted(), convicted()
	a.Title, b.Title = "worker 17 logs in: /tmp/a", "worker 9 logs in: /tmp/b"
	if RuleOf(&a) != RuleOf(&b) {
		t.Error("two of the same rule are not")
	}
	b.Topics = []deminer.Topic{deminer.TopicBackdoor}
	if RuleOf(&a) == RuleOf(&b) {
		t.Error("two of different topics are of one rule")
	}
}

func TestFlood(t *testing.T) {
	f, now := &flood{hosts: map[string]*bucket{}}, time.Unix(1000, 0)
	count := func(host string, size int) (n int) {
		for f.allow(host, size, now) {
			n++
		}
		return n
	}
	if n := count("h1", 100); n != burst || f.allow("h1", 0, now) || !f.allow("h2", 100, now) {
		t.Errorf("%d at once", n)
	}
	if n := count("h3", deminer.MaxBody); n != byteBurst/deminer.MaxBody || !f.allow("h3", 0, now) {
		t.Errorf("%d of the largest at once", n)
	}
	if now = now.Add(time.Second); !f.allow("h1", 100, now) || f.allow("h3", deminer.MaxBody, now) {
		t.Error("nothing, or too much, is taken a second later")
	}
	if now = now.Add(time.Minute); !f.allow("h3", deminer.MaxBody, now) {
		t.Error("nothing large is taken any more")
	}
}

func TestBlockable(t *testing.T) {
	for what, want := range map[string]bool{"203.0.113.7": true, "203.0.113.7:443": true, "2001:db8::7": true, "[2001:db8::7]:443": true, "pool.example.org": true, "a.b": false,
		"": false, "0.0.0.0": false, "127.0.0.1": false, "::1": false, "::": false, "224.0.0.1": false, "fe80::1%eth0": false, "203.0.113.7:0": false, "localhost": false,
		"203.0.113.0/24": false, "evil; rm -rf /": false, "a..b": false, "-a.example": false, "/system.slice/x.service": false} {
		if got := blockable(what); got != want {
			t.Errorf("%q: got %v", what, got)
		}
	}
}

// TestDeedAfter: every end of an order leads a deed somewhere from where it can be.
func TestDeedAfter(t *testing.T) {
	for _, c := range []struct {
		kind deminer.OrderKind
		end  OrderState
		want string
	}{
		{deminer.OrderPlan, OrderFailed, "[asked] failed"}, {deminer.OrderPlan, OrderExpired, "[asked] expired"},
		{deminer.OrderRun, OrderDone, "[approved running failed expired] done"}, {deminer.OrderRun, OrderFailed, "[approved running expired] failed"}, {deminer.OrderRun, OrderExpired, "[approved running] expired"},
		{deminer.OrderUndo, OrderDone, "[undoing done failed] undone"}, {deminer.OrderUndo, OrderFailed, "[undoing] "}, {deminer.OrderUndo, OrderExpired, "[undoing] "},
	} {
		from, to := DeedAfter(c.kind, c.end)
		if got := fmt.Sprintf("%v %s", from, to); got != c.want {
			t.Errorf("%s %s: got %s, want %s", c.kind, c.end, got, c.want)
		}
	}
}

// ledger is a store of orders and their deeds, and of nothing else.
type ledger struct {
	Store
	orders []Order
	deeds  []Move
}

func (l *ledger) Orders(_ context.Context, f OrderFilter) ([]Order, error) {
	return slices.DeleteFunc(slices.Clone(l.orders), func(o Order) bool { return o.State == OrderExpired || f.Waiting && o.State != OrderMade }), nil
}

func (l *ledger) MoveOrder(_ context.Context, id string, from []OrderState, to OrderState, text string, _ time.Time) (bool, error) {
	for i := range l.orders {
		if o := &l.orders[i]; o.ID == id && slices.Contains(from, o.State) {
			o.State, o.Text = to, text
			return true, nil
		}
	}
	return false, nil
}

func (l *ledger) MoveDeed(_ context.Context, _ string, m Move) (bool, error) {
	l.deeds = append(l.deeds, m)
	return true, nil
}

// TestSilentAgent: an order that nobody had ends at once, one that an agent had and never spoke of some hours later, as one that failed.
func TestSilentAgent(t *testing.T) {
	start := time.Unix(1_800_000_000, 0).UTC()
	now := start
	l := &ledger{}
	for _, state := range []OrderState{OrderMade, OrderAccepted, OrderRunning} {
		l.orders = append(l.orders, Order{Order: deminer.Order{ID: string(state), Kind: deminer.OrderRun, Expires: start}, Deed: "d", State: state})
	}
	s := New(Options{Store: l, Now: func() time.Time { return now }})
	for _, c := range []struct {
		at    time.Duration
		want  string
		deeds int
	}{{-time.Second, "[made accepted running]", 0}, {0, "[expired accepted running]", 1}, {silence - 1, "[expired accepted running]", 1}, {silence, "[expired expired expired]", 3}} {
		now = start.Add(c.at)
		if err := s.expire(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []OrderState
		for _, o := range l.orders {
			got = append(got, o.State)
		}
		if fmt.Sprint(got) != c.want || len(l.deeds) != c.deeds {
			t.Errorf("after %v: %v, %d plans moved, want %s, %d", c.at, got, len(l.deeds), c.want, c.deeds)
		}
	}
	if l.deeds[0].To != DeedExpired || l.deeds[1].To != DeedFailed || l.deeds[2].To != DeedFailed {
		t.Errorf("got %+v", l.deeds)
	}
}

// TestFeed: a page that begins with a mark misses nothing that changed after it.
func TestFeed(t *testing.T) {
	s := New(Options{})
	s.feed.tell("alerts")
	mark := s.Mark()
	s.feed.tell("hosts", "host-h1")
	sub := s.Subscribe(mark)
	defer sub.Close()
	topics, next := sub.Take()
	if len(topics) != 2 || next != s.Mark() {
		t.Errorf("got %v, %s", topics, next)
	}
	for range 100 {
		s.feed.tell("alerts")
	}
	if topics, _ := sub.Take(); fmt.Sprint(topics) != "[alerts]" {
		t.Errorf("got %v", topics)
	}
	for _, old := range []string{"x", "000000000000-1", New(Options{}).Mark()} {
		sub := s.Subscribe(old)
		if topics, _ := sub.Take(); fmt.Sprint(topics) != "[*]" {
			t.Errorf("after %q: got %v", old, topics)
		}
		sub.Close()
	}
	for i := range 2 * maxRemembered {
		s.feed.tell(fmt.Sprint(i))
	}
	if topics, _ := s.Subscribe(mark).Take(); fmt.Sprint(topics) != "[*]" || len(s.feed.last) > maxRemembered+1 {
		t.Errorf("got %d topics, %d are remembered", len(topics), len(s.feed.last))
	}
}

// FuzzRead: whatever an agent sends is read within limits or refused, and what is read has no text that harms a page or a terminal.
func FuzzRead(f *testing.F) {
	for _, v := range []struct {
		kind deminer.MessageKind
		body any
	}{
		{deminer.MessageAlert, convicted()}, {deminer.MessageState, deminer.AgentState{Mode: "watching"}}, {deminer.MessagePlan, deminer.Plan{ID: "p", Steps: []deminer.Step{{ID: "s"}}}},
		{deminer.MessageRecord, deminer.PlanRecord{Plan: "p", Record: deminer.Record{Step: "s"}}}, {deminer.MessageDone, deminer.Done{OK: true}}, {deminer.MessageVault, []deminer.Kept{{ID: "k"}}},
		{deminer.MessageBlocks, []deminer.Blocked{{What: "x"}}}, {deminer.MessageReport, deminer.Report{Incidents: []deminer.Incident{{ID: "7f3a", Members: []deminer.Member{{Grade: deminer.Convicted}}}}}},
	} {
		body, err := json.Marshal(v.body)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(v.kind), body)
	}
	s := New(Options{})
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		d, err := s.read("h1", deminer.Message{ID: strings.Repeat("0", 32), Kind: deminer.MessageKind(kind), Order: strings.Repeat("1", 32), Body: body})
		if err != nil {
			return
		}
		safe := func(text string, most int) {
			if deminer.Safe(text) != text || utf8.RuneCountInString(text) > most {
				t.Errorf("%q", text)
			}
		}
		if a := d.Alert; a != nil {
			safe(a.Title, maxText)
			safe(a.Reason, maxText)
			for _, l := range append(a.Why, a.Lineage...) {
				safe(l, maxText)
			}
			if len(a.Why) > maxLines || len(a.Topics) > maxTopics || len(d.Ties) > maxTies {
				t.Error("too much was taken")
			}
		}
		for _, tie := range d.Ties {
			safe(tie.Value, 1000)
		}
		for _, p := range d.Parts {
			safe(p.Part.Title, maxText)
			for _, tie := range p.Ties {
				safe(tie.Value, 4000)
			}
		}
		if d.Agent != nil {
			safe(d.Agent.Host.Name, 120)
			safe(d.Agent.Policy, maxText)
		}
		if d.Done != nil {
			safe(d.Done.Text, maxText)
		}
	})
}
