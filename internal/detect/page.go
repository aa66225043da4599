package detect

import (
	"bytes"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// Limits of what is cut out of a page, in bytes. What is larger is left to the owner.
const (
	pageLimit = 1 << 20   // of a page
	lineLimit = 128 << 10 // of the lines that change
)

// page is a page of a web server and what of it is an intruder's.
type page struct {
	body   []byte
	blocks []block
	spans  []span // what to take out, in order, exactly
	whole  bool   // nothing else is in it
	unsure string // why it cannot be told what is whose; "" where it can
}

// dissect finds what of a page has to go so that the hits in it go, and nothing else: single statements, compounds that do
// nothing else, blocks that hold nothing else.
func dissect(body []byte, ext string, hits []span) page {
	pg := page{body: body, blocks: blocksOf(body, ext)}
	left := slices.Clone(hits)
	rest := 0 // statements that stay
	for _, b := range pg.blocks {
		var in []span
		left = slices.DeleteFunc(left, func(h span) bool {
			if b.overlaps(h) {
				in = append(in, h)
			}
			return b.overlaps(h)
		})
		rest += pg.cutBlock(b, in)
	}
	switch {
	case len(left) > 0 && pg.unsure == "":
		pg.unsure = "what was found stands outside of the code's tags"
	case pg.unsure == "":
		slices.SortFunc(pg.spans, func(a, b span) int { return a.from - b.from })
		last := 0
		for i, s := range pg.spans {
			pg.spans[i].from -= pg.padding(s, last)
			last = s.to
		}
		pg.whole = rest == 0 && pg.noText()
		if !pg.whole {
			pg.unsure = pg.doubt()
		}
	}
	return pg
}

// farRight is how many blanks push a text out of the sight of whoever looks at a page.
const farRight = 40

// padding counts the blanks before a span that came with it: those that push it out of sight, and one of the two gaps around it
// where it stands behind other code of its line.
func (pg *page) padding(s span, last int) int {
	n := 0
	for s.from-n > last && (pg.body[s.from-1-n] == ' ' || pg.body[s.from-1-n] == '\t') {
		n++
	}
	if n == 0 || n == s.from || pg.body[s.from-1-n] == '\n' {
		return 0
	}
	tag := pg.body[s.from] == '<'
	if n >= farRight || !tag && (s.to == len(pg.body) || strings.IndexByte(" \t\r\n", pg.body[s.to]) >= 0) {
		return n
	}
	return 0
}

// noText reports whether nothing stands outside of the code.
func (pg *page) noText() bool {
	at := 0
	for _, b := range pg.blocks {
		if !(span{at, b.from}).blank(pg.body) {
			return false
		}
		at = b.to
	}
	return (span{at, len(pg.body)}).blank(pg.body)
}

// cutBlock adds what goes of one block, and counts the statements in it that stay.
func (pg *page) cutBlock(b block, hits []span) (stay int) {
	if b.note && len(hits) > 0 {
		pg.unsure = "it stands in a comment, which does not run"
		return 1
	}
	if b.note || b.code.blank(pg.body) || b.lang != "php" && pg.body[b.code.from] == '@' { // nothing, or a directive
		return 0
	}
	var list []statement
	ok := false
	if b.lang != "asp" {
		list, ok = statementsOf(pg.body, b.code, b.lang)
	}
	if !ok || b.print {
		switch {
		case len(hits) == 0:
			return 1
		case b.print && b.lang != "asp" && pg.soleAll(b.code, hits, b.lang), b.lang == "asp" && aspShell.Match(pg.body[b.code.from:b.code.to]):
			pg.spans = append(pg.spans, b.span)
			return 0
		}
		pg.unsure = "the code around it cannot be told apart"
		return 1
	}
	goes := pg.guilty(list, hits, b.lang)
	if pg.unsure != "" {
		return 1
	}
	tied := pg.tied(list, goes)
	if b.lang == "jsp" && len(tied) > 0 && !pg.plumbing(list, goes, tied) { // what is compiled does not do without a variable
		pg.unsure = "other code hangs on what it declares"
		return 1
	}
	owners := 0 // what an owner may miss where the page is his
	for i, s := range list {
		if s.parent >= 0 || s.inside || goes[i] || b.lang == "jsp" && len(tied) > 0 {
			continue
		}
		if code := s.of(pg.body); !harmless(code, s.open, tied) && !pg.onlyGuilty(list, i, goes, false) {
			stay, owners = stay+1, owners+1
		} else if s.open || !shows(code, tied) {
			owners++
		}
	}
	if owners == 0 && len(hits) > 0 {
		pg.spans = append(pg.spans, b.span)
		return stay
	}
	for i, s := range list {
		if goes[i] && !(s.parent >= 0 && goes[s.parent]) {
			pg.spans = append(pg.spans, s.span)
		}
	}
	return stay
}

// aspShell matches a block of ASP that is one statement, and that the shell.
var aspShell = regexp.MustCompile(`(?i)^\s*=?\s*(?:if\s+[^:\n"]{0,100}(?:"[^":\n]{0,40}"[^:\n"]{0,40})?\bthen\s+)?(?:response\.write\s*\(?\s*)?(?:eval|execute|executeglobal)\b[^:\n,]*$`)

// soleAll is sole for each of the hits.
func (pg *page) soleAll(s span, hits []span, lang string) bool {
	return !slices.ContainsFunc(hits, func(h span) bool { return !pg.sole(s, h, lang) })
}

// guilty marks the statements that hold the hits: the innermost, then the compounds that do nothing else.
func (pg *page) guilty(list []statement, hits []span, lang string) map[int]bool {
	goes := map[int]bool{}
	for _, h := range hits {
		at := -1
		for i, s := range list {
			if s.holds(h) && (at < 0 || list[at].holds(s.span)) {
				at = i
			}
		}
		switch {
		case at < 0:
			pg.unsure = "what was found is no statement of its own"
			return nil
		case list[at].open:
			pg.unsure = "what was found is the condition of other code"
			return nil
		case !pg.sole(list[at].span, h, lang):
			pg.unsure = "other code stands in the same statement"
			return nil
		}
		goes[at] = true
	}
	for i := len(list) - 1; i >= 0; i-- { // what is inside stands later
		if s := list[i]; s.open && pg.onlyGuilty(list, i, goes, true) {
			goes[i] = true
		}
	}
	for i, s := range list {
		if goes[i] && !(s.parent >= 0 && goes[s.parent]) && !pg.alone(s) {
			pg.unsure = "other code hangs on it"
			return nil
		}
	}
	return goes
}

// onlyGuilty reports whether a conditional does nothing but what goes: its condition asks only for what a visitor sent, and it
// holds nothing else. strict: where it ends the page or prints, too, the condition has to ask for the very thing that is run.
// An owner's guard, into which a shell was put, has to stay.
func (pg *page) onlyGuilty(list []statement, at int, goes map[int]bool, strict bool) bool {
	s := list[at]
	if word := firstName(s.head.of(pg.body)); !s.open || s.inside || word != "if" && word != "foreach" && word != "for" && word != "while" && word != "try" || !pg.ownHead(s) {
		return false
	}
	var bad []span
	more := false
	for i := at + 1; i < len(list) && list[i].from < s.to; i++ {
		if list[i].parent != at {
			continue
		}
		code := list[i].of(pg.body)
		switch {
		case goes[i]:
			bad = append(bad, list[i].span)
		case !harmless(code, list[i].open, nil) && !prints(code, nil):
			return false
		default:
			more = more || strings.Trim(code, "; \t\r\n") != ""
		}
	}
	if strict && more && (denies(s.head.of(pg.body)) || !pg.sameKey(s, bad)) {
		return false
	}
	return len(bad) > 0 && pg.alone(s)
}

// alone reports whether a statement can be taken out without a part of another one staying behind.
func (pg *page) alone(s statement) bool {
	switch firstName(s.of(pg.body)) {
	case "else", "elseif", "case", "default", "catch", "finally", "do", "function", "class", "return", "public", "private", "protected", "static", "abstract", "final":
		return false
	}
	switch firstName(string(pg.body[s.to:min(len(pg.body), s.to+64)])) {
	case "else", "elseif", "catch", "finally":
		return false
	}
	return !s.inside && !colonForm.MatchString(s.of(pg.body)) && !strings.HasSuffix(strings.TrimSpace(string(pg.body[max(0, s.from-64):s.from])), "->")
}

// colonForm is the head of a compound without braces: if (...): ... endif.
var colonForm = regexp.MustCompile(`(?is)^(?:if|for|foreach|while|switch)\b[^;{]*\)\s*:`)

// harmless reports whether a statement by itself does nothing that an owner would miss beside a shell: it ends the page, sets
// limits, or handles nothing but variables that a shell filled.
func harmless(code string, compound bool, tied map[string]bool) bool {
	if compound {
		return false
	}
	switch firstName(code) {
	case "exit", "die", "set_time_limit", "error_reporting", "ini_set", "ignore_user_abort":
		return !strings.ContainsAny(code, "$`")
	}
	return shows(code, tied)
}

// shows reports whether a statement is empty, or prints nothing but what a shell filled.
func shows(code string, tied map[string]bool) bool {
	return strings.Trim(code, "; \t\r\n") == "" || len(tied) > 0 && variable.MatchString(code) && prints(code, tied)
}

// prints reports whether a statement prints a fixed text or these variables, and nothing else.
func prints(code string, tied map[string]bool) bool {
	switch firstName(code) {
	case "echo", "print", "print_r", "var_dump", "header":
	default:
		return false
	}
	for _, m := range variable.FindAllStringSubmatch(code, -1) {
		if !tied[m[1]] {
			return false
		}
	}
	return !strings.Contains(code, "`")
}

var (
	variable = regexp.MustCompile(`\$([A-Za-z_]\w*)`)
	assigned = regexp.MustCompile(`^@?\s*(?:[\w.<>\[\]]+\s+)?\$?([A-Za-z_]\w*)\s*=[^=>]`)
	plumber  = regexp.MustCompile(`(?i)getInputStream|getErrorStream|InputStreamReader|BufferedReader|readLine|\.read\(|\bout\.print|new byte|\.close\(\)|\.flush\(\)|waitFor|^int \w+\s*=|^String \w+\s*=`)
)

// tied names the variables that the statements which go would have filled.
func (pg *page) tied(list []statement, goes map[int]bool) map[string]bool {
	out := map[string]bool{}
	for i := range goes {
		if m := assigned.FindStringSubmatch(list[i].of(pg.body)); m != nil && !list[i].open {
			out[m[1]] = true
		}
	}
	return out
}

// plumbing reports whether all other statements do nothing but show what a command printed.
func (pg *page) plumbing(list []statement, goes map[int]bool, tied map[string]bool) bool {
	known := maps.Clone(tied)
	for i, s := range list {
		if goes[i] || s.open {
			continue
		}
		code := s.of(pg.body)
		if !plumber.MatchString(code) || !emptyVariable.MatchString(code) && !slices.ContainsFunc(names.FindAllString(code, -1), func(n string) bool { return known[n] }) {
			return false
		}
		if m := assigned.FindStringSubmatch(code); m != nil {
			known[m[1]] = true
		}
	}
	return true
}

var (
	names         = regexp.MustCompile(`[A-Za-z_]\w*`)
	emptyVariable = regexp.MustCompile(`^(?:int|byte\s*\[\s*\]|String)\s+\w+(?:\s*\[\s*\])?\s*=\s*(?:-?\d+|null|""|new\s+byte\s*\[\s*\d+\s*\])\s*;$`)
)

// shellWords are functions of which a web shell uses several and an ordinary page few.
var shellWords = regexp.MustCompile(`(?i)\b(eval|assert|system|passthru|shell_exec|popen|proc_open|pcntl_exec|exec|create_function|gzinflate|str_rot13|base64_decode|posix_getpwuid|posix_kill|fsockopen|move_uploaded_file|php_uname|disk_total_space|getRuntime|ProcessBuilder|defineClass)\s*\(`)

// handsOver matches code that a shell in a page may hide beside the one that is found: a visitor names what is called or included,
// or hands his text to what a variable names.
var handsOver = regexp.MustCompile(`(?is)\$\{?\w+\}?\s*\(\s*@?\s*\$_(?:POST|GET|REQUEST|COOKIE)\b|` +
	`\b(?:array_map|array_filter|array_walk|usort|uasort|call_user_func(?:_array)?|register_shutdown_function|preg_replace_callback)\s*\(\s*@?(?:\$_(?:POST|GET|REQUEST|COOKIE)\b|["'](?:assert|system|exec|passthru|shell_exec)\b)|` +
	`\b(?:include|require)(?:_once)?\b[^;]{0,40}\$_(?:POST|GET|REQUEST|COOKIE)\b`)

// maxShellWords is how many of them the rest of a page may use before it cannot be told whose it is.
const maxShellWords = 2

// doubt says why the rest of a page may not be the owner's, or "".
func (pg *page) doubt() string {
	stays := func(from, to int) bool {
		return !slices.ContainsFunc(pg.spans, func(s span) bool { return s.overlaps(span{from, to}) })
	}
	for _, m := range handsOver.FindAllIndex(pg.body, 1000) {
		if stays(m[0], m[1]) {
			return "the rest of it hands a visitor's text to what runs it: " + q(span{m[0], m[1]}.of(pg.body))
		}
	}
	seen := map[string]bool{}
	for _, m := range shellWords.FindAllSubmatchIndex(pg.body, 1000) {
		if stays(m[0], m[1]) {
			seen[strings.ToLower(string(pg.body[m[2]:m[3]]))] = true
		}
	}
	if len(seen) > maxShellWords {
		return "the rest of it looks like a shell, too (" + strings.Join(sortedKeys(seen), ", ") + ")"
	}
	return ""
}

// cuts gives the exact changes, one for each run of lines: the lines as they are, and the action that takes the spans out of them.
// False where a line is too long to be written into a plan.
func (pg *page) cuts(name string) (out []deminer.Action, ok bool) {
	lines := lineSpans(pg.body)
	for i := 0; i < len(pg.spans); {
		first := lineAt(lines, pg.spans[i].from)
		last := lineAt(lines, pg.spans[i].to-1)
		j := i + 1
		for ; j < len(pg.spans) && lineAt(lines, pg.spans[j].from) <= last; j++ {
			last = max(last, lineAt(lines, pg.spans[j].to-1))
		}
		run := span{lines[first].from, lines[last].to}
		if run.to-run.from > lineLimit {
			return nil, false
		}
		out = append(out, pg.change(name, run, pg.spans[i:j], first+1))
		i = j
	}
	return out, true
}

// change takes spans out of a run of lines. Lines of which nothing but blanks or a pair of the intruder's marks stays go whole.
func (pg *page) change(name string, run span, spans []span, no int) deminer.Action {
	var keep []byte
	at := run.from
	for _, s := range spans {
		keep = append(keep, pg.body[at:s.from]...)
		at = min(s.to, run.to) // the newline of the last line is no part of the run
	}
	keep = append(keep, pg.body[at:run.to]...)
	a := deminer.Action{Verb: deminer.VerbCutLine, Target: deminer.Artifact{Kind: deminer.KindLine, Path: deminer.Raw(name), Line: deminer.Raw(run.of(pg.body)), LineNo: no}}
	if len(bytes.TrimSpace(keep)) > 0 && !marks(keep) {
		a.Verb, a.Args = deminer.VerbEditLine, map[string]deminer.Raw{"new": deminer.Raw(keep)}
	}
	return a
}

var mark = regexp.MustCompile(`^\s*(/\*[0-9A-Za-z_]{1,16}\*/)\s*(/\*[0-9A-Za-z_]{1,16}\*/)\s*$`)

// marks reports whether nothing is left but the pair of comments by which an intruder's tool finds what it wrote.
func marks(keep []byte) bool {
	m := mark.FindSubmatch(keep)
	return m != nil && bytes.Equal(m[1], m[2])
}

// lineSpans are the lines of a text without their newlines.
func lineSpans(body []byte) (out []span) {
	at := 0
	for l := range bytes.Lines(body) {
		out = append(out, span{at, at + len(bytes.TrimSuffix(l, []byte{'\n'}))})
		at += len(l)
	}
	return out
}

// lineAt gives the index of the line that holds a byte, its newline counted in.
func lineAt(lines []span, at int) int {
	i, _ := slices.BinarySearchFunc(lines, at, func(s span, at int) int {
		if s.to < at {
			return -1
		}
		return 1
	})
	return min(i, len(lines)-1)
}
