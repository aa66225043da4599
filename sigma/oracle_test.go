package sigma

import (
	"encoding/base64"
	"fmt"
	"math/big"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// The slow, obvious evaluator: it walks the YAML of a rule anew for every event and shares no code with the engine.
// It knows rules, not correlations, and expects rules that compile.

// slowRule is a rule as its YAML says.
type slowRule struct {
	name       string
	source     map[string]string
	selections map[string]*yaml.Node
	conditions []string
}

func newSlowRule(s Source) *slowRule {
	var doc struct {
		Logsource map[string]string
		Detection yaml.Node
	}
	if err := yaml.Unmarshal([]byte(s.Text), &doc); err != nil {
		panic(err)
	}
	r := &slowRule{s.Name, doc.Logsource, map[string]*yaml.Node{}, nil}
	for i := 0; i < len(doc.Detection.Content); i += 2 {
		name, n := doc.Detection.Content[i].Value, doc.Detection.Content[i+1]
		switch {
		case name != "condition":
			r.selections[name] = n
		case n.Kind == yaml.SequenceNode:
			for _, c := range n.Content {
				r.conditions = append(r.conditions, c.Value)
			}
		default:
			r.conditions = append(r.conditions, n.Value)
		}
	}
	return r
}

// match says whether the rule speaks of an event.
func (r *slowRule) match(ev *Event, lists map[string][]string) bool {
	for part, have := range map[string]string{"category": ev.Source.Category, "product": ev.Source.Product, "service": ev.Source.Service} {
		if want := r.source[part]; want != "" && !strings.EqualFold(want, have) {
			return false
		}
	}
	truth := map[string]bool{}
	for name, n := range r.selections {
		truth[name] = slowSelection(n, ev, lists)
	}
	for _, c := range r.conditions {
		v, rest := slowOr(slowRegexp(`[()]|[^\s()]+`).FindAllString(c, -1), truth)
		if len(rest) > 0 {
			panic(fmt.Sprintf("condition %q: %q left", c, rest))
		}
		if v {
			return true
		}
	}
	return false
}

var slowRegexps = struct {
	sync.Mutex
	m map[string]*regexp.Regexp
}{m: map[string]*regexp.Regexp{}}

// slowRegexp compiles an expression once, until there are too many.
func slowRegexp(expr string) *regexp.Regexp {
	slowRegexps.Lock()
	defer slowRegexps.Unlock()
	re := slowRegexps.m[expr]
	if re == nil {
		if len(slowRegexps.m) > 5000 {
			clear(slowRegexps.m)
		}
		re = regexp.MustCompile(expr)
		slowRegexps.m[expr] = re
	}
	return re
}

func slowOr(words []string, truth map[string]bool) (bool, []string) {
	v, words := slowAnd(words, truth)
	for len(words) > 0 && strings.EqualFold(words[0], "or") {
		var w bool
		w, words = slowAnd(words[1:], truth)
		v = v || w
	}
	return v, words
}

func slowAnd(words []string, truth map[string]bool) (bool, []string) {
	v, words := slowNot(words, truth)
	for len(words) > 0 && strings.EqualFold(words[0], "and") {
		var w bool
		w, words = slowNot(words[1:], truth)
		v = v && w
	}
	return v, words
}

func slowNot(words []string, truth map[string]bool) (bool, []string) {
	switch {
	case strings.EqualFold(words[0], "not"):
		v, rest := slowNot(words[1:], truth)
		return !v, rest
	case words[0] == "(":
		v, rest := slowOr(words[1:], truth)
		return v, rest[1:]
	case len(words) > 2 && strings.EqualFold(words[1], "of"):
		yes, all := 0, 0
		for name, v := range truth {
			re := "^" + strings.ReplaceAll(regexp.QuoteMeta(words[2]), `\*`, ".*") + "$"
			if words[2] == "them" {
				re = ""
			}
			if !slowRegexp(re).MatchString(name) || strings.HasPrefix(name, "_") && !strings.HasPrefix(words[2], "_") {
				continue
			}
			all++
			if v {
				yes++
			}
		}
		need := 1
		if n, err := strconv.Atoi(words[0]); err == nil {
			need = n
		} else if strings.EqualFold(words[0], "all") {
			need = all
		}
		return yes >= need, words[3:]
	}
	return truth[words[0]], words[1:]
}

func slowSelection(n *yaml.Node, ev *Event, lists map[string][]string) bool {
	switch n.Kind {
	case yaml.ScalarNode:
		return slowItem("", []*yaml.Node{n}, ev, lists)
	case yaml.SequenceNode:
		for _, c := range n.Content {
			if slowSelection(c, ev, lists) {
				return true
			}
		}
		return false
	case yaml.AliasNode:
		return slowSelection(n.Alias, ev, lists)
	}
	for i := 0; i < len(n.Content); i += 2 {
		values := []*yaml.Node{n.Content[i+1]}
		if n.Content[i+1].Kind == yaml.SequenceNode {
			values = n.Content[i+1].Content
		}
		if !slowItem(n.Content[i].Value, values, ev, lists) {
			return false
		}
	}
	return true
}

// slowItem asks one line of a selection.
func slowItem(key string, values []*yaml.Node, ev *Event, lists map[string][]string) bool {
	words := strings.Split(key, "|")
	has := func(m string) bool {
		for _, w := range words[1:] {
			if w == m {
				return true
			}
		}
		return false
	}
	yes := 0
	for _, v := range values {
		if slowValue(words[0], words[1:], has, v, ev, lists) {
			yes++
		}
	}
	ok := yes > 0
	if has("all") {
		ok = yes == len(values)
	}
	return ok != has("neq")
}

// slowText is a text of a rule: characters, or -1 for "?", -2 for "*", -3 for a sign that windash varies.
type slowText []rune

const (
	slowOne  rune = -1
	slowMany rune = -2
)

func slowValue(field string, mods []string, has func(string) bool, n *yaml.Node, ev *Event, lists map[string][]string) bool {
	var have []Field
	for _, f := range ev.Fields {
		if f.Name == field || field == "" {
			f.Value = f.Value[:min(len(f.Value), MaxValue)]
			have = append(have, f)
		}
	}
	if n.Tag == "!!null" {
		for _, f := range have {
			if f.Null {
				return true
			}
		}
		return len(have) == 0
	}
	if has("exists") {
		return (len(have) > 0) == strings.EqualFold(n.Value, "true")
	}
	for _, f := range have {
		if !f.Null && slowOneValue(f.Value, field, mods, has, n, ev, lists) {
			return true
		}
	}
	return false
}

func slowOneValue(v, field string, mods []string, has func(string) bool, n *yaml.Node, ev *Event, lists map[string][]string) bool {
	text := n.Value
	if n.Tag == "!!int" {
		var i int64
		if n.Decode(&i) == nil {
			text = strconv.FormatInt(i, 10)
		}
	}
	for _, u := range []string{"minute", "hour", "day", "week", "month", "year"} {
		if has(u) {
			part, ok := slowTime(v, u)
			want, _ := strconv.Atoi(text)
			return ok && slowCompare(has, part-want)
		}
	}
	switch {
	case has("re"):
		flags := ""
		for long, f := range map[string]string{"ignorecase": "i", "multiline": "m", "dotall": "s"} {
			if has(f) || has(long) {
				flags += f
			}
		}
		re := "(?:" + text + ")"
		if flags != "" {
			re = "(?" + flags + ")" + re
		}
		if has("startswith") {
			re = `\A` + re
		}
		if has("endswith") {
			re += `\z`
		}
		return slowRegexp(re).MatchString(v)
	case has("cidr"):
		p, _ := netip.ParsePrefix(strings.Replace(text, "::ffff:10.0.0.0/104", "10.0.0.0/8", 1)) // the one IPv4 network in IPv6 form of the generator
		a, err := netip.ParseAddr(v)
		return err == nil && p.Contains(a.WithZone("").Unmap())
	case has("lt") || has("lte") || has("gt") || has("gte"):
		a, okA := slowNumber(v)
		b, okB := slowNumber(text)
		return okA && okB && slowCompare(has, a.Cmp(b))
	case has("fieldref"):
		for _, o := range ev.Fields {
			if o.Name == text && !o.Null {
				want := slowText([]rune(slowRaw(o.Value)))
				if has("contains") || has("endswith") {
					want = append(slowText{slowMany}, want...)
				}
				if has("contains") || has("startswith") {
					want = append(want, slowMany)
				}
				if slowGlob(want, []rune(slowRaw(v)), has("cased"), false) {
					return true
				}
			}
		}
		return false
	}
	texts := []slowText{slowParse(text)}
	placed, bytes := false, false
	for _, m := range mods {
		var next []slowText
		for _, t := range texts {
			next = append(next, slowModify(m, t, lists)...)
		}
		texts = next
		placed = placed || m == "contains" || m == "startswith" || m == "endswith"
		switch m {
		case "wide", "utf16le", "utf16be", "utf16":
			bytes = true
		case "base64", "base64offset":
			bytes = false
		}
	}
	for _, t := range texts {
		if field == "" && !placed {
			t = append(append(slowText{slowMany}, t...), slowMany)
		}
		runes := []rune(slowRaw(v))
		if bytes {
			t, runes = slowBytes(t), slowBytes([]rune(slowRaw(v)))
		}
		if slowGlob(t, runes, has("cased"), bytes) {
			return true
		}
	}
	return false
}

// slowRaw gives bytes that are no UTF-8 runes of their own.
func slowRaw(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			r = 0x10FF00 + rune(s[i])
		}
		b.WriteRune(r)
		i += n
	}
	return b.String()
}

// slowBytes gives the bytes of a text, one rune each.
func slowBytes(t []rune) []rune {
	var out []rune
	for _, r := range t {
		switch {
		case r < 0:
			out = append(out, r)
		case r >= 0x10FF00:
			out = append(out, r-0x10FF00)
		default:
			for _, c := range []byte(string(r)) {
				out = append(out, rune(c))
			}
		}
	}
	return out
}

func slowParse(s string) slowText {
	var out slowText
	r := []rune(s)
	for i := 0; i < len(r); i++ {
		switch {
		case r[i] == '\\' && i+1 < len(r) && (r[i+1] == '*' || r[i+1] == '?' || r[i+1] == '\\'):
			i++
			out = append(out, r[i])
		case r[i] == '*':
			out = append(out, slowMany)
		case r[i] == '?':
			out = append(out, slowOne)
		default:
			out = append(out, r[i])
		}
	}
	return out
}

func slowWord(r rune) bool { return r == '_' || r > 0 && (unicode.IsLetter(r) || unicode.IsDigit(r)) }

func slowModify(m string, t slowText, lists map[string][]string) []slowText {
	switch m {
	case "contains":
		return []slowText{append(append(slowText{slowMany}, t...), slowMany)}
	case "startswith":
		return []slowText{append(append(slowText{}, t...), slowMany)}
	case "endswith":
		return []slowText{append(slowText{slowMany}, t...)}
	case "windash":
		out := []slowText{nil}
		signs := []rune("-/–—―")
		for i, r := range t {
			choices := []rune{r}
			if strings.ContainsRune(string(signs), r) && !(i > 0 && slowWord(t[i-1])) && i+1 < len(t) && slowWord(t[i+1]) {
				choices = signs
			}
			var next []slowText
			for _, head := range out {
				for _, c := range choices {
					next = append(next, append(append(slowText{}, head...), c))
				}
			}
			out = next
		}
		return out
	case "expand":
		for i, r := range t {
			if r != '%' || i > 0 && t[i-1] == '\\' {
				continue
			}
			k := i + 1
			for k < len(t) && slowWord(t[k]) {
				k++
			}
			if k == i+1 || k == len(t) || t[k] != '%' {
				continue
			}
			var out []slowText
			for _, v := range lists[string(t[i+1:k])] {
				for _, tail := range slowModify("expand", t[k+1:], lists) {
					out = append(out, append(append(append(slowText{}, slowUnescape(t[:i])...), slowParse(v)...), tail...))
				}
			}
			return out
		}
		return []slowText{slowUnescape(t)}
	case "wide", "utf16le", "utf16be", "utf16":
		var out slowText
		if m == "utf16" {
			out = slowText{0x10FFFF, 0x10FFFE} // the bytes FF FE
		}
		for _, r := range t {
			if r < 0 {
				out = append(out, r)
				continue
			}
			units := []int{int(r)}
			if r > 0xFFFF {
				units = []int{0xD800 + int(r-0x10000)>>10, 0xDC00 + int(r-0x10000)&0x3FF}
			}
			for _, u := range units {
				a, b := slowByte(u&0xFF), slowByte(u>>8)
				if m == "utf16be" {
					a, b = b, a
				}
				out = append(out, a, b)
			}
		}
		return []slowText{out}
	case "base64":
		return []slowText{slowText([]rune(base64.StdEncoding.EncodeToString(slowString(t))))}
	case "base64offset":
		var out []slowText
		b := slowString(t)
		for i := 0; i < 3; i++ {
			enc := base64.StdEncoding.EncodeToString(append([]byte("   ")[:i:i], b...))
			from := []int{0, 2, 3}[i]
			to := len(enc) - []int{0, 3, 2}[(len(b)+i)%3]
			if to > from {
				out = append(out, slowText([]rune(enc[from:to])))
			}
		}
		return out
	}
	return []slowText{t}
}

func slowByte(b int) rune {
	if b >= 0x80 {
		return 0x10FF00 + rune(b)
	}
	return rune(b)
}

func slowString(t slowText) []byte {
	var b []byte
	for _, r := range slowBytes(t) {
		b = append(b, byte(r))
	}
	return b
}

func slowUnescape(t slowText) slowText {
	var out slowText
	for i, r := range t {
		if r == '\\' && i+1 < len(t) && t[i+1] == '%' {
			continue
		}
		out = append(out, r)
	}
	return out
}

func slowEqual(a, b rune, cased, bytes bool) bool {
	switch {
	case a == b:
		return true
	case cased:
		return false
	case bytes && (a >= 0x80 || b >= 0x80), a >= 0x10FF00, b >= 0x10FF00:
		return false
	}
	return strings.EqualFold(string(a), string(b))
}

// slowGlob fills a table: row i says which beginnings of the text the first i signs of the pattern cover.
func slowGlob(p slowText, text []rune, cased, bytes bool) bool {
	row := make([]bool, len(text)+1)
	row[0] = true
	for _, c := range p {
		next := make([]bool, len(text)+1)
		for k := range next {
			switch c {
			case slowMany:
				next[k] = row[k] || k > 0 && next[k-1]
			case slowOne:
				next[k] = k > 0 && row[k-1]
			default:
				next[k] = k > 0 && row[k-1] && slowEqual(c, text[k-1], cased, bytes)
			}
		}
		row = next
	}
	return row[len(text)]
}

func slowNumber(s string) (*big.Float, bool) {
	exact := new(big.Float).SetPrec(1000)
	if len(s) > 2 && (s[:2] == "0x" || s[:2] == "0X") {
		n, err := strconv.ParseInt(s[2:], 16, 64)
		return exact.SetInt64(n), err == nil
	}
	if len(s) > 64 || !slowRegexp(`^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$`).MatchString(s) {
		return nil, false
	}
	if f, err := strconv.ParseFloat(s, 64); err != nil || slowRegexp(`[.eE]`).MatchString(s) {
		return exact.SetFloat64(f), err == nil
	}
	_, ok := exact.SetString(s)
	return exact, ok
}

func slowCompare(has func(string) bool, order int) bool {
	switch {
	case has("lt"):
		return order < 0
	case has("lte"):
		return order <= 0
	case has("gt"):
		return order > 0
	case has("gte"):
		return order >= 0
	}
	return order == 0
}

func slowTime(v, unit string) (int, bool) {
	m := slowRegexp(`^(\d{4})(?:-(\d\d)-(\d\d)|/(\d\d)/(\d\d))(?:[T ](\d\d):(\d\d))?`).FindStringSubmatch(v)
	if m == nil {
		return 0, false
	}
	num := func(s string) int { n, _ := strconv.Atoi(s); return n }
	year, month, day := num(m[1]), num(m[2]+m[4]), num(m[3]+m[5])
	if month < 1 || month > 12 || day < 1 || day > 31 {
		return 0, false
	}
	switch unit {
	case "year":
		return year, true
	case "month":
		return month, true
	case "day":
		return day, true
	case "week":
		_, w := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).ISOWeek()
		return w, true
	}
	hour, minute := num(m[6]), num(m[7])
	if m[6] == "" || hour > 23 || minute > 59 {
		return 0, false
	}
	if unit == "hour" {
		return hour, true
	}
	return minute, true
}
