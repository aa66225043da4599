package match

import "strings"

// Wallet is a payout address whose checksum is right.
type Wallet struct {
	Coin    string // XMR, BTC, ETH ...; CRYPTONOTE for a coin whose prefix is not in the table
	Kind    string // standard, subaddress, integrated, base58check, bech32, eip55, hex
	Address string
	Offset  int
	// Checked is false for an address form without a checksum (an Ethereum address in one letter case): accept it only next to other evidence.
	Checked bool
}

const (
	minWallet  = 25
	maxWallet  = 130
	maxWallets = 64
)

// FindWallets gives the valid payout addresses in text or binary data, at most 64, in order. It looks at runs of letters and digits only, so it is quick on data without any.
func FindWallets(b []byte) []Wallet {
	var out []Wallet
	for i := 0; len(out) < maxWallets; {
		start, end, ok := run(b, i, minWallet, &alnum)
		if !ok {
			break
		}
		if end-start <= maxWallet {
			if w, ok := ParseWallet(string(b[start:end])); ok {
				w.Offset = start
				out = append(out, w)
			}
		}
		i = end
	}
	return out
}

var alnum = func() (t [256]bool) {
	for c := range t {
		t[c] = '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
	}
	return t
}()

// ParseWallet decides whether s is a payout address with a valid checksum (or an Ethereum address in one letter case, which has none).
// A pool login such as ADDRESS.worker or ADDRESS+diff must be cut before.
func ParseWallet(s string) (Wallet, bool) {
	if len(s) < minWallet || len(s) > maxWallet {
		return Wallet{}, false
	}
	if strings.HasPrefix(s, "0x") {
		return ethereum(s)
	}
	if i := strings.LastIndexByte(strings.ToLower(s), '1'); i >= 2 && i <= 10 {
		if w, ok := bech32Wallet(s); ok {
			return w, true
		}
	}
	if len(s) >= 90 {
		return cryptoNote(s)
	}
	if len(s) <= 36 {
		return base58Check(s)
	}
	return Wallet{}, false
}
