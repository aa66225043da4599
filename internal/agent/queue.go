package agent

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/deminer/deminer"
)

// job is one place to look at.
type job struct {
	key    string
	why    string
	urgent bool
	due    time.Time
	window time.Duration
	kernel bool
	pids   []int
	procs  []deminer.ProcID
	files  []string
	seen   []deminer.Event
}

// Limits of the queue.
const (
	maxJobs  = 256
	maxSeen  = 16 // events of one job
	maxBatch = 32 // jobs looked at together
)

// queue is what is to be looked at: one job for each place, however often something happens there.
type queue struct {
	mu    sync.Mutex
	jobs  map[string]*job
	late  uint64
	whole time.Time // when the whole host is to be looked at; zero: not
	wake  chan struct{}
}

func newQueue() *queue { return &queue{jobs: map[string]*job{}, wake: make(chan struct{}, 1)} }

func (q *queue) dropped() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.late
}

// add puts a job in, or joins it to the one that waits for the same place. Where there is no room an urgent one takes that of
// one that is not.
func (q *queue) add(j *job) {
	q.mu.Lock()
	old := q.jobs[j.key]
	switch {
	case old != nil:
		old.join(j)
	case len(q.jobs) < maxJobs || j.urgent && q.yield():
		q.jobs[j.key] = j
	default:
		q.late++
	}
	q.mu.Unlock()
	q.poke()
}

func (q *queue) yield() bool {
	for key, j := range q.jobs {
		if !j.urgent {
			delete(q.jobs, key)
			q.late++
			return true
		}
	}
	return false
}

func (j *job) join(o *job) {
	if o.urgent && !j.urgent {
		j.urgent, j.why = true, o.why
	}
	if o.due.Before(j.due) {
		j.due = o.due
	}
	j.window, j.kernel = max(j.window, o.window), j.kernel || o.kernel
	if len(j.seen) < maxSeen {
		j.seen = append(j.seen, o.seen...)
	}
	for _, pid := range o.pids {
		if !slices.Contains(j.pids, pid) && len(j.pids) < maxSeen {
			j.pids = append(j.pids, pid)
		}
	}
}

func (q *queue) wantWhole(at time.Time) {
	q.mu.Lock()
	if q.whole.IsZero() || at.Before(q.whole) {
		q.whole = at
	}
	q.mu.Unlock()
	q.poke()
}

func (q *queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// turn is how long take waits at most.
const turn = 5 * time.Second

// take waits until something is due and the budget allows it, and takes it out. It waits no longer than a turn.
func (q *queue) take(ctx context.Context, b *budget) (jobs []*job, whole bool) {
	end := time.Now().Add(turn)
	for {
		var next time.Time
		if jobs, whole, next = q.due(time.Now(), b); len(jobs) > 0 || whole || ctx.Err() != nil || !time.Now().Before(end) {
			return jobs, whole
		}
		pause := time.Until(end)
		if !next.IsZero() {
			pause = max(min(pause, time.Until(next)), time.Millisecond)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-q.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// due takes what is due now; next is when to ask again.
func (q *queue) due(now time.Time, b *budget) (jobs []*job, whole bool, next time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	later := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	calm, urgent := b.ready(now, false), b.ready(now, true)
	for key, j := range q.jobs {
		at := calm
		if j.urgent {
			at = urgent
		}
		if j.due.After(at) {
			at = j.due
		}
		if at.After(now) || len(jobs) >= maxBatch {
			later(at)
			continue
		}
		jobs = append(jobs, j)
		delete(q.jobs, key)
	}
	slices.SortFunc(jobs, func(x, y *job) int { return x.due.Compare(y.due) })
	switch at := q.whole; {
	case at.IsZero() || len(jobs) > 0:
	case at.After(now):
		later(at)
	default:
		whole, q.whole = true, time.Time{}
	}
	return jobs, whole, next
}
