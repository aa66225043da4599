package sigma

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"
	"time"
)

// base are rules a, b, c and d, each for events whose field r has its letter; ab is for those of a and b.
const base = `title: a
name: a
id: 11111111-0000-4000-8000-000000000001
logsource: {product: x}
detection: {s: {r|contains: a}, condition: s}
---
title: b
name: b
logsource: {product: x}
detection: {s: {r|contains: b}, condition: s}
---
title: c
name: c
logsource: {product: x}
detection: {s: {r|contains: c}, condition: s}
---
`

// at makes an event at a second, of rules and fields.
func at(second int, r string, pairs ...string) *Event {
	ev := on(append([]string{"r", r}, pairs...)...)
	ev.Source, ev.Time = LogSource{Product: "x"}, time.Unix(int64(second), 0).UTC()
	return ev
}

// play feeds events and gives "second:title[group]=count" for each hit; Advance comes last.
func play(t *testing.T, text string, events ...*Event) string {
	t.Helper()
	rs, err := Compile(Options{}, Source{Name: "c.yml", Text: base + text})
	if err != nil {
		t.Fatal(err)
	}
	s := rs.NewStream(Limits{})
	var out []string
	note := func(hits []Hit) {
		for _, h := range hits {
			group := ""
			for _, f := range h.Group {
				group += f.Name + "=" + f.Value + ";"
			}
			one := fmt.Sprintf("%d:%s", h.Time.Unix(), h.Rule.Title)
			if h.Rule.Correlation != "" {
				one += fmt.Sprintf("[%s]=%d", group, h.Count)
			}
			out = append(out, one)
		}
	}
	for _, ev := range events {
		note(s.Add(ev))
	}
	note(s.Advance(time.Unix(1_000_000, 0)))
	return strings.Join(out, " ")
}

func TestCorrelations(t *testing.T) {
	for _, c := range []struct {
		what, text string
		events     []*Event
		want       string
	}{
		{"event_count", "title: many\ncorrelation: {type: event_count, rules: [a], group-by: [host], timespan: 10s, condition: {gte: 3}}",
			[]*Event{at(0, "a", "host", "h"), at(1, "a", "host", "i"), at(5, "a", "host", "h"), at(10, "a", "host", "h"), at(11, "a", "host", "h"), at(30, "a", "host", "h"), at(31, "b", "host", "h")},
			"10:many[host=h;]=3 31:b"},
		{"event_count over several rules counts an event once", "title: many\ncorrelation: {type: event_count, rules: [a, b], group-by: [host], timespan: 10s, condition: {gt: 2}}",
			[]*Event{at(0, "ab", "host", "h"), at(1, "b", "host", "h"), at(2, "ab", "host", "h")}, "2:many[host=h;]=3"},
		{"event_count too slow", "title: many\ncorrelation: {type: event_count, rules: [a], group-by: [host], timespan: 10s, condition: {gte: 3}}",
			[]*Event{at(0, "a", "host", "h"), at(6, "a", "host", "h"), at(12, "a", "host", "h"), at(18, "a", "host", "h")}, ""},
		{"a hit again after a timespan", "title: many\ncorrelation: {type: event_count, rules: [a], timespan: 10s, condition: {gte: 2}}",
			[]*Event{at(0, "a"), at(1, "a"), at(2, "a"), at(9, "a"), at(11, "a"), at(12, "a")}, "1:many[]=2 12:many[]=3"},
		{"generate", "title: many\ncorrelation: {type: event_count, rules: [a], timespan: 1m, generate: true, condition: {gte: 2}}",
			[]*Event{at(0, "a"), at(1, "a")}, "0:a 1:a 1:many[]=2"},
		{"by id", "title: many\ncorrelation: {type: event_count, rules: [11111111-0000-4000-8000-000000000001], timespan: 1h, condition: {gte: 1}}",
			[]*Event{at(0, "a")}, "0:many[]=1"},
		{"an upper bound is known at the end", "title: few\ncorrelation: {type: event_count, rules: [a], timespan: 10s, condition: {gte: 2, lt: 4}}",
			[]*Event{at(0, "a"), at(1, "a"), at(2, "a"), at(3, "a"), at(20, "a"), at(25, "a"), at(50, "a")}, "30:few[]=2"},
		{"eq", "title: two\ncorrelation: {type: event_count, rules: [a], timespan: 10s, condition: {eq: 2}}",
			[]*Event{at(0, "a"), at(1, "a"), at(2, "a"), at(40, "a"), at(41, "a")}, "50:two[]=2"},
		{"value_count", "title: users\ncorrelation: {type: value_count, rules: [a], group-by: [host], timespan: 10s, condition: {field: user, gte: 3}}",
			[]*Event{at(0, "a", "host", "h", "user", "u"), at(1, "a", "host", "h", "user", "u"), at(2, "a", "host", "h", "user", "v"), at(3, "a", "host", "h"), at(4, "a", "host", "h", "user", "w")},
			"4:users[host=h;]=3"},
		{"value_count forgets", "title: users\ncorrelation: {type: value_count, rules: [a], timespan: 10s, condition: {field: user, gte: 3}}",
			[]*Event{at(0, "a", "user", "u"), at(8, "a", "user", "v"), at(11, "a", "user", "w"), at(12, "a", "user", "u")}, "12:users[]=3"},
		{"value_count of two fields", "title: pairs\ncorrelation: {type: value_count, rules: [a], timespan: 10s, condition: {field: [user, host], gte: 2}}",
			[]*Event{at(0, "a", "user", "u", "host", "h"), at(1, "a", "user", "u", "host", "h"), at(2, "a", "user", "u", "host", "i")}, "2:pairs[]=2"},
		{"temporal", "title: both\ncorrelation: {type: temporal, rules: [a, b], group-by: [host, user], timespan: 5m}",
			[]*Event{at(0, "b", "host", "h", "user", "u"), at(10, "a", "host", "h", "user", "v"), at(20, "a", "host", "h", "user", "u"), at(30, "b", "host", "h", "user", "u")},
			"20:both[host=h;user=u;]=2"},
		{"temporal with a count", "title: two of three\ncorrelation: {type: temporal, rules: [a, b, c], timespan: 10s, condition: {gte: 2}}",
			[]*Event{at(0, "b"), at(1, "b"), at(9, "c"), at(30, "a")}, "9:two of three[]=2"},
		{"temporal with an expression", "title: odd\ncorrelation: {type: temporal, rules: [a, b, c], timespan: 10s, condition: (a or b) and not c}",
			[]*Event{at(0, "c"), at(5, "a"), at(20, "b")}, "20:odd[]=1"},
		{"temporal_ordered", "title: steps\ncorrelation: {type: temporal_ordered, rules: [a, b, c], timespan: 10s}",
			[]*Event{at(0, "a"), at(1, "c"), at(2, "b"), at(3, "a"), at(9, "c"), at(30, "c"), at(31, "b"), at(32, "a"), at(50, "a"), at(55, "b"), at(61, "c")}, "9:steps[]=3"},
		{"one event is one step", "title: steps\ncorrelation: {type: temporal_ordered, rules: [a, b], timespan: 10s}",
			[]*Event{at(0, "ab"), at(5, "ab")}, "5:steps[]=2"},
		{"aliases", "title: same address\ncorrelation:\n  type: temporal\n  rules: [a, b]\n  aliases: {ip: {a: src, b: dst}}\n  group-by: [ip]\n  timespan: 10s",
			[]*Event{at(0, "a", "src", "1", "dst", "2"), at(1, "b", "src", "1", "dst", "2"), at(2, "b", "src", "2", "dst", "1")}, "2:same address[ip=1;]=2"},
		{"chained", "title: break-in\ncorrelation: {type: temporal_ordered, rules: [failed_often, b], group-by: [user], timespan: 10s}\n---\ntitle: failed often\nname: failed_often\ncorrelation: {type: event_count, rules: [a], group-by: [user, host], timespan: 10s, condition: {gte: 3}}",
			[]*Event{at(0, "a", "user", "u", "host", "h"), at(1, "a", "user", "u", "host", "h"), at(2, "b", "user", "u"), at(3, "a", "user", "u", "host", "h"), at(9, "a", "user", "u", "host", "h"), at(16, "b", "user", "u")},
			"16:break-in[user=u;]=2"},
		{"chained through a closed window", "title: up\ncorrelation: {type: temporal, rules: [few, b], group-by: [user], timespan: 60s}\n---\ntitle: few\nname: few\ncorrelation: {type: event_count, rules: [a], group-by: [host], timespan: 10s, condition: {lte: 2}}",
			[]*Event{at(0, "a", "user", "u", "host", "h"), at(5, "b", "user", "u"), at(30, "a", "user", "v", "host", "i")}, "10:up[user=u;]=2"},
		{"late events count at the newest time", "title: many\ncorrelation: {type: event_count, rules: [a], timespan: 10s, condition: {gte: 2}}",
			[]*Event{at(100, "a"), at(0, "a")}, "100:many[]=2"},
		{"filters and correlations", "title: f\nlogsource: {product: x}\nfilter: {rules: [a], s: {user: root}, condition: not s}\n---\ntitle: many\ncorrelation: {type: event_count, rules: [a], timespan: 10s, condition: {gte: 2}}",
			[]*Event{at(0, "a", "user", "root"), at(1, "a", "user", "u"), at(2, "a", "user", "v")}, "2:many[]=2"},
	} {
		if got := play(t, c.text, c.events...); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.what, got, c.want)
		}
	}
}

func TestFilters(t *testing.T) {
	for _, c := range []struct{ what, filter, want string }{
		{"any", "title: f\nlogsource: {product: x}\nfilter: {rules: any, s: {user: root}, condition: not s}", ""},
		{"named by id and name", "title: f\nlogsource: {product: x}\nfilter:\n  rules: [11111111-0000-4000-8000-000000000001, b]\n  s: {user: root}\n  condition: not s", "c"},
		{"one name", "title: f\nlogsource: {}\nfilter: {rules: c, s: {user: root}, condition: not s}", "a b"},
		{"other log source", "title: f\nlogsource: {product: y}\nfilter: {rules: any, s: {user: root}, condition: not s}", "a b c"},
		{"two filters", "title: f\nlogsource: {}\nfilter: {rules: a, s: {user: root}, condition: not s}\n---\ntitle: g\nlogsource: {}\nfilter: {rules: [a, b], s: [root], t: {user: x}, condition: not 1 of them}", "c"},
		{"does not apply", "title: f\nlogsource: {}\nfilter: {rules: any, s: {user: anna}, condition: not s}", "a b c"},
	} {
		if got := play(t, c.filter, at(0, "abc", "user", "root")); strings.ReplaceAll(got, "0:", "") != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

func TestCorrelationFaults(t *testing.T) {
	const head = "title: k\ncorrelation:\n"
	for text, want := range map[string]string{
		head + "  type: sum\n  rules: [a]\n  timespan: 1m\n  condition: {gte: 1}":                                                                                     `c.yml:3:9: rule "k": type "sum" is none of event_count`,
		head + "  type: value_sum\n  rules: [a]\n  timespan: 1m\n  condition: {gte: 1}":                                                                               `c.yml:3:9: rule "k": type value_sum (of Sigma 2.1) is not supported`,
		head + "  type: event_count\n  rules: [zz]\n  timespan: 1m\n  condition: {gte: 1}":                                                                            `c.yml:4:11: rule "k": there is no rule with the id or name "zz"`,
		head + "  type: event_count\n  rules: [a, a]\n  timespan: 1m\n  condition: {gte: 1}":                                                                          `c.yml:4:14: rule "k": rule "a" is named twice`,
		head + "  type: event_count\n  rules: []\n  timespan: 1m\n  condition: {gte: 1}":                                                                              `c.yml:4:10: rule "k": rules must name at least one rule`,
		head + "  type: event_count\n  rules: [a]\n  timespan: 1y\n  condition: {gte: 1}":                                                                             `c.yml:5:13: rule "k": timespan "1y" is no number with s, m, h or d`,
		head + "  type: event_count\n  rules: [a]\n  timespan: 99999d\n  condition: {gte: 1}":                                                                         `c.yml:5:13: rule "k": timespan "99999d" is no number`,
		head + "  type: event_count\n  rules: [a]\n  condition: {gte: 1}":                                                                                             `c.yml:2:1: rule "k": a correlation needs timespan`,
		head + "  type: event_count\n  rules: [a]\n  timespan: 1m":                                                                                                    `c.yml:2:1: rule "k": a correlation of type event_count needs a condition`,
		head + "  type: event_count\n  rules: [a]\n  timespan: 1m\n  condition: {over: 1}":                                                                            `c.yml:6:15: rule "k": "over" is none of gt, gte`,
		head + "  type: event_count\n  rules: [a]\n  timespan: 1m\n  condition: {gte: 1000000}":                                                                       `c.yml:6:20: rule "k": gte needs a whole number from 0 to 100000`,
		head + "  type: event_count\n  rules: [a]\n  timespan: 1m\n  condition: {lt: 1}":                                                                              `c.yml:6:14: rule "k": the condition asks for no events`,
		head + "  type: value_count\n  rules: [a]\n  timespan: 1m\n  condition: {gte: 1}":                                                                             `c.yml:2:1: rule "k": the condition of a value_count needs a field`,
		head + "  type: temporal\n  rules: [a, b]\n  timespan: 1m\n  condition: a and x":                                                                              `c.yml:6:20: rule "k": condition: undefined selection "x"`,
		head + "  type: temporal\n  rules: [a, b]\n  timespan: 1m\n  group-by: [ip]\n  aliases: {ip: {a: src}}":                                                       `c.yml:4:14: rule "k": alias ip has no field for rule "b"`,
		head + "  type: temporal\n  rules: [a]\n  timespan: 1m\n  aliases: {ip: {a: src, q: dst}}":                                                                    `c.yml:6:26: rule "k": alias ip names "q", which is none of the rules`,
		head + "  type: temporal\n  rules: [a]\n  timespan: 1m\n  window: 3":                                                                                          `c.yml:6:3: rule "k": a correlation has no "window"`,
		"title: k\nname: k\ncorrelation: {type: temporal, rules: [l], timespan: 1m}\n---\ntitle: l\nname: l\ncorrelation: {type: temporal, rules: [k], timespan: 1m}": `c.yml:1:1: rule "k": correlations refer to each other in a circle`,
		"title: f\nlogsource: {product: x}\nfilter: {s: {A: b}, condition: s}":                                                                                        `c.yml:3:1: rule "f": a filter needs rules`,
		"title: f\nlogsource: {product: x}\nfilter: {rules: [zz], s: {A: b}, condition: s}":                                                                           `c.yml:3:18: rule "f": there is no rule with the id or name "zz"`,
		"title: f\nlogsource: {product: y}\nfilter: {rules: [a], s: {A: b}, condition: s}":                                                                            `c.yml:3:18: rule "f": the logsource of the filter does not cover that of rule "a"`,
		"title: f\nfilter: {rules: any, s: {A: b}, condition: s}":                                                                                                     `c.yml:1:1: rule "f": a logsource is missing`,
		"title: f\nlogsource: {product: x}\nfilter: {rules: any, s: {A: b}}":                                                                                          `c.yml:3:1: rule "f": filter needs a condition`,
		"title: b2\nname: b\nlogsource: {product: x}\ndetection: {s: [x], condition: s}\n---\ntitle: k\ncorrelation: {type: temporal, rules: [b], timespan: 1m}":      `c.yml:7:39: rule "k": "b" is the id or name of 2 rules`,
	} {
		_, err := Compile(Options{}, Source{Name: "base.yml", Text: base}, Source{Name: "c.yml", Text: text})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s\n%v, want\n%s", text, err, want)
		}
	}
}

// TestStreamForgets holds the limits of a Stream.
func TestStreamForgets(t *testing.T) {
	rs, err := Compile(Options{}, Source{Name: "c.yml", Text: base + "title: many\ncorrelation: {type: event_count, rules: [a], group-by: [host], timespan: 1h, condition: {gte: 1000}}\n---\ntitle: users\ncorrelation: {type: value_count, rules: [b], group-by: [host], timespan: 1h, condition: {field: user, gte: 100}}"})
	if err != nil {
		t.Fatal(err)
	}
	s := rs.NewStream(Limits{Groups: 10, Entries: 500})
	for i := range 20000 {
		s.Add(at(i/100, "ab", "host", fmt.Sprint(i%25), "user", fmt.Sprint(i)))
		if st := s.Stats(); st.Groups > 20 || st.Entries > 600 {
			t.Fatalf("after %d events: %+v", i, st)
		}
	}
	st := s.Stats()
	if st.Events != 20000 || st.Evicted == 0 {
		t.Errorf("%+v", st)
	}
	s.Add(at(0, "a"))
	if s.Stats().Ungrouped != 1 {
		t.Errorf("an event without a group is not counted: %+v", s.Stats())
	}
	s.Add(at(0, "a", "host", "24"))
	if s.Stats().Late == 0 {
		t.Errorf("a late event is not counted: %+v", s.Stats())
	}
}

// TestOneGroupIsBounded feeds one group far beyond what its condition asks for.
func TestOneGroupIsBounded(t *testing.T) {
	for _, kind := range []string{"type: event_count, condition: {gte: 50}", "type: event_count, condition: {gte: 2, lte: 50}", "type: value_count, condition: {field: user, gte: 50}", "type: value_count, condition: {field: user, lt: 50}", "type: temporal"} {
		rs, err := Compile(Options{}, Source{Name: "c.yml", Text: base + "title: many\ncorrelation: {rules: [a, b], timespan: 3650d, " + kind + "}"})
		if err != nil {
			t.Fatal(err)
		}
		s := rs.NewStream(Limits{})
		for i := range 5000 {
			s.Add(at(i, "ab", "user", fmt.Sprint(i*7%1000)))
		}
		if st := s.Stats(); st.Entries > 2*51+16 {
			t.Errorf("%s: %d entries", kind, st.Entries)
		}
	}
}

// TestCorrelationsEqual compares sliding windows with a count over all events since the beginning.
func TestCorrelationsEqual(t *testing.T) {
	hits := 0
	for seed := range int64(300) {
		hits += compareStream(t, seed, 60)
	}
	if hits < 500 {
		t.Errorf("only %d hits", hits)
	}
}

// FuzzStream is TestCorrelationsEqual with other seeds.
func FuzzStream(f *testing.F) {
	f.Add(int64(9000))
	f.Fuzz(func(t *testing.T, seed int64) { compareStream(t, seed, 80) })
}

func compareStream(t *testing.T, seed int64, events int) (hits int) {
	g := gen{rand.New(rand.NewSource(seed)), 0}
	kind := g.one("event_count", "value_count", "temporal", "temporal_ordered")
	span, least := 1+g.Intn(20), 1+g.Intn(3)
	field := ""
	if kind == "value_count" {
		field = "field: user, "
	}
	order := []string{"a", "b", "c"}
	g.Shuffle(3, func(i, k int) { order[i], order[k] = order[k], order[i] })
	order = order[:2+g.Intn(2)]
	least = min(least, len(order))
	rs, err := Compile(Options{}, Source{Name: "c.yml", Text: base + fmt.Sprintf("title: k\ncorrelation: {type: %s, rules: [%s], group-by: [host], timespan: %ds, condition: {%sgte: %d}}", kind, strings.Join(order, ", "), span, field, least)})
	if err != nil {
		t.Fatal(err)
	}
	s := rs.NewStream(Limits{})
	type past struct {
		at            int
		r, host, user string
	}
	var all []past
	told := map[string]int{}
	now := 0
	for range events {
		now += g.Intn(8)
		p := past{now, g.one("a", "b", "c", "ab", "bc", "abc"), g.one("h", "i"), g.one("u", "v", "w", "x")}
		all = append(all, p)
		fed, count, users := false, 0, map[string]bool{}
		seen := map[string]bool{}
		for _, q := range all {
			if q.host != p.host || q.at < now-span || !strings.ContainsAny(q.r, strings.Join(order, "")) {
				continue
			}
			fed = strings.ContainsAny(p.r, strings.Join(order, ""))
			switch kind {
			case "event_count":
				count++
			case "value_count":
				users[q.user] = true
				count = len(users)
			case "temporal":
				for _, o := range order {
					seen[o] = seen[o] || strings.Contains(q.r, o)
				}
				count = 0
				for _, yes := range seen {
					if yes {
						count++
					}
				}
			default:
				if count < len(order) && strings.Contains(q.r, order[count]) {
					count++
				}
			}
		}
		last, before := told[p.host]
		want := fed && count >= least && (!before || now-last > span)
		if want {
			told[p.host] = now
			hits++
		}
		got := 0
		for _, h := range s.Add(at(p.at, p.r, "host", p.host, "user", p.user)) {
			if h.Rule.Title == "k" {
				got++
			}
		}
		if (got == 1) != want {
			t.Fatalf("seed %d, %s of %v over %ds, at least %d: %d hits at %d, want %v\n%v", seed, kind, order, span, least, got, now, want, all)
		}
	}
	return hits
}
