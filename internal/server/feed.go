package server

import (
	"strconv"
	"strings"
	"sync"
)

// Everything is the topic of a subscription that cannot know what it missed.
const Everything = "*"

// maxRemembered is how many topics are remembered with the time of their last change.
const maxRemembered = 10_000

// feed tells open pages what changed. It never waits for anybody: who is slow hears of a thing once.
type feed struct {
	mu    sync.Mutex
	subs  map[*Subscription]bool
	epoch string            // of this process
	seq   uint64            // of the last change
	last  map[string]uint64 // topic -> seq of its last change
	floor uint64            // what changed before is not remembered
}

// Subscription hears what changes. Take reads what changed since it was asked last.
type Subscription struct {
	// C has something in it when there is something to take.
	C chan struct{}

	feed    *feed
	mu      sync.Mutex
	waiting map[string]bool
	mark    string
}

// Mark names this moment: what is read after it and shown can be kept up to date by a subscription that begins with it.
func (s *Server) Mark() string {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	return s.feed.mark()
}

func (f *feed) mark() string { return f.epoch + "-" + strconv.FormatUint(f.seq, 10) }

// Subscribe hears what changes from a mark on ("" from now on); Close it. Topics are "alerts", "hosts", "deeds", "orders", "scans",
// "vault", "blocks", "audit", "alert-HOST-ID", "host-ID", "deed-ID", "plan-HOST-ID", "order-ID" and [Everything].
func (s *Server) Subscribe(mark string) *Subscription {
	f := &s.feed
	sub := &Subscription{C: make(chan struct{}, 1), feed: f, waiting: map[string]bool{}}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.subs[sub] = true
	if missed := f.since(mark); len(missed) > 0 {
		sub.hear(missed, f.mark())
	}
	return sub
}

// since lists the topics that changed after a mark.
func (f *feed) since(mark string) (topics []string) {
	if mark == "" {
		return nil
	}
	epoch, text, _ := strings.Cut(mark, "-")
	seq, err := strconv.ParseUint(text, 10, 64)
	if err != nil || epoch != f.epoch || seq < f.floor {
		return []string{Everything}
	}
	for t, at := range f.last {
		if at > seq {
			topics = append(topics, t)
		}
	}
	return topics
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.feed.mu.Lock()
	delete(s.feed.subs, s)
	s.feed.mu.Unlock()
}

// Take gives the topics in which something changed, and the mark from which on a later subscription misses nothing.
func (s *Subscription) Take() (topics []string, mark string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for t := range s.waiting {
		topics = append(topics, t)
	}
	clear(s.waiting)
	return topics, s.mark
}

// changed gives the number of the last change of a topic, 0 where none is remembered.
func (f *feed) changed(topic string) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last[topic]
}

func (f *feed) tell(topics ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seq++
	if len(f.last) > maxRemembered {
		clear(f.last)
		f.floor = f.seq
	}
	for _, t := range topics {
		f.last[t] = f.seq
	}
	for sub := range f.subs {
		sub.hear(topics, f.mark())
	}
}

func (s *Subscription) hear(topics []string, mark string) {
	s.mu.Lock()
	for _, t := range topics {
		if len(s.waiting) > 1000 {
			clear(s.waiting)
			t = Everything
		}
		s.waiting[t] = true
	}
	s.mark = mark
	s.mu.Unlock()
	select {
	case s.C <- struct{}{}:
	default:
	}
}

func newFeed() feed {
	return feed{subs: map[*Subscription]bool{}, epoch: NewID()[:12], last: map[string]uint64{}}
}
