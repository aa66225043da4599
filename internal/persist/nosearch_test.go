package persist

import (
	"os"
	"slices"
	"testing"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/hosttest"
)

// TestNoSearch: without searches the mechanisms that search find nothing that lies in a tree, and each says so; entries at
// known places are found all the same.
func TestNoSearch(t *testing.T) {
	text, err := os.ReadFile("testdata/set-id.txtar")
	if err != nil {
		t.Fatal(err)
	}
	h, err := hosttest.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, narrow := range []bool{false, true} {
		found, gaps := List(t.Context(), Env{Host: &h.Host, NoSearch: narrow})
		setid := slices.ContainsFunc(found, func(f deminer.Foothold) bool { return f.Mechanism == "set-id" })
		if setid == narrow {
			t.Errorf("narrow %v: set-id programs listed: %v", narrow, setid)
		}
		for _, part := range []string{"persist/set-id", "persist/git", "persist/kernel-modules"} {
			said := slices.ContainsFunc(gaps, func(g deminer.Gap) bool {
				return g.Part == part && g.State == deminer.Skipped && g.Why == "a scan of given paths searches no other directories"
			})
			if said != narrow {
				t.Errorf("narrow %v: %s says so: %v", narrow, part, said)
			}
		}
	}
}
