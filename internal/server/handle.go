package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/auth"
)

// Limits of one deed.
const (
	maxTargets = 1000 // alerts handled at once
	allowLife  = 365 * 24 * time.Hour
)

// The choices that need no plan.
const (
	HandleAllow  = "allow"     // it is ours: allow exactly this
	HandleIgnore = "ignored"   // nobody wants to hear of it
	HandleByHand = "handled"   // somebody did it by hand
	HandleReopen = "unhandled" // it is to be looked at again
)

// Target is one alert.
type Target struct{ Host, Alert string }

// Request says what is to be done about alerts.
type Request struct {
	How     string // a deminer.Handling or one of the choices above
	Targets []Target
	For     time.Duration // of a block: how long; 0 as the agent does
	Why     string        // needed where something is allowed or ignored
	Expires time.Time     // of what is allowed; zero: a year
}

// Result is what became of one alert of a request.
type Result struct {
	Target
	Deed string // that was begun for it, "" of none
	Err  error  // nil: asked for
}

// Handle begins what is to be done about alerts: a plan for each host, which changes nothing until [Server.Approve], or an order
// that sets a state. It gives the group of what was begun, and the result for each alert.
func (s *Server) Handle(ctx context.Context, who auth.Who, r Request) (group string, out []Result, err error) {
	if err := who.May(auth.Responder); err != nil {
		return "", nil, err
	}
	if len(r.Targets) == 0 || len(r.Targets) > maxTargets {
		return "", nil, senseless("choose between one and %d alerts", maxTargets)
	}
	if r.For < 0 || r.For > 365*24*time.Hour {
		return "", nil, senseless("a block lasts at most a year")
	}
	group = NewID()
	switch r.How {
	case string(deminer.HandleTerminate), string(deminer.HandleQuarantine), string(deminer.HandleDeep), string(deminer.HandleBlock):
		out, err = s.plans(ctx, who, r, group)
	case HandleIgnore, HandleByHand, HandleReopen, HandleAllow:
		if r.How != HandleReopen && r.How != HandleByHand && r.Why == "" {
			return "", nil, senseless("say why, for whoever looks at it later")
		}
		for _, t := range r.Targets {
			out = append(out, Result{Target: t, Err: s.setOne(ctx, who, r, t, group)})
		}
	default:
		return "", nil, senseless("there is no way to handle an alert that is called %q", deminer.Cut(r.How, 20))
	}
	return group, out, err
}

// plans asks each host for one plan for all of its alerts.
func (s *Server) plans(ctx context.Context, who auth.Who, r Request, group string) (out []Result, err error) {
	var hosts []string
	alerts := map[string][]string{}
	for _, t := range r.Targets {
		a, err := s.opt.Store.Alert(ctx, t.Host, t.Alert)
		if err == nil && !a.Convicted() && r.How != string(deminer.HandleBlock) {
			err = senseless("the evidence does not suffice to change anything: look at it, then allow it, ignore it, or end it by hand")
		}
		if err != nil {
			out = append(out, Result{Target: t, Err: err})
			continue
		}
		if !slices.Contains(hosts, t.Host) {
			hosts = append(hosts, t.Host)
		}
		if !slices.Contains(alerts[t.Host], t.Alert) {
			alerts[t.Host] = append(alerts[t.Host], t.Alert)
		}
	}
	for _, h := range hosts {
		id, err := s.plan(ctx, who, h, deminer.PlanOrder{Handling: deminer.Handling(r.How), Alerts: alerts[h], For: deminer.Duration(r.For)}, group)
		for _, a := range alerts[h] {
			out = append(out, Result{Target{h, a}, id, err})
		}
	}
	return out, nil
}

// Clean asks a host for a plan of everything that it convicts.
func (s *Server) Clean(ctx context.Context, who auth.Who, host string) (deed string, err error) {
	if err := who.May(auth.Responder); err != nil {
		return "", err
	}
	return s.plan(ctx, who, host, deminer.PlanOrder{Handling: deminer.HandleDeep}, NewID())
}

func (s *Server) plan(ctx context.Context, who auth.Who, host string, p deminer.PlanOrder, group string) (string, error) {
	if err := s.here(ctx, host); err != nil {
		return "", err
	}
	o := s.order(who, host, deminer.OrderPlan, group)
	o.Plan, o.Deed = &p, o.ID
	d := Deed{ID: o.ID, Host: host, Handling: p.Handling, Alerts: p.Alerts, Group: group, By: o.By, Made: o.Made, State: DeedAsked, Updated: o.Made}
	if err := s.Audit(ctx, who, "plan", host, fmt.Sprintf("%s, alerts %s, order %s", p.Handling, someOf(p.Alerts), o.ID)); err != nil {
		return "", err
	}
	if err := s.opt.Store.AddDeed(ctx, d, o); err != nil {
		return "", fmt.Errorf("write down what is to be done: %w", err)
	}
	s.wake(host)
	s.feed.tell("orders", "deeds")
	return d.ID, nil
}

// setOne sets the state of one alert, here at once and on its host when that is reached.
func (s *Server) setOne(ctx context.Context, who auth.Who, r Request, t Target, group string) error {
	a, err := s.opt.Store.Alert(ctx, t.Host, t.Alert)
	if err != nil {
		return err
	}
	if err := s.here(ctx, t.Host); err != nil {
		return err
	}
	why, to := deminer.Cut(r.Why, 300), alert.State(r.How)
	var o Order
	if r.How == HandleAllow {
		to = alert.Whitelisted
		o = s.order(who, t.Host, deminer.OrderAllow, group)
		if o.Allow, err = s.allow(&a, r, why); err != nil {
			return err
		}
	} else {
		o = s.order(who, t.Host, deminer.OrderState, group)
		o.Order.State = &deminer.StateOrder{Alert: a.ID, State: string(to), Why: why}
	}
	if err := s.Audit(ctx, who, "alert "+string(to), t.Host+"/"+t.Alert, why); err != nil {
		return err
	}
	if err := s.give(ctx, o); err != nil {
		return err
	}
	a.State, a.Reason = to, why
	a.History = append(a.History, alert.Change{Time: s.now(), State: to, By: deminer.Cut(who.Name, 80), Why: why})
	if err := s.opt.Store.SetAlert(ctx, a); err != nil {
		return fmt.Errorf("set the state of alert %s: %w", a.ID, err)
	}
	s.feed.tell("alerts", "alert-"+a.Host+"-"+a.ID)
	return nil
}

// allow makes the entry that allows exactly the thing of an alert.
func (s *Server) allow(a *Alert, r Request, why string) (*deminer.AllowOrder, error) {
	t := &a.Thing
	if t.SHA256 == "" {
		return nil, senseless("the content of this is not known, so exactly this cannot be allowed: ignore the alert instead")
	}
	out := &deminer.AllowOrder{SHA256: t.SHA256, Path: string(t.Path), Unit: t.Unit, Container: t.Container, User: t.User, Reason: why, Alert: a.ID,
		Expires: r.Expires.UTC()}
	if out.Path == "" && out.Unit == "" && out.Container == "" && out.User == "" {
		return nil, senseless("nothing but the content of this is known, and that alone does not suffice: ignore the alert instead")
	}
	if r.Expires.IsZero() {
		out.Expires = s.now().Add(allowLife).Truncate(time.Second)
	}
	if !out.Expires.After(s.now()) {
		return nil, senseless("the day until which it is allowed is over already")
	}
	return out, nil
}

// Approve has a plan run, if it is the one whose digest the person saw.
func (s *Server) Approve(ctx context.Context, who auth.Who, deed, digest string) error {
	if err := who.May(auth.Responder); err != nil {
		return err
	}
	d, err := s.opt.Store.Deed(ctx, deed)
	if err != nil {
		return err
	}
	switch {
	case d.State != DeedReady || d.Plan == nil:
		return fmt.Errorf("%w: the plan is %s", ErrStale, d.State)
	case d.Digest == "" || d.Digest != digest:
		return fmt.Errorf("%w: this is not the plan that you saw", ErrStale)
	case len(d.Plan.Steps) == 0:
		return senseless("the plan has no steps")
	}
	if err := s.here(ctx, d.Host); err != nil {
		return err
	}
	return s.move(ctx, who, &d, deminer.OrderRun, []DeedState{DeedReady}, DeedApproved)
}

// Undo has a plan that ran taken back.
func (s *Server) Undo(ctx context.Context, who auth.Who, deed string) error {
	if err := who.May(auth.Responder); err != nil {
		return err
	}
	d, err := s.opt.Store.Deed(ctx, deed)
	if err != nil {
		return err
	}
	if d.State != DeedDone && d.State != DeedFailed || d.Digest == "" {
		return fmt.Errorf("%w: the plan is %s", ErrStale, d.State)
	}
	if err := s.here(ctx, d.Host); err != nil {
		return err
	}
	return s.move(ctx, who, &d, deminer.OrderUndo, []DeedState{DeedDone, DeedFailed}, DeedUndoing)
}

// move gives the order that takes a deed further, in the same moment as the deed goes there: two people who press at once give
// one order.
func (s *Server) move(ctx context.Context, who auth.Who, d *Deed, kind deminer.OrderKind, from []DeedState, to DeedState) error {
	o := s.order(who, d.Host, kind, d.Group)
	o.Run, o.Deed = &deminer.RunOrder{Plan: d.PlanID, Digest: d.Digest}, d.ID
	e := s.entry(who, string(kind), d.Host, fmt.Sprintf("plan %s, digest %s, order %s", d.PlanID, d.Digest, o.ID))
	moved, err := s.opt.Store.MoveDeed(ctx, d.ID, Move{From: from, To: to, By: o.By, Order: &o, Entry: &e, Time: s.now()})
	switch {
	case err != nil:
		return fmt.Errorf("write down what is to be done: %w", err)
	case !moved:
		return ErrStale
	}
	s.wake(d.Host)
	s.feed.tell("orders", "deeds", "audit", "deed-"+d.ID)
	return nil
}

// Deed gives a plan with its steps.
func (s *Server) Deed(ctx context.Context, id string) (Deed, []StepState, error) {
	d, err := s.opt.Store.Deed(ctx, id)
	if err != nil || d.PlanID == "" {
		return d, nil, err
	}
	steps, err := s.opt.Store.StepStates(ctx, d.Host, d.PlanID)
	return d, steps, err
}

// Deeds gives what is and was done on a host ("": all) or in a group, the latest first.
func (s *Server) Deeds(ctx context.Context, host, group string, limit int) ([]Deed, error) {
	return s.opt.Store.Deeds(ctx, host, group, limit)
}

// IsNone reports whether an error says that something is not there.
func IsNone(err error) bool { return errors.Is(err, ErrNone) }
