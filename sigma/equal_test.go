package sigma

import (
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
)

// gen makes rules and events of few values, so that they often meet.
type gen struct {
	*rand.Rand
	services int // log sources besides the few named ones
}

// service names one of them.
func (g gen) service() string { return fmt.Sprint("s", g.Intn(g.services)) }

func (g gen) one(list ...string) string { return list[g.Intn(len(list))] }

var genFields = []string{"A", "B", "C"}

// genTexts are pieces that values are made of: cases, other scripts, letters with odd case (Kelvin sign, long s, sharp s, dotted I), wildcards, signs, what needs escapes.
var genTexts = []string{"ab", "AB", "Abc", "b", "c", "x", "é", "É", "K", "k", "ſ", "s", "ß", "İ", "世界", "\\", "\\\\", "-x", "/x", "–x", "a-b", " ", ".exe", "curl", "CURL", "cur", "%p%", `\%p%`, "%", "\n", "1", "10"}

func (g gen) text(wild bool) string {
	var b strings.Builder
	for n := g.Intn(5); n >= 0; n-- {
		b.WriteString(g.one(genTexts...))
		if wild && g.Intn(5) == 0 {
			b.WriteString(g.one("*", "?", `\*`, `\?`, `\\*`, `\\\*`))
		}
	}
	return b.String()
}

var genLists = map[string][]string{"p": {"ab", "x*", "K?"}, "q": {"", "curl"}}

func quote(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s)
	return `"` + s + `"`
}

// line makes one line of a selection.
func (g gen) line(field string) string {
	values := func(f func() string) string {
		n := 1 + g.Intn(3)
		if n == 1 {
			return f()
		}
		var list []string
		for range n {
			list = append(list, f())
		}
		return "[" + strings.Join(list, ", ") + "]"
	}
	key, value := field, ""
	what := g.Intn(14)
	for field == "" && what >= 8 && what != 12 {
		what = g.Intn(14) // the others need a field
	}
	place := g.one("", "", "|contains", "|startswith", "|endswith")
	switch what {
	default:
		key += place
		if g.Intn(4) == 0 {
			key += g.one("|cased", "|windash", "|expand", "|windash|cased", "|expand|cased")
		}
		value = values(func() string { return quote(g.text(true)) })
	case 5:
		key += g.one("|wide", "|utf16le", "|utf16be", "|utf16") + place
		value = values(func() string { return quote(g.text(false)) })
	case 6:
		key += g.one("|base64", "|base64offset", "|wide|base64offset", "|utf16|base64", "|expand|base64", "|windash|base64offset") + "|contains"
		value = values(func() string { return quote(g.one("abc", "curl -x", "Éab", "cmd", "abcde")) })
	case 7:
		key += "|re" + g.one("", "|i", "|s", "|m", "|i|s") + g.one("", "", "|startswith", "|endswith", "|contains")
		value = values(func() string {
			return quote(g.one("a.b", "cu(rl|x)", "(?:ab|c)x", "^b+", "k$", "[a-c]{2,}", "(curl|CUR)(x|b)?", "x*", "é", "s"))
		})
	case 8:
		key += "|" + g.one("lt", "lte", "gt", "gte")
		value = g.one("1", "10", "-3", "0.5", "1e1", "0x0a", "9007199254740993")
	case 9:
		key += "|" + g.one("hour", "minute", "day", "week", "month", "year") + g.one("", "", "|gte", "|lt")
		value = g.one("1", "3", "12", "10", "31", "5")
		if strings.Contains(key, "month") {
			value = g.one("1", "12")
		} else if strings.Contains(key, "hour") {
			value = g.one("3", "22")
		}
	case 10:
		key, value = field+"|exists", g.one("true", "false")
	case 11:
		key, value = field+"|fieldref"+place+g.one("", "|cased"), g.one(genFields...)
	case 12:
		key += "|cidr"
		value = values(func() string {
			return quote(g.one("10.0.0.0/8", "10.1.0.0/16", "fe80::/10", "0.0.0.0/0", "2001:db8::/32", "::ffff:10.0.0.0/104", "10.0.0.1/32"))
		})
	case 13:
		value = g.one("null", "''", "5", "0x10", "[1, 10]", "true", "[null, ab]")
	}
	if g.Intn(6) == 0 && !strings.Contains(key, "exists") {
		key += "|neq"
	}
	if strings.HasPrefix(value, "[") && g.Intn(3) == 0 {
		key += "|all"
	}
	return "'" + key + "': " + value
}

func (g gen) selection() string {
	mapping := func() string {
		var lines []string
		fields := append([]string{""}, genFields...)
		g.Shuffle(len(fields), func(i, k int) { fields[i], fields[k] = fields[k], fields[i] })
		for _, f := range fields[:1+g.Intn(2)] {
			lines = append(lines, g.line(f))
		}
		if len(lines) == 2 && strings.SplitN(lines[0], "'", 3)[1] == strings.SplitN(lines[1], "'", 3)[1] {
			lines = lines[:1]
		}
		return "{" + strings.Join(lines, ", ") + "}"
	}
	switch g.Intn(6) {
	case 0:
		return "[" + mapping() + ", " + mapping() + "]"
	case 1:
		return "[" + quote(g.text(true)) + ", " + quote(g.text(true)) + "]"
	case 2:
		return "[" + quote(g.text(true)) + ", " + mapping() + "]"
	}
	return mapping()
}

func (g gen) condition(depth int) string {
	if depth > 2 || g.Intn(3) == 0 {
		return g.one("s1", "s2", "_s3", "1 of s*", "all of s*", "all of them", "1 of them", "2 of s*", "any of _*")
	}
	switch g.Intn(4) {
	case 0:
		return "not " + g.condition(depth+1)
	case 1:
		return "(" + g.condition(depth+1) + ")"
	case 2:
		return g.condition(depth+1) + " and " + g.condition(depth+1)
	}
	return g.condition(depth+1) + " or " + g.condition(depth+1)
}

func (g gen) rule(i int) string {
	source := g.one("product: linux", "product: windows", "product: linux\n  category: process_creation", "service: sshd", "category: process_creation", "product: Linux\n  service: sshd")
	if g.services > 0 {
		source = "service: " + g.service()
	}
	condition := g.condition(0)
	if g.Intn(8) == 0 {
		condition = "[" + condition + ", " + g.condition(1) + "]"
	}
	return fmt.Sprintf("title: rule %d\nid: id-%d\nlogsource:\n  %s\ndetection:\n  s1: %s\n  s2: %s\n  _s3: %s\n  condition: %s\n", i, i, source, g.selection(), g.selection(), g.selection(), condition)
}

func (g gen) event() Event {
	ev := Event{Source: LogSource{Category: g.one("", "process_creation"), Product: g.one("linux", "windows", "LINUX"), Service: g.one("", "sshd", "cron")}}
	if g.services > 0 {
		ev.Source.Service = g.service()
	}
	for range g.Intn(5) {
		f := Field{Name: g.one("A", "B", "C", "A", "unknown"), Null: g.Intn(10) == 0}
		switch g.Intn(7) {
		case 0:
			f.Value = g.one("10.0.0.1", "10.1.2.3", "192.0.2.1", "fe80::1%eth0", "::ffff:10.2.3.4", "2001:db8::5", "10.0.0", "1.2.3.4.5", "a:b")
		case 1:
			f.Value = g.one("1", "10", "9.5", "-4", "0x10", "0xZZ", "1e3", "9007199254740993", "", "true", "5", "16", "1-2", "+3")
		case 2:
			f.Value = g.one("2026-01-31T03:10:05Z", "2026-12-01 22:05", "2026/01/05", "2026-13-01", "2026-1-1", "2026-01-05Tzz", "1999-12-31T23:59:59.5+02:00")
		case 3:
			f.Value = string(slowString(slowModify(g.one("wide", "utf16be", "utf16"), slowText([]rune(g.text(false))), nil)[0]))
		case 4:
			f.Value = "x" + g.one("", "y", "zz") + string(slowString(slowModify("base64", slowText([]rune(g.one(" ", "ab", "")+g.one("abc", "curl -x", "Éab", "abcde")+g.one("", "z"))), nil)[0]))
		default:
			f.Value = g.text(false)
			if g.Intn(6) == 0 {
				f.Value += g.one("\xff", "\xe4\xb8", "\x80", "\xc3")
			}
		}
		ev.Fields = append(ev.Fields, f)
	}
	return ev
}

// compareAll compiles rules together and holds every answer against the slow evaluator.
func compareAll(t *testing.T, seed int64, rules, events, services int) (hits int) {
	g := gen{rand.New(rand.NewSource(seed)), services}
	o := Options{Placeholders: genLists}
	var sources []Source
	for i := range rules {
		sources = append(sources, Source{Name: fmt.Sprintf("%d.yml", i), Text: g.rule(i)})
	}
	_, err := Compile(o, sources...)
	var errs Errors
	errors.As(err, &errs)
	for _, e := range errs {
		if !strings.Contains(e.Text, "no list was given for the placeholder") { // two texts may make a name between them
			t.Fatal(e)
		}
		sources = slices.DeleteFunc(sources, func(s Source) bool { return s.Name == e.File })
	}
	rs, err := Compile(o, sources...)
	if err != nil {
		t.Fatal(err)
	}
	var slow []*slowRule
	for _, s := range sources {
		slow = append(slow, newSlowRule(s))
	}
	m := rs.NewMatcher()
	for range events {
		ev := g.event()
		got := map[string]bool{}
		for _, r := range m.Match(&ev) {
			got[r.File] = true
		}
		for i, s := range sources {
			want := slow[i].match(&ev, genLists)
			if want {
				hits++
			}
			if got[s.Name] != want {
				t.Fatalf("seed %d: engine %v, slow evaluator %v\nevent %s %q\n%s", seed, got[s.Name], want, ev.Source, fmt.Sprint(ev.Fields), s.Text)
			}
		}
	}
	return hits
}

// TestEqual compares generated rules and events with the slow evaluator.
func TestEqual(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 15
	}
	hits := 0
	for seed := range rounds {
		hits += compareAll(t, int64(seed), 40, 40, 0)
	}
	if hits < rounds*100 {
		t.Errorf("only %d hits: the generator misses what it should meet", hits)
	}
	t.Logf("%d hits equal", hits)
}

// TestEqualManySources is TestEqual with more log sources than a mask has bits.
func TestEqualManySources(t *testing.T) {
	hits, rounds := 0, 4
	if testing.Short() {
		rounds = 1
	}
	for seed := range rounds {
		hits += compareAll(t, int64(seed), 300, 300, 100)
	}
	if hits < rounds*75 {
		t.Errorf("only %d hits", hits)
	}
}

// FuzzEqual is TestEqual with other seeds.
func FuzzEqual(f *testing.F) {
	for seed := range int64(5) {
		f.Add(1000 + seed)
	}
	f.Fuzz(func(t *testing.T, seed int64) { compareAll(t, seed, 10, 20, int(seed%3)*50) })
}
