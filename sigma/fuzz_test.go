package sigma

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzRule feeds whole sources; what compiles is asked about events, alone and in a stream.
func FuzzRule(f *testing.F) {
	for text := range faults {
		f.Add(text)
	}
	for _, s := range conformanceRules() {
		f.Add(s.Text)
	}
	f.Add(base + "title: k\ncorrelation: {type: temporal, rules: [a, b], group-by: [A], timespan: 1m, aliases: {A: {a: A, b: B}}}")
	f.Add("title: f\nlogsource: {product: linux}\nfilter: {rules: any, s: &a {A: b}, t: *a, condition: not 1 of them}\n---\n" + rule("  a: &x {X: 1}\n  b: {<<: *x}\n  condition: a or b"))
	events := []*Event{on("A", "a-b", "B", "NULL"), on("X", "1", "A", "10.0.0.1"), on("A", "2026-01-02T03:04:05", "A", "\xff\xfeA\x00")}
	f.Fuzz(func(t *testing.T, text string) {
		rs, err := Compile(conformanceOptions, Source{Name: "f", Text: text})
		if err != nil {
			for _, e := range err.(Errors) {
				if e.File != "f" || e.Line < 1 || e.Column < 1 || e.Text == "" {
					t.Fatalf("a fault without a place: %+v", e)
				}
			}
			return
		}
		s := rs.NewStream(Limits{Groups: 4, Entries: 50})
		for i, ev := range events {
			n := len(rs.Match(ev))
			if again := len(rs.Match(ev)); again != n {
				t.Fatalf("%d hits, then %d", n, again)
			}
			ev.Time = time.Unix(int64(i), 0)
			s.Add(ev)
		}
		s.Advance(time.Unix(1<<40, 0))
	})
}

// FuzzCondition feeds conditions; what compiles is compared with the slow evaluator.
func FuzzCondition(f *testing.F) {
	for _, s := range []string{"s1 and not s2", "1 of s* or (all of them and _s3)", "not not (s1)", "2 of *", "a | count(x) by y > 5", "any of _s*", "ALL of s?1", "s1 s2", "((s1)", "not", "1 of", "s-4.x or s1"} {
		f.Add(s, uint8(5))
	}
	f.Fuzz(func(t *testing.T, condition string, bits uint8) {
		parts, truth := map[string]*node{}, map[string]bool{}
		for i, name := range []string{"s1", "s2", "_s3", "s-4.x", "t"} {
			truth[name] = bits>>i&1 == 1
			parts[name] = &node{op: opAnd}
			if !truth[name] {
				parts[name] = &node{op: opOr}
			}
		}
		n, err := parseCondition(condition, parts)
		if err != nil {
			return
		}
		words := slowRegexp(`[()]|[^ \t\r\n()]+`).FindAllString(condition, -1)
		want, rest := slowOr(words, truth)
		if got := (&Matcher{}).holds(n); got != want || len(rest) > 0 {
			t.Fatalf("%q with %05b: engine %v, slow evaluator %v, left %q", condition, bits, got, want, rest)
		}
	})
}

// FuzzModifiers feeds a line of a selection and a value; what compiles is compared with the slow evaluator.
func FuzzModifiers(f *testing.F) {
	for _, c := range conformance {
		if key, value, ok := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(c.detection, "s: {"), "}"), ": "); ok && len(c.hit.Fields) > 0 {
			f.Add(strings.Trim(key, "'"), strings.Trim(value, "'"), c.hit.Fields[0].Value, c.miss.Fields[0].Value)
		}
	}
	f.Fuzz(func(t *testing.T, key, value, a, b string) {
		if len(key)+len(value)+len(a)+len(b) > 400 || !utf8.ValidString(key+value) || strings.Count(value, "-")+strings.Count(value, "/") > 5 || strings.ContainsFunc(key+value, func(r rune) bool {
			return r < ' ' || r == 0x7F || r == 0x85 || r >= 0x2028 && r <= 0x2029 || r == 0xFEFF || r >= 0xFFFE && r <= 0xFFFF || r >= 0x80 && r < 0xA0 || r > 0x10FEFF
		}) {
			return
		}
		words := strings.Split(key, "|")
		if len(words) > 6 || strings.Count(key, "|expand") > 1 || strings.Count(key, "|windash") > 1 {
			return // what they do twice, the slow evaluator does otherwise
		}
		for _, w := range words[1:] {
			if w == "expand" && (strings.Contains(key, "|re") || words[1] != "expand") || w == "cidr" && strings.Contains(value, "::ffff:") {
				return // not in the slow evaluator
			}
		}
		s := Source{Name: "m", Text: rule("  s: {" + quote(key) + ": " + quote(value) + "}\n  condition: s")}
		rs, err := Compile(conformanceOptions, s)
		if err != nil {
			return
		}
		slow := newSlowRule(s)
		for _, v := range []string{a, b, value, "x" + value + "y"} {
			ev := on(words[0], v, "B", b)
			want := slow.match(ev, conformanceOptions.Placeholders)
			if got := len(rs.Match(ev)) == 1; got != want {
				t.Fatalf("%q: %q on %q: engine %v, slow evaluator %v", key, value, v, got, want)
			}
		}
	})
}

// FuzzCorrelation feeds correlation sections and a sequence of events, one byte each.
func FuzzCorrelation(f *testing.F) {
	for _, s := range []string{
		"{type: event_count, rules: [a], group-by: [host], timespan: 10s, condition: {gte: 3}}", "{type: value_count, rules: [a, b], timespan: 1m, condition: {field: user, gt: 1, lt: 5}}",
		"{type: temporal, rules: [a, b], timespan: 5s, condition: a and not b}", "{type: temporal_ordered, rules: [a, b, c], group-by: [ip], aliases: {ip: {a: host, b: user, c: host}}, timespan: 1h, generate: true}",
		"\n  type: event_count\n  rules:\n    - k2\n  timespan: 1d\n  condition:\n    eq: 1\n---\ntitle: k2\nname: k2\ncorrelation: {type: temporal, rules: [a, c], timespan: 3s}",
	} {
		f.Add(s, []byte("abcabcABC\x00\xff"))
	}
	f.Fuzz(func(t *testing.T, text string, events []byte) {
		rs, err := Compile(Options{}, Source{Name: "f", Text: base + "title: k\ncorrelation: " + text})
		if err != nil {
			return
		}
		limits := Limits{Groups: 3, Entries: 40}
		s := rs.NewStream(limits)
		now := 0
		for _, c := range events[:min(len(events), 200)] {
			now += int(c>>4) - 1
			ev := at(now, []string{"a", "b", "c", "abc"}[c&3], "host", fmt.Sprint(c>>2&3), "user", fmt.Sprint(c>>5))
			for _, h := range s.Add(ev) {
				if h.Rule.Hidden {
					t.Fatalf("hit of a hidden rule %q", h.Rule.Title)
				}
			}
			if st := s.Stats(); st.Entries < 0 || st.Groups > limits.Groups*len(rs.corrs) {
				t.Fatalf("limits do not hold: %+v", st)
			}
		}
		s.Advance(time.Unix(1<<40, 0))
	})
}
