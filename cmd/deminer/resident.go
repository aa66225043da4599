package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/contract"
	"github.com/deminer/deminer/internal/doorman"
	"github.com/deminer/deminer/internal/guess"
	"github.com/deminer/deminer/internal/history"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/hands"
	"github.com/deminer/deminer/internal/policy"
	"github.com/deminer/deminer/internal/service"
)

// recorded is what the sensors tell, kept in the history on its way to the agent.
type recorded struct {
	host.Sensors
	past *history.Store
}

// Watch keeps each event and hands it on.
func (r recorded) Watch(ctx context.Context, see func(deminer.Event)) error {
	return r.Sensors.Watch(ctx, func(e deminer.Event) {
		r.past.Put(e)
		see(e)
	})
}

// kept is the book of alerts whose news are kept in the history, too.
type keptAlerts struct {
	*alert.Book
	past *history.Store
}

// See counts what was seen, and keeps what is new of it, and that its incident has another id now: it is found by that, too.
func (k keptAlerts) See(s alert.Sighting) (alert.Alert, bool, error) {
	a, fresh, err := k.Book.See(s)
	if fresh || err == nil && a.Moved {
		k.past.Alert(history.Entry{Event: deminer.Event{Time: s.Time, Proc: s.Thing.Artifact.Proc, Exe: s.Thing.Path, Unit: s.Thing.Unit, Container: s.Thing.Container},
			Alert: &history.Alert{ID: a.ID, Incident: a.Incident, Grade: string(a.Grade), Text: a.Title}})
	}
	return a, fresh, err
}

// Did notes what was done, in the history, too.
func (k keptAlerts) Did(id string, d alert.Deed) (alert.Alert, error) {
	a, err := k.Book.Did(id, d)
	if err == nil {
		k.past.Alert(history.Entry{Event: deminer.Event{Time: d.Time, Proc: a.Thing.Artifact.Proc, Exe: a.Thing.Path},
			Alert: &history.Alert{ID: a.ID, Incident: a.Incident, Grade: string(a.Grade), Text: a.Title, Done: d.What}})
	}
	return a, err
}

// beside is what lives beside the agent's loop. end waits for all of them.
type beside struct {
	past   *history.Store
	notify *contract.Notifier
	life   *contract.Keeper
	guard  *selfguard
	back   *recurrence
	refuse *refuser
	alerts []*laterAlerts
	end    func() error
}

// begin starts what lives beside the loop.
func (r *resident) begin(ctx context.Context, book *alert.Book) (*beside, error) {
	p := &beside{notify: contract.NewNotifier(), guard: newSelfguard(r)}
	if err := p.openPast(r); err != nil {
		return nil, err
	}
	leave := r.protect(p.notify.Managed() || r.shared)
	life, absent, err := contract.Begin(r.store.dir, version)
	if p.life = life; err != nil {
		r.say(true, "the trail of the agent: "+err.Error())
	}
	if absent != nil && absent.Killed {
		text := fmt.Sprintf("the agent before this one (process %d) was killed, or it crashed: nobody watched for %s", absent.PID, absent.Span.Round(time.Second))
		r.say(true, text)
		p.past.Alert(history.Entry{Event: deminer.Event{Time: time.Now()}, Alert: &history.Alert{Rule: "agent-killed", Text: text}})
	}
	if absent != nil && absent.Late {
		p.clockSet(r, "the clock of this host was set back while no agent ran")
	}
	p.guard.absent(absent)
	if why := r.policy.wrong(); why != "" {
		wrong := p.guard.self.Hurt("the policy of the agent is wrong, and nothing is refused or changed", why, time.Now())
		wrong.Fix = "Mend it: deminer policy check " + deminer.Safe(r.policy.file) + ". It is in force within seconds; then deminer alerts handle closes this."
		p.guard.tell(wrong)
	}
	p.back = newRecurrence(r, p.past)
	p.back.refresh()
	p.refuse = newRefuser(r, p.past, p.back)
	ctx, stop := context.WithCancel(ctx)
	// The recurrence guard keeps in the history what it did, too.
	alerts, back := &laterAlerts{Alerts: keptAlerts{book, p.past}, say: r.say}, &laterAlerts{Alerts: book, say: r.say}
	p.alerts = []*laterAlerts{alerts, back}
	var wait sync.WaitGroup
	wait.Go(func() { p.guard.keep(ctx, alerts) })
	wait.Go(func() { p.back.run(ctx, back) })
	wait.Go(func() { p.refuse.run(ctx, alerts) })
	wait.Go(func() { _ = p.past.Run(ctx) }) // it answers nil
	wait.Go(func() { p.notify.Watch(ctx.Done(), func(err error) { r.say(true, err.Error()) }) })
	wait.Go(func() { p.alive(ctx, r) })
	first := r.host // looks open others
	wait.Go(func() { r.guesses(ctx, first, p.guard) })
	p.end = func() error {
		stop()
		wait.Wait()
		p.refuse.rest(alerts)
		p.again()
		how := contract.EndStop
		if contract.Upgrading(service.RunDir) {
			how = contract.EndUpgrade
		}
		return errors.Join(p.notify.Stopping(), p.past.Close(), p.life.End(how), leave())
	}
	return p, nil
}

// openPast opens the history. An agent that cannot keep one watches all the same.
func (p *beside) openPast(r *resident) error {
	opt := history.Options{Lock: hands.Lock}
	dir, err := part(r.store.dir, historyDir)
	if err == nil {
		p.past, err = history.Open(dir, opt)
	} else {
		dir = r.store.dir
	}
	switch {
	case errors.Is(err, deminer.ErrBusy):
		return fail(exitBusy, "one is enough", "another agent keeps the history: %w", err)
	case err != nil:
		p.past = history.Without(dir, err, opt)
		p.guard.tell(p.guard.self.Hurt("no history is kept", deminer.Safe(err.Error()), time.Now()))
		return nil
	}
	for _, fault := range p.past.Faults() {
		p.guard.tell(p.guard.self.Hurt("the history of the agent was damaged or changed", deminer.Safe(fault.Error())+"; the rest is kept", time.Now()))
	}
	return nil
}

// clockSet says that somebody set the clock of the host, and keeps it in the history: times of before and after do not compare.
func (p *beside) clockSet(r *resident, text string) {
	r.say(true, text)
	p.past.Alert(history.Entry{Event: deminer.Event{Time: time.Now()}, Alert: &history.Alert{Rule: "clock-set", Text: text}})
}

// alive leaves a trail, and sees after what may have failed or been changed meanwhile.
func (p *beside) alive(ctx context.Context, r *resident) {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	clock, failed := contract.NewClock(), false
	for {
		select {
		case <-ctx.Done():
			p.again()
			return
		case <-tick.C:
		}
		_ = p.life.Beat() // a full disk costs the trail and nothing else
		p.again()
		if by := clock.Set().Round(time.Second); by != 0 {
			p.clockSet(r, fmt.Sprintf("the clock of this host was set %s by %s", map[bool]string{true: "back", false: "forward"}[by < 0], by.Abs()))
		}
		st := p.past.State()
		switch {
		case st.Failed != "":
			r.trouble("the history cannot be written, it will be tried again", errors.New(st.Failed))
		case failed:
			r.say(true, fmt.Sprintf("the history is written again; %d entries had no room", total(st.Dropped)))
		}
		failed = st.Failed != ""
	}
}

// guessPolicy puts what the policy says of guesses in the words of who judges them.
func guessPolicy(g policy.Guessing) guess.Policy {
	p := guess.Tuned(g.Tries, g.Window, g.Ban, g.Longest)
	p.Block = g.Mode == policy.Block
	for _, n := range g.Allow {
		p.Allow = append(p.Allow, n.Prefix)
	}
	return p
}

// tendEvery is how often what the agent put into the kernel is looked after.
const tendEvery = 15 * time.Second

// tend sees to it that what the agent put into the kernel is where it was put: what somebody took away is an alert, and is put back. end
// waits until it looks no more.
func (p *beside) tend(ctx context.Context, check func() []string) (end func()) {
	ctx, stop := context.WithCancel(ctx)
	var wait sync.WaitGroup
	wait.Go(func() {
		tick := time.NewTicker(tendEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			for _, what := range append(check(), p.refuse.check()...) {
				p.guard.tell(p.guard.self.Hurt("somebody interferes with what the agent put into the kernel", deminer.Safe(what), time.Now()))
			}
		}
	})
	return func() { stop(); wait.Wait() }
}

func (p *beside) again() {
	for _, l := range p.alerts {
		l.again()
	}
}

func total(list map[deminer.EventKind]uint64) (sum uint64) {
	for _, n := range list {
		sum += n
	}
	return sum
}

// guesses follows logins, tells who guesses passwords, and has them blocked where the policy says so.
func (r *resident) guesses(ctx context.Context, h *host.Host, guard *selfguard) {
	mode := func() policy.Guessing { return r.policy.get().Guesses(time.Now()) }
	for mode().Mode == policy.Off {
		select {
		case <-ctx.Done():
			return
		case <-time.After(policyEvery):
		}
	}
	d, err := doorman.Open(ctx, doorman.Options{FS: h.FS, Info: h.Info, Policy: func() guess.Policy { return guessPolicy(mode()) }, State: r.store.dir,
		Runner: r.store.runner, Prune: r.store.runner.Prune})
	if err != nil {
		r.say(true, "what was remembered of who guesses passwords: "+err.Error())
	}
	defer d.Close()
	told := map[string]bool{} // each gap once
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := mode()
		if now.Mode == policy.Off { // what is logged meanwhile is counted when it is on again
			continue
		}
		list, gaps, err := d.Turn(ctx)
		for _, g := range gaps {
			if line := "logins that were not seen: " + deminer.Cut(g.What+": "+g.Why, 300); !told[line] && len(told) < 100 {
				told[line] = true
				r.say(true, line)
			}
		}
		if err != nil && ctx.Err() == nil {
			r.say(true, "who guesses passwords: "+err.Error())
		}
		for _, v := range list {
			line := fmt.Sprintf("passwords are guessed (%s): from %s, %d failures", v.Kind, v.From, v.Failures)
			if v.Ban > 0 && now.Mode == policy.Block {
				line += ", blocked for " + v.Ban.String()
			}
			if v.Spared != "" {
				line += ", not blocked: " + v.Spared
			}
			r.say(v.Kind == guess.Guessed, line)
			if v.Kind == guess.Guessed { // that somebody guesses is the weather; that a guess was right is an entry
				guard.tell(v.Finding())
			}
		}
	}
}
