package persist

import (
	"regexp"
	"slices"
	"strings"
)

// shellPart is what can be cut from a shell script without breaking it: one or more whole lines.
type shellPart struct {
	text   string // the lines as they stand, joined by newlines
	no     int
	inside bool       // it stands inside an if, a loop or a function: something must stay in its place
	name   string     // of a function it defines
	frame  bool       // it is the frame of a compound: if, while ... do, fi
	block  *shellPart // with frame: the whole compound
}

// scanner follows the nesting of a POSIX-like shell script. It is no parser: it keeps just enough to know where a
// statement ends. What it gets wrong makes statements larger, never cuts a line in two.
type scanner struct {
	quote byte
	here  []string // pending here-document delimiters
	depth int
	paren int
	cmd   bool // the next word is in command position
	head  bool // the head of a function was read: a brace may follow
}

var functionHead = regexp.MustCompile(`^\s*(?:function\s+([\w.:-]+)\s*(?:\(\s*\))?|([\w.:-]+)\s*\(\s*\))\s*(?:\{|\(|$)`)

// logical is a run of lines that belong together: an open quote, a trailing backslash or operator, a here-document.
type logical struct {
	from, to      int  // lines[from:to]
	before, after int  // nesting
	keyword       bool // begins with a word that opens, divides or closes a compound
}

// shellParts splits a script. Every line of it is in exactly one statement or is a bare part of a compound (then, fi ...).
func shellParts(lines []Line) []shellPart {
	var out []shellPart
	list := logicals(lines)
	for i := 0; i < len(list); {
		j := i + 1
		for list[j-1].after > 0 && j < len(list) {
			j++
		}
		out = append(out, compound(lines, list[i:j])...)
		i = j
	}
	return out
}

// compound gives the statements of one top-level piece of a script.
func compound(lines []Line, list []logical) []shellPart {
	whole := shellPart{text: joined(lines[list[0].from:list[len(list)-1].to]), no: lines[list[0].from].No}
	if m := functionHead.FindStringSubmatch(whole.text); m != nil {
		whole.name = m[1] + m[2]
		return []shellPart{whole}
	}
	if len(list) == 1 || strings.HasPrefix(strings.TrimSpace(whole.text), "(") {
		return []shellPart{whole}
	}
	body := slices.DeleteFunc(slices.Clone(list), func(g logical) bool {
		return g.keyword || blank(joined(lines[g.from:g.to]))
	})
	if len(body) <= 1 && list[len(list)-1].after == 0 {
		return []shellPart{whole}
	}
	var out []shellPart
	for _, g := range list {
		out = append(out, shellPart{text: joined(lines[g.from:g.to]), no: lines[g.from].No, inside: true, frame: g.keyword, block: &whole})
	}
	return out
}

func blank(s string) bool {
	s = strings.TrimSpace(s)
	return s == "" || s[0] == '#'
}

// logicals joins lines that belong together.
func logicals(lines []Line) []logical {
	var out []logical
	s := scanner{cmd: true}
	for i := 0; i < len(lines); {
		g := logical{from: i, before: s.depth}
		s.cmd = true
		g.keyword = opens(lines[i].Text)
		for more := true; more && i < len(lines); i++ {
			more = s.line(lines[i].Text)
		}
		g.to, g.after = i, s.depth
		out = append(out, g)
	}
	return out
}

// opens reports whether a line begins with a word that belongs to the frame of a compound.
func opens(line string) bool {
	word := strings.TrimLeft(line, " \t")
	if i := strings.IndexAny(word, " \t;("); i >= 0 {
		word = word[:i]
	}
	switch strings.TrimRight(word, "\r") {
	case "if", "then", "else", "elif", "fi", "for", "while", "until", "select", "do", "done", "case", "esac", "{", "}", ")", ";;":
		return true
	}
	return false
}

// line reads one physical line and reports whether the logical line goes on.
func (s *scanner) line(text string) bool {
	if len(s.here) > 0 {
		if strings.TrimLeft(text, "\t") == s.here[0] {
			s.here = s.here[1:]
		}
		return len(s.here) > 0
	}
	goesOn := false
	for i := 0; i < len(text); {
		goesOn = false
		c := text[i]
		switch {
		case s.quote != 0:
			if c == '\\' && s.quote == '"' {
				i++
			} else if c == s.quote {
				s.quote = 0
			}
			i++
		case c == '\\':
			goesOn = i+1 == len(text)
			i += 2
		case c == '\'' || c == '"' || c == '`':
			s.quote, s.cmd = c, false
			i++
		case c == ' ' || c == '\t' || c == '\r':
			i++
		case c == '#' && (i == 0 || strings.IndexByte(" \t;&|(", text[i-1]) >= 0):
			i = len(text)
		case c == '<' && strings.HasPrefix(text[i:], "<<") && !strings.HasPrefix(text[i:], "<<<"):
			i += s.heredoc(text[i:])
		case strings.IndexByte(";&|()<>", c) >= 0:
			goesOn = s.operator(text, i)
			i++
		default:
			i += s.word(text[i:])
		}
	}
	return goesOn || s.quote != 0 || len(s.here) > 0
}

// heredoc notes the delimiter of a here-document and gives the bytes read.
func (s *scanner) heredoc(text string) int {
	rest := strings.TrimLeft(strings.TrimPrefix(text[2:], "-"), " \t")
	end := strings.IndexAny(rest, " \t;&|<>()")
	if end < 0 {
		end = len(rest)
	}
	if word := strings.Trim(rest[:end], `'"\`); word != "" && len(s.here) < 8 {
		s.here = append(s.here, word)
	}
	return len(text) - len(rest) + end
}

// operator follows parentheses and command positions; it reports whether the line goes on after && || |.
func (s *scanner) operator(text string, i int) bool {
	switch text[i] {
	case '(':
		s.paren++
		s.depth++
		s.cmd = true
	case ')':
		s.cmd = true // after a case pattern, too
		if s.paren > 0 {
			s.paren--
			s.depth--
			s.cmd = i > 0 && text[i-1] == '('
		}
	case ';', '&', '|':
		s.cmd = true
		return text[i] == '|' || text[i] == '&' && i > 0 && text[i-1] == '&'
	}
	return false
}

// word reads one word and follows the keywords.
func (s *scanner) word(text string) int {
	n := strings.IndexAny(text, " \t\r;&|()<>'\"`\\")
	if n < 0 {
		n = len(text)
	}
	if n == 0 {
		return 1
	}
	if !s.cmd && !(s.head && text[:n] == "{") {
		return n
	}
	s.cmd, s.head = false, text[:n] == "function"
	switch text[:n] {
	case "if", "case", "for", "while", "until", "select", "{":
		s.depth++
		s.cmd = text[:n] != "case" && text[:n] != "for" && text[:n] != "select"
	case "fi", "esac", "done", "}":
		s.depth = max(s.depth-1, 0)
	case "then", "else", "elif", "do", "!", "time":
		s.cmd = true
	}
	return n
}
