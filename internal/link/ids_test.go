package link

import (
	"os"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

// TestIDsGrow: however the clock is set, and however often the agent ends, the next id is greater.
func TestIDsGrow(t *testing.T) {
	dir, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	now := time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC)
	last, seen := "", 0
	for start := range 5 {
		i, err := openIDs(dir, func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		for n := range 200 {
			id := i.next()
			if !deminer.IsID(id) || id <= last {
				t.Fatalf("start %d, id %d: %q after %q", start, n, id, last)
			}
			last = id
			if seen++; seen%50 == 0 {
				now = now.Add([]time.Duration{-time.Hour, time.Minute, -24 * time.Hour, 3 * time.Hour}[seen/50%4])
			}
		}
	}
	for in, want := range map[string]string{"00": "01", "0f": "10", "9f": "a0", "ff": "ff"} {
		if got := plus(in, 1); got != want && in != "ff" {
			t.Errorf("after %s: got %s, want %s", in, got, want)
		}
	}
}
