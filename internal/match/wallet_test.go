package match

import (
	"crypto/sha256"
	"strings"
	"testing"

	"golang.org/x/crypto/sha3"
)

// moneroFor builds an address with a right checksum out of a network byte and n bytes of keys.
func moneroFor(prefix byte, n int) string {
	body := []byte{prefix}
	for i := 0; i < n; i++ {
		body = append(body, byte(i*7+3))
	}
	h := sha3.NewLegacyKeccak256()
	h.Write(body)
	return cryptoNoteEncode(append(body, h.Sum(nil)[:4]...))
}

func cryptoNoteEncode(b []byte) string {
	digits := [...]int{0, 2, 3, 5, 6, 7, 9, 10, 11}
	var out strings.Builder
	for len(b) > 0 {
		n := min(8, len(b))
		var v uint64
		for _, c := range b[:n] {
			v = v<<8 | uint64(c)
		}
		part := make([]byte, digits[n])
		for i := len(part) - 1; i >= 0; i-- {
			part[i] = base58Digits[v%58]
			v /= 58
		}
		out.Write(part)
		b = b[n:]
	}
	return out.String()
}

func TestMoneroKinds(t *testing.T) {
	for kind, addr := range map[string]string{"standard": moneroFor(0x12, 64), "subaddress": moneroFor(0x2A, 64), "integrated": moneroFor(0x13, 72)} {
		w, ok := ParseWallet(addr)
		if !ok || w.Coin != "XMR" || w.Kind != kind || !w.Checked {
			t.Errorf("%s %s: %+v %v", kind, addr, w, ok)
		}
		broken := []byte(addr)
		if broken[40]++; broken[40] == 'l' || broken[40] == 'O' || broken[40] == 'I' || broken[40] > 'z' {
			broken[40] = '2'
		}
		if w, ok := ParseWallet(string(broken)); ok {
			t.Errorf("%s with one wrong letter: %+v", kind, w)
		}
	}
}

// TestPublicAddresses uses addresses that everybody knows: burn and example addresses of the standards, and those of the shipped lists.
func TestPublicAddresses(t *testing.T) {
	for addr, coin := range map[string]string{
		"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa":                                                              "BTC",
		"3P14159f73E4gFr7JterCCQh9QjiTjiZrG":                                                              "BTC",
		"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4":                                                      "BTC",
		"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed":                                                      "ETH",
		"48JfxTN2pmPeVXGrHQW2X45XyFPvGLvohjU6SBDnh6XKWX6KcbzXuwPim31npkBxykUQBjosdAF9XXL5JauKePP8CmnvREV": "XMR",
		"46EPFzvnX5GH61ejkPpNcRNm8kVjs8oHS9VwCkKRCrJX27XEW2y1NPLfSa54DGHxqnKfzDUVW1jzBfekk3hrCVCmAUrFd3H": "XMR",
	} {
		w, ok := ParseWallet(addr)
		if !ok || w.Coin != coin || !w.Checked {
			t.Errorf("%s: %+v %v, want %s", addr, w, ok, coin)
		}
	}
	for _, s := range []string{
		"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD",
		"QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnkYRw", "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
		"da39a3ee5e6b4b0d3255bfef95601890afd80709", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", "", "4", strings.Repeat("4", 95), "0x0000000000000000000000000000000000000000",
	} {
		if w, ok := ParseWallet(s); ok {
			t.Errorf("%q is taken for a wallet: %+v", s, w)
		}
	}
}

func TestFindWallets(t *testing.T) {
	text := "user=" + testWallet + ".rig1+5000;x 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed\x00" + strings.Repeat("z", 500)
	got := FindWallets([]byte(text))
	if len(got) != 2 || got[0].Offset != 5 || got[0].Coin != "XMR" || got[1].Coin != "ETH" {
		t.Errorf("FindWallets = %+v", got)
	}
}

func TestBase58Versions(t *testing.T) {
	for version, coin := range versions {
		body := make([]byte, 0, 26)
		if version > 255 {
			body = append(body, byte(version>>8))
		}
		body = append(body, byte(version))
		for i := 0; i < 20; i++ {
			body = append(body, byte(i+1))
		}
		a := sha256.Sum256(body)
		b := sha256.Sum256(a[:])
		addr := base58Encode(append(body, b[:4]...))
		if w, ok := ParseWallet(addr); !ok || w.Coin != coin {
			t.Errorf("version %#x: %s gives %+v %v, want %s", version, addr, w, ok, coin)
		}
	}
}

func base58Encode(b []byte) string {
	var digits []byte
	for _, c := range b {
		carry := int(c)
		for i := range digits {
			carry += int(digits[i]) << 8
			digits[i] = byte(carry % 58)
			carry /= 58
		}
		for carry > 0 {
			digits = append(digits, byte(carry%58))
			carry /= 58
		}
	}
	var out strings.Builder
	for i := 0; i < len(b) && b[i] == 0; i++ {
		out.WriteByte('1')
	}
	for i := len(digits) - 1; i >= 0; i-- {
		out.WriteByte(base58Digits[digits[i]])
	}
	return out.String()
}
