package sigma

import (
	"errors"
	"strings"
	"testing"
)

// on makes an event of names and values; "NULL" is no value.
func on(pairs ...string) *Event {
	ev := &Event{Source: linux}
	for i := 0; i < len(pairs); i += 2 {
		ev.Fields = append(ev.Fields, Field{Name: pairs[i], Value: pairs[i+1], Null: pairs[i+1] == "NULL"})
	}
	return ev
}

var linux = LogSource{Category: "process_creation", Product: "linux"}

func rule(detection string) string {
	return "title: t\nid: x-1\nlevel: high\nclass: mining\nlogsource:\n  category: process_creation\n  product: linux\ndetection:\n" + detection
}

// conformance holds for each modifier and element of the specification a selection s, an event that hits and one that must not. Where it has no condition it is "s".
var conformance = []struct {
	what, detection string
	hit, miss       *Event
}{
	// Values.
	{"case", `s: {A: 'aBc'}`, on("A", "AbC"), on("A", "abcd")},
	{"case in other scripts", `s: {A: 'ÉCOLE Σ'}`, on("A", "école ς"), on("A", "ecole s")},
	{"case of the Kelvin sign", `s: {A|contains: 'kill'}`, on("A", "xKill"), on("A", "xcill")},
	{"number", `s: {A: 4688}`, on("A", "4688"), on("A", "4689")},
	{"hexadecimal number in a rule", `s: {A: 0x10}`, on("A", "16"), on("A", "0x10")},
	{"truth", `s: {A: true}`, on("A", "True"), on("A", "false")},
	{"empty text", `s: {A: ''}`, on("A", ""), on("A", "NULL")},
	{"empty text is not absence", `s: {A: ''}`, on("A", ""), on("B", "x")},
	{"null: absent", `s: {A: null}`, on("B", "x"), on("A", "")},
	{"null: no value", `s: {A: null}`, on("A", "NULL"), on("A", "x")},
	{"null in a list", `s: {A: [null, x]}`, on("A", "X"), on("A", "y")},
	{"several values of a field", `s: {A: b}`, on("A", "a", "A", "b"), on("A", "ab", "A", "c")},
	{"names of fields have case", `s: {A: b}`, on("A", "b"), on("a", "b")},
	{"names with dots and spaces", `s: {'a.b c': d}`, on("a.b c", "d"), on("a", "d")},
	// Wildcards and escapes.
	{"*", `s: {A: 'a*c'}`, on("A", "a--C"), on("A", "a--cd")},
	{"* for nothing", `s: {A: 'a*c'}`, on("A", "ac"), on("A", "c")},
	{"* alone", `s: {A: '*'}`, on("A", ""), on("B", "x")},
	{"?", `s: {A: 'prog?.exe'}`, on("A", "progB.exe"), on("A", "prog.exe")},
	{"? for a character of three bytes", `s: {A: 'a?c'}`, on("A", "a世c"), on("A", "a世界c")},
	{"? and *", `s: {A: 'a?*c?'}`, on("A", "axyzcd"), on("A", "acd")},
	{"plain backslash", `s: {A: 'C:\Windows\x'}`, on("A", `C:\Windows\x`), on("A", `C:Windows\x`)},
	{"double backslash is one", `s: {A: 'C:\\Windows'}`, on("A", `C:\Windows`), on("A", `C:\\Windows`)},
	{`\* is a plain star`, `s: {A: 'a\*'}`, on("A", "a*"), on("A", "ab")},
	{`\? is a plain mark`, `s: {A: 'a\?'}`, on("A", "a?"), on("A", "ab")},
	{`\\* is a backslash and a wildcard`, `s: {A: 'C:\\*'}`, on("A", `C:\x`), on("A", `C:*`)},
	{`\\\* is a backslash and a star`, `s: {A: 'C:\\\*'}`, on("A", `C:\*`), on("A", `C:\x`)},
	{"four backslashes are two", `s: {A: '\\\\srv'}`, on("A", `\\srv`), on("A", `\srv`)},
	{"three backslashes are two", `s: {A: '\\\srv'}`, on("A", `\\srv`), on("A", `\srv`)},
	{"backslash at the end", `s: {A: 'C:\'}`, on("A", `C:\`), on("A", `C:`)},
	// Lists and maps.
	{"map: all lines", `s: {A: x, B: y}`, on("A", "x", "B", "y"), on("A", "x")},
	{"list: any value", `s: {A: [x, y]}`, on("A", "y"), on("A", "z")},
	{"list of maps: any", `s: [{A: x}, {B: y}]`, on("B", "y"), on("A", "y", "B", "x")},
	{"list of maps and keywords", `s: [word, {B: y}]`, on("C", "a WORD b"), on("B", "x")},
	{"keywords", `s: [alpha, beta]`, on("X", "the BETA test"), on("X", "gamma")},
	{"one keyword", `s: alpha`, on("X", "alphabet"), on("alpha", "x")},
	{"keyword with wildcard", `s: ['al*a']`, on("X", "x al--a y"), on("X", "x al y", "Y", "a")},
	{"keywords |all", `s: {'|all': [alpha, beta]}`, on("X", "alpha", "Y", "beta"), on("X", "alpha")},
	{"keyword |re", `s: {'|re': 'al.ha'}`, on("X", "the alpha"), on("X", "the ALPHA")},
	{"keyword |cased", `s: {'|cased': Alpha}`, on("X", "the Alpha"), on("X", "the alpha")},
	// Modifiers.
	{"contains", `s: {A|contains: 'b C'}`, on("A", "aB cd"), on("A", "ab")},
	{"contains with a wildcard", `s: {A|contains: 'b?d*f'}`, on("A", "abcdeefg"), on("A", "abdf")},
	{"contains one letter", `s: {A|contains: '%'}`, on("A", "a%b"), on("A", "ab")},
	{"startswith", `s: {A|startswith: ab}`, on("A", "ABC"), on("A", "cab")},
	{"endswith", `s: {A|endswith: '\cmd.exe'}`, on("A", `C:\CMD.EXE`), on("A", `C:\cmd.exe x`)},
	{"all", `s: {A|contains|all: [a, b]}`, on("A", "b-a"), on("A", "bb")},
	{"cased", `s: {A|cased: aB}`, on("A", "aB"), on("A", "ab")},
	{"cased", `s: {A|contains|cased: 'Xy*z'}`, on("A", "aXybzc"), on("A", "axybzc")},
	{"exists", `s: {A|exists: true}`, on("A", "NULL"), on("B", "x")},
	{"exists", `s: {A|exists: false}`, on("B", "x"), on("A", "")},
	{"neq", `s: {A|neq: x}`, on("A", "y"), on("A", "X")},
	{"neq", `s: {A|neq: [1, 2]}`, on("B", "1"), on("A", "2")},
	{"neq", `s: {A|contains|neq: b}`, on("A", "aca"), on("A", "abc")},
	{"re", `s: {A|re: 'a\d+\|b'}`, on("A", "xa12|b"), on("A", "XA12|B")},
	{"re", `s: {A|re: '^(curl|wget)$'}`, on("A", "wget"), on("A", "wget x")},
	{"i", `s: {A|re|i: 'a[b-c]+D'}`, on("A", "ABCd"), on("A", "AD")},
	{"ignorecase", `s: {A|re|ignorecase: 'abc'}`, on("A", "ABC"), on("A", "AB")},
	{"m", `s: {A|re|m: '^b$'}`, on("A", "a\nb\nc"), on("A", "ab")},
	{"multiline", `s: {A|re|multiline: '^b$'}`, on("A", "a\nb\nc"), on("A", "ab")},
	{"s", `s: {A|re|s: 'a.b'}`, on("A", "a\nb"), on("A", "ab")},
	{"dotall", `s: {A|re|dotall: 'a.b'}`, on("A", "a\nb"), on("A", "ab")},
	{"re without s", `s: {A|re: 'a.b'}`, on("A", "axb"), on("A", "a\nb")},
	{"re with two flags", `s: {A|re|i|s: 'a.b'}`, on("A", "A\nB"), on("A", "ab")},
	{"re startswith", `s: {A|re|startswith: 'a|b'}`, on("A", "bx"), on("A", "xb")},
	{"re endswith", `s: {A|re|endswith: 'a|ab'}`, on("A", "xab"), on("A", "abx")},
	{"re contains", `s: {A|re|contains: 'a+b'}`, on("A", "xaabx"), on("A", "b")},
	{"cidr", `s: {A|cidr: 10.0.0.0/8}`, on("A", "10.255.0.1"), on("A", "11.0.0.1")},
	{"cidr", `s: {A|cidr: [192.168.0.0/16, 'fe80::/10']}`, on("A", "fe80::1%eth0"), on("A", "2001:db8::1")},
	{"cidr", `s: {A|cidr: 10.0.0.0/8}`, on("A", "::ffff:10.1.1.1"), on("A", "10.0.0.0/8")},
	{"fieldref", `s: {A|fieldref: B}`, on("A", "x", "B", "X"), on("A", "x", "B", "y")},
	{"fieldref", `s: {A|fieldref: B}`, on("A", "x", "B", "X"), on("A", "x")},
	{"fieldref", `s: {A|fieldref|startswith: B}`, on("A", "abc", "B", "AB"), on("A", "abc", "B", "bc")},
	{"fieldref", `s: {A|fieldref|endswith: B}`, on("A", "abc", "B", "bc"), on("A", "abc", "B", "ab")},
	{"fieldref", `s: {A|fieldref|contains: B}`, on("A", "abc", "B", "b"), on("A", "abc", "B", "ac")},
	{"fieldref", `s: {A|fieldref|cased: B}`, on("A", "x", "B", "x"), on("A", "x", "B", "X")},
	{"fieldref", `s: {A|fieldref|neq: B}`, on("A", "x", "B", "y"), on("A", "x", "B", "x")},
	{"windash", `s: {A|windash|contains: ' -enc '}`, on("A", "p /enc x"), on("A", "p +enc x")},
	{"windash", `s: {A|contains|windash: ' -enc '}`, on("A", "p ―ENC x"), on("A", "p enc x")},
	{"windash", `s: {A|windash|contains: '/a-b'}`, on("A", "–a-b"), on("A", "–a–b")},
	{"windash", `s: {A|windash|contains: '-a -b -c -d'}`, on("A", "/a –b —c -d"), on("A", "/a –b —c d")},
	{"base64", `s: {A|base64: 'curl -x'}`, on("A", "Y3VybCAteA=="), on("A", "Y3VybCAteA")},
	{"base64offset", `s: {A|base64offset|contains: 'stratum+tcp:/'}`, on("A", "xxc3RyYXR1bSt0Y3A6Lyxx"), on("A", "c3RyYXR1bSt0")},
	{"base64offset", `s: {A|base64offset|contains: 'http://'}`, on("A", "IGh0dHA6Ly94"), on("A", "IGh0dHA6LXgg")},
	{"wide", `s: {A|wide|base64offset|contains: 'cmd'}`, on("A", "eABjAG0AZAB4AA=="), on("A", "Y21k")},
	{"wide", `s: {A|wide|contains: 'Cmd'}`, on("A", "x\x00c\x00M\x00d\x00"), on("A", "cmd")},
	{"utf16le", `s: {A|utf16le: 'cmd'}`, on("A", "c\x00m\x00d\x00"), on("A", "\x00c\x00m\x00d")},
	{"utf16be", `s: {A|utf16be: 'cmd'}`, on("A", "\x00c\x00m\x00d"), on("A", "c\x00m\x00d\x00")},
	{"utf16", `s: {A|utf16: 'cmd'}`, on("A", "\xff\xfec\x00m\x00d\x00"), on("A", "c\x00m\x00d\x00")},
	{"utf16", `s: {A|utf16|base64: 'cmd'}`, on("A", "//5jAG0AZAA="), on("A", "YwBtAGQA")},
	{"lt", `s: {A|lt: 10}`, on("A", "9.5"), on("A", "10")},
	{"lte", `s: {A|lte: 10}`, on("A", "10"), on("A", "10.5")},
	{"gt", `s: {A|gt: 9007199254740992}`, on("A", "9007199254740993"), on("A", "9007199254740992")},
	{"gte", `s: {A|gte: 16}`, on("A", "0x10"), on("A", "sixteen")},
	{"minute", `s: {A|minute: 5}`, on("A", "2026-01-31T03:05:10Z"), on("A", "2026-01-31T05:03:05Z")},
	{"hour", `s: {A|hour|gte: 22}`, on("A", "2026-01-31 23:05"), on("A", "2026-01-31 21:59")},
	{"day", `s: {A|day: 31}`, on("A", "2026/01/31"), on("A", "2026/01/30")},
	{"week", `s: {A|week: 1}`, on("A", "2025-12-31"), on("A", "2026-01-05")},
	{"month", `s: {A|month: 12}`, on("A", "2026-12-01"), on("A", "2026-11-12")},
	{"year", `s: {A|year|lt: 2020}`, on("A", "2019-12-31T23:59:59+02:00"), on("A", "2020-01-01")},
	{"expand", `s: {A|expand: '%Servers%'}`, on("A", "SRV12"), on("A", "web1")},
	{"expand", `s: {A|expand|contains: 'on %Servers%.lan %Servers%'}`, on("A", "x on db.LAN srv7 y"), on("A", "on db db")},
	{"expand", `s: {A|expand: '\%Servers%'}`, on("A", "%servers%"), on("A", "db")},
	{"expand", `s: {A|re|expand: '^%Servers%$'}`, on("A", "srv*"), on("A", "srv1")},
	{"no expand", `s: {A: '%Servers%'}`, on("A", "%servers%"), on("A", "db")},
	// Conditions.
	{"and", "s: {A: x}\n  t: {B: y}\n  condition: s and t", on("A", "x", "B", "y"), on("A", "x")},
	{"or", "s: {A: x}\n  t: {B: y}\n  condition: s or t", on("B", "y"), on("B", "x")},
	{"not", "s: {A: x}\n  t: {B: y}\n  condition: s and not t", on("A", "x"), on("A", "x", "B", "y")},
	{"not not", "s: {A: x}\n  condition: not not s", on("A", "x"), on("A", "y")},
	{"AND OR NOT", "s: {A: x}\n  t: {B: y}\n  condition: s AND NOT (t OR t)", on("A", "x"), on("A", "x", "B", "y")},
	{"and binds before or", "s: {A: x}\n  t: {B: y}\n  u: {C: z}\n  condition: s or t and u", on("A", "x"), on("B", "y")},
	{"not binds before and", "s: {A: x}\n  t: {B: y}\n  condition: not s and t", on("B", "y"), on("A", "x")},
	{"parentheses", "s: {A: x}\n  t: {B: y}\n  u: {C: z}\n  condition: (s or t) and u", on("B", "y", "C", "z"), on("A", "x")},
	{"1 of", "s1: {A: x}\n  s2: {B: y}\n  t: {C: z}\n  condition: 1 of s*", on("B", "y"), on("C", "z")},
	{"any of", "s1: {A: x}\n  s2: {B: y}\n  condition: any of s*", on("B", "y"), on("C", "z")},
	{"all of", "s1: {A: x}\n  s2: {B: y}\n  t: {C: z}\n  condition: all of s*", on("A", "x", "B", "y"), on("A", "x", "C", "z")},
	{"2 of", "s1: {A: x}\n  s2: {B: y}\n  s3: {C: z}\n  condition: 2 of s*", on("A", "x", "C", "z"), on("C", "z")},
	{"* within a pattern", "a_s_1: {A: x}\n  a_t_1: {B: y}\n  condition: 1 of a_*_1 and not all of *_1", on("A", "x"), on("A", "x", "B", "y")},
	{"1 of them", "s: {A: x}\n  _t: {B: y}\n  condition: 1 of them", on("A", "x"), on("B", "y")},
	{"all of them", "s: {A: x}\n  t: {B: y}\n  _u: {C: z}\n  condition: all of them", on("A", "x", "B", "y"), on("A", "x", "C", "z")},
	{"names with an underscore", "s: {A: x}\n  _t: {B: y}\n  condition: s or 1 of _*", on("B", "y"), on("B", "x")},
	{"list of conditions", "s: {A: x}\n  t: {B: y}\n  condition: [s, t]", on("B", "y"), on("B", "x")},
	{"anchor, alias and merge", "_b: &b {A: x, B: y}\n  s: {<<: *b, B: z}\n  condition: s", on("A", "x", "B", "z"), on("A", "x", "B", "y")},
}

var conformanceOptions = Options{Placeholders: map[string][]string{"Servers": {"srv*", "db"}}}

func TestConformance(t *testing.T) {
	covered := map[string]bool{}
	for _, c := range conformance {
		covered[c.what] = true
		text := "  " + c.detection
		if !strings.Contains(text, "condition:") {
			text += "\n  condition: s"
		}
		s := Source{Name: "t.yml", Text: rule(text)}
		rs, err := Compile(conformanceOptions, s)
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		for want, ev := range map[bool]*Event{true: c.hit, false: c.miss} {
			if got := len(rs.Match(ev)) == 1; got != want {
				t.Errorf("%s: %s: %v on %v, want %v", c.what, c.detection, got, ev.Fields, want)
			}
			if slow := newSlowRule(s); !strings.Contains(text, "<<") && slow.match(ev, conformanceOptions.Placeholders) != want && !strings.Contains(c.detection, "re|expand") {
				t.Errorf("%s: the slow evaluator says %v on %v", c.what, !want, ev.Fields)
			}
		}
	}
	for name := range modifiers {
		if !covered[name] {
			t.Errorf("modifier %s has no example", name)
		}
	}
}

func TestLogSources(t *testing.T) {
	text := strings.Replace(rule("  a: {User: root}\n  condition: a"), "  category: process_creation\n", "", 1)
	rs, err := Compile(Options{}, Source{Name: "t", Text: text})
	if err != nil {
		t.Fatal(err)
	}
	for src, want := range map[LogSource]int{
		{Category: "process_creation", Product: "linux"}: 1, {Product: "Linux", Service: "sshd"}: 1, {Product: "windows"}: 0, {}: 0, {Category: "file_event", Product: "linux", Service: "x"}: 1,
	} {
		if got := len(rs.Match(&Event{Source: src, Fields: []Field{{Name: "User", Value: "root"}}})); got != want {
			t.Errorf("%+v: %d rules, want %d", src, got, want)
		}
	}
	if r := rs.List()[0]; r.ID != "x-1" || r.Custom["class"] != "mining" || r.Line != 1 {
		t.Errorf("rule %+v", r)
	}
}

// faults are sources that are refused, and how the fault begins.
var faults = map[string]string{
	"title: [":                               "t.yml:1:1: YAML: ",
	"title: t\n":                             `t.yml:1:1: rule "t": a rule needs a detection`,
	"title: t\ndetection: {}":                `t.yml:1:1: rule "t": a logsource is missing`,
	"logsource: {}\ndetection: {}":           "t.yml:1:1: a rule needs a title",
	"- a\n- b":                               "t.yml:1:1: a rule must be a mapping",
	rule("  a: {X|what: 1}\n  condition: a"): `t.yml:9:9: rule "t": field "X": unknown modifier "what"`,
	rule("  a: {X|contains|i: 1}\n  condition: a"):                 `t.yml:9:18: rule "t": field "X": modifier "i": stands behind re only`,
	rule("  a: {X: 1}\n  condition: b"):                            `t.yml:10:14: rule "t": condition: undefined selection "b"`,
	rule("  a: {X: 1}\n  condition: a and"):                        `t.yml:10:19: rule "t": condition: ends too early`,
	rule("  a: {X: 1}\n  condition: (a"):                           `t.yml:10:14: rule "t": condition: a parenthesis is not closed`,
	rule("  a: {X: 1}\n  condition: a)"):                           `t.yml:10:15: rule "t": condition: ")" without "("`,
	rule("  a: {X: 1}\n  condition: 1 of b*"):                      `t.yml:10:19: rule "t": condition: no selection matches "b*"`,
	rule("  a: {X: 1}\n  condition: 2 of a*"):                      `t.yml:10:14: rule "t": condition: 2 of "a*", which matches 1`,
	rule("  a: {X: 1}\n  condition: some of a*"):                   `t.yml:10:14: rule "t": condition: bad count "some"`,
	rule("  a: {X: 1}\n"):                                          `t.yml:8:1: rule "t": detection needs a condition`,
	rule("  a: {}\n  condition: a"):                                `t.yml:9:6: rule "t": a selection is empty`,
	rule("  a: {X: []}\n  condition: a"):                           `t.yml:9:10: rule "t": field "X" has no value`,
	rule("  a: [[x]]\n  condition: a"):                             `t.yml:9:7: rule "t": a list in a selection holds mappings or keywords`,
	rule("  a: {X: {Y: 1}}\n  condition: a"):                       `t.yml:9:10: rule "t": field "X": a value must be plain`,
	rule("  a: {X|re: '('}\n  condition: a"):                       `t.yml:9:13: rule "t": field "X|re": regular expression: missing closing )`,
	rule("  a: {X|re: 'a(?!b)'}\n  condition: a"):                  `t.yml:9:13: rule "t": field "X|re": regular expression has a negative look-ahead (?!...)`,
	rule("  a: {X|re: '(?<=a)b'}\n  condition: a"):                 `t.yml:9:13: rule "t": field "X|re": regular expression has a look-behind (?<=...)`,
	rule("  a: {X|re: '(a)\\1'}\n  condition: a"):                  `t.yml:9:13: rule "t": field "X|re": regular expression has a back-reference \1`,
	rule("  a: {X|re: 'a++'}\n  condition: a"):                     `t.yml:9:13: rule "t": field "X|re": regular expression has a possessive repetition`,
	rule("  a: {X|re: 'a{2000}'}\n  condition: a"):                 `t.yml:9:13: rule "t": field "X|re": regular expression repeats too often in {2000}`,
	rule("  a: {X|contains|re: a}\n  condition: a"):                `t.yml:9:18: rule "t": field "X": modifier "re": stands behind the field`,
	rule("  a: {X|cidr: 10.0.0}\n  condition: a"):                  `t.yml:9:15: rule "t": field "X|cidr": "10.0.0" is no network`,
	rule("  a: {X|gt: many}\n  condition: a"):                      `t.yml:9:13: rule "t": field "X|gt": "many" is no number`,
	rule("  a: {X|hour: 25}\n  condition: a"):                      `t.yml:9:15: rule "t": field "X|hour": "25" is no whole number from 0 to 23`,
	rule("  a: {X|exists: maybe}\n  condition: a"):                 `t.yml:9:17: rule "t": field "X|exists": exists needs true or false`,
	rule("  a: {X|fieldref: 'a*'}\n  condition: a"):                `t.yml:9:9: rule "t": field "X": modifier "fieldref": needs the name of a field`,
	rule("  a: {X|expand: '%no%'}\n  condition: a"):                `t.yml:9:9: rule "t": field "X": modifier "expand": no list was given for the placeholder %no%`,
	rule("  a: {X|contains|base64: a}\n  condition: a"):            `t.yml:9:18: rule "t": field "X": modifier "base64": a value with wildcards`,
	rule("  a: {X|contains: null}\n  condition: a"):                `t.yml:9:9: rule "t": field "X": modifier "contains": null has no text`,
	rule("  a: [null]\n  condition: a"):                            `t.yml:9:7: rule "t": keyword: null can only be`,
	rule("  a: {X: 1, X: 2}\n  condition: a"):                      `t.yml:9:13: rule "t": a selection: key "X" occurs twice`,
	rule("  a: {X: 1}\n  timeframe: 5m\n  condition: a"):           `t.yml:10:3: rule "t": timeframe is of Sigma 1`,
	rule("  a: {X: 1}\n  condition: a | count() > 3"):              `t.yml:10:16: rule "t": condition: "|" begins an aggregation of Sigma 1, which Sigma 2 does not have: write a correlation rule with type: event_count, rules: [this rule], group-by: [FIELD], timespan: (was timeframe), condition: {gt: 3}`,
	rule("  a: {X: 1}\n  condition: a | count(User) by Host >= 5"): `t.yml:10:16: rule "t": condition: "|" begins an aggregation of Sigma 1, which Sigma 2 does not have: write a correlation rule with type: value_count, rules: [this rule], group-by: [Host], timespan: (was timeframe), condition: {field: User, gte: 5}`,
	rule("  a: {X: 1}\n  condition: a | near b"):                   `t.yml:10:16: rule "t": condition: "|" begins an aggregation of Sigma 1, which Sigma 2 does not have: write a correlation rule with type: temporal`,
	"action: global\ntitle: c\n":                                   `t.yml:1:1: rule "c": action: collections of Sigma 1 are not part of Sigma 2`,
	"title: c\nlevel: bad\nlogsource: {}\n":                        `t.yml:2:8: rule "c": level "bad" is none of informational`,
	"title: c\nstatus: new\nlogsource: {}\n":                       `t.yml:2:9: rule "c": status "new" is none of stable`,
	"title: c\ntaxonomy: ecs\nlogsource: {}\n":                     `t.yml:2:11: rule "c": taxonomy "ecs" is not known`,
}

func TestFaultsArePlaced(t *testing.T) {
	for text, want := range faults {
		_, err := Compile(Options{}, Source{Name: "t.yml", Text: text})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s:\n%v, want\n%s", text, err, want)
		}
	}
	two := rule("  a: {X|what: 1}\n  condition: a") + "\n---\n" + rule("  a: {X: 1}\n  condition: zz")
	_, err := Compile(Options{}, Source{Name: "t.yml", Text: two})
	var all Errors
	if !errors.As(err, &all) || len(all) != 2 {
		t.Errorf("both broken rules are not named: %v", err)
	}
}
