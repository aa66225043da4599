package deminer

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Raw is a string of arbitrary bytes taken from a host: a path, a line of a file. In JSON it is written losslessly:
// a backslash as \\, a byte that is not part of valid UTF-8, or a control character, as \xNN.
type Raw string

// MarshalText writes the lossless form.
func (r Raw) MarshalText() ([]byte, error) {
	out := make([]byte, 0, len(r))
	for i := 0; i < len(r); {
		c, n := utf8.DecodeRuneInString(string(r[i:]))
		switch {
		case c == '\\':
			out = append(out, '\\', '\\')
		case c == utf8.RuneError && n <= 1, c < 0x20 && c != '\n' && c != '\t', c == 0x7f:
			out = fmt.Appendf(out, `\x%02x`, r[i])
		default:
			out = append(out, r[i:i+n]...)
		}
		i += n
	}
	return out, nil
}

// UnmarshalText reads the lossless form; a malformed escape is an error.
func (r *Raw) UnmarshalText(text []byte) error {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			out = append(out, text[i])
			continue
		}
		switch {
		case i+1 < len(text) && text[i+1] == '\\':
			out = append(out, '\\')
			i++
		case i+3 < len(text) && text[i+1] == 'x':
			b, err := strconv.ParseUint(string(text[i+2:i+4]), 16, 8)
			if err != nil {
				return fmt.Errorf("read escape %q: %w", text[i:i+4], err)
			}
			out = append(out, byte(b))
			i += 3
		default:
			return fmt.Errorf("read text: stray backslash at byte %d", i)
		}
	}
	*r = Raw(out)
	return nil
}

// Safe makes text from a host fit to be shown: control characters, bytes that are not UTF-8, and characters that
// reorder or hide text (bidirectional marks, zero-width, line separators, tags) appear as escapes. Newlines and tabs are escaped too.
func Safe[S ~string](s S) string {
	if plain(string(s)) {
		return string(s)
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		c, n := utf8.DecodeRuneInString(string(s[i:]))
		switch {
		case c == utf8.RuneError && n <= 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '\r':
			b.WriteString(`\r`)
		case c < 0x80 && unicode.IsControl(c):
			fmt.Fprintf(&b, `\x%02x`, c)
		case !unicode.IsPrint(c):
			fmt.Fprintf(&b, `\u{%x}`, c)
		default:
			b.WriteRune(c)
		}
		i += n
	}
	return b.String()
}

// Cut is [Safe] with at most n characters (n >= 1); what is cut is marked by an ellipsis.
func Cut[S ~string](s S, n int) string {
	t := s
	if len(t) > 8*n {
		t = t[:8*n]
	}
	safe := []rune(Safe(t))
	if len(safe) <= n && len(t) == len(s) {
		return string(safe)
	}
	return string(safe[:min(n-1, len(safe))]) + "…"
}

func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
