package server

import (
	"slices"
	"strings"
	"testing"

	"github.com/deminer/deminer"
)

// TestBlocksOf: what no agent can have blocked is not believed, and one thing has one spelling.
func TestBlocksOf(t *testing.T) {
	var list []deminer.Blocked
	for _, what := range []string{"192.0.2.7", "192.0.2.7:443", "::ffff:192.0.2.8", "[2001:DB8::1]:3", "from 192.0.2.9", "from 2001:db8:1::/64", "cgroup /a\x1b",
		"", "x", "fe80::1%$(touch x)", "[fe80::1%;x]:1", "from fe80::1%x", "from everywhere", "192.0.2.7; reboot", "cgroup a", "example.org:443", " 192.0.2.7"} {
		list = append(list, deminer.Blocked{What: what})
	}
	var got []string
	for _, b := range blocksOf(list) {
		got = append(got, b.What)
	}
	if want := []string{"192.0.2.7", "192.0.2.7:443", "192.0.2.8", "[2001:db8::1]:3", "from 192.0.2.9", "from 2001:db8:1::/64", "cgroup /a" + deminer.Safe("\x1b")}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := blocksOf([]deminer.Blocked{{What: "cgroup /" + strings.Repeat("x", 1000)}}); len(got) != 1 || len(got[0].What) > 320 {
		t.Errorf("a long name became %+v", got)
	}
	if got := blocksOf(make([]deminer.Blocked, 2*maxThings)); len(got) != 0 {
		t.Errorf("%d that are nothing", len(got))
	}
}
