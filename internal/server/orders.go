package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/auth"
)

// How long an order waits for its agent. What changes a host from what a person saw waits least.
var life = map[deminer.OrderKind]time.Duration{
	deminer.OrderScan:    24 * time.Hour,
	deminer.OrderPlan:    15 * time.Minute,
	deminer.OrderRun:     15 * time.Minute,
	deminer.OrderUndo:    time.Hour,
	deminer.OrderBlock:   24 * time.Hour,
	deminer.OrderRestore: time.Hour,
	deminer.OrderDelete:  time.Hour,
	deminer.OrderState:   7 * 24 * time.Hour,
	deminer.OrderAllow:   7 * 24 * time.Hour,
	deminer.OrderPolicy:  30 * 24 * time.Hour,
}

const (
	senders = 64               // orders that are sent at once
	answer  = 10 * time.Second // that an agent has to take an order
	silence = 6 * time.Hour    // after an order has expired, in which its agent may still say how it ended
)

// NewID makes an id of an order or a group.
func NewID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// order makes an order for a host; the field that belongs to its kind is the caller's to set.
func (s *Server) order(who auth.Who, host string, kind deminer.OrderKind, group string) Order {
	now := s.now().Truncate(time.Millisecond)
	return Order{Order: deminer.Order{ID: NewID(), Kind: kind, Host: host, By: deminer.Cut(who.Name, 80), Made: now, Expires: now.Add(life[kind])},
		Group: group, State: OrderMade, Updated: now}
}

// give writes orders down and sends them.
func (s *Server) give(ctx context.Context, os ...Order) error {
	if err := s.opt.Store.AddOrders(ctx, os); err != nil {
		return fmt.Errorf("write orders down: %w", err)
	}
	for i := range os {
		s.wake(os[i].Host)
	}
	s.feed.tell("orders")
	return nil
}

// wake has what waits for a host sent, "" for all.
func (s *Server) wake(host string) {
	select {
	case s.kick <- host:
	default: // there are too many: all of them are looked for when these have begun
		s.missed.Store(true)
	}
}

// send sends orders until ctx ends, those of one host one after the other.
func (s *Server) send(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	slots := make(chan bool, senders)
	var mu sync.Mutex
	busy := map[string]bool{} // true: there is more by now
	start := func(host string) {
		mu.Lock()
		defer mu.Unlock()
		if _, ok := busy[host]; ok {
			busy[host] = true
			return
		}
		busy[host] = false
		all.Go(func() {
			for again := true; again; {
				select {
				case slots <- true:
					s.sendTo(ctx, host)
					<-slots
				case <-ctx.Done():
				}
				mu.Lock()
				if again = busy[host] && ctx.Err() == nil; again {
					busy[host] = false
				} else {
					delete(busy, host)
				}
				mu.Unlock()
			}
		})
	}
	for {
		select {
		case <-ctx.Done():
			return
		case host := <-s.kick:
			if host != "" {
				start(host)
				if len(s.kick) > 0 || !s.missed.Swap(false) {
					continue
				}
			}
			for _, h := range s.due(ctx) {
				start(h)
			}
		}
	}
}

// due gives the hosts that orders wait for and that may be there.
func (s *Server) due(ctx context.Context) (hosts []string) {
	os, err := s.opt.Store.Orders(ctx, OrderFilter{Waiting: true, Limit: 10000})
	if err != nil {
		return nil
	}
	seen := map[string]bool{}
	for i := range os {
		if !seen[os[i].Host] {
			seen[os[i].Host] = true
			hosts = append(hosts, os[i].Host)
		}
	}
	return hosts
}

// sendTo sends what waits for one host, the oldest first, until one does not get through.
func (s *Server) sendTo(ctx context.Context, host string) {
	s.mu.Lock()
	fleet := s.fleet
	s.mu.Unlock()
	if fleet == nil {
		return
	}
	os, err := s.opt.Store.Orders(ctx, OrderFilter{Host: host, Waiting: true, Limit: 1000})
	if err != nil {
		return
	}
	for i := len(os) - 1; i >= 0; i-- {
		o := os[i]
		if !s.now().Before(o.Expires) {
			continue
		}
		short, cancel := context.WithTimeout(ctx, answer)
		reply, err := fleet.Order(short, o.Order)
		cancel()
		switch {
		case err != nil:
			s.note(ctx, o, "the agent cannot be reached")
			return
		case reply.OK:
			_, err = s.opt.Store.MoveOrder(ctx, o.ID, []OrderState{OrderMade}, OrderAccepted, "", s.now())
		case reply.Again:
			s.note(ctx, o, "the agent said: "+deminer.Cut(reply.Why, 200))
			return
		default:
			err = s.end(ctx, o, OrderFailed, "the agent refused: "+deminer.Cut(reply.Why, 300))
		}
		if err != nil {
			s.opt.Say("an order was sent and that could not be written down: " + deminer.Safe(err.Error()))
			return
		}
		s.changed(o)
	}
}

// note says why an order waits.
func (s *Server) note(ctx context.Context, o Order, why string) {
	if o.Text == why {
		return
	}
	if _, err := s.opt.Store.MoveOrder(ctx, o.ID, []OrderState{OrderMade}, OrderMade, why, s.now()); err == nil {
		s.changed(o)
	}
}

func (s *Server) changed(o Order) {
	s.feed.tell("orders", "order-"+o.ID)
	if o.Deed != "" {
		s.feed.tell("deeds", "deed-"+o.Deed)
	}
	if o.Kind == deminer.OrderScan {
		s.feed.tell("scans")
	}
}

// end ends an order that the agent did not, and the deed that it belongs to.
func (s *Server) end(ctx context.Context, o Order, to OrderState, text string) error {
	moved, err := s.opt.Store.MoveOrder(ctx, o.ID, []OrderState{o.State}, to, text, s.now())
	if err != nil || !moved {
		return err
	}
	if o.Deed != "" {
		from, state := DeedAfter(o.Kind, to)
		if o.State != OrderMade { // the agent had it: some of it may be done
			from, state = DeedAfter(o.Kind, OrderFailed)
		}
		if _, err := s.opt.Store.MoveDeed(ctx, o.Deed, Move{From: from, To: state, Text: text, Time: s.now()}); err != nil {
			return err
		}
	}
	s.changed(o)
	return nil
}

// DeedAfter says which state a deed goes to, from which ones, when an order of it ended so.
func DeedAfter(kind deminer.OrderKind, end OrderState) (from []DeedState, to DeedState) {
	switch kind {
	case deminer.OrderPlan:
		from, to = []DeedState{DeedAsked}, DeedFailed
	case deminer.OrderRun:
		from, to = []DeedState{DeedApproved, DeedRunning}, DeedFailed
		if end == OrderDone {
			from, to = append(from, DeedFailed), DeedDone // it said so late
		}
		if end != OrderExpired {
			from = append(from, DeedExpired) // the agent had it after all
		}
	case deminer.OrderUndo:
		from, to = []DeedState{DeedUndoing}, DeedAsRun // the text says why
		if end == OrderDone {
			from, to = append(from, DeedDone, DeedFailed), DeedUndone // it said so late
		}
		return from, to
	}
	if end == OrderExpired {
		to = DeedExpired
	}
	return from, to
}

// expire ends orders that no agent had in time, and those that one had and never spoke of again.
func (s *Server) expire(ctx context.Context) error {
	os, err := s.opt.Store.Orders(ctx, OrderFilter{Unended: true, Limit: 10000})
	if err != nil {
		return err
	}
	for _, o := range os {
		text := "the agent could not be reached in time; nothing was changed"
		switch late := s.now().Sub(o.Expires); {
		case late < 0, o.State != OrderMade && late < silence:
			continue
		case o.State != OrderMade:
			text = "the agent never said how it ended"
		}
		if err := s.end(ctx, o, OrderExpired, text); err != nil {
			return err
		}
	}
	return nil
}

// endAll ends all orders of a host that was revoked.
func (s *Server) endAll(ctx context.Context, host string) error {
	os, err := s.opt.Store.Orders(ctx, OrderFilter{Host: host, Unended: true, Limit: 10000})
	if err != nil {
		return err
	}
	for _, o := range os {
		text := "the host was revoked; nothing was changed"
		if o.State != OrderMade {
			text = "the host was revoked before its agent said how it ended"
		}
		if err := s.end(ctx, o, OrderExpired, text); err != nil {
			return err
		}
	}
	return nil
}

// Orders gives orders, the latest first.
func (s *Server) Orders(ctx context.Context, f OrderFilter) ([]Order, error) {
	return s.opt.Store.Orders(ctx, f)
}

// Scan asks hosts to look at themselves. It gives the group of the orders.
func (s *Server) Scan(ctx context.Context, who auth.Who, hosts []string, scan deminer.ScanOrder) (group string, err error) {
	if err := who.May(auth.Responder); err != nil {
		return "", err
	}
	switch scan.Mode {
	case "quick", "full":
		scan.Paths = nil
	case "paths":
		if len(scan.Paths) == 0 || len(scan.Paths) > 50 {
			return "", senseless("name between one and 50 paths")
		}
		for _, p := range scan.Paths {
			if len(p) == 0 || p[0] != '/' || len(p) > 4096 {
				return "", senseless("%q is no absolute path", deminer.Cut(p, 100))
			}
		}
	default:
		return "", senseless("there is no way to scan that is called %q", deminer.Cut(scan.Mode, 20))
	}
	group = NewID()
	var os []Order
	if err := s.allHere(ctx, hosts); err != nil {
		return "", err
	}
	for _, h := range hosts {
		o := s.order(who, h, deminer.OrderScan, group)
		o.Scan = &scan
		os = append(os, o)
	}
	if len(os) == 0 {
		return "", senseless("choose at least one host")
	}
	if err := s.Audit(ctx, who, "scan", someOf(hosts), scan.Mode); err != nil {
		return "", err
	}
	return group, s.give(ctx, os...)
}

// here reports whether a host may be given orders.
func (s *Server) here(ctx context.Context, host string) error {
	h, err := s.opt.Store.Host(ctx, host)
	if err != nil {
		return err
	}
	if !h.Revoked.IsZero() {
		return senseless("host %s was revoked", deminer.Safe(h.Name))
	}
	return nil
}

// allHere reports whether all of some hosts may be given orders: of many not one by one.
func (s *Server) allHere(ctx context.Context, hosts []string) error {
	const few = 20
	if len(hosts) <= few {
		for _, h := range hosts {
			if err := s.here(ctx, h); err != nil {
				return err
			}
		}
		return nil
	}
	all, err := s.opt.Store.Hosts(ctx, true)
	if err != nil {
		return err
	}
	known := make(map[string]*Host, len(all))
	for i := range all {
		known[all[i].ID] = &all[i]
	}
	for _, id := range hosts {
		switch h := known[id]; {
		case h == nil:
			return ErrNone
		case !h.Revoked.IsZero():
			return senseless("host %s was revoked", deminer.Safe(h.Name))
		}
	}
	return nil
}

// someOf names a few of many.
func someOf(all []string) string {
	const few = 5
	out := ""
	for i, h := range all {
		if i == few {
			return fmt.Sprintf("%s and %d more", out, len(all)-few)
		}
		if i > 0 {
			out += ", "
		}
		out += h
	}
	return out
}
