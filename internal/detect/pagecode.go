package detect

import (
	"bytes"
	"slices"
	"strings"
)

// span is a range of bytes of a page: from its first byte to before its last.
type span struct{ from, to int }

func (s span) of(b []byte) string     { return string(b[s.from:s.to]) }
func (s span) holds(t span) bool      { return s.from <= t.from && t.to <= s.to }
func (s span) overlaps(t span) bool   { return s.from < t.to && t.from < s.to }
func (s span) blank(body []byte) bool { return len(bytes.TrimSpace(body[s.from:s.to])) == 0 }

// block is one piece of code in a page, with its tags.
type block struct {
	span
	code  span   // between the tags
	lang  string // "php", "jsp" (anything with the statements of C) or "asp" (one statement a line)
	print bool   // it prints an expression: <?= or <%=
	note  bool   // it is a comment, which nothing runs: <%-- --%>
}

// servlets are endings of pages of whose code the tags are <% %>, and no others.
var servlets = set(".jsp", ".jspx", ".asp", ".aspx", ".ashx", ".cfm")

// blocksOf finds the code in a page: <?php ... ?>, <? ... ?>, <% ... %>. A block that is not closed runs to the end of the page.
func blocksOf(body []byte, ext string) (out []block) {
	for at := 0; at < len(body); {
		i := bytes.IndexByte(body[at:], '<')
		if i < 0 || at+i+1 >= len(body) {
			return out
		}
		at += i
		rest := body[at+1:]
		switch {
		case rest[0] == '?' && !servlets[ext] && !bytes.HasPrefix(bytes.ToLower(rest[:min(len(rest), 4)]), []byte("?xml")):
			b := block{span: span{at, len(body)}, lang: "php"}
			b.code.from = at + 2
			switch word := string(bytes.ToLower(rest[1:min(len(rest), 4)])); {
			case word == "php":
				b.code.from = at + 5
			case strings.HasPrefix(word, "="):
				b.code.from, b.print = at+3, true
			}
			b.code.to = endOfPHP(body, b.code.from)
			b.to = min(len(body), b.code.to+2)
			out, at = append(out, b), b.to
		case rest[0] == '%' && (servlets[ext] || !webExt[ext]):
			b := block{span: span{at, len(body)}, lang: "jsp", print: len(rest) > 1 && (rest[1] == '=' || rest[1] == '@' || rest[1] == '#')}
			if ext == ".asp" {
				b.lang = "asp"
			}
			b.code = span{at + 2, len(body)}
			closing := "%>"
			if b.note = b.lang == "jsp" && bytes.HasPrefix(rest, []byte("%--")); b.note {
				closing = "--%>"
			}
			if end := bytes.Index(body[b.code.from:], []byte(closing)); end >= 0 {
				b.code.to = b.code.from + end
				b.to = b.code.to + len(closing)
			}
			out, at = append(out, b), b.to
		default:
			at++
		}
	}
	return out
}

// endOfPHP gives the place of the closing tag, or the end of the page. Tags in strings and /* */ do not count, in // and # they do.
func endOfPHP(body []byte, at int) int {
	for at < len(body) {
		if bytes.HasPrefix(body[at:], []byte("?>")) {
			return at
		}
		at = skip(body, at, len(body), "php")
	}
	return len(body)
}

// skip steps over one token that may hold anything: a string, a comment, a here-document; else over one byte.
func skip(body []byte, at, end int, lang string) int {
	rest := body[at:end]
	line := func() int { // to the end of the line, or to the tag that ends the code in it
		n := len(rest)
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			n = i
		}
		if i := bytes.Index(rest[:n], []byte("?>")); i >= 0 && lang == "php" {
			n = i
		}
		return at + max(n, 1)
	}
	switch c := rest[0]; {
	case c == '"' || c == '\'' || c == '`' && lang == "php":
		for i := 1; i < len(rest); i++ {
			switch rest[i] {
			case '\\':
				i++
			case c:
				return at + i + 1
			}
		}
		return end
	case bytes.HasPrefix(rest, []byte("/*")):
		if i := bytes.Index(rest[2:], []byte("*/")); i >= 0 {
			return at + i + 4
		}
		return end
	case bytes.HasPrefix(rest, []byte("//")), c == '#' && lang == "php" && !bytes.HasPrefix(rest, []byte("#[")):
		return line()
	case lang == "php" && bytes.HasPrefix(rest, []byte("<<<")):
		return at + heredoc(rest)
	}
	return at + 1
}

// heredoc gives the length of a here-document of PHP that begins a text, or 3 where none does.
func heredoc(rest []byte) int {
	head, body, ok := bytes.Cut(rest[3:], []byte("\n"))
	name := bytes.Trim(bytes.TrimSpace(head), `"'`)
	if !ok || len(name) == 0 || len(name) > 64 || bytes.ContainsAny(name, " ;()$") {
		return 3
	}
	n := len(rest) - len(body)
	for l := range bytes.Lines(body) {
		if t := bytes.TrimLeft(l, " \t"); bytes.HasPrefix(t, name) && (len(t) == len(name) || !wordByte(t[len(name)])) {
			return n + len(l) - len(t) + len(name)
		}
		n += len(l)
	}
	return len(rest)
}

func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// statement is one statement of code in C's manner.
type statement struct {
	span
	parent int  // index of the compound around it, -1 at the top
	head   span // of a compound: what stands before its brace
	open   bool // a compound: it has braces
	inside bool // it stands in an expression: a closure in an argument
}

// frame is an opener that is not closed yet.
type frame struct {
	char  byte
	start int // of the statement that is being read in it
	at    int // index of the compound, -1
}

// maxStatements bounds what is known of one block; a page with more is for its owner.
const maxStatements = 20_000

// statementsOf cuts code into statements, compounds before what they hold. It is no parser: false where braces do not match or
// there is too much.
func statementsOf(body []byte, code span, lang string) (out []statement, ok bool) {
	stack := []frame{{start: code.from, at: -1}}
	for i := code.from; i < code.to; {
		next := skip(body, i, code.to, lang)
		if next > i+1 {
			i = next
			continue
		}
		top := &stack[len(stack)-1]
		c := body[i]
		i++
		switch c {
		case ';':
			if top.char == '(' || top.char == '[' {
				break
			}
			out = append(out, statement{span: trimmed(body, span{top.start, i}), parent: top.at})
			top.start = i
		case '(', '[':
			stack = append(stack, frame{char: c, start: top.start, at: top.at})
		case '{':
			in := top.char == '(' || top.char == '['
			out = append(out, statement{span: trimmed(body, span{top.start, i}), head: trimmed(body, span{top.start, i - 1}), parent: top.at, open: true, inside: in})
			stack = append(stack, frame{char: c, start: i, at: len(out) - 1})
		case ')', ']', '}':
			if len(stack) == 1 || top.char != opener(c) {
				return nil, false
			}
			f := *top
			stack = stack[:len(stack)-1]
			if c != '}' {
				break
			}
			s := &out[f.at]
			s.to = i
			if up := &stack[len(stack)-1]; !s.inside && keyword(body, s.head) {
				up.start = i
			} else {
				s.inside = true // the expression goes on after the brace
			}
		}
		if len(out) > maxStatements || len(stack) > 500 {
			return nil, false
		}
	}
	top := stack[len(stack)-1]
	if len(stack) == 1 && !(span{top.start, code.to}).blank(body) { // the last needs no semicolon before the tag
		out = append(out, statement{span: trimmed(body, span{top.start, code.to}), parent: -1})
	}
	return out, len(stack) == 1
}

func opener(c byte) byte { return map[byte]byte{')': '(', ']': '[', '}': '{'}[c] }

// trimmed takes blanks and comments off the front of a statement.
func trimmed(body []byte, s span) span {
	for s.from < s.to {
		c := body[s.from]
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			s.from++
		case c == '/' || c == '#':
			next := skip(body, s.from, s.to, "php")
			if next <= s.from+1 {
				return s
			}
			s.from = next
		default:
			for s.to > s.from && strings.IndexByte(" \t\r\n", body[s.to-1]) >= 0 {
				s.to--
			}
			return s
		}
	}
	return s
}

// keyword reports whether the head of a compound is one after which a statement ends with the brace.
func keyword(body []byte, head span) bool {
	word := firstName(head.of(body))
	return word == "" && head.blank(body) || slices.Contains([]string{"if", "elseif", "else", "for", "foreach", "while", "do", "switch", "try", "catch", "finally", "function", "class",
		"interface", "trait", "enum", "namespace", "abstract", "final", "public", "private", "protected", "static", "declare", "synchronized", "void", "readonly"}, word)
}

// firstName is the first word of a code, in small letters, without the sign that silences PHP's errors.
func firstName(code string) string {
	code = strings.TrimLeft(code, "@ \t\r\n")
	n := 0
	for n < len(code) && wordByte(code[n]) {
		n++
	}
	return strings.ToLower(code[:n])
}
