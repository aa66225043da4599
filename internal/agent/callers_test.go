package agent

import (
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/scan"
)

// TestCallers: whoever connects to somebody and computes is looked at within a minute, each time that it is asked, also when it begins to
// compute later; one that hardly computes is not, nor one that talks within the host.
func TestCallers(t *testing.T) {
	began := time.Time{}
	id := deminer.ProcID{PID: 77, Start: 9}
	for name, one := range map[string]struct {
		remote string
		used   func(since time.Duration) time.Duration
		within time.Duration // until the first look; 0: none
		looks  int           // in a quarter of an hour
	}{
		"at once":         {"203.0.113.7:443", func(d time.Duration) time.Duration { return d / 2 }, 5 * time.Second, 4},
		"later":           {"203.0.113.7:443", func(d time.Duration) time.Duration { return max(0, d-25*time.Second) / 2 }, 50 * time.Second, 1},
		"throttled":       {"[2001:db8::1]:443", func(d time.Duration) time.Duration { return d / 5 }, 5 * time.Second, 4},
		"hardly":          {"203.0.113.7:443", func(d time.Duration) time.Duration { return d / 10 }, 0, 0},
		"only before":     {"203.0.113.7:443", func(time.Duration) time.Duration { return time.Hour }, 0, 0},
		"within the host": {"127.0.0.1:5432", func(d time.Duration) time.Duration { return d }, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.report = func(scan.Options) deminer.Report { return deminer.Report{} }
			w.usedBy = func(asked deminer.ProcID) (time.Duration, bool) { return one.used(time.Since(began)), asked == id }
			running(t, w, func(*Agent) {
				began = time.Now()
				connect := deminer.Event{Kind: deminer.EventConnect, Proc: id, Proto: "tcp", Remote: one.remote, Time: time.Now()}
				w.events <- connect
				time.Sleep(one.within)
				if got := w.around(); (len(got) == 1) != (one.within > 0) || len(got) == 1 && got[0].Around.PIDs[0] != id.PID {
					t.Fatalf("%d looks: %+v", len(got), got)
				}
				// It connects again and again: that is no reason to look again soon.
				for range 10 {
					time.Sleep(time.Minute)
					w.events <- connect
				}
				if got := w.around(); len(got) != one.looks {
					t.Errorf("%d looks, want %d", len(got), one.looks)
				}
			})
		})
	}
}
