package match

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

// TestSamplesAreRun: a sample that says otherwise than its rule is named, and so is one that cannot be read.
func TestSamplesAreRun(t *testing.T) {
	const rule = "rule %s { strings: $a = %q condition: $a }\n"
	user := fstest.MapFS{
		"a.yar":                     {Data: fmt.Appendf(nil, rule+rule+rule+rule, "Good", "good mark", "Wrong", "wrong mark", "Bare", "bare mark", "Odd", "odd mark")},
		"one.yml":                   {Data: []byte("title: one\nid: 11111111-0000-0000-0000-000000000001\nlevel: high\nlogsource: {category: file_event, product: linux}\ndetection:\n  a: {TargetFilename|endswith: .so}\n  condition: a\n")},
		"samples/yara/Good.txtar":   {Data: []byte("-- hit --\ngood mark\n-- hit-2 hex --\n676f6f64 20 6d61726b\n-- miss --\nnothing\n")},
		"samples/yara/Wrong.txtar":  {Data: []byte("-- hit --\nnothing\n-- miss --\nwrong mark\n")},
		"samples/yara/Odd.txtar":    {Data: []byte("-- hit pad=99999999999 --\nodd mark\n-- hit2 shape=1 --\n-- hit3 hex --\nzz\n-- other --\n")},
		"samples/sigma/one.txtar":   {Data: []byte("-- hit --\nTargetFilename: /tmp/x.so\n-- miss --\nTargetFilename: /tmp/x\n")},
		"samples/yara/Nobody.txtar": {Data: []byte("-- hit --\n")},
	}
	s, err := Load(user)
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.Test(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range list {
		got = append(got, fmt.Sprintf("%s %d/%d %v %s", r.Rule, r.Hits, r.Misses, r.Sampled(), strings.Join(r.Faults, "; ")))
	}
	want := []string{
		`yara/Good 2/1 true `,
		`yara/Wrong 1/1 true sample "hit" does not hit; sample "miss" hits`,
		`yara/Bare 0/0 false `,
		`yara/Odd 3/0 false sample "hit pad=99999999999": attribute "pad=99999999999": want a number up to 16777216; sample "hit2 shape=1": unknown attribute "shape=1": hex, pad=N and type=N are known; sample "hit3 hex": encoding/hex: invalid byte: U+007A 'z'; sample "other": a name begins with hit or miss`,
		`sigma/11111111-0000-0000-0000-000000000001 1/1 true `,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
