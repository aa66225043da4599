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
			out.add(one)
			continue
		}
		from := 0
		for i := 0; i < len(one.text); {
			n := dashAt(one.text[i:])
			if n == 0 {
				_, n = utf8.DecodeRuneInString(one.text[i:])
				i += n
				continue
			}
			before, _ := utf8.DecodeLastRuneInString(one.text[:i])
			after, _ := utf8.DecodeRuneInString(one.text[i+n:])
			if !(i > 0 && wordRune(before)) && i+n < len(one.text) && wordRune(after) {
				out.addText(one.text[from:i])
				out.add(piece{part: partDash})
				from = i + n
			}
			i += n
		}
		out.addText(one.text[from:])
	}
	return out
}

// addText is add for a text that may be empty.
func (p *pattern) addText(s string) {
	if s != "" {
		p.add(piece{partText, s})
	}
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
	for i, one := range p {
		if one.part != what {
			for k := range out {
				out[k].add(one)
			}
			continue
		}
		list, err := choices(one.text)
		if err != nil {
			return nil, err
		}
		var next []pattern
		size := 0
		for _, head := range out {
			for _, c := range list {
				next = append(next, head.join(c...))
				if size += head.size() + c.size() + p[i:].size(); len(next) > maxValues || size > maxVariants {
					return nil, fmt.Errorf("a value becomes more than %d, or more than %d bytes", maxValues, maxVariants)
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
			out.add(one)
			continue
		}
		text := one.text
		for text != "" {
			at, name := placeholder(text)
			if at < 0 {
				break
			}
			out.addText(strings.ReplaceAll(text[:at], `\%`, "%"))
			out.add(piece{partName, name})
			text = text[at+len(name)+2:]
		}
		out.addText(strings.ReplaceAll(text, `\%`, "%"))
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
