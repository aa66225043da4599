// Package server is the memory of a fleet and gives its orders: it takes what agents tell, keeps one alert for each thing however
// often it is told, joins alerts of several hosts into incidents, asks agents for plans, and passes on the approval of a person.
//
// It knows no HTTP, no HTML and no SQL. It cannot touch a host and signs nothing: what is to be done goes as a typed
// [deminer.Order] through [Fleet], which signs and sends it. What it needs to remember goes through [Store].
//
// How the parts are joined (cmd/deminer does it):
//
//	db, err := store.Open(ctx, "sqlite:/var/lib/deminer/server.db")  // or "postgres://…"; brings the schema up to date
//	srv := server.New(server.Options{Store: db, Fleet: bus, Enrolment: trust})
//	people := auth.New(auth.Options{Store: db, Log: srv.Audit})
//	link, err := people.Setup(ctx)                                   // "" unless nobody is there yet: print "https://HOST/setup#"+link
//	console, err := web.New(web.Options{Server: srv, People: people, Version: version})   // an http.Handler
//	go srv.Run(ctx)                                                  // writes, sends again, forgets; until ctx ends
//
// The bus calls [Server.Take] for each message and answers the agent with [ReplyTo] of its error, [Server.Enrolled] when a host
// was enrolled, and [Server.Away] when a connection ended.
package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/deminer/deminer"
)

// Fleet passes orders to agents.
type Fleet interface {
	// Order signs an order, sends it to the agent of its host and gives the agent's answer. An error says that it may not have
	// arrived; the same order is sent again until it expires.
	Order(ctx context.Context, o deminer.Order) (deminer.Reply, error)
	// Revoke throws a host off and takes nothing from it any more.
	Revoke(host string) error
}

// Enrolment makes the tokens that new hosts join with.
type Enrolment interface {
	// NewToken makes a token that is good for a time and for so many hosts; secret is shown once, command is what is typed on
	// the new host.
	NewToken(ctx context.Context, note string, life time.Duration, hosts int) (secret, command string, err error)
	Tokens(ctx context.Context) ([]Token, error)
	Withdraw(ctx context.Context, id string) error
}

// Token is one way in for new hosts.
type Token struct {
	ID      string // names it; is not the secret
	Note    string
	Made    time.Time
	Expires time.Time
	Left    int // hosts that may still join with it
}

// The errors that callers act on.
var (
	// ErrRefused: the message is not one, or not of a host that may speak; the same will never be taken.
	ErrRefused = errors.New("refused")
	// ErrBusy: there is too much at once; the same may be taken later.
	ErrBusy = errors.New("too much at once, try again")
	// ErrNone: there is no such thing.
	ErrNone = errors.New("there is no such thing")
	// ErrStale: it changed since it was shown; look again.
	ErrStale = errors.New("it changed since you looked; look at it again")
	// ErrRequest: what was asked for makes no sense; the text says why.
	ErrRequest = errors.New("cannot do that")
)

// Options are what a server is made of. Store is needed, the rest may be zero.
type Options struct {
	Store     Store
	Fleet     Fleet     // nil: orders wait until [Server.Use]
	Enrolment Enrolment // nil: this server enrols nobody
	Now       func() time.Time
	Say       func(string)  // one line of the log, safe text
	Quiet     time.Duration // without a word for so long a host is offline; default 3 minutes
	Keep      Keep
	// Follow has hosts looked at, which changes nothing, without being asked: one where mining is proven, and those that somebody logged in
	// to it from, or from it.
	Follow bool
}

// Keep says how long things are kept; zero fields take the defaults of [DefaultKeep].
type Keep struct {
	Closed   time.Duration // alerts that are closed, and incidents all of whose alerts are gone
	Orders   time.Duration // orders and plans that ended
	Reports  int           // reports of scans for each host
	Messages time.Duration // ids of messages, by which a second one is known
	Alerts   int           // alerts of one host: the least go first
}

// DefaultKeep is how long things are kept where nobody says otherwise.
var DefaultKeep = Keep{Closed: 180 * 24 * time.Hour, Orders: 180 * 24 * time.Hour, Reports: 20, Messages: 30 * 24 * time.Hour, Alerts: 2000}

// Server is the memory and the orders of a fleet. Make one with [New].
type Server struct {
	opt    Options
	intake chan *entry
	kick   chan string // hosts that may have orders waiting
	missed atomic.Bool // there was no room for some of them
	flood  flood
	ahead  ahead
	feed   feed

	neighbors neighbors
	suspects  chan *Delivery

	mu    sync.Mutex
	fleet Fleet
	away  map[string]string // host -> why its connection ended

	brief       sync.Mutex // of the numbers on every page
	briefCounts Counts
	briefAt     uint64 // the change of alerts that they are of
}

// New makes a server; nothing happens before [Server.Run].
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Say == nil {
		o.Say = func(string) {}
	}
	if o.Quiet == 0 {
		o.Quiet = 3 * time.Minute
	}
	o.Keep = o.Keep.or(DefaultKeep)
	return &Server{opt: o, fleet: o.Fleet, intake: make(chan *entry, maxWaiting), kick: make(chan string, 4096), suspects: make(chan *Delivery, 256), away: map[string]string{},
		flood: flood{hosts: map[string]*bucket{}}, feed: newFeed()}
}

func (k Keep) or(d Keep) Keep {
	pick := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	pick(&k.Closed, d.Closed)
	pick(&k.Orders, d.Orders)
	pick(&k.Messages, d.Messages)
	if k.Reports == 0 {
		k.Reports = d.Reports
	}
	if k.Alerts == 0 {
		k.Alerts = d.Alerts
	}
	return k
}

// Use sets what passes orders on, where it was not there yet when the server was made.
func (s *Server) Use(f Fleet) {
	s.mu.Lock()
	s.fleet = f
	s.mu.Unlock()
	s.wake("")
}

func (s *Server) now() time.Time { return s.opt.Now().UTC() }

// Run writes down what comes in, sends orders, lets them expire and forgets what is old, until ctx ends. What [Server.Take]
// answered with nil by then is written down.
func (s *Server) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, part := range []func(context.Context){s.write, s.send, s.tend, s.worms} {
		all.Go(func() { part(ctx) })
	}
	all.Wait()
	return ctx.Err()
}

// tend does what has to be done from time to time.
func (s *Server) tend(ctx context.Context) {
	often, seldom := time.NewTicker(20*time.Second), time.NewTicker(10*time.Minute)
	defer often.Stop()
	defer seldom.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-often.C:
			if err := s.expire(ctx); err != nil && ctx.Err() == nil {
				s.opt.Say("orders that are too old could not be ended: " + err.Error())
			}
			if err := s.scheduled(ctx); err != nil && ctx.Err() == nil {
				s.opt.Say("scans that are due could not be asked for: " + deminer.Safe(err.Error()))
			}
			s.feed.tell("hosts") // who went silent shows by itself
			s.wake("")
		case <-seldom.C:
			if err := s.opt.Store.Forget(ctx, s.opt.Keep, s.now()); err != nil && ctx.Err() == nil {
				s.opt.Say("what is old could not be forgotten: " + err.Error())
			}
		}
	}
}

// ReplyTo is what an agent is answered after [Server.Take].
func ReplyTo(err error) deminer.Reply {
	switch {
	case err == nil:
		return deminer.Reply{OK: true}
	case errors.Is(err, ErrRefused):
		return deminer.Reply{Why: deminer.Cut(err.Error(), 300)}
	}
	return deminer.Reply{Why: "not written down, try again", Again: true}
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, deminer.Cut(fmt.Sprintf(format, args...), 300))
}

func senseless(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRequest, fmt.Sprintf(format, args...))
}
