//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/agent"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/bus"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/live"
	"github.com/deminer/deminer/internal/trust"
)

// machines is a trust.Store for tests, of one server.
type machines struct {
	mu    sync.Mutex
	token trust.Token
	list  map[string]trust.Machine
}

func (s *machines) PutToken(_ context.Context, t trust.Token) error { s.token = t; return nil }

func (s *machines) Tokens(context.Context) ([]trust.Token, error) { return []trust.Token{s.token}, nil }

func (s *machines) Enroll(_ context.Context, hash string, m trust.Machine, _ time.Time) (trust.Machine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if hash != s.token.Hash {
		return m, trust.ErrToken
	}
	s.list[m.ID] = m
	return m, nil
}

func (s *machines) Machine(_ context.Context, id string) (trust.Machine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.list {
		if m.ID == id || m.Key == id {
			return m, nil
		}
	}
	return trust.Machine{}, trust.ErrUnknown
}

func (s *machines) Renew(_ context.Context, id, _, key string, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.list[id]
	m.Key = key
	s.list[id] = m
	return nil
}

func (s *machines) Revoke(_ context.Context, id string, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.list[id]
	m.Revoked = now
	s.list[id] = m
	return nil
}

// headquarters is a server of which only the nerves are there.
type headquarters struct {
	*trust.Authority
	bus  *bus.Server
	at   string // where hosts are enrolled
	text string // a token
	mu   sync.Mutex
	got  []deminer.Message
}

func quarters(t *testing.T) *headquarters {
	t.Helper()
	dir, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	q := &headquarters{}
	if q.Authority, err = trust.Open(dir, []string{"127.0.0.1"}, &machines{list: map[string]trust.Machine{}}, nil); err != nil {
		t.Fatal(err)
	}
	q.bus, err = bus.Serve(bus.Options{Listen: "127.0.0.1:0", Certificate: q.Certificate, Gate: q, Sign: q.Sign, Say: func(s string) { t.Log(s) },
		Take: func(_ context.Context, _ string, m deminer.Message) error {
			q.mu.Lock()
			defer q.mu.Unlock()
			q.got = append(q.got, m)
			return nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.bus.Close)
	h := httptest.NewUnstartedServer(q.Handler(func() []string { return []string{q.bus.Addr().String()} }, func(string) {}))
	h.TLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return q.Certificate() }}
	h.StartTLS()
	t.Cleanup(h.Close)
	q.at = h.Listener.Addr().String()
	if q.text, _, err = q.NewToken(t.Context(), "test", "", 10, time.Hour); err != nil {
		t.Fatal(err)
	}
	return q
}

// wait gives the first message that fits, within a while.
func (q *headquarters) wait(t *testing.T, what string, fits func(deminer.Message) bool) deminer.Message {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		q.mu.Lock()
		for _, m := range q.got {
			if fits(m) {
				q.mu.Unlock()
				return m
			}
		}
		q.mu.Unlock()
	}
	t.Fatalf("no message: %s", what)
	return deminer.Message{}
}

// order gives an order and waits for its end.
func (q *headquarters) order(t *testing.T, host string, o deminer.Order) deminer.Done {
	t.Helper()
	o.ID, o.Host, o.By, o.Made = deminer.NewID(time.Now()), host, "somebody", time.Now().UTC()
	o.Expires = o.Made.Add(time.Minute)
	if r, err := q.bus.Order(t.Context(), o); err != nil || !r.OK {
		t.Fatalf("%s: %+v %v", o.Kind, r, err)
	}
	var done deminer.Done
	m := q.wait(t, "the end of "+string(o.Kind), func(m deminer.Message) bool { return m.Kind == deminer.MessageDone && m.Order == o.ID })
	if err := json.Unmarshal(m.Body, &done); err != nil {
		t.Fatal(err)
	}
	return done
}

// TestLine enrolls a host by its command, has its line run, and gives it the orders that change nothing but its own state.
func TestLine(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	q := quarters(t)
	state, place := t.TempDir(), t.TempDir()
	var out, errs strings.Builder
	if code := run(t.Context(), []string{"enroll", "--state", state, "--server", q.at, "--token", q.text + "x"}, nil, &out, &errs); code != exitError {
		t.Errorf("half a token: exit %d, %s", code, errs.String())
	}
	if code := run(t.Context(), []string{"enroll", "--state", state, "--server", q.at, "--token", "-"}, strings.NewReader(q.text+"\n"), &out, &errs); code != exitClean {
		t.Fatalf("exit %d: %s", code, errs.String())
	}
	// Once more, as a node of a cluster does at each start: the token is used up, and is not even asked for.
	if code := run(t.Context(), []string{"enroll", "--state", state, "--once", "--server", q.at, "--token", "env:DEMINER_TEST_NOTHING"}, nil, &out, &errs); code != exitClean || !strings.Contains(out.String(), "left as it is") {
		t.Errorf("enrolled once more: exit %d, %s%s", code, out.String(), errs.String())
	}
	if code := run(t.Context(), []string{"enroll", "--state", t.TempDir(), "--once", "--server", q.at, "--token", "env:DEMINER_TEST_NOTHING"}, nil, &out, &errs); code != exitUsage || !strings.Contains(errs.String(), "has no DEMINER_TEST_NOTHING") {
		t.Errorf("no token: exit %d, %s", code, errs.String())
	}
	s, err := openStore(&flags{root: "/", state: state}, false)
	if err != nil {
		t.Fatal(err)
	}
	if got := serverChecks(s); len(got) != 1 || !got[0].OK || !strings.Contains(got[0].Text, "enrolled at "+q.at) {
		t.Errorf("doctor: %+v", got)
	}
	s.close()
	l := startLine(t, state, place)
	host := ""
	q.wait(t, "that it lives", func(m deminer.Message) bool { return m.Kind == deminer.MessageState })
	for h := range q.bus.Connected() {
		host = h
	}
	seen, _, err := l.book.See(alert.Sighting{Key: "file:/tmp/x", Grade: alert.Proof, Title: "a miner", Time: time.Now(), Topics: []deminer.Topic{deminer.TopicMining},
		Thing: alert.Thing{Artifact: deminer.Artifact{Kind: deminer.KindFile, Path: "/tmp/x"}, Path: "/tmp/x", SHA256: strings.Repeat("ab", 32)}})
	if err != nil {
		t.Fatal(err)
	}
	alertIn := func(state alert.State) {
		t.Helper()
		q.wait(t, "the alert as "+string(state), func(m deminer.Message) bool {
			var a alert.Alert
			return m.Kind == deminer.MessageAlert && json.Unmarshal(m.Body, &a) == nil && a.ID == seen.ID && a.State == state
		})
	}
	alertIn(alert.Unhandled)
	const text = "version: 1\nrespond: {freeze: proof, block: never, clean: never}\n"
	for _, c := range []struct {
		order deminer.Order
		ok    bool
		want  string
	}{
		{deminer.Order{Kind: deminer.OrderState, State: &deminer.StateOrder{Alert: seen.ID, State: "ignored", Why: "ours"}}, true, "ignored"},
		{deminer.Order{Kind: deminer.OrderState, State: &deminer.StateOrder{Alert: seen.ID, State: "blocked", Why: "?"}}, false, "a person sets"},
		{deminer.Order{Kind: deminer.OrderState, State: &deminer.StateOrder{Alert: "../../x", State: "ignored"}}, false, "no such alert"},
		{deminer.Order{Kind: deminer.OrderAllow, Allow: &deminer.AllowOrder{SHA256: strings.Repeat("ab", 32), Path: "/tmp/x", Reason: "ours", Expires: time.Now().Add(time.Hour), Alert: seen.ID}}, true, "allowed until"},
		{deminer.Order{Kind: deminer.OrderAllow, Allow: &deminer.AllowOrder{SHA256: strings.Repeat("ab", 32), Reason: "all of it", Expires: time.Now().Add(time.Hour)}}, false, ""},
		{deminer.Order{Kind: deminer.OrderPolicy, Policy: &deminer.PolicyOrder{Text: text}}, true, "freeze: proof"},
		{deminer.Order{Kind: deminer.OrderPolicy, Policy: &deminer.PolicyOrder{Text: "version: 1\nresponse: all"}}, false, ""},
		{deminer.Order{Kind: deminer.OrderRestore, Vault: "../../etc/passwd"}, false, "no entry"},
		{deminer.Order{Kind: deminer.OrderDelete, Vault: "none"}, false, "no entry"},
		{deminer.Order{Kind: deminer.OrderBlock, Block: &deminer.BlockOrder{What: "127.0.0.1"}}, false, "protected"},
		{deminer.Order{Kind: deminer.OrderBlock, Block: &deminer.BlockOrder{What: "/etc/passwd"}}, false, "no address"},
		{deminer.Order{Kind: deminer.OrderRun, Run: &deminer.RunOrder{Plan: "none", Digest: "none"}}, false, "not approved"},
		{deminer.Order{Kind: deminer.OrderScan, Scan: &deminer.ScanOrder{Mode: "paths", Paths: []deminer.Raw{deminer.Raw(place)}}}, true, "looked"},
		{deminer.Order{Kind: deminer.OrderScan, Scan: &deminer.ScanOrder{Mode: "paths", Paths: []deminer.Raw{"etc"}}}, false, "absolute"},
		{deminer.Order{Kind: deminer.OrderPlan, Plan: &deminer.PlanOrder{Handling: "shell", Alerts: []string{seen.ID}}}, false, "no way"},
	} {
		if done := q.order(t, host, c.order); done.OK != c.ok || !strings.Contains(done.Text, c.want) {
			t.Errorf("%s: %+v, want %v %q", c.order.Kind, done, c.ok, c.want)
		}
	}
	alertIn(alert.Whitelisted)
	if kept, err := os.ReadFile(filepath.Join(place, "policy.yaml")); err != nil || string(kept) != text {
		t.Errorf("the policy is %q %v: a wrong one must leave the right one", kept, err)
	}
	sum := sha256.Sum256([]byte(text))
	l.r.policy.get()
	if s := l.state(); s.Mode != "preventing" || s.Digest != hex.EncodeToString(sum[:]) || s.Host.ID == "" || s.Deminer != version {
		t.Errorf("state %+v", s)
	}
	if done := q.order(t, host, deminer.Order{Kind: deminer.OrderPolicy, Policy: &deminer.PolicyOrder{}}); !done.OK {
		t.Errorf("no policy: %+v", done)
	}
	l.r.policy.get()
	if s := l.state(); s.Mode != "watching" {
		t.Errorf("without a policy: %+v", s)
	}
	key := func() string {
		l.mu.Lock()
		defer l.mu.Unlock()
		return string(l.id.Seed)
	}
	was := key()
	if err := l.renew(t.Context()); err != nil || key() == was {
		t.Fatalf("another key: %v", err)
	}
	if done := q.order(t, host, deminer.Order{Kind: deminer.OrderPolicy, Policy: &deminer.PolicyOrder{}}); !done.OK {
		t.Errorf("with another key: %+v", done)
	}
	if err := q.Revoke(t.Context(), host); err != nil {
		t.Fatal(err)
	}
	q.bus.Cut(host)
	for end := time.Now().Add(20 * time.Second); len(q.bus.Connected()) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a revoked host is still connected")
		}
	}
}

// startLine runs the line of an agent that does not watch.
func startLine(t *testing.T, state, place string) *line {
	t.Helper()
	f := &flags{root: "/", state: state}
	r := &resident{flags: f, eyes: live.Open(), out: t.Output()}
	t.Cleanup(func() { r.eyes.Close() })
	var err error
	if r.host, _, err = openHost(f); err != nil {
		t.Fatal(err)
	}
	r.own = r.host.Info
	if r.store, err = openStore(f, true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.store.close)
	r.store.runner.Tools.Hands = &host.Hands{} // none: nothing of this machine can be changed
	r.policy = residentPolicy(r.store, filepath.Join(place, "policy.yaml"))
	if r.rules, err = loadRules(f); err != nil {
		t.Fatal(err)
	}
	book, err := openAlerts(r.store)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := part(r.store.dir, "link")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{r: r, book: book, agent: agent.New(agent.Options{}), started: time.Now(), self: r.host.Info.Self, dir: dir}
	ctx, stop := context.WithCancel(context.Background())
	end := make(chan struct{})
	go func() { defer close(end); l.run(ctx) }()
	t.Cleanup(func() { stop(); <-end })
	return l
}
