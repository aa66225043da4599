package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/deminer/deminer"
)

// Limits of what is taken in.
const (
	maxWaiting = 8192 // messages that wait to be written
	maxBatch   = 512  // messages written in one go
	perSecond  = 200  // messages of one host
	burst      = 4000 // messages of one host at once: a spool that is emptied

	bytesPerSecond = 1 << 20  // of one host
	byteBurst      = 64 << 20 // of one host at once: as much as a spool holds
)

// entry is a message that waits to be written.
type entry struct {
	d    *Delivery
	done chan error
}

// Take writes a message of a host down. Which host it is, the caller knows from the connection. nil says that it is on disk, or was
// already: the same one counts once. [ErrRefused] says that the same will never be taken, any other error that it may be sent
// again.
func (s *Server) Take(ctx context.Context, host string, m deminer.Message) error {
	if !isHost(host) {
		return refuse("host id %q", deminer.Cut(host, 70))
	}
	if !s.flood.allow(host, len(m.Body), s.now()) {
		return fmt.Errorf("%w: more than %d messages or %d bytes a second from %s", ErrBusy, perSecond, bytesPerSecond, host)
	}
	d, err := s.read(host, m)
	if err != nil {
		return err
	}
	e := &entry{d, make(chan error, 1)}
	select {
	case s.intake <- e:
	case <-ctx.Done():
		return ctx.Err()
	default:
		return fmt.Errorf("%w: %d messages wait to be written", ErrBusy, maxWaiting)
	}
	select {
	case err := <-e.done:
		return err
	case <-ctx.Done():
		return ctx.Err() // it may be written down all the same: sent again, it counts once
	}
}

// write writes what waits, many messages in one go.
func (s *Server) write(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			s.turnAway(ctx.Err())
			return
		case e := <-s.intake:
			batch := []*entry{e}
			for more := true; more && len(batch) < maxBatch; {
				select {
				case e := <-s.intake:
					batch = append(batch, e)
				default:
					more = false
				}
			}
			s.writeAll(ctx, batch)
		}
	}
}

// turnAway answers those who came too late.
func (s *Server) turnAway(err error) {
	for {
		select {
		case e := <-s.intake:
			e.done <- err
		default:
			return
		}
	}
}

// writeAll writes a batch. Where it cannot be written as one, each message is tried alone, so that one costs only itself.
func (s *Server) writeAll(ctx context.Context, batch []*entry) {
	ds := make([]*Delivery, len(batch))
	for i, e := range batch {
		ds[i] = e.d
	}
	err := s.opt.Store.Deliver(ctx, ds)
	if err == nil {
		for _, e := range batch {
			e.done <- nil
		}
		s.tell(ds)
		return
	}
	if len(batch) == 1 {
		batch[0].done <- s.unwritten(err, batch[0].d)
		return
	}
	for _, e := range batch {
		e.d.Fresh = false
		one := []*Delivery{e.d}
		if err := s.opt.Store.Deliver(ctx, one); err != nil {
			e.done <- s.unwritten(err, e.d)
			continue
		}
		e.done <- nil
		s.tell(one)
	}
}

func (s *Server) unwritten(err error, d *Delivery) error {
	if errors.Is(err, ErrRefused) {
		return err
	}
	s.opt.Say(fmt.Sprintf("a message (%s) of %s could not be written down: %s", d.Kind, d.Host, deminer.Cut(err.Error(), 300)))
	return fmt.Errorf("write down message: %w", err)
}

// tell tells pages what changed, and sends waiting orders to hosts that are there again.
func (s *Server) tell(ds []*Delivery) {
	for _, d := range ds {
		if !d.Fresh {
			continue
		}
		switch d.Kind {
		case deminer.MessageAlert:
			s.feed.tell("alerts", "alert-"+d.Host+"-"+d.Alert.ID)
			s.follow(d)
		case deminer.MessageState:
			s.back(d.Host)
			s.feed.tell("hosts", "host-"+d.Host)
		case deminer.MessageReport:
			s.feed.tell("scans", "alerts")
			s.follow(d)
		case deminer.MessageVault:
			s.feed.tell("vault")
		case deminer.MessageBlocks:
			s.feed.tell("blocks")
		case deminer.MessagePlan:
			s.feed.tell("deed-"+d.Order, "deeds")
		case deminer.MessageRecord:
			s.feed.tell("plan-"+d.Host+"-"+d.Record.Plan, "deeds")
		case deminer.MessageDone:
			s.feed.tell("orders", "deeds", "scans", "order-"+d.Order)
		}
		if d.Order != "" {
			s.feed.tell("order-" + d.Order)
		}
	}
}

// back notes that a host speaks; if it was away, what waits for it is sent. An idle host says that it lives every minute: asking each time
// what waits for it would be most of what it costs.
func (s *Server) back(host string) {
	s.mu.Lock()
	_, was := s.away[host]
	delete(s.away, host)
	s.mu.Unlock()
	if was {
		s.wake(host)
	}
}

// Here notes that a host has connected; what waits for it is sent.
func (s *Server) Here(host string) {
	s.mu.Lock()
	delete(s.away, host)
	s.mu.Unlock()
	s.wake(host)
}

// Enrolled notes a host that was enrolled, under the id that it will speak with.
func (s *Server) Enrolled(ctx context.Context, host, name string) error {
	if !isHost(host) {
		return refuse("host id %q", deminer.Cut(host, 70))
	}
	if err := s.opt.Store.Enroll(ctx, host, deminer.Cut(name, 100), s.now()); err != nil {
		return fmt.Errorf("enroll host %s: %w", host, err)
	}
	s.feed.tell("hosts")
	return nil
}

// Away notes that the connection of a host ended, and why: the reason stands beside "offline".
func (s *Server) Away(host, why string) {
	s.mu.Lock()
	if len(s.away) < 100_000 {
		s.away[host] = deminer.Cut(why, 200)
	}
	s.mu.Unlock()
}

// isHost reports whether a text can be the id of a host.
func isHost(id string) bool {
	if len(id) < 1 || len(id) > 64 {
		return false
	}
	for _, c := range []byte(id) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// isID reports whether a text is the id of a message or an order.
func isID(id string) bool { return len(id) == 32 && isHex(id) }

func isHex(s string) bool {
	for _, c := range []byte(s) {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return s != ""
}

// flood bounds how much one host may say.
type flood struct {
	mu    sync.Mutex
	hosts map[string]*bucket
}

type bucket struct {
	left  float64 // messages
	bytes float64
	at    time.Time
}

func (f *flood) allow(host string, size int, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.hosts[host]
	if b == nil {
		if len(f.hosts) > 200_000 {
			clear(f.hosts)
		}
		b = &bucket{burst, byteBurst, now}
		f.hosts[host] = b
	}
	if since := now.Sub(b.at).Seconds(); since > 0 {
		b.left = min(burst, b.left+since*perSecond)
		b.bytes = min(byteBurst, b.bytes+since*bytesPerSecond)
	}
	b.at = now
	if b.left < 1 || b.bytes < float64(size) {
		return false
	}
	b.left--
	b.bytes -= float64(size)
	return true
}
