package deminer

import (
	"net/netip"
	"testing"
)

func TestSourceOf(t *testing.T) {
	for from, want := range map[string]string{
		"198.51.100.9": "198.51.100.9/32", "::ffff:198.51.100.9": "198.51.100.9/32", "2001:db8:5::1": "2001:db8:5::/64", "fe80::1%eth0": "fe80::/64",
		"64:ff9b::c633:6409": "64:ff9b::c633:6409/128", "64:ff9b:1:2::1": "64:ff9b:1:2::1/128", "64:ff9b:2::1": "64:ff9b:2::/64",
	} {
		if got := SourceOf(netip.MustParseAddr(from)); got.String() != want {
			t.Errorf("%s: %s, want %s", from, got, want)
		}
	}
	if SourceOf(netip.Addr{}).IsValid() {
		t.Error("no address has a source")
	}
}
