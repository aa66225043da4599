package deminer

import (
	"testing"
	"time"
)

func TestID(t *testing.T) {
	now := time.UnixMilli(1_790_000_000_000)
	a, b := NewID(now), NewID(now.Add(time.Millisecond))
	if !IsID(a) || a[12] != '7' || a >= b || NewID(now) == a {
		t.Errorf("%q %q: want ids of version 7 that grow and differ", a, b)
	}
	for _, bad := range []string{"", a[1:], a + "0", "../" + a[3:], "A" + a[1:], a[:31] + "."} {
		if IsID(bad) {
			t.Errorf("%q passes as an id", bad)
		}
	}
}
