package sigma

import (
	"unicode"
	"unicode/utf8"
)

// foldRune gives the letter that stands for all letters equal to r when case is ignored: the lower-case ASCII letter if there is one among them, otherwise the least of them.
// Two texts have the same folded form exactly when strings.EqualFold holds (simple folding of the Unicode standard, CaseFolding.txt).
func foldRune(r rune) rune {
	least := r
	for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
		least = min(least, o)
	}
	if 'A' <= least && least <= 'Z' {
		return least + 'a' - 'A'
	}
	return least
}

// appendFold appends the folded form of s to dst. Bytes that are no UTF-8 are kept.
func appendFold(dst []byte, s string) []byte {
	from := len(dst)
	dst = append(dst, s...)
	b := dst[from:]
	for i, c := range b {
		if c >= utf8.RuneSelf {
			return appendFoldRunes(dst[:from+i], s[i:])
		}
		b[i] = lower[c]
	}
	return dst
}

// appendFoldRunes is appendFold for texts that are not ASCII alone.
func appendFoldRunes(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			dst = append(dst, lower[c])
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			dst = append(dst, c)
		} else {
			dst = utf8.AppendRune(dst, foldRune(r))
		}
		i += n
	}
	return dst
}

// lower is ASCII in lower case; other bytes are as they are.
var lower = func() (t [256]byte) {
	for i := range t {
		if t[i] = byte(i); 'A' <= i && i <= 'Z' {
			t[i] += 'a' - 'A'
		}
	}
	return t
}()

func fold(s string) string { return string(appendFold(nil, s)) }

// appendFoldASCII appends s with its ASCII letters in lower case, byte for byte: values in UTF-16 are bytes, not UTF-8.
func appendFoldASCII(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		dst = append(dst, lower[s[i]])
	}
	return dst
}
