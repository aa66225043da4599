package server

import "sync"

// feed tells open pages what changed. It never waits for anybody: who is slow hears of a thing once.
type feed struct {
	mu   sync.Mutex
	subs map[*Subscription]bool
}

// Subscription hears what changes. Take reads what changed since it was asked last.
type Subscription struct {
	// C has something in it when there is something to take.
	C chan struct{}

	feed    *feed
	topics  map[string]bool // nil: all
	mu      sync.Mutex
	waiting map[string]bool
}

// Subscribe makes a subscription to topics (none: all); Close it. Topics are "alerts", "hosts", "deeds", "orders", "scans", "vault",
// "blocks", "audit", "alert-HOST-ID", "host-ID", "deed-ID", "plan-HOST-ID" and "order-ID".
func (s *Server) Subscribe(topics ...string) *Subscription {
	sub := &Subscription{C: make(chan struct{}, 1), feed: &s.feed, waiting: map[string]bool{}}
	if len(topics) > 0 {
		sub.topics = map[string]bool{}
		for _, t := range topics {
			sub.topics[t] = true
		}
	}
	s.feed.mu.Lock()
	s.feed.subs[sub] = true
	s.feed.mu.Unlock()
	return sub
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.feed.mu.Lock()
	delete(s.feed.subs, s)
	s.feed.mu.Unlock()
}

// Take gives the topics in which something changed.
func (s *Subscription) Take() (topics []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for t := range s.waiting {
		topics = append(topics, t)
	}
	clear(s.waiting)
	return topics
}

func (f *feed) tell(topics ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for sub := range f.subs {
		sub.hear(topics)
	}
}

func (s *Subscription) hear(topics []string) {
	s.mu.Lock()
	news := false
	for _, t := range topics {
		if (s.topics == nil || s.topics[t]) && len(s.waiting) < 1000 {
			s.waiting[t], news = true, true
		}
	}
	s.mu.Unlock()
	if news {
		select {
		case s.C <- struct{}{}:
		default:
		}
	}
}
