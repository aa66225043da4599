package persist

import (
	"slices"
	"strings"
)

// element is one command of a line that joins several by ; && || or &: a pipeline with its redirections.
type element struct {
	from, to      int    // bytes of the line, without blanks around
	before, after string // the operators that join it to its neighbors; "" at an end
}

// elements cuts one line of shell into the commands it joins. It gives nil where the line is more than a flat list: compounds,
// here-documents, open quotes.
func elements(s string) []element {
	c := cutter{s: s, command: true}
	for i := 0; i < len(s); {
		n := c.token(i)
		if n == 0 {
			return nil
		}
		i += n
	}
	if c.deep != 0 {
		return nil
	}
	if !c.ended {
		c.end(len(s), "", 0)
	}
	return joinTrue(s, c.out)
}

// cutter reads a line once from its beginning.
type cutter struct {
	s       string
	out     []element
	start   int    // of the command that is being read
	before  string // the operator before it
	deep    int    // parentheses that are open
	command bool   // a command's first word is to come
	ended   bool   // the rest is a remark
}

// end takes the command up to a place, with so many bytes of the operator after it.
func (c *cutter) end(at int, op string, taken int) {
	e := element{from: c.start, to: at + taken, before: c.before, after: op}
	for e.from < e.to && (c.s[e.from] == ' ' || c.s[e.from] == '\t') {
		e.from++
	}
	for e.to > e.from && strings.IndexByte(" \t\r", c.s[e.to-1]) >= 0 {
		e.to--
	}
	if e.to-e.from > taken {
		c.out = append(c.out, e)
		c.before = op
	}
	c.start, c.command = at+len(op), true
}

// token reads one token and gives its length, 0 where the line is no flat list.
func (c *cutter) token(i int) int {
	s, next := c.s, byte(0)
	if i+1 < len(s) {
		next = s[i+1]
	}
	switch b := s[i]; {
	case b == '\\':
		c.command = false
		return 2
	case b == '\'' || b == '"' || b == '`':
		c.command = false
		return quoted(s[i:])
	case b == '$' && next == '(':
		n := closing(s[i+1:])
		c.command = false
		if s[i+n] != ')' {
			return 0
		}
		return n + 1
	case b == '(':
		c.deep++
	case b == ')':
		if c.deep--; c.deep < 0 {
			return 0
		}
	case b == '\n' || b == '<' && next == '<' || b == ';' && next == ';':
		return 0
	case b == '#' && (i == 0 || strings.IndexByte(" \t;&|(", s[i-1]) >= 0):
		c.end(i, "", 0)
		c.ended = true
		return len(s) - i
	case (b == '>' || b == '<') && (next == '&' || next == '>' || next == '|'), b == '&' && next == '>':
		return 2
	case strings.IndexByte(";&|", b) >= 0:
		return c.operator(i, b, next)
	case strings.IndexByte(" \t\r<>", b) >= 0:
	default:
		return c.word(i)
	}
	return 1
}

// operator reads what joins two commands. A pipeline is one command.
func (c *cutter) operator(i int, b, next byte) int {
	switch {
	case c.deep > 0 || b == '|' && next != '|':
		c.command = true
	case b == next:
		c.end(i, c.s[i:i+2], 0)
		return 2
	case b == ';':
		c.end(i, ";", 0)
	default:
		c.end(i, "&", 1)
	}
	return 1
}

func (c *cutter) word(i int) int {
	n := strings.IndexAny(c.s[i:], " \t\r\n;&|()<>'\"`\\$")
	if n < 0 {
		n = len(c.s) - i
	}
	n = max(n, 1)
	if c.command && c.deep == 0 && compoundWord(c.s[i:i+n]) {
		return 0
	}
	c.command = false
	return n
}

// quoted gives the length of a quoted text with its quotes, 0 where it is not closed.
func quoted(s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && s[0] != '\'':
			i++
		case s[i] == s[0]:
			return i + 1
		}
	}
	return 0
}

func compoundWord(w string) bool {
	return slices.Contains([]string{"if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac", "select", "function", "{", "}", "!", "time"}, w)
}

// joinTrue counts "|| true" to the command before it.
func joinTrue(s string, list []element) []element {
	for i := len(list) - 1; i > 0; i-- {
		if text := s[list[i].from:list[i].to]; list[i].before == "||" && (text == "true" || text == ":" || text == "/bin/true") {
			list[i-1].to, list[i-1].after = list[i].to, list[i].after
			list = slices.Delete(list, i, i+1)
		}
	}
	return list
}

// withoutOne gives the line without its k-th command and the operator that joined it. It is false where what remains would not do
// what it did before.
func withoutOne(s string, list []element, k int) (string, bool) {
	e := list[k]
	last := k == len(list)-1
	first := k == 0 || e.before == ";" || e.before == "&" // of its chain of && and ||
	switch {
	case len(list) == 1:
		return "", false
	case first && e.after == "||":
		return "", false // what follows ran only when it failed
	case first && !last && !(e.before == ";" && e.after == ";"):
		return s[:e.from] + s[list[k+1].from:], true
	case !first && e.after == "&": // a && EVIL &: the rest of the chain stays in the background
		return s[:list[k-1].to] + " &" + s[e.to:], true
	}
	return s[:list[k-1].to] + s[e.to:], true
}
