package match

import (
	"encoding/binary"
	"math/bits"
)

// eachWord gives the words of a text in order, with the offset behind the last slash of each, until one wants no more. It looks at 64
// bytes at a time and makes a bit of each, so that a byte costs no branch of its own.
func eachWord(text []byte, one func(start, base, end int) bool) {
	start, base := -1, 0
	var before uint64 // 1: the byte before the block belongs to a word
	for block := 0; block < len(text); block += 64 {
		in, slashes := wordBits(text[block:min(block+64, len(text))])
		for edges := in ^ (in<<1 | before); edges != 0; edges &= edges - 1 {
			bit := bits.TrailingZeros64(edges)
			if start < 0 {
				start, base = block+bit, block+bit
				continue
			}
			if in := slashes & (1<<bit - 1); in != 0 {
				base = max(base, block+bits.Len64(in))
			}
			if !one(start, base, block+bit) {
				return
			}
			start = -1
		}
		before = in >> 63
		if slashes != 0 && start >= 0 {
			base = max(base, block+bits.Len64(slashes))
		}
	}
	if start >= 0 {
		one(start, base, len(text))
	}
}

// wordBits has bit i set where b[i] belongs to a word, and where it is a slash: at most 64 bytes, and none behind them does.
func wordBits(b []byte) (words, slashes uint64) {
	if len(b) < 64 {
		var whole [64]byte
		copy(whole[:], b)
		b = whole[:]
	}
	for i := 0; i < 64; i += 8 {
		w, s := wordBytes(binary.LittleEndian.Uint64(b[i : i+8]))
		words |= w << i
		slashes |= s << i
	}
	return words, slashes
}

const (
	each = 0x0101010101010101
	high = 0x80 * each
)

// wordBytes tells of eight bytes, the first one lowest, which belong to words, and which are slashes: words are made of those from '-' to
// '9', letters, '_' and '~'. They are compared all at once: to add 0x80-c to a byte below 0x80 sets its highest bit where it is c or more.
func wordBytes(x uint64) (words, slashes uint64) {
	low := x &^ high
	folded := low | 0x20*each
	slashes = ^((low ^ '/'*each) + 0x7F*each) // equal ones do not reach the highest bit
	words = (low + (0x80-'-')*each) &^ (low + (0x80-'9'-1)*each)
	words |= (folded + (0x80-'a')*each) &^ (folded + (0x80-'z'-1)*each)
	words |= ^((low ^ '_'*each) + 0x7F*each) | ^((low ^ '~'*each) + 0x7F*each)
	return gathered(words &^ x), gathered(slashes &^ x)
}

// gathered puts the highest bits of eight bytes side by side.
func gathered(m uint64) uint64 { return (m & high) >> 7 * 0x0102040810204080 >> 56 }
