package contract

import (
	"testing"
	"time"
)

// TestClock: a clock that is set is told with by how much, once; sleep, and a clock that the network keeps right, are nothing.
func TestClock(t *testing.T) {
	at, up := time.Date(2026, 3, 3, 4, 0, 0, 0, time.UTC), 100.0
	c := newClock(func() (time.Time, float64) { return at, up })
	for _, one := range []struct {
		wall time.Duration
		up   float64
		want time.Duration
	}{
		{10 * time.Second, 10, 0},
		{10*time.Second + 500*time.Millisecond, 10, 0},
		{8 * time.Hour, 8 * 3600, 0}, // the host slept
		{-48 * time.Hour, 10, -48*time.Hour - 10*time.Second},
		{10 * time.Second, 10, 0},
		{48*time.Hour + 10*time.Second, 10, 48 * time.Hour},
	} {
		at, up = at.Add(one.wall), up+one.up
		if got := c.Set(); got.Round(time.Millisecond) != one.want {
			t.Errorf("%s in %g s: %s, want %s", one.wall, one.up, got, one.want)
		}
	}
}
