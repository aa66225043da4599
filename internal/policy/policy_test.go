package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
)

var now = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC) // a Sunday

const digest = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

func parsed(t *testing.T, text string) *Policy {
	t.Helper()
	p, err := Parse([]byte(text), now)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestRecommended: what policy init writes is a policy, acts on proof only, and never cleans.
func TestRecommended(t *testing.T) {
	p := parsed(t, Recommended)
	mining := []deminer.Topic{deminer.TopicMining}
	for g, want := range map[alert.Grade]string{alert.Proof: "[freeze block]", alert.Strong: "[]", alert.Suspected: "[]"} {
		if got := fmt.Sprint(p.Judge(g, mining, alert.Thing{}, now).Phases); got != want {
			t.Errorf("%s: %s, want %s", g, got, want)
		}
	}
	if v := p.Judge(alert.Proof, []deminer.Topic{deminer.TopicWebShell}, alert.Thing{}, now); len(v.Phases) > 0 || !v.Heard {
		t.Errorf("a web shell: %+v", v)
	}
	for _, topic := range Topics() {
		if _, ok := p.Classes[Class(topic)]; !ok {
			t.Errorf("class %s is not in the recommended policy", Class(topic))
		}
	}
}

// TestPrevents: the recommended policy refuses what is proven, none in maintenance, and without a policy nothing is looked at.
func TestPrevents(t *testing.T) {
	p := parsed(t, Recommended+"maintenance:\n - {name: night, from: '02:00', to: '04:00'}\n")
	if got := p.Prevents(now.Add(2 * time.Hour)); got != (Prevent{Block, Block, Alert, Alert, Block}) {
		t.Errorf("recommended: %+v", got)
	}
	if got := p.Prevents(now); got != (Prevent{Alert, Alert, Alert, Alert, Alert}) {
		t.Errorf("in maintenance: %+v", got)
	}
	if got := (&Policy{}).Prevents(now); got != (Prevent{Off, Off, Off, Off, Off}) {
		t.Errorf("no policy: %+v", got)
	}
}

// TestNoPolicy: without a policy nothing is ever done, whatever was seen.
func TestNoPolicy(t *testing.T) {
	var p Policy
	for _, topic := range Topics() {
		if v := p.Judge(alert.Proof, []deminer.Topic{topic}, alert.Thing{}, now); !v.Heard || len(v.Phases) > 0 {
			t.Errorf("%s: %+v", topic, v)
		}
	}
	if v := p.Judge(alert.Proof, []deminer.Topic{deminer.TopicDoor}, alert.Thing{}, now); v.Heard {
		t.Error("advice is an alert")
	}
}

func TestJudge(t *testing.T) {
	p := parsed(t, "version: 1\nrespond: {freeze: strong, clean: proof}\nclasses: {mining: block, rootkit: off}\n"+
		"maintenance:\n - {name: night, days: [sat], from: '22:00', to: '04:00'}\n"+
		"allow:\n - {sha256: "+digest+", path: /opt/a, user: bob, reason: ours, expires: 2026-12-31}\n")
	mining := []deminer.Topic{deminer.TopicMining}
	ours := alert.Thing{Path: "/opt/a", SHA256: strings.ToUpper(digest), User: "bob"}
	later := now.Add(2 * time.Hour)
	for name, c := range map[string]struct {
		grade  alert.Grade
		topics []deminer.Topic
		thing  alert.Thing
		at     time.Time
		want   string
	}{
		"strong":                    {alert.Strong, mining, alert.Thing{}, later, "[freeze]"},
		"proof":                     {alert.Proof, mining, alert.Thing{}, later, fmt.Sprint(deminer.Phases())},
		"one sign":                  {alert.Suspected, mining, alert.Thing{}, later, "[]"},
		"the night of Saturday":     {alert.Proof, mining, alert.Thing{}, now, "[]"},
		"ours":                      {alert.Proof, mining, ours, later, "[]"},
		"ours, of somebody else":    {alert.Strong, mining, alert.Thing{Path: "/opt/a", SHA256: digest, User: "eve"}, later, "[freeze]"},
		"only the name is ours":     {alert.Strong, mining, alert.Thing{Path: "/opt/a", User: "bob"}, later, "[freeze]"},
		"ours, but it has expired":  {alert.Strong, mining, ours, now.AddDate(0, 3, 1), "[freeze]"},
		"a class that is off":       {alert.Proof, []deminer.Topic{deminer.TopicRootkit}, alert.Thing{}, later, "[]"},
		"a class that is not named": {alert.Proof, []deminer.Topic{deminer.TopicBackdoor}, alert.Thing{}, later, "[]"},
	} {
		v := p.Judge(c.grade, c.topics, c.thing, c.at)
		if got := fmt.Sprint(v.Phases); got != c.want || v.Why == "" {
			t.Errorf("%s: %s (%s), want %s", name, got, v.Why, c.want)
		}
	}
	if p.Judge(alert.Proof, []deminer.Topic{deminer.TopicRootkit}, alert.Thing{}, later).Heard {
		t.Error("a class that is off is heard")
	}
}

// TestParseRefuses: what is wrong is named with its line, and nothing that allows too much is taken.
func TestParseRefuses(t *testing.T) {
	entry := func(s string) string { return "version: 1\nallow:\n - {" + s + "}\n" }
	good := "sha256: " + digest + ", path: /a, reason: r, expires: 2026-12-31"
	for text, want := range map[string]string{
		"":                                      "there is nothing in it",
		"version: 2\n":                          "line 1",
		"version: 1\nrespnd: {}\n":              "line 2",
		"version: 1\nrespond:\n  kill: proof\n": "line 3",
		"version: 1\nrespond:\n  freeze: suspected\n":        "line 3",
		"version: 1\nrespond:\n  block_for: -1h\n":           "line 3",
		"version: 1\nclasses:\n  minning: block\n":           "line 3",
		"version: 1\nclasses:\n  mining: kill\n":             "line 3",
		"version: 1\nmaintenance:\n - {from: x}\n":           "maintenance 1",
		"version: 1\nprevent:\n  login: maybe\n":             "line 3",
		"version: 1\nprevent:\n  logins: block\n":            "line 3",
		"version: 1\nguessing: maybe\n":                      "line 2",
		"version: 1\nguessing: {mode: maybe}\n":              "line 2",
		"version: 1\nguessing:\n  trys: 5\n":                 "line 3: guessing has no key",
		"version: 1\nguessing:\n  mode: block\n  tries: 2\n": "line 4: tries is 2",
		"version: 1\nguessing:\n  tries: 41\n":               "line 3: tries",
		"version: 1\nguessing:\n  tries: many\n":             "line 3",
		"version: 1\nguessing:\n  window: 5s\n":              "line 3: window",
		"version: 1\nguessing:\n  window: 25h\n":             "line 3: window",
		"version: 1\nguessing:\n  ban: 1s\n":                 "line 3: ban",
		"version: 1\nguessing:\n  ban: -1h\n":                "line 3: ban",
		"version: 1\nguessing:\n  ban: 2h\n  longest: 1h\n":  "line 4: longest",
		"version: 1\nguessing:\n  longest: 9000h\n":          "line 3: longest",
		"version: 1\nguessing:\n  allow: [office]\n":         `line 3: "office" is neither an address nor a network`,
		"# only this\n": "there is nothing in it",
		"version: 1\nrespond:\n  freez: proof\nfoo: 1\n":                          `line 3: there is no key "freez"; line 4: there is no key "foo"`,
		"version: 1\nrespond:\n  block_for: soon\n":                               "line 3: `soon` stands there; want a time",
		"version: 1\nrespond: [block]\n":                                          "line 2: a list stands there; want keys",
		"version: 1\nallow:\n  - sha256: x\n    expires: never\n":                 `line 4: "never" is no day`,
		"version: 1\nguessing:\n  allow: [0.0.0.0/0]\n":                           "line 3: 0.0.0.0/0 is everybody",
		"version: 1\nguessing: [block]\n":                                         "line 2",
		"version: 1\n---\nversion: 1\n":                                           "more than one",
		entry("path: /a, reason: r, expires: 2026-12-31"):                         "sha256",
		entry("sha256: " + digest + ", reason: r, expires: 2026-12-31"):           "at least one of",
		entry("sha256: " + digest + ", path: /a, expires: 2026-12-31"):            "reason",
		entry("sha256: " + digest + ", path: /a, reason: r"):                      "expires",
		entry("sha256: " + digest + ", path: /a, reason: r, expires: 2099-01-01"): "more than",
		entry(good + ", name: xmrig"):                                             "name",
	} {
		if _, err := Parse([]byte(text), now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	p := parsed(t, entry(good))
	text, err := FormatAllow(p.Allow)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := ParseAllow(text, now); err != nil || !slices.Equal(list, p.Allow) {
		t.Errorf("%+v %v, want %+v", list, err, p.Allow)
	}
}

// TestAllowOverfull: no list is written that could not be read again.
func TestAllowOverfull(t *testing.T) {
	e := Entry{SHA256: digest, Path: "/a", Reason: strings.Repeat("r", MaxReason), Expires: now}
	var list []Entry
	for range MaxFile / MaxReason {
		list = append(list, e)
	}
	if text, err := FormatAllow(list); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	text, err := FormatAllow(list[:len(list)/2])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseAllow(text, now); err != nil {
		t.Error(err)
	}
}

// TestGuesses: a mode alone is enough, what is not named is as usual, and in maintenance nobody is blocked.
func TestGuesses(t *testing.T) {
	later := now.Add(24 * time.Hour)
	for text, want := range map[string]string{
		"":                  "alert: 10 tries in 10m0s",
		"guessing: off\n":   "off",
		"guessing: block\n": "block: 10 tries in 10m0s, blocked for 1h0m0s at first and 168h0m0s at most; 0 networks allowed",
		"guessing: {mode: block, tries: 5, window: 1h, ban: 200h, allow: [192.0.2.0/24, '2001:db8::7']}\n": "block: 5 tries in 1h0m0s, blocked for 200h0m0s at first and 200h0m0s at most; 2 networks allowed",
	} {
		p := parsed(t, "version: 1\n"+text+"maintenance:\n - {name: night, days: [sun], from: '02:00', to: '04:00'}\n")
		if got := p.Guesses(later).String(); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
		if p.Guesses(now).Mode == Block {
			t.Errorf("%q: blocks in maintenance", text)
		}
	}
	if got := (&Policy{}).Guesses(now).Mode; got != Alert {
		t.Errorf("without a policy: %s", got)
	}
}
