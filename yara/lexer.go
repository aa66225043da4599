package yara

import (
	"fmt"
	"strconv"
	"strings"
)

type kind uint8

const (
	tEOF     kind = iota
	tIdent        // name or keyword
	tString       // "text", unescaped in val
	tInt          // 12, 0x1f, 0o17, with KB or MB
	tFloat        // 1.5
	tPattern      // $name, without the $
	tCount        // #name
	tOffset       // @name
	tLength       // !name
	tPunct        // operator
)

type token struct {
	kind kind
	val  string
	num  int64
	f    float64
	pos  pos
}

type lexer struct {
	file string
	src  string
	i    int
	line int
	bol  int // offset of the first byte of the line
}

func (l *lexer) pos() pos { return pos{int32(l.line), int32(l.i - l.bol + 1)} }

func (l *lexer) errorf(p pos, format string, args ...any) Error {
	return Error{File: l.file, Line: int(p.line), Column: int(p.col), Text: fmt.Sprintf(format, args...)}
}

// skip passes white space and comments.
func (l *lexer) skip() error {
	for l.i < len(l.src) {
		switch c := l.src[l.i]; {
		case c == '\n':
			l.i++
			l.line++
			l.bol = l.i
		case c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v':
			l.i++
		case c == 0xEF && strings.HasPrefix(l.src[l.i:], "\xEF\xBB\xBF"):
			l.i += 3
		case strings.HasPrefix(l.src[l.i:], "//"):
			end := strings.IndexByte(l.src[l.i:], '\n')
			if end < 0 {
				end = len(l.src) - l.i
			}
			l.i += end
		case strings.HasPrefix(l.src[l.i:], "/*"):
			p := l.pos()
			end := strings.Index(l.src[l.i+2:], "*/")
			if end < 0 {
				return l.errorf(p, "comment is not closed")
			}
			l.advance(end + 4)
		default:
			return nil
		}
	}
	return nil
}

// advance moves n bytes on and keeps the line count.
func (l *lexer) advance(n int) {
	part := l.src[l.i : l.i+n]
	if k := strings.Count(part, "\n"); k > 0 {
		l.line += k
		l.bol = l.i + strings.LastIndexByte(part, '\n') + 1
	}
	l.i += n
}

func isIdent(c byte, first bool) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || !first && '0' <= c && c <= '9'
}

func (l *lexer) word() string {
	start := l.i
	for l.i < len(l.src) && isIdent(l.src[l.i], false) {
		l.i++
	}
	return l.src[start:l.i]
}

func (l *lexer) next() (token, error) {
	if err := l.skip(); err != nil {
		return token{}, err
	}
	t := token{pos: l.pos()}
	if l.i >= len(l.src) {
		return t, nil
	}
	c := l.src[l.i]
	switch {
	case isIdent(c, true):
		t.kind, t.val = tIdent, l.word()
		return t, nil
	case '0' <= c && c <= '9':
		return l.number(t)
	case c == '"':
		return l.text(t)
	}
	return l.symbol(t, c)
}

// symbol reads $a, #a, @a, !a and operators.
func (l *lexer) symbol(t token, c byte) (token, error) {
	rest := l.src[l.i:]
	for _, op := range [...]string{"..", "==", "!=", "<=", ">=", "<<", ">>"} {
		if strings.HasPrefix(rest, op) {
			l.i += 2
			t.kind, t.val = tPunct, op
			return t, nil
		}
	}
	if k := strings.IndexByte("$#@!", c); k >= 0 {
		l.i++
		t.kind, t.val = [...]kind{tPattern, tCount, tOffset, tLength}[k], l.word()
		return t, nil
	}
	if strings.IndexByte("(){}[]:=,.*+-\\%&|^~<>/", c) >= 0 {
		l.i++
		t.kind, t.val = tPunct, string(c)
		return t, nil
	}
	return t, l.errorf(t.pos, "unexpected character %q", rune(c))
}

func (l *lexer) number(t token) (token, error) {
	start := l.i
	for l.i < len(l.src) && (isIdent(l.src[l.i], false)) {
		l.i++
	}
	s := l.src[start:l.i]
	if l.i+1 < len(l.src) && l.src[l.i] == '.' && '0' <= l.src[l.i+1] && l.src[l.i+1] <= '9' {
		l.i++
		l.word()
		f, err := strconv.ParseFloat(l.src[start:l.i], 64)
		if err != nil {
			return t, l.errorf(t.pos, "bad number %q", l.src[start:l.i])
		}
		t.kind, t.f = tFloat, f
		return t, nil
	}
	scale := int64(1)
	if cut, ok := strings.CutSuffix(s, "KB"); ok {
		s, scale = cut, 1<<10
	} else if cut, ok := strings.CutSuffix(s, "MB"); ok {
		s, scale = cut, 1<<20
	}
	base := 10
	if len(s) > 2 && s[0] == '0' && (s[1]|0x20) == 'x' {
		s, base = s[2:], 16
	} else if len(s) > 2 && s[0] == '0' && s[1] == 'o' {
		s, base = s[2:], 8
	}
	n, err := strconv.ParseInt(s, base, 64)
	if err != nil || n > (1<<63-1)/scale {
		return t, l.errorf(t.pos, "bad or too large number %q", l.src[start:l.i])
	}
	t.kind, t.num = tInt, n*scale
	return t, nil
}

// text reads a quoted string with its escapes.
func (l *lexer) text(t token) (token, error) {
	l.i++
	if n := strings.IndexAny(l.src[l.i:], "\"\\\n"); n >= 0 && n <= maxLiteral && l.src[l.i+n] == '"' { // a part of the source, not a copy
		t.kind, t.val = tString, l.src[l.i:l.i+n]
		l.i += n + 1
		return t, nil
	}
	var b strings.Builder
	for ; l.i < len(l.src); l.i++ {
		c := l.src[l.i]
		switch c {
		case '"':
			l.i++
			t.kind, t.val = tString, b.String()
			return t, nil
		case '\n':
			return t, l.errorf(t.pos, "string is not closed on its line")
		case '\\':
			v, n, ok := unescape(l.src[l.i+1:])
			if !ok {
				return t, l.errorf(l.pos(), "illegal escape sequence")
			}
			b.WriteByte(v)
			l.i += n
		default:
			b.WriteByte(c)
		}
		if b.Len() > maxLiteral {
			return t, l.errorf(t.pos, "string is longer than %d bytes", maxLiteral)
		}
	}
	return t, l.errorf(t.pos, "string is not closed")
}

// unescape reads what follows a backslash and tells how many bytes it took.
func unescape(s string) (v byte, n int, ok bool) {
	if s == "" {
		return 0, 0, false
	}
	switch s[0] {
	case 't':
		return '\t', 1, true
	case 'n':
		return '\n', 1, true
	case 'r':
		return '\r', 1, true
	case '"', '\\':
		return s[0], 1, true
	case 'x':
		if len(s) >= 3 {
			v, err := strconv.ParseUint(s[1:3], 16, 8)
			return byte(v), 3, err == nil
		}
	}
	return 0, 0, false
}

// until gives the raw text up to the closing byte, honoring backslashes where esc is set; it is used for expressions and hexadecimal strings.
func (l *lexer) until(end byte, esc bool) (string, bool) {
	for j := l.i; j < len(l.src); j++ {
		switch c := l.src[j]; {
		case !esc && strings.HasPrefix(l.src[j:], "//"): // a comment in a hexadecimal string may hold the closing byte
			n := strings.IndexByte(l.src[j:], '\n')
			if n < 0 {
				return "", false
			}
			j += n
		case !esc && strings.HasPrefix(l.src[j:], "/*"):
			n := strings.Index(l.src[j+2:], "*/")
			if n < 0 {
				return "", false
			}
			j += n + 3
		case esc && c == '\\':
			j++
		case esc && c == '\n':
			return "", false
		case c == end:
			s := l.src[l.i:j]
			l.advance(j + 1 - l.i)
			return s, true
		}
	}
	return "", false
}
