package history

import (
	"time"

	"github.com/deminer/deminer"
)

// bucket lets so many bytes through in a second, and an hour of it at once.
type bucket struct {
	rate, left float64
	at         time.Duration
	begun      bool
}

func newBucket(rate float64) bucket { return bucket{rate: rate, left: rate * 3600} }

func (b *bucket) take(n int, now time.Duration) bool {
	if !b.begun {
		b.at, b.begun = now, true
	}
	if now > b.at {
		b.left = min(b.rate*3600, b.left+b.rate*(now-b.at).Seconds())
		b.at = now
	}
	if b.left < float64(n) {
		return false
	}
	b.left -= float64(n)
	return true
}

// drops counts what was not kept.
type drops struct {
	all   map[deminer.EventKind]uint64 // since the store was opened
	since map[deminer.EventKind]*Entry // since it was put down last
	last  time.Time
	begun bool
}

func newDrops(now time.Time) drops {
	return drops{all: map[deminer.EventKind]uint64{}, since: map[deminer.EventKind]*Entry{}, last: now}
}

func (d *drops) add(kind deminer.EventKind, n uint64, now time.Time) {
	if n == 0 {
		return
	}
	d.all[kind] += n
	e := d.since[kind]
	if e == nil {
		e = &Entry{Event: deminer.Event{Kind: KindGap, Time: now, Name: deminer.Raw(kind)}}
		d.since[kind] = e
	}
	e.Count += n
	e.Last = now
}

// told gives the holes as entries, once a minute at most but for the first, and forgets them.
func (d *drops) told(now time.Time, clock time.Duration, all bool) (out []*Entry) {
	const pause = time.Minute
	if len(d.since) == 0 || d.begun && !all && now.Sub(d.last).Abs() < pause {
		return nil
	}
	d.last, d.begun = now, true
	for kind, e := range d.since {
		e.Clock = clock
		out = append(out, e)
		delete(d.since, kind)
	}
	return out
}

// again takes back an entry for which there was no room.
func (d *drops) again(e *Entry) { d.since[deminer.EventKind(e.Name)] = e }
