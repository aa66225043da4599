package agent

import (
	"sync"
	"time"
)

// The budget of looks: a part of one core, saved up to a limit. What is nearly proof may go into debt.
const (
	share  = 0.05 // cores
	saved  = 10 * time.Second
	inDebt = -20 * time.Second
)

// budget is how much processor time looks may still use.
type budget struct {
	cpu  func() time.Duration
	mu   sync.Mutex
	left time.Duration
	at   time.Time // when left was true
}

func newBudget(cpu func() time.Duration) *budget { return &budget{cpu: cpu, left: saved} }

// begin starts to count; the answer ends it.
func (b *budget) begin() (done func()) {
	before := b.cpu()
	return func() {
		used := b.cpu() - before
		b.mu.Lock()
		defer b.mu.Unlock()
		b.fill(time.Now())
		b.left -= max(used, 0)
	}
}

func (b *budget) fill(now time.Time) {
	if !b.at.IsZero() {
		b.left = min(saved, b.left+time.Duration(share*float64(max(now.Sub(b.at), 0))))
	}
	b.at = now
}

// ready says from when on the next look may begin.
func (b *budget) ready(now time.Time, urgent bool) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill(now)
	floor := time.Duration(0)
	if urgent {
		floor = inDebt
	}
	if b.left > floor {
		return now
	}
	return now.Add(time.Duration(float64(floor-b.left)/share) + time.Millisecond)
}
