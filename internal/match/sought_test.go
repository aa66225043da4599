package match

import (
	"strings"
	"testing"

	"github.com/deminer/deminer"
)

// TestSeeking: what several hosts told is a proof, the word of one is a sign, nonsense is nothing, and the set of before stays as it is.
func TestSeeking(t *testing.T) {
	s := shipped(t)
	sum, other, blob := strings.Repeat("ab", 32), strings.Repeat("cd", 32), "AAAAC3NzaC1lZDI1NTE5AAAAI"+strings.Repeat("A", 43)
	of := func(kind, value string, hosts int) deminer.Sought {
		return deminer.Sought{Indicator: deminer.Indicator{Kind: kind, Value: value}, Hosts: hosts}
	}
	with := s.Seeking([]deminer.Sought{of("sha256", sum, 3), of("sha256", other, 1), of("key", blob, 2), of("key", "AAAA", 9), of("sha256", "", 9), of("path", "/", 9), of("domain", "example.org", 9)})
	for what, c := range map[string]struct {
		hits []Hit
		want Strength
	}{"told by three": {with.Hash(strings.ToUpper(sum)), Proof}, "told by one": {with.Hash(other), Strong}, "a key": {with.Key("ssh-ed25519 " + blob + " x"), Strong}} {
		if len(c.hits) != 1 || c.hits[0].Strength != c.want {
			t.Errorf("%s: %+v", what, c.hits)
		}
	}
	if len(s.Hash(sum)) > 0 || len(s.Key(blob)) > 0 || s.Seeks() {
		t.Error("the set of before was changed")
	}
	if !with.Seeks() || len(with.Key("AAAAB3NzaC1yc2E")) > 0 || len(with.Key(blob+"AAAA")) > 0 || len(with.Hash("")) > 0 {
		t.Errorf("seeks %v, a short key %v, no hash %v", with.Seeks(), with.Key("AAAAB3NzaC1yc2E"), with.Hash(""))
	}
}
