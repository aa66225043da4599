package sense

import (
	"slices"
	"testing"

	"github.com/deminer/deminer"
)

// TestComplete: a look completes a command line that was cut; one that came too late takes nothing of it away.
func TestComplete(t *testing.T) {
	part := []deminer.Raw{"/bin/x", "one"}
	for name, c := range map[string]struct {
		look []string
		want []deminer.Raw
		cut  bool
	}{
		"whole":    {[]string{"/bin/x", "one", "two"}, []deminer.Raw{"/bin/x", "one", "two"}, false},
		"it ended": {nil, part, true},
	} {
		e := deminer.Event{Argv: slices.Clone(part)}
		complete(&e, &deminer.Process{Argv: c.look}, true)
		if !slices.Equal(e.Argv, c.want) || e.ArgvCut != c.cut {
			t.Errorf("%s: %q, cut %v; want %q, cut %v", name, e.Argv, e.ArgvCut, c.want, c.cut)
		}
	}
}
