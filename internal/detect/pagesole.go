package detect

import (
	"regexp"
	"strings"
)

// shellCalls are functions and words with a bracket behind them that one-line shells are made of. A statement that calls anything
// else may do an owner's work beside.
var shellCalls = set("if", "elseif", "while", "for", "foreach", "echo", "print", "print_r", "var_dump", "printf", "die", "exit", "isset", "empty", "md5", "sha1", "crc32", "hash", "strlen", "count",
	"eval", "assert", "system", "exec", "passthru", "shell_exec", "popen", "proc_open", "pcntl_exec", "create_function", "call_user_func", "call_user_func_array", "array_map", "array_filter", "usort", "preg_replace",
	"base64_decode", "base64_encode", "gzinflate", "gzuncompress", "str_rot13", "strrev", "hex2bin", "pack", "chr", "stripslashes", "trim", "urldecode", "rawurldecode", "substr", "str_replace", "implode", "join",
	"escapeshellcmd", "htmlspecialchars", "file_get_contents", "fread", "stream_get_contents", "ob_start", "ob_get_clean", "function_exists", "set_time_limit", "error_reporting", "ini_set", "header",
	// Java and .NET
	"getruntime", "getparameter", "getinputstream", "geterrorstream", "processbuilder", "start", "string", "bufferedreader", "inputstreamreader", "scanner", "usedelimiter", "next", "println", "write", "read", "readline",
	"waitfor", "close", "flush", "equals", "getbytes", "request", "item", "response", "execute", "executeglobal", "getmethod")

// runners run a text as code, so that what stands in a string is code, too.
var runners = regexp.MustCompile(`(?i)\b(?:eval|assert|create_function|preg_replace|call_user_func(?:_array)?|array_map|usort)\s*\(`)

// working are words that do an owner's work without a bracket.
var working = set("include", "include_once", "require", "require_once", "new", "define", "return", "throw", "yield", "global", "use", "namespace", "const", "function", "fn", "match", "switch", "class")

// requests are the variables of PHP that a visitor fills.
var requests = set("_GET", "_POST", "_REQUEST", "_COOKIE", "_SERVER", "_FILES")

// markup is the longest text beside a call that is taken for tags around its output, in bytes.
const markup = 16

// words are what is read of a code outside of its strings and comments.
type words struct {
	foreign bool     // it calls what no one-line shell calls
	arrow   bool     // it makes an array with keys
	vars    []string // variables
	texts   []span   // strings
	notes   []span   // comments
}

func wordsOf(body []byte, s span, lang string) (w words) {
	for i := s.from; i < s.to; {
		c := body[i]
		next := skip(body, i, s.to, lang)
		switch {
		case next > i+1 && (c == '/' || c == '#'):
			w.notes = append(w.notes, span{i, next})
		case next > i+1:
			w.texts = append(w.texts, span{i, next})
		case c == '=' && next < s.to && body[next] == '>':
			w.arrow = true
		case wordByte(c):
			for next < s.to && wordByte(body[next]) {
				next++
			}
			w.word(body, s, span{i, next}, lang)
		}
		i = next
	}
	return w
}

func (w *words) word(body []byte, s, at span, lang string) {
	name := at.of(body)
	if at.from > s.from && body[at.from-1] == '$' {
		w.vars = append(w.vars, name)
		return
	}
	low := strings.ToLower(name)
	rest := strings.TrimLeft(string(body[at.to:min(s.to, at.to+64)]), " \t\r\n")
	if strings.HasPrefix(rest, "(") && !shellCalls[low] || working[low] && !(lang == "jsp" && low == "new") {
		w.foreign = true
	}
}

// only reports whether all variables are of these.
func (w *words) only(known map[string]bool) bool {
	for _, v := range w.vars {
		if !known[v] {
			return false
		}
	}
	return true
}

// sole reports whether a statement is nothing but the shell that was found in it. An intruder may have put his call into an
// owner's statement: that is not cut.
func (pg *page) sole(s, hit span, lang string) bool {
	text := s.of(pg.body)
	if strings.Contains(text, "<<<") || strings.Contains(text, "#[") { // how far these reach depends on the version of PHP
		return false
	}
	if hit.to >= s.to && strings.Trim(string(pg.body[s.from:max(s.from, hit.from)]), "@ \t\r\n") == "" {
		return true
	}
	all := wordsOf(pg.body, s, lang)
	core := span{hit.from, endOfCall(pg.body, hit.from, s.to, lang)}
	for _, n := range all.notes {
		if n.holds(hit) {
			return false
		}
	}
	for _, t := range all.texts {
		if t.from < hit.from && hit.to <= t.to && pg.body[t.from] != '`' { // a text is no code, unless something runs it
			m := runners.FindStringIndex(string(pg.body[s.from:t.from]))
			if m == nil {
				return false
			}
			core = span{s.from + m[0], endOfCall(pg.body, s.from+m[0], s.to, lang)}
		}
	}
	if all.foreign {
		return false
	}
	front := span{pg.bodyOf(s, core.from, lang), core.from}
	target := span{front.from, front.from}
	if m := assignment.FindIndex(pg.body[front.from:front.to]); m != nil {
		target.to, front.from = front.from+m[1], front.from+m[1]
	}
	for _, part := range []span{front, {core.to, s.to}} {
		if part.from >= part.to {
			continue
		}
		w := wordsOf(pg.body, part, lang)
		if w.arrow || !w.only(requests) || len(w.texts) > 0 && target.to > target.from {
			return false
		}
		for _, t := range w.texts {
			if t.to-t.from > markup+2 {
				return false
			}
		}
	}
	return true
}

// assignment is a variable at the front of a statement that is filled.
var assignment = regexp.MustCompile(`^@?\s*\$\w+\s*\.?=[^=>]`)

// bodyOf steps over the conditions without braces in front of a statement.
func (pg *page) bodyOf(s span, most int, lang string) int {
	at := s.from
	for {
		word := firstName(string(pg.body[at:most]))
		open := strings.IndexByte(string(pg.body[at:most]), '(')
		if word != "if" && word != "while" && word != "for" && word != "foreach" || open < 0 {
			return at
		}
		end := endOfCall(pg.body, at, s.to, lang)
		if end > most {
			return at
		}
		at = end
		for at < most && strings.IndexByte(" \t\r\n@", pg.body[at]) >= 0 {
			at++
		}
	}
}

// endOfCall gives the end of the first pair of brackets behind a place, or the end.
func endOfCall(body []byte, at, end int, lang string) int {
	deep := 0
	for at < end {
		next := skip(body, at, end, lang)
		if next == at+1 {
			switch body[at] {
			case '(':
				deep++
			case ')':
				if deep--; deep <= 0 {
					return next
				}
			}
		} else if body[at] == '`' && deep == 0 {
			return next
		}
		at = next
	}
	return end
}

// asked matches the parts of requests that a code reads: the name of each.
var asked = regexp.MustCompile(`(?:\$_(?:GET|POST|REQUEST|COOKIE|SERVER|FILES)\s*\[\s*["']?([^"'\]]{1,60})|[rR]equest\s*\.?\s*(?:getParameter|Item|Form|QueryString)?\s*[\[(]\s*"([^"]{1,60}))`)

func askedIn(code string) map[string]bool {
	out := map[string]bool{}
	for _, m := range asked.FindAllStringSubmatch(code, 100) {
		out[m[1]+m[2]] = true
	}
	return out
}

// ownHead reports whether the condition of a compound is a shell's, too: it asks for nothing but what a visitor sent.
func (pg *page) ownHead(s statement) bool {
	w := wordsOf(pg.body, s.head, "php")
	head := s.head.of(pg.body)
	return !w.foreign && (len(w.vars) == 0 || strings.Contains(head, "$_")) && !strings.Contains(head, "_SESSION") && !strings.Contains(head, "#[")
}

// sameKey reports whether a compound's condition asks for the very part of a request that something in it runs.
func (pg *page) sameKey(s statement, goes []span) bool {
	head := askedIn(s.head.of(pg.body))
	for _, g := range goes {
		for k := range askedIn(g.of(pg.body)) {
			if head[k] {
				return true
			}
		}
	}
	return false
}

// denies reports whether a condition may hold for whoever did not send what is asked for, as an owner's guard does.
func denies(head string) bool {
	return strings.ContainsAny(given.ReplaceAllString(head, ""), "!<>") || strings.Contains(given.ReplaceAllString(head, ""), "empty")
}

// given matches the way of saying that something was sent that looks like a denial.
var given = regexp.MustCompile(`(?i)!\s*empty\b|!=\s*null\b`)
