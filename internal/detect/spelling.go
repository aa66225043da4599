package detect

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Limits of undoing a spelling.
const (
	maxSpelled  = 64 << 10 // bytes of the text with its names replaced
	maxVars     = 1024     // settings of names that are followed
	maxVarValue = 1024     // bytes of the value of one
)

// The spellings of the shell that change nothing of what it does (bash(1), EXPANSION and QUOTING).
var (
	blankVar   = regexp.MustCompile(`\$\{IFS[^}\s]{0,16}\}|\$IFS(?:\$[0-9@*])?`)             // blanks
	emptyVar   = regexp.MustCompile(`\$[@*!1-9]|\$\{[@*!1-9]\}`)                             // nothing, where no arguments are given
	emptyQuote = regexp.MustCompile(`''|""`)                                                 // nothing
	wordQuote  = regexp.MustCompile(`'([\w./:+-]{1,200})'|"([\w./:+-]{1,200})"`)             // the word in them
	coded      = regexp.MustCompile(`\$'((?:\\x[0-9a-fA-F]{1,2}|\\[0-7]{1,3}|[\w./: -])+)'`) // $'\x63url'
	codedByte  = regexp.MustCompile(`\\x[0-9a-fA-F]{1,2}|\\[0-7]{1,3}`)
	bareEscape = regexp.MustCompile(`\\([A-Za-z])`)                            // the letter
	braced     = regexp.MustCompile(`\{(/?[\w/.-]{2,40},[^{}\s;|&]{1,400})\}`) // {curl,-s,http://a}: words
	shellWord  = regexp.MustCompile(`[^\s;|&()<>` + "`" + `]+`)
	setName    = regexp.MustCompile(`(?:^|[\s;&|(])([A-Za-z_]\w{0,40})=("[^"\n]+"|'[^'\n]+'|\$\([^)\n]+\)|[^\s;&|()"'` + "`" + `]+)`)
	givenName  = regexp.MustCompile(`(?:^|[\s;&|(])(?:for|read(?:\s+-\w+)*)\s+([A-Za-z_]\w{0,40})\b`)
	usedName   = regexp.MustCompile(`\$\{([A-Za-z_]\w{0,40})\}|\$([A-Za-z_]\w{0,40})`)
)

// spelledTools are the commands whose names intruders break up so that a search does not find them.
var spelledTools = set("curl", "wget", "bash", "sh", "dash", "base64", "eval", "python", "python3", "perl", "php", "chmod", "chattr", "crontab", "nohup", "nc", "ncat", "socat", "xmrig")

// plainly writes a text of a shell as the shell reads it: without quotes and escapes inside words, with the values of names
// that it sets itself. What nothing is known of stays. broken are words that name a command and were written so that a search
// for it does not find it, with quotes that hold nothing in their middle or as $'\x63url'; no editor or tool of an owner writes one.
func plainly(text string) (plain string, broken []string) {
	if !strings.ContainsAny(text, `'"\$`) && !strings.Contains(text, "{") {
		return text, nil
	}
	text = blankVar.ReplaceAllString(text, " ")
	text = braced.ReplaceAllStringFunc(text, func(m string) string {
		if name, _, _ := strings.Cut(m[1:], ","); !spelledTools[path.Base(name)] {
			return m
		}
		return strings.ReplaceAll(m[1:len(m)-1], ",", " ")
	})
	plain = shellWord.ReplaceAllStringFunc(text, func(w string) string {
		p := plainWord(w)
		if p != w && brokenUp(w, p) && !slices.Contains(broken, w) {
			broken = append(broken, w)
		}
		return p
	})
	return filledIn(plain), broken
}

// plainWord undoes the quoting inside of one word.
func plainWord(w string) string {
	if !strings.ContainsAny(w, `'"\$`) {
		return w
	}
	p := coded.ReplaceAllStringFunc(w, func(m string) string {
		return codedByte.ReplaceAllStringFunc(m[2:len(m)-1], spelledByte)
	})
	p = emptyQuote.ReplaceAllString(p, "")
	p = wordQuote.ReplaceAllString(p, "$1$2")
	// Escapes and names that are empty say something elsewhere: in a pattern, in a script that is given arguments.
	if q := emptyVar.ReplaceAllString(bareEscape.ReplaceAllString(p, "$1"), ""); spelledTools[path.Base(q)] {
		return q
	}
	return p
}

// spelledByte gives the byte of \xNN or \NNN.
func spelledByte(m string) string {
	base, digits := 8, m[1:]
	if m[1] == 'x' {
		base, digits = 16, m[2:]
	}
	n, err := strconv.ParseUint(digits, base, 8)
	if err != nil || n == 0 || n > 126 || n < 32 {
		return m
	}
	return string(rune(n))
}

// brokenUp reports a word that is a command only after its quoting is undone: quotes around all of it hide nothing, nor does
// one backslash before it, which asks for the command and not its alias.
func brokenUp(w, plain string) bool {
	name := path.Base(strings.Trim(plain, `"'`))
	return spelledTools[name] && !strings.Contains(w, name)
}

// filledIn replaces the names that a text sets by their values, three deep.
func filledIn(text string) string {
	for range 3 {
		sets := namesSet(text)
		if len(sets) == 0 {
			return text
		}
		room, before := maxSpelled-len(text), text
		var out strings.Builder
		done := 0
		for _, m := range usedName.FindAllStringIndex(text, -1) {
			v, ok := valueAt(sets[strings.Trim(text[m[0]:m[1]], "${}")], m[0])
			if more := len(v) - (m[1] - m[0]); ok && more <= room {
				room -= more
				out.WriteString(text[done:m[0]])
				out.WriteString(v)
				done = m[1]
			}
		}
		if out.WriteString(text[done:]); out.String() == before {
			break
		}
		text = out.String()
	}
	return text
}

// nameSet is one place where a name is set. What a loop or a line read sets it to is not known.
type nameSet struct {
	at    int
	value string
	known bool
}

// namesSet gives where each name is set, in the order of the text.
func namesSet(text string) map[string][]nameSet {
	sets := map[string][]nameSet{}
	for _, m := range setName.FindAllStringSubmatchIndex(text, maxVars) {
		v := text[m[4]:m[5]]
		if len(v) > 1 && (v[0] == '"' || v[0] == '\'') {
			v = v[1 : len(v)-1]
		}
		name := text[m[2]:m[3]]
		sets[name] = append(sets[name], nameSet{m[2], v, len(v) <= maxVarValue})
	}
	if len(sets) == 0 {
		return nil
	}
	for _, m := range givenName.FindAllStringSubmatchIndex(text, maxVars) {
		name := text[m[2]:m[3]]
		if i := slices.IndexFunc(sets[name], func(s nameSet) bool { return s.at > m[2] }); i >= 0 {
			sets[name] = slices.Insert(sets[name], i, nameSet{at: m[2]})
		} else if len(sets[name]) > 0 {
			sets[name] = append(sets[name], nameSet{at: m[2]})
		}
	}
	return sets
}

// valueAt gives what a name holds at a place: what it was set to last before that, or where it is set only once, in a function
// perhaps that is written below, that.
func valueAt(sets []nameSet, at int) (string, bool) {
	var last nameSet
	if len(sets) == 1 {
		last = sets[0]
	}
	for _, s := range sets {
		if s.at > at {
			break
		}
		last = s
	}
	return last.value, last.known
}
