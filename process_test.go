package deminer

import "testing"

// TestChildOf: the number of a parent is not enough; who began later is a newcomer with the number of one that has ended.
func TestChildOf(t *testing.T) {
	for _, c := range []struct {
		child, up ProcID
		ppid      int
		want      bool
	}{
		{ProcID{7, 100}, ProcID{5, 90}, 5, true},
		{ProcID{7, 100}, ProcID{5, 100}, 5, true}, // in the same tick
		{ProcID{7, 100}, ProcID{5, 101}, 5, false},
		{ProcID{7, 100}, ProcID{6, 90}, 5, false},
		{ProcID{7, 0}, ProcID{5, 101}, 5, true}, // not known when it began
		{ProcID{5, 100}, ProcID{5, 100}, 5, false},
	} {
		p, up := &Process{ID: c.child, PPID: c.ppid}, Process{ID: c.up}
		s := Snapshot{Processes: []Process{up, *p}}
		if got := p.ChildOf(&up); got != c.want || (s.Parent(p) != nil) != c.want {
			t.Errorf("%v of %v: %v", c.child, c.up, got)
		}
	}
}
