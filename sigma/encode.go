package sigma

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDashes bounds the signs of one value that windash may vary where all variants must be spelled out: 5^4 variants.
const maxDashes = 4

// utf16Text gives the bytes of s in UTF-16.
func utf16Text(s string, order binary.AppendByteOrder) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

// base64Offsets gives what stays of s in base64 whichever of the three places of a group it begins at: without the characters that depend on its neighbours.
func base64Offsets(s string) []string {
	var out []string
	for pad, lead := range [...]int{0, 2, 3} {
		text := base64.RawStdEncoding.EncodeToString([]byte("  "[:pad] + s))
		if (pad+len(s))%3 != 0 {
			text = text[:len(text)-1]
		}
		if len(text) > lead {
			out = append(out, text[lead:])
		}
	}
	return out
}

func wordRune(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// vary replaces each sign that begins an option (no word before it, a word behind it) by partDash.
func vary(p pattern) pattern {
	var out pattern
	for _, one := range p {
		if one.part != partText {
			out = out.with(one)
			continue
		}
		from := 0
		for i := 0; i < len(one.text); {
			n := dashAt([]byte(one.text[i:]))
			if n == 0 {
				_, n = utf8.DecodeRuneInString(one.text[i:])
				i += n
				continue
			}
			before, _ := utf8.DecodeLastRuneInString(one.text[:i])
			after, _ := utf8.DecodeRuneInString(one.text[i+n:])
			if !(i > 0 && wordRune(before)) && i+n < len(one.text) && wordRune(after) {
				out = out.join(plain(one.text[from:i])).with(piece{part: partDash})
				from = i + n
			}
			i += n
		}
		out = out.join(plain(one.text[from:]))
	}
	return out
}

// spell writes out all variants of the varied signs of a pattern.
func spell(p pattern, most int) ([]pattern, error) {
	count := 0
	for _, one := range p {
		if one.part == partDash {
			count++
		}
	}
	if count > most {
		return nil, fmt.Errorf("more than %d signs that windash varies", most)
	}
	return product(p, partDash, func(string) ([]pattern, error) {
		var out []pattern
		for _, d := range dashes {
			out = append(out, plain(d))
		}
		return out, nil
	})
}

// product replaces each piece of one kind by every pattern that choices gives for it.
func product(p pattern, what part, choices func(text string) ([]pattern, error)) ([]pattern, error) {
	out := []pattern{nil}
	for _, one := range p {
		if one.part != what {
			for i := range out {
				out[i] = out[i].with(one)
			}
			continue
		}
		list, err := choices(one.text)
		if err != nil {
			return nil, err
		}
		var next []pattern
		for _, head := range out {
			for _, c := range list {
				if next = append(next, head.join(c)); len(next) > maxValues {
					return nil, fmt.Errorf("a value becomes more than %d", maxValues)
				}
			}
		}
		out = next
	}
	return out, nil
}

// names replaces %name% by a piece of its own; "\%" is a plain percent sign.
func names(p pattern) pattern {
	var out pattern
	for _, one := range p {
		if one.part != partText {
			out = out.with(one)
			continue
		}
		text := one.text
		for text != "" {
			at, name := placeholder(text)
			if at < 0 {
				break
			}
			out = out.join(plain(strings.ReplaceAll(text[:at], `\%`, "%"))).with(piece{partName, name})
			text = text[at+len(name)+2:]
		}
		out = out.join(plain(strings.ReplaceAll(text, `\%`, "%")))
	}
	return out
}

// placeholder finds the first %name% in s; at is -1 if there is none.
func placeholder(s string) (at int, name string) {
	for i := 0; i < len(s); i++ {
		if s[i] != '%' || i > 0 && s[i-1] == '\\' {
			continue
		}
		end := i + 1
		for end < len(s) {
			r, n := utf8.DecodeRuneInString(s[end:])
			if !wordRune(r) {
				break
			}
			end += n
		}
		if end > i+1 && end < len(s) && s[end] == '%' {
			return i, s[i+1 : end]
		}
	}
	return -1, ""
}

var errWildcards = errors.New("a value with wildcards cannot be encoded in base64 (put contains, startswith and endswith behind it)")
