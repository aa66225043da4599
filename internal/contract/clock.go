package contract

import "time"

// Clock notices that somebody sets the clock of the host. It is not safe for several goroutines.
type Clock struct {
	now func() (time.Time, float64) // time of day, and seconds since boot
	at  time.Time
	up  float64
}

// NewClock begins to compare.
func NewClock() *Clock { return newClock(clocks) }

func newClock(now func() (time.Time, float64)) *Clock {
	c := &Clock{now: now}
	c.at, c.up = now()
	return c
}

// leastSet is what counts as set: clocks that are kept right by the network go a little faster or slower.
const leastSet = time.Minute

// Set says by how much the clock was set since it was asked last, below 0: back; 0: not, or by less than a minute.
func (c *Clock) Set() time.Duration {
	at, up := c.now()
	by := at.Round(0).Sub(c.at.Round(0)) - time.Duration((up-c.up)*float64(time.Second))
	c.at, c.up = at, up
	if by.Abs() < leastSet {
		return 0
	}
	return by
}
