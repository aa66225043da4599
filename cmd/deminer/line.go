package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/agent"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/bus"
	"github.com/deminer/deminer/internal/link"
	"github.com/deminer/deminer/internal/policy"
	"github.com/deminer/deminer/internal/trust"
)

// How often the agent looks whether it was enrolled, whether an alert changed, and whether its key is old.
const (
	enrolEvery  = 5 * time.Second
	alertsEvery = 250 * time.Millisecond
	countsEvery = 5 * time.Minute // an alert of which only the count changed
	keyLife     = 30 * 24 * time.Hour
	lineUp      = 20 * time.Second // that a line with a new key is waited for
	keyPause    = time.Hour        // after a key could not be renewed
)

// line is what joins the agent to its server.
type line struct {
	r       *resident
	book    *alert.Book
	agent   *agent.Agent
	started time.Time
	lost    []string // what is not seen here
	self    []deminer.ProcID
	dir     *os.Root

	link *link.Link
	wire atomic.Pointer[bus.Line]
	mu   sync.Mutex // of what follows
	id   *trust.Identity
}

// join has the agent talk to its server from when it is enrolled, until ctx ends. end waits for it.
func (r *resident) join(ctx context.Context, book *alert.Book, a *agent.Agent, lost []string) (end func(), err error) {
	dir, err := part(r.store.dir, "link")
	if err != nil {
		return nil, err
	}
	l := &line{r: r, book: book, agent: a, started: time.Now().UTC(), lost: lost, self: r.host.Info.Self, dir: dir}
	ctx, stop := context.WithCancel(ctx)
	known, err := l.soughtList()
	if err != nil {
		r.trouble("what the server had looked for before", err)
	}
	l.take(known)
	var wait sync.WaitGroup
	wait.Go(func() { l.run(ctx) })
	return func() { stop(); wait.Wait(); dir.Close() }, nil
}

// run serves one enrolment after the other.
func (l *line) run(ctx context.Context) {
	for ctx.Err() == nil {
		id, err := trust.Load(l.r.store.dir)
		if err == nil {
			err = l.serve(ctx, id)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			l.r.trouble("the line to the server", err)
		}
		pause(ctx, enrolEvery)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// serve talks to the server of an enrolment until another one is in its place.
func (l *line) serve(ctx context.Context, id *trust.Identity) error {
	orders, err := trust.OpenOrders(l.dir, id.Host, ed25519.PublicKey(id.Orders), nil, func(s string) { l.r.say(true, s) })
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.id = id
	l.mu.Unlock()
	if l.link, err = link.Open(link.Options{Dir: l.dir, Check: orders, Deeds: l.deeds(), State: l.state, Fits: bus.Fits, Say: l.r.say}); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	var wait sync.WaitGroup
	defer wait.Wait()
	defer stop()
	if err := l.connect(); err != nil {
		return err
	}
	defer func() { l.wire.Load().Close() }()
	wait.Go(func() { l.link.Run(ctx, l) })
	wait.Go(func() { l.alerts(ctx) })
	l.r.say(false, "this host is "+id.Host+" of the server at "+deminer.Safe(id.Server))
	tried := time.Now()
	for ctx.Err() == nil {
		pause(ctx, enrolEvery)
		now, err := trust.Load(l.r.store.dir)
		if errors.Is(err, fs.ErrNotExist) || err == nil && (now.Host != id.Host || !slices.Equal(now.Bus, id.Bus)) { // neither changes of id
			l.r.say(false, "the enrolment of before is over")
			return nil
		}
		if !l.old() || time.Since(tried) < keyPause {
			continue
		}
		tried = time.Now()
		if err := l.renew(ctx); err != nil && ctx.Err() == nil {
			l.r.trouble("renew the key of this host", err)
		}
	}
	return nil
}

// old reports whether the key of the host is to be replaced.
func (l *line) old() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.id.Made) >= keyLife
}

// renew has the server take a new key, and connects with it.
func (l *line) renew(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.id.Renew(ctx, l.r.store.dir, time.Now()); err != nil {
		return err
	}
	old := l.wire.Load()
	if err := l.connect(); err != nil {
		return err
	}
	for end := time.Now().Add(lineUp); !l.wire.Load().Connected() && time.Now().Before(end) && ctx.Err() == nil; {
		pause(ctx, 50*time.Millisecond)
	}
	return old.Retire()
}

// connect opens the line with the key that the host has now. l.mu is held, or nobody else is there yet.
func (l *line) connect() error {
	up := atomic.Bool{}
	wire, err := bus.Open(bus.LineOptions{Servers: l.id.Bus, Host: l.id.Host, Key: l.id.Key(), TLS: l.id.TLS(), Take: l.link.Take, Change: func(now bool, why error) {
		switch {
		case why != nil:
			l.r.trouble("the line to the server", why)
		case now && !up.Swap(true):
			l.r.say(false, "connected to the server")
		}
		if now {
			l.link.Wake()
		} else {
			up.Store(false)
		}
	}})
	if err != nil {
		return err
	}
	l.wire.Store(wire)
	return nil
}

// Send implements the link's Sender over the line that stands now.
func (l *line) Send(ctx context.Context, m deminer.Message) (deminer.Reply, error) {
	return l.wire.Load().Send(ctx, m)
}

// ownAddresses are the host's own that others can see, at most 64.
func ownAddresses() (out []string) {
	all, _ := net.InterfaceAddrs() // those that are not known are not told
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() && len(out) < 64 {
			out = append(out, n.IP.String())
		}
	}
	return out
}

// state is how the agent stands.
func (l *line) state() deminer.AgentState {
	p := l.r.policy.get()
	s := deminer.AgentState{Host: l.r.info(), Deminer: version, Started: l.started, Mode: "watching", Policy: p.String(), Digest: l.r.policy.digest(), Lost: l.lost, Addresses: ownAddresses()}
	if changes(p) {
		s.Mode = "preventing"
	}
	if why := l.r.policy.wrong(); why != "" {
		s.Lost = append(s.Lost[:len(s.Lost):len(s.Lost)], "the policy is wrong, the one of before stays: "+deminer.Cut(why, 300))
	}
	if list, err := l.book.List(); err == nil {
		for _, a := range list {
			if a.State.Open() {
				s.Open++
			}
		}
	}
	return s
}

// changes reports whether anything is changed or refused by a policy without asking.
func changes(p *policy.Policy) bool {
	for _, g := range []alert.Grade{p.Respond.Freeze, p.Respond.Block, p.Respond.Clean} {
		if g != "" && g != policy.Never && p.Version != 0 {
			return true
		}
	}
	for _, m := range []policy.Mode{p.Prevent.Program, p.Prevent.Login, p.Prevent.Like, p.Prevent.Pool, p.Prevent.Return, p.Guessing.Mode} {
		if m == policy.Block {
			return true
		}
	}
	return false
}

// alerts tells each alert when it changes, whoever changed it: the book's directory shows that something was written.
func (l *line) alerts(ctx context.Context) {
	told := map[string]toldAlert{}
	var seen time.Time
	for whole := time.Now(); ctx.Err() == nil; pause(ctx, alertsEvery) {
		st, err := l.book.Dir.Stat(".")
		if err != nil {
			l.r.trouble("read the alerts", err)
			continue
		}
		if st.ModTime().Equal(seen) && time.Since(whole) < countsEvery {
			continue
		}
		seen, whole = st.ModTime(), time.Now()
		list, err := l.book.List()
		if err != nil {
			l.r.trouble("read the alerts", err)
		}
		here := map[string]bool{}
		for i := len(list) - 1; i >= 0; i-- { // the oldest first
			a := &list[i]
			here[a.ID] = true
			next, ok := told[a.ID].next(a, time.Now())
			if !ok {
				continue
			}
			if err := l.link.Tell(deminer.MessageAlert, "", a); err != nil {
				l.r.trouble("tell the server an alert", err)
				seen = time.Time{} // again, soon
				continue
			}
			told[a.ID] = next
		}
		for id := range told {
			if !here[id] {
				delete(told, id)
			}
		}
	}
}

// toldAlert is what the server was told of an alert.
type toldAlert struct {
	sum   string // of all but how often it was seen
	count int
	at    time.Time
}

// next gives what is to be remembered if the alert is told now, and whether it is to be told.
func (t toldAlert) next(a *alert.Alert, now time.Time) (toldAlert, bool) {
	rest := *a
	rest.Count, rest.Last = 0, time.Time{}
	text, err := json.Marshal(rest)
	if err != nil {
		return t, false
	}
	sum := sha256.Sum256(text)
	next := toldAlert{hex.EncodeToString(sum[:]), a.Count, now}
	return next, next.sum != t.sum || next.count != t.count && now.Sub(t.at) >= countsEvery
}
