package yara

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func compileOne(t testing.TB, src string) *Rules {
	t.Helper()
	r, err := Compile(Options{Externals: map[string]any{"filename": "run.sh", "num": 7, "on": true}}, Source{Name: "t.yar", Text: src})
	if err != nil {
		t.Fatalf("compile %s: %v", src, err)
	}
	return r
}

// lookAt gives "id@offset+length" of every string match.
func lookAt(t testing.TB, r *Rules, data string) (rules []string, places string) {
	t.Helper()
	res, err := r.Scan(context.Background(), []byte(data), ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range res.Matches {
		rules = append(rules, m.Rule)
		for _, s := range m.Strings {
			out = append(out, fmt.Sprintf("%s@%d+%d", s.ID, s.Offset, s.Length))
		}
	}
	return rules, strings.Join(out, " ")
}

func TestStrings(t *testing.T) {
	for _, c := range []struct{ decl, data, want string }{
		{`$a = "abc"`, "xabcabc", "$a@1+3 $a@4+3"},
		{`$a = "abc"`, "ABC", ""},
		{`$a = "abc" nocase`, "xAbC", "$a@1+3"},
		{`$a = "a\x00\"\\\t"`, "a\x00\"\\\t", "$a@0+5"},
		{`$a = "ab" wide`, "ab a\x00b\x00", "$a@3+4"},
		{`$a = "ab" wide ascii`, "ab a\x00b\x00", "$a@0+2 $a@3+4"},
		{`$a = "dom" fullword`, "dom1 dom-x kingdom dom_", "$a@5+3 $a@19+3"},
		{`$a = "ab" wide fullword`, "a\x00b\x00c\x00-a\x00b\x00\x00", "$a@7+4"},
		{`$a = "test" xor`, "\x55\x44\x52\x55 test", "$a@0+4 $a@5+4"},
		{`$a = "test" xor(1-16)`, "\x75\x64\x72\x75 test", "$a@0+4"},
		{`$a = "dotdotdot" base64`, "ZG90ZG90ZG90 AGRvdGRvdGRvdA", "$a@0+12 $a@15+11"},
		{`$a = "dotdotdot" base64wide`, "Z\x00G\x009\x000\x00Z\x00G\x009\x000\x00Z\x00G\x009\x000\x00", "$a@0+24"},
		{`$a = { 61 ?? 63 }`, "abc axc", "$a@0+3 $a@4+3"},
		{`$a = { D0 85 C0 75 }`, "\xd0\x85\xc0\x75 \xd0\xc0\x75", "$a@0+4"}, // two of the bytes look like a letter in UTF-8
		{`$a = { C3 A9 [1-2] C3 A9 }`, "\xc3\xa9.\xc3\xa9", "$a@0+5"},
		{`$a = { 6? ?2 }`, "ab b2", "$a@0+2 $a@3+2"},
		{`$a = { 61 ~62 63 }`, "abc axc", "$a@4+3"},
		{`$a = { 61 [2-3] 62 }`, "axxb axxxb ab", "$a@0+4 $a@5+5"},
		{`$a = { 61 [0-] 7A }`, "a..z", "$a@0+4"},
		{`$a = { 61 ( 62 63 | 64 | ?5 66 ) 67 } // }`, "abcg adg aefg", "$a@0+4 $a@5+3 $a@9+4"},
		{"$a = { 61 // comment with } and {\n 62 /* } */ 63 }", "abc", "$a@0+3"},
		{`$a = /ab+c/`, "xabbbc", "$a@1+5"},
		{`$a = /a[b-d]{2,3}e?/`, "abcde", "$a@0+5"},
		{`$a = /a.*?c/`, "abcc", "$a@0+3"},
		{`$a = /a.c/`, "a\nc", ""},
		{`$a = /a.c/s`, "a\nc", "$a@0+3"},
		{`$a = /AB(c|d)+/i`, "abCD", "$a@0+4"},
		{`$a = /\bfoo\b/`, "xfoo foo", "$a@5+3"},
		{`$a = /^foo/`, "foofoo", "$a@0+3"},
		{`$a = /foo$/`, "foofoo", "$a@3+3"},
		{`$a = /\x41\d\w\s[^a]/`, "A1_ b", "$a@0+5"},
		{`$a = /[0-9]{3}/`, "a1234", "$a@1+3 $a@2+3"},
		{`$a = /foo[0-9]+/ wide`, "f\x00o\x00o\x001\x002\x00", "$a@0+10"},
		{`$a = /(x{1,3}y){2}needle/`, "xxyxyneedle", "$a@0+11 $a@1+10"},
		{`$a = /.{0,300}needle/`, "ab needle", "$a@0+9 $a@1+8 $a@2+7 $a@3+6"},
	} {
		src := "rule r { strings: " + c.decl + "\n condition: $a }"
		if _, got := lookAt(t, compileOne(t, src), c.data); got != c.want {
			t.Errorf("%s on %q: %q, want %q", c.decl, c.data, got, c.want)
		}
	}
}

func TestConditions(t *testing.T) {
	const data = "MZ\x01\x02one two two three"
	for cond, want := range map[string]bool{
		"true": true, "false": false, "not false": true, "filesize == 21": true, "filesize < 1KB": true, "filesize > 1MB": false,
		"$one and $two": true, "$one and $none": false, "$one or $none": true, "not $none": true,
		"any of them": true, "all of them": false, "none of them": false, "3 of them": true, "4 of them": false, "2 of ($t*)": true, "all of ($t*)": true, "50% of them": true, "90% of them": false,
		"none of ($none)": true, "#two == 2": true, "#two in (0..11) == 1": true, "@two[1] == 8": true, "@two[2] == 12": true, "!two[1] == 3": true, "@two[9] == 1": false, "defined @two[9]": false,
		"$one at 4": true, "$one at 5": false, "$two in (9..20)": true, "$two in (13..20)": false, "any of them at 4": true, "any of ($t*) in (0..8)": true,
		"uint16(0) == 0x5a4d": true, "uint16be(0) == 0x4d5a": true, "uint8(2) == 1": true, "uint32(0) == 0x02015a4d": true, "int8(3) == 2": true, "uint32(100) == 0": false,
		"1 + 2 * 3 == 7": true, "(1 + 2) * 3 == 9": true, "7 \\ 2 == 3": true, "7 % 4 == 3": true, "1 << 4 == 16": true, "0xff & 0x0f == 15": true, "5 | 2 == 7": true, "6 ^ 3 == 5": true, "~0 == -1": true, "1.5 * 2 == 3.0": true, "1 \\ (num - 7) == 1": false,
		"for any of them : ( $ at 4 )": true, "for all of ($t*) : ( @ > 7 )": true, "for any i in (1..#two) : ( @two[i] == 12 )": true, "for all i in (1,2) : ( @two[i] > 7 )": true, "for 2 i in (1,2,3) : ( i > 1 )": true, "for none i in (1,2) : ( i > 5 )": true,
		"filename == \"run.sh\"": true, "filename contains \"un\"": true, "filename icontains \"RUN\"": true, "filename startswith \"run\"": true, "filename iendswith \".SH\"": true, "filename iequals \"RUN.SH\"": true, "filename matches /^r.n/": true, "filename matches /x$/": false,
		"num > 6 and on": true, "earlier": true, "any of (ear*)": true, "not earlier": false,
	} {
		src := "rule earlier { condition: true } rule r { strings: $one = \"one\" $two = \"two\" $three = \"three\" $none = \"none\" condition: (" + cond + ") and (#one >= 0 and #two >= 0 and #three >= 0 and #none >= 0) }"
		rules, _ := lookAt(t, compileOne(t, src), data)
		if got := len(rules) == 2; got != want {
			t.Errorf("%s: %v, want %v", cond, got, want)
		}
	}
}

func TestRuleKinds(t *testing.T) {
	src := `private rule p { condition: true }
global rule g { condition: filesize > 3 }
rule r : one two { meta: a = "x" b = -5 c = true strings: $x = "abc" private condition: p and $x }`
	r := compileOne(t, src)
	rules, places := lookAt(t, r, "xabc")
	if strings.Join(rules, " ") != "g r" || places != "" {
		t.Errorf("rules %v, places %q", rules, places)
	}
	if rules, _ := lookAt(t, r, "abc"); len(rules) != 0 {
		t.Errorf("global rule did not hold rules back: %v", rules)
	}
	info := r.List()[2]
	if fmt.Sprint(info.Tags, info.Meta) != "[one two] [{a x} {b -5} {c true}]" {
		t.Errorf("info %+v", info)
	}
}

func TestErrorsArePlaced(t *testing.T) {
	for src, want := range map[string]string{
		"rule r { condition: $a }":                                  "t.yar:1:21: rule r: undefined string $a",
		"import \"nosuch\"\nrule r { condition: true }":             `t.yar:1:8: unknown module "nosuch"`,
		"rule r { condition: pe.x > 1 }":                            `t.yar:1:21: rule r: module "pe" is not imported`,
		"rule r { condition: foo }":                                 `t.yar:1:21: rule r: undefined identifier "foo"`,
		"rule r {\n strings: $a = { 6 }\n condition: $a }":          "t.yar:2:16: rule r: string $a: half a byte at the end",
		"rule r {\n strings: $a = /a(b/\n condition: $a }":          "t.yar:2:16: rule r: string $a: group is not closed",
		"rule r { strings: $a = \"x\n\" condition: $a }":            "t.yar:1:24: rule r: string is not closed on its line",
		"rule r { condition: true }\nrule r { condition: true }":    "t.yar:2:6: rule r: a rule of this name exists already",
		"include \"x\"\nrule r { condition: true }":                 `t.yar:1:9: include "x": includes are not allowed here`,
		"rule r { strings: $a = \"abc\" nocase xor condition: $a }": "t.yar:1:19: rule r: string $a: nocase goes with neither xor nor base64",
		"/* open":             "t.yar:1:1: comment is not closed",
		"rule r { condition:": "t.yar:1:20: rule r: unexpected the end of the source in a condition",
	} {
		_, err := Compile(Options{}, Source{Name: "t.yar", Text: src})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: error %v, want %s", src, err, want)
		}
	}
	_, err := Compile(Options{}, Source{Name: "t.yar", Text: "rule a { condition: x }\nrule b { condition: true }\nrule c { condition: and }\nrule d { condition: y }\n"})
	var es Errors
	if !errors.As(err, &es) || len(es) != 3 {
		t.Errorf("broken rules of one file: %v", err)
	}
}

// TestHostileSources: nesting, size and repetition end with an error, not with a crash.
func TestHostileSources(t *testing.T) {
	for name, src := range map[string]string{
		"parentheses":  "rule r { condition: " + strings.Repeat("(", 100000) + "true",
		"not":          "rule r { condition: " + strings.Repeat("not ", 100000) + "true }",
		"minus":        "rule r { condition: " + strings.Repeat("-", 100000) + "1 }",
		"groups":       "rule r { strings: $a = /" + strings.Repeat("(", 100000) + "/ condition: $a }",
		"alternatives": "rule r { strings: $a = { " + strings.Repeat("( ", 100000) + " } condition: $a }",
		"repetition":   "rule r { strings: $a = /((((a{1000}){1000}){1000}){1000})/ condition: $a }",
	} {
		if _, err := Compile(Options{}, Source{Name: name, Text: src}); err == nil {
			t.Errorf("%s compiles", name)
		}
	}
	long := "rule r { strings: $a = \"a\" condition: " + strings.Repeat("$a or ", 50000) + "$a }"
	if _, err := Compile(Options{}, Source{Name: "long", Text: long}); err != nil {
		t.Errorf("a long chain of or: %.200v", err)
	}
	slow := compileOne(t, "rule r { condition: for all i in (0..4000000) : ( for all k in (0..4000000) : ( i + k >= 0 ) ) }")
	if _, err := slow.Scan(context.Background(), nil, ScanOptions{}); !errors.Is(err, ErrWork) {
		t.Errorf("endless condition: %v", err)
	}
}

// TestWindows: the result of ScanReader does not depend on the size of its windows.
func TestWindows(t *testing.T) {
	src := `rule r { strings: $a = "needle" $b = { 6E 65 [0-20] 21 } $c = /ne+dle.{1,9}!/ $d = /[0-9]{4}/ $e = "needle" fullword condition: any of them }`
	data := []byte(strings.Repeat("x", 997))
	for i := 0; i < 60; i++ {
		data = append(data, "needle12345678! "...)
		data = append(data, strings.Repeat("y", i*37)...)
	}
	want := ""
	for _, w := range []int{1 << 20, 1 << 12, 777, 64} {
		r, err := Compile(Options{Limits: Limits{Window: w}}, Source{Name: "t", Text: src})
		if err != nil {
			t.Fatal(err)
		}
		r.overlap = 64
		res, err := r.ScanReader(context.Background(), bytes.NewReader(data), int64(len(data)), ScanOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(res.Matches)
		if want == "" {
			want = got
		}
		if got != want || len(res.Matches) != 1 {
			t.Errorf("window %d gives other matches", w)
		}
	}
}

func TestScanEnds(t *testing.T) {
	r := compileOne(t, `rule r { strings: $a = "abc" condition: $a }`)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.Scan(ctx, make([]byte, 10), ScanOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled scan: %v", err)
	}
	res, err := r.ScanReader(context.Background(), strings.NewReader("xabc"), 1<<30, ScanOptions{})
	if err != nil || res.Size != 4 || len(res.Matches) != 1 {
		t.Errorf("reader that ends early: %+v %v", res, err)
	}
	r, err = Compile(Options{Limits: Limits{Hits: 5}}, Source{Name: "t", Text: `rule r { strings: $a = "a" condition: #a == 5 }`})
	if err != nil {
		t.Fatal(err)
	}
	if res, _ := r.Scan(context.Background(), bytes.Repeat([]byte("a"), 100), ScanOptions{}); !res.Truncated || len(res.Matches) != 1 || len(res.Matches[0].Strings) != 5 {
		t.Errorf("hit limit: %+v", res)
	}
}

func TestLiterals(t *testing.T) {
	l, err := NewLiterals([]string{"he", "she", "his", "hers", "", "HE", string([]byte{0, 255})}, true)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	l.Find([]byte("uSHErs\x00\xff"), func(id, end int) bool {
		got = append(got, fmt.Sprintf("%d:%d", id, end))
		return true
	})
	if s := strings.Join(got, " "); s != "1:4 5:4 0:4 3:6 6:8" {
		t.Errorf("hits %s", s)
	}
	all := make([]string, 256)
	for i := range all {
		all[i] = string([]byte{byte(i), byte(255 - i)})
	}
	l, err = NewLiterals(all, false)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	l.Find([]byte{0, 255, 0, 255, 7, 248}, func(id, end int) bool { n++; return true })
	if n != 4 {
		t.Errorf("all bytes in use: %d hits, want 4", n)
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(`rule r : t { meta: a = 1 strings: $a = "x" wide xor $b = { 61 [1-2] ( 62 | 63 ) } $c = /a(b|c)*d/i condition: any of them and #a > 1 }`)
	f.Add("import \"pe\"\nrule r { condition: for any i in (1..2) : ( uint8(i) == 1 ) }")
	f.Add("rule r { strings: $ = \"abc\" base64 condition: 50% of them in (0..10) }")
	f.Fuzz(func(t *testing.T, src string) {
		r, err := Compile(Options{Limits: Limits{Steps: 10000}}, Source{Name: "f", Text: src})
		if err == nil {
			_, _ = r.Scan(context.Background(), []byte("abc x a\x00b\x00 61 abd acbd"), ScanOptions{})
		}
	})
}

func FuzzScan(f *testing.F) {
	r := compileOne(f, `rule r { strings: $a = "needle" nocase wide ascii $b = { 61 [0-30] ( 62 | 63 64 ) } $c = /x[a-f]{1,9}(y|z.*q)$/ $d = "key" xor $e = /[0-9]{3,}/ condition: any of them and (uint16(0) != 1 or @a[1] > 2) }`)
	f.Add([]byte("needle a..b xabcy 123"))
	f.Fuzz(func(t *testing.T, data []byte) {
		whole, err := r.Scan(context.Background(), data, ScanOptions{})
		if err != nil {
			t.Fatal(err)
		}
		read, err := r.ScanReader(context.Background(), bytes.NewReader(data), int64(len(data)), ScanOptions{})
		if err != nil || fmt.Sprint(whole) != fmt.Sprint(read) {
			t.Fatalf("reader and memory differ: %v", err)
		}
	})
}

func BenchmarkLiterals(b *testing.B) {
	l, err := NewLiterals([]string{"stratum+tcp", "donate-level", "randomx", "kdevtmpfsi", "pool.minexmr.com"}, true)
	if err != nil {
		b.Fatal(err)
	}
	data := bytes.Repeat([]byte("The quick brown fox jumps over the lazy dog. 0123456789 "), 20000)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		l.Find(data, func(int, int) bool { return true })
	}
}

// TestCancelInsideWindow: a scan that is slow inside one window still ends when its context does.
func TestCancelInsideWindow(t *testing.T) {
	r := compileOne(t, `rule r { strings: $a = /[0-9]{3,}/ condition: $a }`)
	data := bytes.Repeat([]byte("7"), 1<<20)
	ctx := &ending{Context: context.Background(), asked: 1 << 30}
	if _, err := r.Scan(ctx, data, ScanOptions{}); err != nil {
		t.Fatal(err)
	}
	asked := 1<<30 - ctx.asked // how often a scan of this much asks whether it is to end
	if asked < 8 {
		t.Fatalf("a scan of one window asks %d times whether it is to end", asked)
	}
	ctx.asked = asked / 2
	if _, err := r.Scan(ctx, data, ScanOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want deadline exceeded", err)
	}
}

// ending is a context that ends when it was asked a number of times.
type ending struct {
	context.Context
	asked int
}

func (e *ending) Err() error {
	if e.asked--; e.asked < 0 {
		return context.DeadlineExceeded
	}
	return nil
}
