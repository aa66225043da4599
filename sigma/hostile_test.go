package sigma

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// bomb is a YAML text whose anchors stand for nine to the power of n values.
func bomb(n int) string {
	var b strings.Builder
	b.WriteString("title: t\nlogsource: {product: x}\nx0: &x0 [a, a, a, a, a, a, a, a, a]\n")
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "x%d: &x%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*x%d, ", i-1), 9), ", "))
	}
	return b.String()
}

// wideBomb is a list of maps, each the same map of a thousand values by an anchor.
func wideBomb() string {
	return "title: t\nlogsource: {product: x}\nv: &v [" + strings.TrimSuffix(strings.Repeat("a, ", 1000), ", ") + "]\ndetection:\n  s: [" + strings.TrimSuffix(strings.Repeat("{A: *v}, ", 1000), ", ") + "]\n  condition: s\n"
}

func TestHostileSources(t *testing.T) {
	long := strings.Repeat("x", 1<<15)
	var selections, deepMerge strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&selections, "  s%d: {A: b}\n", i)
	}
	deepMerge.WriteString("title: t\nlogsource: {product: x}\nm0: &m0 {A: b}\n")
	for i := range 300 {
		fmt.Fprintf(&deepMerge, "m%d: &m%d {<<: *m%d, A%d: b}\n", i+1, i+1, i, i)
	}
	var chain strings.Builder
	for i := range 40 {
		fmt.Fprintf(&chain, "title: c%d\nname: c%d\ncorrelation: {type: event_count, rules: [c%d], timespan: 1m, condition: {gte: 1}}\n---\n", i, i, i+1)
	}
	chain.WriteString("title: c40\nname: c40\nlogsource: {product: x}\ndetection: {s: [a], condition: s}\n")
	for what, c := range map[string]struct{ text, want string }{
		"a billion values":             {bomb(9) + "detection:\n  s: {A: *x9}\n  condition: s\n", "a value must be plain"},
		"a million values":             {wideBomb(), "more than"},
		"an anchor within itself":      {"title: t\nlogsource: &a {product: *a}\ndetection: {s: [a], condition: s}\n", ""},
		"maps in maps":                 {rule("  a: " + strings.Repeat("{b: ", 5000) + "1" + strings.Repeat("}", 5000) + "\n  condition: a"), ""},
		"lists in lists":               {rule("  a: " + strings.Repeat("[", 200_000) + "\n  condition: a"), ""},
		"merged without end":           {deepMerge.String() + "detection:\n  s: *m300\n  condition: s\n", "nested deeper than 100"},
		"a merge of itself":            {"title: t\nlogsource: {product: x}\ndetection:\n  s: &s {<<: *s, A: b}\n  condition: s\n", ""},
		"parentheses":                  {rule("  a: {X: 1}\n  condition: " + strings.Repeat("(", 50_000) + "a"), "nested deeper than 100"},
		"not not not":                  {rule("  a: {X: 1}\n  condition: " + strings.Repeat("not ", 10_000) + "a"), "valid"},
		"a long condition":             {rule("  a: {X: 1}\n  condition: a" + strings.Repeat(" or a", 20_000)), "longer than"},
		"sets without end":             {rule(selections.String() + "  condition: " + strings.Repeat("1 of s* or ", 10) + "s1"), "more than 1000 selections"},
		"many sets":                    {rule(strings.Join(strings.SplitAfter(selections.String(), "\n")[:900], "") + "  condition: " + strings.Repeat("1 of s1* or 1 of s2* or 1 of s* or 1 of *s1* or 1 of s*1 or ", 100) + "s1"), "valid"},
		"a long source":                {strings.Repeat("# ", 1<<20), "longer than"},
		"many documents":               {strings.Repeat("a: b\n---\n", 20_000), "more than 10000 documents"},
		"a long value":                 {rule("  a: {X: " + long + "}\n  condition: a"), "a value of more than"},
		"a long title":                 {"title: " + long + "\nlogsource: {product: x}\n", "title is longer than"},
		"a long expression":            {rule("  a: {X|re: " + long[:5000] + "}\n  condition: a"), "regular expression of more than"},
		"an expression that grows":     {rule("  a: {X|re: '((((a{100}){100}){100}){100}){100}'}\n  condition: a"), "regular expression repeats too often"},
		"an expression of many states": {rule("  a: {X|re: '" + strings.Repeat("[a-z]{1000}", 20) + "'}\n  condition: a"), "states, its repetitions written out"},
		"much text of little":          {strings.Repeat(rule("  a: {X"+strings.Repeat("|base64offset", 7)+": 'abcdefghijkl'}\n  condition: a")+"\n---\n", 3000), "all rules together"},
		"many wildcards":               {rule("  a: {X: '" + strings.Repeat("a*", 2000) + "'}\n  condition: a"), "more than 1000 wildcards"},
		"many signs":                   {rule("  a: {X|windash: '" + strings.Repeat(" -a", 30) + "'}\n  condition: a"), "valid"},
		"many signs in base64":         {rule("  a: {X|windash|base64offset|contains: '" + strings.Repeat(" -a", 30) + "'}\n  condition: a"), "more than 4 signs"},
		"a placeholder many times":     {rule("  a: {X|expand: '" + strings.Repeat("%many%", 10) + "'}\n  condition: a"), "a value becomes more than"},
		"modifiers many times":         {rule("  a: {'X" + strings.Repeat("|all", 40) + "': '-a'}\n  condition: a"), "more than 32 modifiers"},
		"base64 of base64":             {rule("  a: {'X" + strings.Repeat("|base64", 30) + "': '" + long[:1000] + "'}\n  condition: a"), "a value becomes more than"},
		"three to the power":           {rule("  a: {'X" + strings.Repeat("|base64offset", 20) + "': 'abcdefgh'}\n  condition: a"), "a value"},
		"a long chain":                 {chain.String(), "more than 20 deep"},
	} {
		rs, err := Compile(Options{Placeholders: map[string][]string{"many": strings.Split(strings.Repeat("a,b*,", 10), ",")}}, Source{Name: "h.yml", Text: c.text})
		switch {
		case c.want == "valid" && err != nil:
			t.Errorf("%s: %.300v", what, err)
		case c.want != "valid" && err == nil, err != nil && !strings.Contains(err.Error(), c.want):
			t.Errorf("%s: %.300v, want %q", what, err, c.want)
		case err == nil:
			rs.Match(on("X", "-a"))
		}
	}
}

func TestHostileEvents(t *testing.T) {
	rs, err := Compile(Options{},
		Source{Name: "1", Text: rule("  a: {X|contains: [aaaaaaaa, 'a?a?a?a?b', 'a*a*a*a*a*b', '" + strings.Repeat("a?", 200) + "b']}\n  condition: a")},
		Source{Name: "2", Text: rule("  a: {X|re: '(a*)*(a|aa)+b$', Y|re: '.{900,}b'}\n  k: ['" + strings.Repeat("a", 100) + "b']\n  condition: a or k")},
		Source{Name: "3", Text: rule("  a: {X|windash: '" + strings.Repeat(" -a", 100) + "'}\n  b: {X|fieldref|contains: Y}\n  condition: a or b")},
	)
	if err != nil {
		t.Fatal(err)
	}
	m := rs.NewMatcher()
	long := strings.Repeat("a", 10<<20)
	for _, ev := range []*Event{
		on("X", long, "Y", long), on("X", long[:MaxValue], "Y", long[:MaxValue-1]+"b"), on("X", strings.Repeat("\xff\xc3", 40_000)), on("X", strings.Repeat(" -a", 30_000)),
	} {
		m.Match(ev)
	}
	if m.Cut() != 4 {
		t.Errorf("%d values cut, want 4", m.Cut())
	}
	many := &Event{Source: linux}
	for i := range 100_000 {
		many.Fields = append(many.Fields, Field{Name: "X", Value: fmt.Sprint(i)}, Field{Name: fmt.Sprint(i), Value: "x"})
	}
	m.Match(many)
	if hits := m.Match(on("X", "xaaaaaaaax")); len(hits) != 1 {
		t.Errorf("after hostile events: %d hits", len(hits))
	}
	for i := range 1000 {
		m.Match(&Event{Source: LogSource{Product: fmt.Sprint(i)}})
	}
	if len(m.plans) > maxPlans {
		t.Errorf("%d log sources remembered", len(m.plans))
	}
	s := rs.NewStream(Limits{})
	s.Add(&Event{Time: time.Unix(1<<62, 0)})
	s.Advance(time.Time{})
}

// TestNoAllocation holds that a Matcher allocates nothing for events like those it has seen. Expressions are left out: package regexp takes its memory from a pool, which the race detector empties at random; the benchmark shows their allocations.
func TestNoAllocation(t *testing.T) {
	sources := slices.DeleteFunc(append(ownRules(200), conformanceRules()...), func(s Source) bool { return strings.Contains(s.Text, "|re") })
	rs, err := Compile(conformanceOptions, sources...)
	if err != nil {
		t.Fatal(err)
	}
	m := rs.NewMatcher()
	var events []*Event
	for _, c := range conformance {
		events = append(events, c.hit, c.miss)
	}
	round := func() {
		for _, ev := range events {
			m.Match(ev)
		}
	}
	round()
	round()
	if n := testing.AllocsPerRun(20, round); n > 0 {
		t.Errorf("%v allocations for %d events", n, len(events))
	}
}

// conformanceRules are the rules of the table as a set.
func conformanceRules() []Source {
	var out []Source
	for i, c := range conformance {
		text := "  " + c.detection
		if !strings.Contains(text, "condition:") {
			text += "\n  condition: s"
		}
		out = append(out, Source{Name: fmt.Sprintf("c%d.yml", i), Text: rule(text)})
	}
	return out
}

// TestTogether asks all rules of the table as one set: together they answer as alone.
func TestTogether(t *testing.T) {
	rs, err := Compile(conformanceOptions, conformanceRules()...)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range conformance {
		for want, ev := range map[bool]*Event{true: c.hit, false: c.miss} {
			got := false
			for _, r := range rs.Match(ev) {
				got = got || r.File == fmt.Sprintf("c%d.yml", i)
			}
			if got != want {
				t.Errorf("%s: %v together with others, want %v", c.what, got, want)
			}
		}
	}
}
