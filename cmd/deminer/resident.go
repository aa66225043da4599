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
	end    func() error
}

// begin starts what lives beside the loop.
func (r *resident) begin(ctx context.Context, book *alert.Book) (*beside, error) {
	p := &beside{notify: contract.NewNotifier(), guard: newSelfguard(r)}
	dir, err := part(r.store.dir, historyDir)
	if err != nil {
		return nil, err
	}
	if p.past, err = history.Open(dir, history.Options{Lock: hands.Lock}); err != nil {
		return nil, fail(exitError, "deminer doctor says more", "open history: %w", err)
	}
	leave := r.protect(p.notify.Managed())
	life, absent, err := contract.Begin(r.store.dir, version)
	if p.life = life; err != nil {
		r.say(true, "the trail of the agent: "+err.Error())
	}
	if absent != nil && absent.Killed {
		text := fmt.Sprintf("the agent before this one (process %d) was killed, or it crashed: nobody watched for %s", absent.PID, absent.Span.Round(time.Second))
		r.say(true, text)
		p.past.Alert(history.Entry{Event: deminer.Event{Time: time.Now()}, Alert: &history.Alert{Rule: "agent-killed", Text: text}})
	}
	p.guard.absent(absent)
	p.back = newRecurrence(r, p.past)
	p.back.refresh()
	p.refuse = newRefuser(r, p.past, p.back)
	ctx, stop := context.WithCancel(ctx)
	var wait sync.WaitGroup
	wait.Go(func() { p.guard.keep(ctx, keptAlerts{book, p.past}) })
	wait.Go(func() { p.back.run(ctx, book) })
	wait.Go(func() { p.refuse.run(ctx, keptAlerts{book, p.past}) })
	wait.Go(func() { _ = p.past.Run(ctx) }) // it answers nil
	wait.Go(func() { p.notify.Watch(ctx.Done(), func(err error) { r.say(true, err.Error()) }) })
	wait.Go(func() { p.alive(ctx) })
	first := r.host // looks open others
	wait.Go(func() { r.guesses(ctx, first, p.guard) })
	p.end = func() error {
		stop()
		wait.Wait()
		how := contract.EndStop
		if contract.Upgrading(service.RunDir) {
			how = contract.EndUpgrade
		}
		return errors.Join(p.notify.Stopping(), p.past.Close(), p.life.End(how), leave())
	}
	return p, nil
}

// alive leaves a trail.
func (p *beside) alive(ctx context.Context) {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = p.life.Beat() // a full disk costs the trail and nothing else
		}
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
