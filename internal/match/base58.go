package match

import (
	"bytes"
	"crypto/sha256"
	"math/bits"
	"strings"

	"golang.org/x/crypto/sha3"
)

const base58Digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

var base58Value = func() (t [256]int8) {
	for i := range t {
		t[i] = int8(strings.IndexByte(base58Digits, byte(i)))
	}
	return t
}()

// blockSizes is the number of bytes in a CryptoNote block of so many digits; -1 where there is none.
var blockSizes = [12]int{0, -1, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8}

// cryptoNoteDecode decodes base58 in blocks of 11 digits, as CryptoNote coins do.
func cryptoNoteDecode(s string) []byte {
	out := make([]byte, 0, len(s))
	for len(s) > 0 {
		n := min(11, len(s))
		size := blockSizes[n]
		if size <= 0 {
			return nil
		}
		var v uint64
		for i := 0; i < n; i++ {
			d := base58Value[s[i]]
			if d < 0 {
				return nil
			}
			hi, lo := bits.Mul64(v, 58)
			sum, carry := bits.Add64(lo, uint64(d), 0)
			if hi != 0 || carry != 0 {
				return nil
			}
			v = sum
		}
		if size < 8 && v>>(8*uint(size)) != 0 {
			return nil
		}
		for i := size - 1; i >= 0; i-- {
			out = append(out, byte(v>>(8*uint(i))))
		}
		s = s[n:]
	}
	return out
}

// cryptoNotePrefixes are network prefixes (varint) of CryptoNote coins, from the sources of each coin.
var cryptoNotePrefixes = map[uint64][2]string{
	0x12: {"XMR", "standard"}, 0x13: {"XMR", "integrated"}, 0x2A: {"XMR", "subaddress"},
	4146: {"WOW", "standard"}, 6810: {"WOW", "integrated"}, 12208: {"WOW", "subaddress"},
	3914525: {"TRTL", "standard"},
}

// cryptoNote checks prefix, keys and the first four bytes of Keccak-256.
func cryptoNote(s string) (Wallet, bool) {
	raw := cryptoNoteDecode(s)
	if len(raw) < 69 || len(raw) > 90 {
		return Wallet{}, false
	}
	body, sum := raw[:len(raw)-4], raw[len(raw)-4:]
	h := sha3.NewLegacyKeccak256()
	h.Write(body)
	if !bytes.Equal(h.Sum(nil)[:4], sum) {
		return Wallet{}, false
	}
	var prefix uint64
	for i := 0; i < 8 && i < len(body); i++ {
		prefix |= uint64(body[i]&0x7F) << (7 * uint(i))
		if body[i]&0x80 == 0 {
			break
		}
	}
	name, ok := cryptoNotePrefixes[prefix]
	if !ok {
		name = [2]string{"CRYPTONOTE", "standard"}
	}
	return Wallet{Coin: name[0], Kind: name[1], Address: s, Checked: true}, true
}

// versions of Base58Check, one byte or two, from the sources of each coin. RVN, RTM and VRSC share one.
var versions = map[uint16]string{
	0x00: "BTC", 0x05: "BTC", 0x30: "LTC", 0x32: "LTC", 0x1E: "DOGE", 0x16: "DOGE", 0x4C: "DASH", 0x10: "DASH", 0x3C: "RVN", 0x7A: "RVN", 0x66: "VRSC", 0x1CB8: "ZEC", 0x1CBD: "ZEC",
}

func base58Decode(s string) []byte {
	var buf [64]byte // little end first
	n := 0
	for i := 0; i < len(s); i++ {
		d := base58Value[s[i]]
		if d < 0 {
			return nil
		}
		carry := uint32(d)
		for k := 0; k < n; k++ {
			carry += uint32(buf[k]) * 58
			buf[k] = byte(carry)
			carry >>= 8
		}
		for carry > 0 {
			if n == len(buf) {
				return nil
			}
			buf[n] = byte(carry)
			carry >>= 8
			n++
		}
	}
	zeros := 0
	for zeros < len(s) && s[zeros] == '1' {
		zeros++
	}
	out := make([]byte, zeros, zeros+n)
	for k := n - 1; k >= 0; k-- {
		out = append(out, buf[k])
	}
	return out
}

func base58Check(s string) (Wallet, bool) {
	raw := base58Decode(s)
	if len(raw) != 25 && len(raw) != 26 {
		return Wallet{}, false
	}
	body := raw[:len(raw)-4]
	first := sha256.Sum256(body)
	second := sha256.Sum256(first[:])
	if !bytes.Equal(second[:4], raw[len(raw)-4:]) {
		return Wallet{}, false
	}
	version := uint16(raw[0])
	if len(raw) == 26 {
		version = uint16(raw[0])<<8 | uint16(raw[1])
	}
	coin, ok := versions[version]
	return Wallet{Coin: coin, Kind: "base58check", Address: s, Checked: true}, ok
}
