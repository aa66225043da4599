// Package agent is the resident loop: events of the sensors say where to look, the same detectors look at a small part of the
// host, what they find becomes alerts, and the policy says what may be done about it without asking.
//
// An event proves nothing and costs little: a table of triggers (trigger.go) picks the few that are worth a look. Looks are
// coalesced and have a budget of processor time; every queue is bounded, and what has no room is counted. Without a policy the
// agent changes nothing.
package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/match"
	"github.com/deminer/deminer/internal/policy"
	"github.com/deminer/deminer/internal/scan"
)

// Watcher tells what happens; host.Sensors is one.
type Watcher interface {
	Watch(ctx context.Context, see func(deminer.Event)) error
	Drops() map[deminer.EventKind]uint64
}

// Alerts keeps alerts; alert.Book is one.
type Alerts interface {
	See(alert.Sighting) (alert.Alert, bool, error)
	Set(id string, to alert.State, by, why string, now time.Time) (alert.Alert, error)
	Did(id string, d alert.Deed) (alert.Alert, error)
	List() ([]alert.Alert, error)
}

// Used is how much processor time a process has used since it began.
type Used struct {
	ID  deminer.ProcID
	CPU time.Duration
}

// Options are what the agent works with. All but those that say so are needed.
type Options struct {
	Sensors Watcher
	Rules   *match.Set
	// Look looks at the host, wholly or around an event.
	Look   func(context.Context, scan.Options) (deminer.Report, error)
	Alerts Alerts
	// Policy gives the one in force. It is asked anew for every look.
	Policy func() *policy.Policy
	// Run runs a plan that the policy allows, journaled; nil: nothing is ever changed.
	Run func(context.Context, deminer.Plan) error
	// Program opens what a process runs.
	Program func(deminer.ProcID) (host.File, error)
	// Digest gives the SHA-256 of what an alert is about, "" where there is none.
	Digest func(alert.Thing) string
	// Mechanisms names the ways to come back that have to be asked anew after a file changed.
	Mechanisms func(file string) []string
	// Usage gives the processor time of all processes.
	Usage func() []Used
	// UsedBy, where set, gives the processor time of one process; false: it has ended.
	UsedBy func(deminer.ProcID) (time.Duration, bool)
	// CPU is the processor time that the agent itself has used.
	CPU func() time.Duration
	// Say takes one line of safe text; grave ones are told apart.
	Say func(grave bool, line string)
	// Beat, where set, is told that the loop turns: every few seconds, and before each look.
	Beat func()
	// Pool, where set, is told of each address that a name server gave for the name of a pool, and until when that holds. It must be
	// quick.
	Pool func(addr netip.Addr, until time.Time)
	// Pace, where set, says how the agent makes way for the host's own work: how many times slower than usual it samples, and whether
	// a regular look at the whole host that was due so long ago may begin.
	Pace func(waited time.Duration) (slower int, may bool)
	// Rest, where set, is told when nothing was to be looked at for a turn, once after each look or row of looks.
	Rest func()
	// Every is the pause of the slow sampler, 0: one minute; Whole that between looks at the whole host, 0: six hours.
	Every, Whole time.Duration
}

// Agent is the loop and what it remembers.
type Agent struct {
	opt     Options
	queue   *queue
	heard   *hearing
	callers *callers
	execs   chan *deminer.Event // to be matched against the rules
	now     deminer.Event       // that see looks at

	mu      sync.Mutex
	counts  Counts
	done    deeds
	unkept  []alert.Sighting
	unseen  map[string]bool // keys of alerts that were told and could not be kept
	said    sayings
	load    *sampler
	budget  *budget
	whole   time.Time // when the whole host was looked at last
	missed  uint64    // events that had no room before that look began: it made up for them
	files   *programs
	found   []*deminer.Report // by others, to be taken in
	changed time.Time         // when something was last done to the host that others asked for
}

// Counts say what the agent did since it began.
type Counts struct {
	Events  map[deminer.EventKind]uint64 `json:"events"`  // that the sensors told, by kind
	Dropped map[deminer.EventKind]uint64 `json:"dropped"` // by the sensors, for want of room, by kind
	Late    uint64                       `json:"late"`    // triggers and programs for which there was no room
	Looks   uint64                       `json:"looks"`   // looks around events
	Whole   uint64                       `json:"whole"`   // looks at the whole host
	Failed  uint64                       `json:"failed"`  // looks that failed
}

// Limits of what is remembered.
const (
	maxExecs  = 4096
	maxUnkept = 1000
	maxDone   = 4096
	maxFound  = 4
)

// New makes an agent.
func New(opt Options) *Agent {
	if opt.Every <= 0 {
		opt.Every = time.Minute
	}
	if opt.Whole <= 0 {
		opt.Whole = 6 * time.Hour
	}
	return &Agent{opt: opt, queue: newQueue(), heard: newHearing(), callers: newCallers(), execs: make(chan *deminer.Event, maxExecs), done: deeds{}, unseen: map[string]bool{}, said: sayings{lines: map[string]bool{}},
		load: newSampler(), budget: newBudget(opt.CPU), files: newPrograms(), counts: Counts{Events: map[deminer.EventKind]uint64{}}}
}

// Run watches until ctx ends. The error is that of a sensor that broke.
func (a *Agent) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wait sync.WaitGroup
	var broken error
	wait.Go(func() {
		broken = a.opt.Sensors.Watch(ctx, a.see)
		stop()
	})
	wait.Go(func() { a.match(ctx) })
	wait.Go(func() { a.sample(ctx) })
	wait.Go(func() { a.ask(ctx) })
	a.looking(ctx)
	wait.Wait()
	return broken
}

// Counts gives what was done so far.
func (a *Agent) Counts() Counts {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.counts
	c.Events = map[deminer.EventKind]uint64{}
	for k, n := range a.counts.Events {
		c.Events[k] = n
	}
	c.Dropped = a.opt.Sensors.Drops()
	c.Late += a.queue.dropped()
	return c
}

// see takes an event from the sensors, one at a time. It must be quick.
func (a *Agent) see(one deminer.Event) {
	a.now = one // what is pointed to would be put on the heap, each event of every kind
	e := &a.now
	a.mu.Lock()
	a.counts.Events[e.Kind]++
	a.mu.Unlock()
	a.heard.note(e)
	if e.Kind == deminer.EventConnect {
		a.callers.note(e, time.Now())
	}
	for i := range triggers {
		if t := &triggers[i]; t.kind == e.Kind && (t.when == nil || t.when(a, e)) {
			a.queue.add(a.job(t, e))
		}
	}
	if e.Kind != deminer.EventExec || len(e.Argv) == 0 && e.Exe == "" || a.files.clean(e, a.heard.program(e.Parent)) {
		return
	}
	kept := *e
	select {
	case a.execs <- &kept:
	default:
		a.mu.Lock()
		a.counts.Late++
		a.mu.Unlock()
	}
}

// looking takes what is due from the queue and looks, until ctx ends.
func (a *Agent) looking(ctx context.Context) {
	looked := false
	for {
		if a.opt.Beat != nil {
			a.opt.Beat()
		}
		a.keepAgain()
		a.takeIn(ctx)
		jobs, whole := a.queue.take(ctx, a.budget)
		if ctx.Err() != nil {
			return
		}
		any := whole || len(jobs) > 0
		if looked && !any && a.opt.Rest != nil {
			a.opt.Rest()
		}
		looked = any
		if len(jobs) > 0 {
			a.near(ctx, jobs)
		}
		if whole {
			a.all(ctx)
		}
	}
}

// near looks around what the jobs are about.
func (a *Agent) near(ctx context.Context, jobs []*job) {
	around := &scan.Around{}
	why := ""
	window := shortWindow
	for _, j := range jobs {
		around.PIDs = append(around.PIDs, j.pids...)
		around.Files = append(around.Files, j.files...)
		around.Kernel = around.Kernel || j.kernel
		around.Seen = append(around.Seen, j.seen...)
		window = max(window, j.window)
		for _, f := range j.files {
			around.Mechanisms = append(around.Mechanisms, a.opt.Mechanisms(f)...)
		}
		for _, id := range j.procs {
			around.Seen = append(around.Seen, a.heard.of(id)...)
		}
		if why == "" || j.urgent {
			why = j.why
		}
	}
	around.Seen = onceEach(around.Seen)
	rep, err := a.look(ctx, scan.Options{Around: around, Window: window})
	if err != nil {
		return
	}
	if a.handle(ctx, &rep, why, false) {
		a.queue.wantWhole(time.Now().Add(settle))
	}
}

// all looks at the whole host and closes what is gone.
func (a *Agent) all(ctx context.Context) {
	missed := a.lost()
	rep, err := a.look(ctx, scan.Options{})
	if err != nil {
		a.queue.wantWhole(time.Now().Add(a.opt.Every))
		return
	}
	a.mu.Lock()
	a.whole, a.missed = time.Now(), missed
	a.mu.Unlock()
	a.handle(ctx, &rep, "a look at the whole host", true)
	a.close(&rep)
}

// Windows of processor time, and how long after an alert the whole host is looked at: what else belongs to it shows itself.
const (
	shortWindow = 50 * time.Millisecond
	longWindow  = time.Second
	settle      = 2 * time.Second
)

func (a *Agent) look(ctx context.Context, opt scan.Options) (deminer.Report, error) {
	done := a.budget.begin()
	rep, err := a.opt.Look(ctx, opt)
	done()
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case err != nil && ctx.Err() == nil:
		a.counts.Failed++
		a.sayOnce("a look failed: " + err.Error())
	case opt.Around != nil:
		a.counts.Looks++
	default:
		a.counts.Whole++
	}
	return rep, errors.Join(err, ctx.Err())
}

// maxSaid is how many different troubles are told in an hour.
const maxSaid = 100

// sayings are the troubles that were told in this hour.
type sayings struct {
	since time.Time
	lines map[string]bool
}

// sayOnce says something grave once an hour. a.mu is held.
func (a *Agent) sayOnce(line string) {
	if now := time.Now(); now.Sub(a.said.since) >= time.Hour {
		clear(a.said.lines)
		a.said.since = now
	}
	line = deminer.Cut(line, 400)
	if a.said.lines[line] || len(a.said.lines) > maxSaid {
		return
	}
	if a.said.lines[line] = true; len(a.said.lines) > maxSaid {
		line = "more troubles are not told in this hour"
	}
	a.opt.Say(true, line)
}

// trouble says that something of the agent's own failed.
func (a *Agent) trouble(what string, err error) {
	if err == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sayOnce(fmt.Sprintf("%s: %v", what, err))
}
