// Package wallet makes addresses in Monero's format that belong to nobody.
//
// The two public keys of a made address are Keccak-256 hashes of a fixed text,
// so no private key for them was ever drawn and no one can spend from them; they
// exist so that a detector which checks the checksum has something to find.
package wallet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/sha3"
)

// Network bytes of CryptoNote addresses, from Monero's cryptonote_config.h.
const (
	Mainnet    = 0x12 // addresses that begin with 4
	Subaddress = 0x2a // addresses that begin with 8
)

const (
	alphabet    = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	seed        = "deminer lab wallet, generated, owned by nobody"
	keysLen     = 64
	checksumLen = 4
	fullBlock   = 8
)

// encodedLen gives the characters that a block of n bytes takes (CryptoNote's
// base58 works on blocks, unlike Bitcoin's).
var encodedLen = [fullBlock + 1]int{0, 2, 3, 5, 6, 7, 9, 10, 11}

// ErrInvalid is wrapped by every error of Check.
var ErrInvalid = errors.New("invalid wallet")

// Make returns the n-th unowned address of the given network byte: 95 characters,
// valid checksum, the same on every call.
func Make(network byte, n int) string {
	raw := []byte{network}
	for _, key := range []string{"spend", "view"} {
		raw = append(raw, keccak([]byte(fmt.Sprintf("%s %d %s", seed, n, key)))...)
	}
	raw = append(raw, keccak(raw)[:checksumLen]...)
	return encode(raw)
}

// Check says whether address decodes to a network byte, two keys and a right checksum.
func Check(address string) (network byte, err error) {
	raw, err := decode(address)
	if err != nil {
		return 0, err
	}
	if len(raw) != 1+keysLen+checksumLen {
		return 0, fmt.Errorf("%w: %d bytes", ErrInvalid, len(raw))
	}
	body, sum := raw[:1+keysLen], raw[1+keysLen:]
	if string(keccak(body)[:checksumLen]) != string(sum) {
		return 0, fmt.Errorf("%w: wrong checksum", ErrInvalid)
	}
	return raw[0], nil
}

func keccak(b []byte) []byte {
	h := sha3.NewLegacyKeccak256()
	h.Write(b)
	return h.Sum(nil)
}

func encode(raw []byte) string {
	var out strings.Builder
	for len(raw) > 0 {
		n := min(fullBlock, len(raw))
		var block [fullBlock]byte
		copy(block[fullBlock-n:], raw[:n])
		v := binary.BigEndian.Uint64(block[:])
		text := make([]byte, encodedLen[n])
		for i := len(text) - 1; i >= 0; i-- {
			text[i] = alphabet[v%58]
			v /= 58
		}
		out.Write(text)
		raw = raw[n:]
	}
	return out.String()
}

func decode(text string) ([]byte, error) {
	var raw []byte
	for len(text) > 0 {
		n := min(encodedLen[fullBlock], len(text))
		size := -1
		for i, l := range encodedLen {
			if l == n {
				size = i
			}
		}
		if size < 0 {
			return nil, fmt.Errorf("%w: a last block of %d characters", ErrInvalid, n)
		}
		var v uint64
		for _, c := range []byte(text[:n]) {
			d := strings.IndexByte(alphabet, c)
			if d < 0 {
				return nil, fmt.Errorf("%w: character %q", ErrInvalid, c)
			}
			v = v*58 + uint64(d)
		}
		var block [fullBlock]byte
		binary.BigEndian.PutUint64(block[:], v)
		raw = append(raw, block[fullBlock-size:]...)
		text = text[n:]
	}
	return raw, nil
}
