package wallet

import (
	"errors"
	"testing"
)

// donation is the address that the Monero project publishes for donations; it
// proves that encoding and checksum are Monero's and not only our own.
const donation = "44AFFq5kSiGBoZ4NMDwYtN18obc8AemS33DBLWs3H7otXft3XjrpDtQGv7SqSsaBYBb98uNbr2VBBEt7f2wfn3RVGQBEP3A"

func TestCheck(t *testing.T) {
	if net, err := Check(donation); err != nil || net != Mainnet {
		t.Errorf("Check(published address) = %#x, %v", net, err)
	}
	broken := []byte(donation)
	broken[40] ^= 1
	for _, bad := range []string{"", "4", donation[:94], donation + "1", string(broken), "0" + donation[1:]} {
		if _, err := Check(bad); !errors.Is(err, ErrInvalid) {
			t.Errorf("Check(%q) = %v, want ErrInvalid", bad, err)
		}
	}
}

func TestMake(t *testing.T) {
	seen := map[string]bool{}
	for n := range 50 {
		w := Make(Mainnet, n)
		if len(w) != 95 || w[0] != '4' {
			t.Errorf("Make(%d) = %q, want 95 characters that begin with 4", n, w)
		}
		if net, err := Check(w); err != nil || net != Mainnet {
			t.Errorf("Check(Make(%d)) = %#x, %v", n, net, err)
		}
		if w != Make(Mainnet, n) || seen[w] {
			t.Errorf("Make(%d) is not the same each time, or is a repeat", n)
		}
		seen[w] = true
	}
	if w := Make(Subaddress, 0); w[0] != '8' {
		t.Errorf("Make(Subaddress) = %q, want 8...", w)
	}
}
