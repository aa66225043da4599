// Package link is the agent's side of a fleet: what it has to tell waits on disk until the server has written it down, and orders of the
// server are carried out once, one after the other, by functions that are lent to it.
//
// It trusts nothing that comes over the wire but signed orders, of a closed list. A plan is run only if this agent made it itself, and its
// content is the one that was approved.
package link

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/deminer/deminer"
)

// Sender brings one message to the server.
type Sender interface {
	// Send gives the server's answer; an error says that nothing is known, deminer.ErrRefused that it can never be sent.
	Send(ctx context.Context, m deminer.Message) (deminer.Reply, error)
}

// Checker gives an order that came over the wire, once; see trust.Orders.
type Checker interface {
	// Check gives an order that is to be taken, after keep has kept it. With trust.ErrSeen it gives one that was taken before.
	Check(wire []byte, keep func(deminer.Order) error) (deminer.Order, error)
}

// How often the agent says that it lives, and how long it waits after what did not get through.
const (
	stateEvery = time.Minute
	listsEvery = time.Minute
	firstPause = time.Second
	lastPause  = time.Minute
	sendTime   = time.Minute
)

// Options of a link.
type Options struct {
	Dir   *os.Root // of its own
	Check Checker
	Deeds Deeds
	// State gives how the agent stands; Spooled is filled in here.
	State func() deminer.AgentState
	// Fits reports whether a message can go over the wire; nil: any can.
	Fits func(deminer.Message) error
	Say  func(grave bool, line string) // takes one line of safe text
	Now  func() time.Time              // nil: the clock
}

// Link is the agent's side. Open one, hand Take to the bus, and Run it.
type Link struct {
	opt   Options
	spool *spool
	work  *work
	plans *os.Root
	ids   *ids

	mu    sync.Mutex
	slots map[deminer.MessageKind]deminer.Message // of which only the latest counts; not on disk
	last  map[deminer.MessageKind]string          // digest of what was told last
	kick  chan struct{}                           // there is something to send, or somebody to send it to
	look  chan struct{}                           // vault and blocks may have changed
	pulse chan struct{}                           // how the agent stands may have changed
}

// Open opens a link in its directory. What was not finished when the agent ended is told to the server: nothing is begun twice.
func Open(opt Options) (*Link, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Fits == nil {
		opt.Fits = func(deminer.Message) error { return nil }
	}
	l := &Link{opt: opt, slots: map[deminer.MessageKind]deminer.Message{}, last: map[deminer.MessageKind]string{}, kick: make(chan struct{}, 1), look: make(chan struct{}, 1), pulse: make(chan struct{}, 1)}
	dirs := map[string]*os.Root{}
	for _, name := range []string{"spool", "orders", "plans"} {
		if err := opt.Dir.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("open the line to the server: %w", err)
		}
		dir, err := opt.Dir.OpenRoot(name)
		if err != nil {
			return nil, fmt.Errorf("open the line to the server: %w", err)
		}
		dirs[name] = dir
	}
	var err error
	if l.ids, err = openIDs(opt.Dir, opt.Now); err != nil {
		return nil, err
	}
	if l.spool, err = openSpool(dirs["spool"]); err != nil {
		return nil, err
	}
	l.plans = dirs["plans"]
	l.work, err = openWork(l, dirs["orders"])
	return l, err
}

// Tell puts a message into the spool; when it returns without an error, the server will have it. Of state, vault and blocks only the latest is
// kept, in memory. A report that is too large is told without what takes most room.
func (l *Link) Tell(kind deminer.MessageKind, order string, body any) error {
	return l.tell(l.ids.next(), kind, order, body)
}

func (l *Link) tell(id string, kind deminer.MessageKind, order string, body any) error {
	m := deminer.Message{ID: id, Kind: kind, Order: order, Time: l.opt.Now().UTC()}
	var err error
	if m.Body, err = json.Marshal(body); err != nil {
		return fmt.Errorf("tell the server: %w", err)
	}
	if rep, ok := body.(deminer.Report); ok {
		if m, err = l.slim(m, rep); err != nil {
			return err
		}
	}
	if err := l.opt.Fits(m); err != nil {
		return fmt.Errorf("tell the server: %w", err)
	}
	if rank, may := gives(kind); may && rank == 0 {
		l.mu.Lock()
		l.slots[kind] = m
		l.mu.Unlock()
	} else if err := l.spool.put(m); err != nil {
		return err
	}
	l.Wake()
	return nil
}

// slim leaves out of a report what takes most room until it fits, and says so in it.
func (l *Link) slim(m deminer.Message, rep deminer.Report) (deminer.Message, error) {
	s := &rep.Snapshot
	for _, cut := range []struct {
		what string
		do   func()
	}{
		{"what was seen and written before", func() { s.Seen, s.Written, s.Logins = nil, nil, nil }},
		{"sockets and units", func() { s.Sockets, s.Units = nil, nil }},
		{"footholds", func() { s.Footholds, s.Shared = nil, nil }},
		{"processes", func() { s.Processes, s.Accounts, s.Containers = nil, nil, nil }},
	} {
		if err := l.opt.Fits(m); !errors.Is(err, deminer.ErrRefused) {
			return m, err
		}
		cut.do()
		s.Gaps = append(s.Gaps, deminer.Gap{Part: cut.what, State: deminer.Partial, Why: "left out of what was sent to the server: the report was too large; deminer scan on the host shows all"})
		text, err := json.Marshal(rep)
		if err != nil {
			return m, fmt.Errorf("tell the server: %w", err)
		}
		m.Body = text
	}
	return m, nil
}

// Wake has what waits sent now: the line stands again, or there is something new.
func (l *Link) Wake() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// Changed says that something was done to the host: vault and blocks are looked at, and told if they changed; so is how the agent stands.
func (l *Link) Changed() {
	for _, c := range []chan struct{}{l.look, l.pulse} {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Take takes note of an order as it came over the wire, or says why not. It is carried out later, by Run.
func (l *Link) Take(_ context.Context, signed []byte) deminer.Reply { return l.work.take(signed) }

// Spooled is how many messages wait for the server.
func (l *Link) Spooled() int { return l.spool.count() }

// Run sends what waits and carries out orders until ctx ends, and comes back when all of it has ended.
func (l *Link) Run(ctx context.Context, to Sender) {
	var wait sync.WaitGroup
	wait.Go(func() { l.work.run(ctx) })
	wait.Go(func() { l.beat(ctx) })
	wait.Go(func() { l.lists(ctx) })
	l.send(ctx, to)
	wait.Wait()
}

// beat tells that the agent lives, at once and then about every minute, not all agents in the same second.
func (l *Link) beat(ctx context.Context) {
	for {
		s := l.opt.State()
		s.Spooled = l.spool.count()
		if err := l.Tell(deminer.MessageState, "", s); err != nil {
			l.opt.Say(true, "tell the server how the agent stands: "+deminer.Safe(err.Error()))
		}
		select {
		case <-ctx.Done():
			return
		case <-l.pulse:
		case <-time.After(stateEvery*3/4 + rand.N(stateEvery/2)):
		}
	}
}

// lists tells what lies in quarantine and what is blocked, whenever that changed.
func (l *Link) lists(ctx context.Context) {
	for {
		if list, err := l.opt.Deeds.Vault(); err == nil {
			l.told(deminer.MessageVault, append([]deminer.Kept{}, list...))
		}
		if list, err := l.opt.Deeds.Blocks(); err == nil {
			l.told(deminer.MessageBlocks, append([]deminer.Blocked{}, list...))
		}
		select {
		case <-ctx.Done():
			return
		case <-l.look:
		case <-time.After(listsEvery*3/4 + rand.N(listsEvery/2)):
		}
	}
}

// told tells a list if it is another one than before.
func (l *Link) told(kind deminer.MessageKind, list any) {
	text, err := json.Marshal(list)
	if err != nil {
		return
	}
	sum := sha256.Sum256(text)
	now := hex.EncodeToString(sum[:])
	l.mu.Lock()
	same := l.last[kind] == now
	l.last[kind] = now
	l.mu.Unlock()
	if same {
		return
	}
	if err := l.Tell(kind, "", list); err != nil {
		l.opt.Say(true, "tell the server a list: "+deminer.Safe(err.Error()))
	}
}

// send sends what waits, until ctx ends. After what did not get through it waits, longer each time, unless the line comes back.
func (l *Link) send(ctx context.Context, to Sender) {
	wait := firstPause
	for ctx.Err() == nil {
		if l.sendAll(ctx, to) {
			wait = firstPause
			select {
			case <-ctx.Done():
			case <-l.kick:
			}
			continue
		}
		select {
		case <-ctx.Done():
		case <-l.kick:
		case <-time.After(wait/2 + rand.N(wait/2)):
		}
		wait = min(2*wait, lastPause)
	}
}

// sendAll sends what waits and reports whether all of it got through.
func (l *Link) sendAll(ctx context.Context, to Sender) bool {
	const patience = 3 // messages that the server cannot take now, before the rest has to wait, too
	later := 0
	for _, kind := range []deminer.MessageKind{deminer.MessageState, deminer.MessageVault, deminer.MessageBlocks} {
		l.mu.Lock()
		m, ok := l.slots[kind]
		l.mu.Unlock()
		if !ok {
			continue
		}
		switch l.sendOne(ctx, to, m) {
		case gone:
			l.mu.Lock()
			if l.slots[kind].ID == m.ID {
				delete(l.slots, kind)
			}
			l.mu.Unlock()
		case held:
			later++
		case stuck:
			return false
		}
	}
	for from := uint64(0); later < patience; {
		seq, m, ok, bad := l.spool.read(from)
		if bad != nil {
			l.opt.Say(true, deminer.Safe(bad.Error()))
		}
		if !ok && seq == 0 {
			break
		}
		if from = seq + 1; !ok { // it stays, and is tried again
			later++
			continue
		}
		switch l.sendOne(ctx, to, m) {
		case gone:
			if err := l.spool.remove(seq); err != nil {
				l.opt.Say(true, deminer.Safe(err.Error()))
				return false
			}
		case held:
			later++
		case stuck:
			return false
		}
	}
	return later == 0
}

// fate is what became of a message.
type fate int

const (
	gone  fate = iota // the server has it, or will never take it
	held              // the server cannot take it now
	stuck             // nothing gets through
)

func (l *Link) sendOne(ctx context.Context, to Sender, m deminer.Message) fate {
	ctx, stop := context.WithTimeout(ctx, sendTime)
	defer stop()
	reply, err := to.Send(ctx, m)
	switch {
	case errors.Is(err, deminer.ErrRefused):
		l.opt.Say(true, deminer.Cut(fmt.Sprintf("a message (%s) can not be sent and is dropped: %v", m.Kind, err), 400))
		return gone
	case err != nil:
		return stuck
	case reply.OK:
		return gone
	case reply.Again:
		return held
	}
	l.opt.Say(true, deminer.Cut(fmt.Sprintf("the server refuses a message (%s), it is dropped: %s", m.Kind, deminer.Safe(reply.Why)), 400))
	return gone
}
