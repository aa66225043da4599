package deminer

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func FuzzRaw(f *testing.F) {
	for _, s := range []string{"", "plain", `back\slash`, "\xff\xfe", "new\nline\ttab", "\x1b[31m", "…\u202e", "a\x00b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := json.Marshal(Raw(s))
		if err != nil {
			t.Fatal(err)
		}
		var back Raw
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatalf("%q -> %s: %v", s, b, err)
		}
		if string(back) != s {
			t.Fatalf("%q came back as %q", s, back)
		}
		safe := Safe(s)
		if !utf8.ValidString(safe) || strings.ContainsFunc(safe, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Fatalf("Safe(%q) = %q is not fit for a terminal", s, safe)
		}
		if n := utf8.RuneCountInString(Cut(s, 10)); n > 10 {
			t.Fatalf("Cut(%q, 10) has %d characters", s, n)
		}
	})
}

func TestRawRefusesBrokenEscapes(t *testing.T) {
	for _, s := range []string{`\`, `\x`, `\x1`, `\xzz`, `\q`} {
		var r Raw
		if err := r.UnmarshalText([]byte(s)); err == nil {
			t.Errorf("%q was accepted as %q", s, r)
		}
	}
}

func TestSafeHidesNothing(t *testing.T) {
	for in, want := range map[string]string{
		"a b":             "a b",
		"\x1b]0;evil\x07": `\x1b]0;evil\x07`,
		"rtl \u202e txt":  `rtl \u{202e} txt`,
		"zero\u200bwidth": `zero\u{200b}width`,
		"bad \xff":        `bad \xff`,
		"line\nnext\r":    `line\nnext\r`,
		"中文 é":            "中文 é",
	} {
		if got := Safe(in); got != want {
			t.Errorf("Safe(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestRefNamesTheThing(t *testing.T) {
	a := Artifact{Kind: KindLine, Path: "/etc/crontab", Line: "x", LineNo: 3}
	b := a
	b.LineNo = 9
	if a.Ref() != b.Ref() {
		t.Error("the same line at another number is the same thing")
	}
	b.Line = "y"
	if a.Ref() == b.Ref() {
		t.Error("two lines have one name")
	}
}

func TestDigestSurvivesAFile(t *testing.T) {
	p := Plan{ID: "x", Steps: []Step{{Why: []string{"bad \xff bytes <&>"}, Action: Action{Target: Artifact{Path: "/\xfe", Name: "\xfd"}}}}}
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var q Plan
	if err := json.Unmarshal(b, &q); err != nil {
		t.Fatal(err)
	}
	if p.Digest() == "" || p.Digest() != q.Digest() {
		t.Errorf("%s became %s", p.Digest(), q.Digest())
	}
	q.Steps[0].Action.Target.Path = "/etc"
	if p.Digest() == q.Digest() {
		t.Error("another target has the same digest")
	}
}

// TestRefOfLongLine: a line of a megabyte has a short ref, and one that differs at its end another.
func TestRefOfLongLine(t *testing.T) {
	long := strings.Repeat("A", 1<<20)
	ref := func(text string) string { return Artifact{Kind: KindLine, Path: "/etc/crontab", Line: Raw(text)}.Ref() }
	if a := ref(long); len(a) > 1024 || a == ref(long+"B") || a != ref(long) {
		t.Errorf("ref of %d bytes", len(a))
	}
	if a := ref("* * * * * root true"); a != "line:/etc/crontab:* * * * * root true" {
		t.Error(a)
	}
}
