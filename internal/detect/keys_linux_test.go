package detect

import (
	"fmt"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/hosttest"
)

// TestManyKeys: what each of many login keys is asked for does not take a look at all others.
func TestManyKeys(t *testing.T) {
	at := time.Date(2026, 3, 10, 3, 0, 0, 0, time.UTC)
	hosttest.Growth(t, "login keys", 5000, func(n int) {
		s := &deminer.Snapshot{}
		for i := range n {
			s.Footholds = append(s.Footholds, deminer.Foothold{ID: "PL-18", Path: "/root/.ssh/authorized_keys", LineNo: i + 1, Key: fmt.Sprint("SHA256:", i), Attr: deminer.Attr{Ctime: at, Mtime: at}})
			s.Logins = append(s.Logins, deminer.Login{Kind: "login", Key: fmt.Sprint("SHA256:x", i), Time: at.Add(-time.Hour)})
		}
		p := &Pass{Snapshot: s}
		p.Prepare()
		for i := range s.Footholds {
			f := &s.Footholds[i]
			if p.heldBefore(f, at) != nil || !p.usedBefore(f.Key, at).IsZero() {
				t.Fatalf("key %d: neither held elsewhere nor used before", i)
			}
		}
	})
}
