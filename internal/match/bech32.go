package match

import (
	"strings"

	"golang.org/x/crypto/sha3"
)

const bech32Digits = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

// Checksum constants of BIP 173 and BIP 350.
const (
	bech32Const  = 1
	bech32mConst = 0x2BC830A3
)

// humanParts are the human-readable parts of coins that are mined.
var humanParts = map[string]string{
	"bc": "BTC", "ltc": "LTC", "zs": "ZEC", "dero": "DERO", "deroi": "DERO", "aleo": "ALEO", "grin": "GRIN", "xel": "XEL", "doge": "DOGE", "rtm": "RTM",
}

func polymod(chk uint32, v byte) uint32 {
	gen := [...]uint32{0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3}
	top := chk >> 25
	chk = (chk&0x1FFFFFF)<<5 ^ uint32(v)
	for i, g := range gen {
		if top>>uint(i)&1 != 0 {
			chk ^= g
		}
	}
	return chk
}

func bech32Wallet(s string) (Wallet, bool) {
	low := strings.ToLower(s)
	if low != s && strings.ToUpper(s) != s {
		return Wallet{}, false
	}
	cut := strings.LastIndexByte(low, '1')
	if cut < 0 {
		return Wallet{}, false
	}
	hrp, data := low[:cut], low[cut+1:]
	coin, ok := humanParts[hrp]
	if !ok || len(data) < 20 {
		return Wallet{}, false
	}
	chk := uint32(1)
	for i := 0; i < len(hrp); i++ {
		chk = polymod(chk, hrp[i]>>5)
	}
	chk = polymod(chk, 0)
	for i := 0; i < len(hrp); i++ {
		chk = polymod(chk, hrp[i]&31)
	}
	for i := 0; i < len(data); i++ {
		d := strings.IndexByte(bech32Digits, data[i])
		if d < 0 {
			return Wallet{}, false
		}
		chk = polymod(chk, byte(d))
	}
	if chk != bech32Const && chk != bech32mConst {
		return Wallet{}, false
	}
	return Wallet{Coin: coin, Kind: "bech32", Address: s, Checked: true}, true
}

// ethereum checks the letter case of EIP-55; an address in one case has no checksum.
func ethereum(s string) (Wallet, bool) {
	hex := s[2:]
	if len(hex) != 40 || strings.Trim(hex, "0123456789abcdefABCDEF") != "" || strings.Trim(hex, "0") == "" {
		return Wallet{}, false
	}
	low := strings.ToLower(hex)
	w := Wallet{Coin: "ETH", Kind: "hex", Address: s}
	if hex == low || hex == strings.ToUpper(hex) {
		return w, true
	}
	h := sha3.NewLegacyKeccak256()
	h.Write([]byte(low))
	sum := h.Sum(nil)
	for i := 0; i < 40; i++ {
		nib := sum[i/2] >> 4
		if i%2 == 1 {
			nib = sum[i/2] & 15
		}
		if c := low[i]; c >= 'a' && (hex[i] != c) != (nib >= 8) {
			return Wallet{}, false
		}
	}
	w.Kind, w.Checked = "eip55", true
	return w, true
}
