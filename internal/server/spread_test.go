package server

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

func hour(n int) time.Time { return time.Date(2026, 3, 1, n, 0, 0, 0, time.UTC) }

func way(from, to string, at int) Edge {
	return Edge{from, to, Visit{From: "192.0.2.1", User: "root", First: hour(at), Last: hour(at), Count: 1}}
}

// TestFollow: hosts are put in the order in which an intrusion can have gone.
func TestFollow(t *testing.T) {
	for name, c := range map[string]struct {
		first map[string]int // when it was seen first on each host
		since map[string]int // the oldest trace, as a report tells
		ways  []Edge
		hosts []string // in order
		kept  []string
	}{
		"a chain that was seen from its end": {map[string]int{"a": 9, "b": 8, "c": 7}, nil, []Edge{way("a", "b", 2), way("b", "c", 3)}, []string{"a", "b", "c"}, []string{"a>b", "b>c"}},
		"two from one":                       {map[string]int{"a": 9, "b": 8, "c": 7}, nil, []Edge{way("a", "b", 2), way("a", "c", 3)}, []string{"a", "c", "b"}, []string{"a>b", "a>c"}},
		"a way back is no way":               {map[string]int{"a": 9, "b": 8}, nil, []Edge{way("a", "b", 2), way("b", "a", 3)}, []string{"a", "b"}, []string{"a>b"}},
		"a login behind the trace":           {map[string]int{"a": 9, "b": 8}, map[string]int{"b": 1}, []Edge{way("a", "b", 2)}, []string{"b", "a"}, nil},
		"no logins":                          {map[string]int{"a": 9, "b": 8}, map[string]int{"a": 3}, nil, []string{"a", "b"}, nil},
		"one that nobody came to":            {map[string]int{"a": 9, "b": 8, "z": 1}, nil, []Edge{way("a", "b", 2)}, []string{"a", "z", "b"}, []string{"a>b"}},
	} {
		inc := Incident{Spread: c.ways}
		for host, at := range c.first {
			inc.Hosts = append(inc.Hosts, Place{Host: host, First: hour(at)})
		}
		slices.SortFunc(inc.Hosts, func(a, b Place) int { return a.First.Compare(b.First) })
		for host, at := range c.since {
			inc.Parts = append(inc.Parts, Part{Host: host, Incident: deminer.Incident{Since: hour(at)}})
		}
		inc.follow()
		var hosts, kept []string
		for _, p := range inc.Hosts {
			hosts = append(hosts, p.Host)
		}
		for _, e := range inc.Spread {
			kept = append(kept, e.From+">"+e.To)
		}
		if !slices.Equal(hosts, c.hosts) || !slices.Equal(kept, c.kept) {
			t.Errorf("%s: %v along %v, want %v along %v", name, hosts, kept, c.hosts, c.kept)
		}
	}
}

// TestVisits: only logins from elsewhere count, each way once, and no host can send more than there is room for.
func TestVisits(t *testing.T) {
	logins := []deminer.Login{
		{Kind: "login", From: "192.0.2.7", User: "root", Method: "publickey", Key: "SHA256:x", Time: hour(5)},
		{Kind: "login", From: "::ffff:192.0.2.7", User: "root", Key: "SHA256:x", Time: hour(3), Count: 2},
		{Kind: "failed", From: "192.0.2.8", User: "root", Time: hour(1)},
		{Kind: "login", From: "127.0.0.1", User: "root", Time: hour(1)},
		{Kind: "login", From: "console", User: "root", Time: hour(1)},
	}
	got := visitsOf(logins)
	if len(got) != 1 || got[0].From != "192.0.2.7" || got[0].Count != 3 || !got[0].First.Equal(hour(3)) || !got[0].Last.Equal(hour(5)) || got[0].Method != "publickey" {
		t.Errorf("%+v", got)
	}
	for i := range 2 * maxVisits {
		logins = append(logins, deminer.Login{Kind: "login", From: fmt.Sprintf("10.0.%d.%d", i/256, i%256), User: "u", Time: hour(1)})
	}
	if got := visitsOf(logins); len(got) != maxVisits {
		t.Errorf("%d ways in", len(got))
	}
}

// TestNeighborsAreAskedOnce in a while.
func TestNeighborsAreAskedOnce(t *testing.T) {
	var n neighbors
	if got := n.due([]string{"a", "b", "", "a"}, hour(1)); !slices.Equal(got, []string{"a", "b"}) {
		t.Error(got)
	}
	if got := n.due([]string{"a", "c"}, hour(1).Add(time.Minute)); !slices.Equal(got, []string{"c"}) {
		t.Error(got)
	}
	if got := n.due([]string{"a"}, hour(3)); !slices.Equal(got, []string{"a"}) {
		t.Error(got)
	}
}

// TestClaims: whoever claims an address takes no other host out of the way that an intrusion went.
func TestClaims(t *testing.T) {
	host := func(id string, addresses ...string) Host {
		return Host{ID: id, Agent: deminer.AgentState{Addresses: addresses}}
	}
	gone := host("gone", "192.0.2.1")
	gone.Revoked = hour(1)
	by := claimsOf([]Host{gone, host("a", "192.0.2.1", "192.0.2.1", "::ffff:192.0.2.1"), host("b", "192.0.2.2", "192.0.2.9"), host("c", "192.0.2.3", "192.0.2.9"), host("liar", "192.0.2.1", "192.0.2.2", "127.0.0.1"),
		host("p", "172.17.0.1"), host("q", "172.17.0.1"), host("r", "172.17.0.1"), host("s", "172.17.0.1"), host("t", "172.17.0.1")})
	in := map[string]bool{"a": true, "b": true, "c": true, "p": true, "gone": true}
	for _, c := range []struct{ address, visited, want string }{
		{"192.0.2.1", "b", "a"},  // the liar is none of them
		{"192.0.2.1", "a", ""},   // to itself
		{"192.0.2.9", "a", ""},   // b or c
		{"192.0.2.9", "b", "c"},  // not itself
		{"172.17.0.1", "a", "p"}, // the only one of it
		{"127.0.0.1", "a", ""}, {"198.51.100.1", "a", ""},
	} {
		if got := by.from(c.address, c.visited, in); got != c.want {
			t.Errorf("from %s to %s: %q, want %q", c.address, c.visited, got, c.want)
		}
	}
	in["liar"] = true
	if got := by.from("192.0.2.1", "b", in); got != "" {
		t.Errorf("of two it may have been %q", got)
	}
	if got := by.few("192.0.2.1"); !slices.Equal(got, []string{"a", "liar"}) || by.few("172.17.0.1") != nil {
		t.Errorf("to look at: %q, %q", got, by.few("172.17.0.1"))
	}
}
