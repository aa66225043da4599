package match

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// TestMeasure: every rule is measured, the one that costs most first; rules that need each other are measured as one, and
// hits are counted.
func TestMeasure(t *testing.T) {
	user := fstest.MapFS{
		"a.yar": {Data: []byte("// head\nrule Quick { strings: $a = \"quick mark\" condition: $a }\n\nrule Slow { strings: $a = /[a-z ]{3,9}[0-9]{2}x/ $b = /[a-p]+ing/ condition: #a + #b > 100000 }\n")},
		"b.yar": {Data: []byte("private rule Part { condition: filesize > 1 }\nrule Sum { condition: Part and filesize > 2 }\n")},
		"c.yml": {Data: []byte("title: curl\nlogsource: {category: process_creation, product: linux}\ndetection:\n  a: {CommandLine|contains: curl}\n  condition: a\n")},
	}
	text := strings.Repeat("the sleeping thing is running along, 12 of them going on and on; ", 20_000)
	data := [][]byte{[]byte(text), []byte("quick mark"), []byte("nothing")}
	begin := time.Now()
	p, err := Measure(t.Context(), []fs.FS{user}, data, []Event{{Fields: []Field{{Name: "CommandLine", Value: "curl x"}}}, {Fields: []Field{{Name: "CommandLine", Value: "ls"}}}}, time.Second, func() time.Duration { return time.Since(begin) })
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Cost{}
	for _, c := range p.Rules {
		got[c.Rule] = c
	}
	if p.Bytes != int64(len(text)+17) || p.Pieces != 3 || p.Events != 2 {
		t.Errorf("measured on %+v", p)
	}
	if got["yara/Quick"].Hits != 1 || got["yara/Slow"].Line != 4 || got["b.yar"].Shared != 2 || got["b.yar"].Hits != 3 || got["sigma/curl"].Hits != 1 {
		t.Errorf("costs %+v", p.Rules)
	}
	for i := 1; i < len(p.Rules); i++ {
		a, _ := p.Per(p.Rules[i-1])
		if b, _ := p.Per(p.Rules[i]); b > a {
			t.Errorf("rule %d is not in its place", i)
		}
	}
}
