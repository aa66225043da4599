package persist

import "strings"

// Limits of reading one command.
const (
	maxCommand = 64 << 10 // bytes looked at, nested commands included
	maxWords   = 4096
	maxVars    = 64
	maxValue   = 4096 // bytes of a variable's value
)

// word is one shell word or operator of a command.
type word struct {
	text string
	op   bool // ; & | && || ( ) newline < > >> and the like
	// quoted: the word began with a quote, so it is neither a keyword nor an assignment.
	quoted bool
}

// reader cuts a command into shell words. It knows quotes, escapes, comments, operators, $NAME of vars, and hands out the
// text of command substitutions in nested. It is no shell: what it cannot expand stays as written.
type reader struct {
	s      string
	at     int
	vars   map[string]string
	words  []word
	nested []string
	cur    strings.Builder
	inWord bool
	quoted bool
	total  int // bytes of all words so far
}

// words reads a command, at most maxCommand bytes and maxWords words of it. Assignments in it are added to vars.
func words(command string, vars map[string]string) (out []word, nested []string) {
	r := reader{s: command[:min(len(command), maxCommand)], vars: vars}
	for r.at < len(r.s) && len(r.words) < maxWords && r.total+r.cur.Len() < 4*maxCommand {
		r.step()
	}
	r.end()
	return r.words, r.nested
}

func (r *reader) step() {
	c := r.s[r.at]
	switch c {
	case ' ', '\t', '\r', '\v', '\f':
		r.end()
		r.at++
	case '#':
		if r.inWord {
			r.put(1)
			return
		}
		if i := strings.IndexByte(r.s[r.at:], '\n'); i >= 0 {
			r.at += i
		} else {
			r.at = len(r.s)
		}
	case '\\':
		r.escape()
	case '\'':
		r.single()
	case '"':
		r.double()
	case '`':
		r.backtick()
	case '$':
		r.dollar()
	case ';', '&', '|', '(', ')', '\n', '<', '>':
		r.operator(c)
	default:
		r.put(1)
	}
}

// put takes n bytes into the current word.
func (r *reader) put(n int) {
	n = min(n, len(r.s)-r.at)
	r.cur.WriteString(r.s[r.at : r.at+n])
	r.at += n
	r.inWord = true
}

// end closes the current word.
func (r *reader) end() {
	if r.inWord {
		text := r.cur.String()
		r.words = append(r.words, word{text: text, quoted: r.quoted})
		r.total += len(text)
		if name, value, ok := assignment(text); ok && !r.quoted && len(value) < maxValue && len(r.vars) < maxVars {
			r.vars[name] = value
		}
	}
	r.cur.Reset()
	r.inWord, r.quoted = false, false
}

func (r *reader) escape() {
	r.at++
	if r.at < len(r.s) && r.s[r.at] == '\n' {
		r.at++
		return
	}
	r.put(1)
}

func (r *reader) single() {
	r.quoted = r.quoted || !r.inWord
	r.at++
	i := strings.IndexByte(r.s[r.at:], '\'')
	if i < 0 {
		i = len(r.s) - r.at
	}
	r.put(i)
	r.inWord = true
	r.at++
}

func (r *reader) double() {
	r.quoted = r.quoted || !r.inWord
	r.inWord = true
	for r.at++; r.at < len(r.s); {
		switch r.s[r.at] {
		case '"':
			r.at++
			return
		case '\\':
			r.escape()
		case '$':
			r.dollar()
		case '`':
			r.backtick()
		default:
			r.put(1)
		}
	}
}

func (r *reader) backtick() {
	r.at++
	i := strings.IndexByte(r.s[r.at:], '`')
	if i < 0 {
		i = len(r.s) - r.at
	}
	r.nested = append(r.nested, r.s[r.at:r.at+i])
	r.at = min(r.at+i+1, len(r.s))
	r.inWord = true
}

// dollar reads $NAME, ${NAME} and $(command).
func (r *reader) dollar() {
	rest := r.s[r.at+1:]
	switch {
	case strings.HasPrefix(rest, "(("): // arithmetic: only commands inside it count
		n := closing(rest)
		if _, inner, ok := strings.Cut(rest[:n], "$("); ok {
			r.nested = append(r.nested, inner)
		}
		r.at += 1 + n
		r.inWord = true
	case strings.HasPrefix(rest, "("):
		n := closing(rest)
		r.nested = append(r.nested, strings.TrimSuffix(rest[1:n], ")"))
		r.at += 1 + n
		r.inWord = true
	case strings.HasPrefix(rest, "{"):
		i := strings.IndexByte(rest, '}')
		if i < 0 || !r.expand(rest[1:i], i+2) {
			r.put(1)
		}
	default:
		n := 0
		for n < len(rest) && isNameByte(rest[n]) {
			n++
		}
		if n == 0 || !r.expand(rest[:n], n+1) {
			r.put(1)
		}
	}
}

// expand replaces a variable that is known, skipping n bytes of the text.
func (r *reader) expand(name string, n int) bool {
	value, ok := r.vars[name]
	if !ok {
		return false
	}
	r.cur.WriteString(value)
	r.at += n
	r.inWord = true
	return true
}

// closing gives the length of the text up to and with the parenthesis that closes the first one.
func closing(s string) int {
	deep := 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			deep++
		case ')':
			if deep--; deep == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

func (r *reader) operator(c byte) {
	// A number right before < or > is a file descriptor, not a word.
	if (c == '<' || c == '>') && r.inWord && strings.Trim(r.cur.String(), "0123456789") == "" {
		r.cur.Reset()
		r.inWord = false
	}
	r.end()
	n := 1
	for r.at+n < len(r.s) && n < 3 && (r.s[r.at+n] == c || r.s[r.at+n] == '&' && c == '>' || r.s[r.at+n] == '>' && c == '&') && c != '(' && c != ')' && c != '\n' {
		n++
	}
	r.words = append(r.words, word{text: r.s[r.at : r.at+n], op: true})
	r.at += n
}

func isNameByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// assignment splits NAME=value.
func assignment(s string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(s, "=")
	if !ok || name == "" || name[0] >= '0' && name[0] <= '9' {
		return "", "", false
	}
	for i := range len(name) {
		if !isNameByte(name[i]) {
			return "", "", false
		}
	}
	return name, value, true
}
