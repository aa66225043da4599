package yara

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
)

// hostile are expressions that are hard for some way of matching.
var hostile = []string{
	`/(a*)*b/`, `/(a|aa)+$/`, `/(x+x+)+y/`, `/.*.*.*=.*;/`, `/a[^b]*b/`, `/[0-9]{3,}/`, `/[a-z]+[0-9]+[a-z]+z/`, `/a.{0,300}b.{0,300}c/`, `/(a?){300}a{300}/`, `/\ba.*b$/`,
	`/[0-9a-f]{32}/`, `/(.{1,50}x){5}/`, `{ 61 [0-4000] 62 }`, `{ 61 [1000-4000] 61 }`, `/a{1,4000}b/`, `/.*foxes/`, `/\w+\s\w+z/`, `/the.{1,2000}zebra/`,
}

// hostileData gives n bytes of every kind.
func hostileData(n int) map[string][]byte {
	return map[string][]byte{
		"a":    bytes.Repeat([]byte("a"), n),
		"ab":   append(bytes.Repeat([]byte("a"), n-1), 'b'),
		"gaps": bytes.Repeat(append(bytes.Repeat([]byte("a"), 8191), 'b'), n/8192),
		"text": bytes.Repeat([]byte("the quick brown fox = jumps over 123 dogs; "), n/43),
	}
}

// TestHostileExpressions: no expression on no data reads more than a declared number of bytes for each byte of the data, and its hits do not depend on how they were found.
func TestHostileExpressions(t *testing.T) {
	const n = 32 << 10
	for _, e := range hostile {
		most := int64(200)
		if strings.Contains(e, "000") { // what counts so far has a state for every count: walks from near starts do not meet
			most = MaxMatch
		}
		for kind, data := range hostileData(n) {
			r := compileOne(t, "rule r { strings: $a = "+e+" condition: $a }")
			s := r.scanner()
			s.ctx, s.data, s.mem, s.size = context.Background(), bytes.NewReader(data), data, int64(len(data))
			if err := s.search(s.ctx); err != nil {
				t.Fatal(err)
			}
			var read int64
			for _, d := range s.dfas {
				if d != nil {
					read += d.total
				}
			}
			if read > most*n {
				t.Errorf("%s on %s read %d bytes for each", e, kind, read/n)
			}
			s.settle()
			for _, h := range s.found(0)[:min(len(s.found(0)), 3)] {
				m := r.strings[0].forms[0]
				if got := m.re.matcher().simulate(&threads{}, view{data, 0, int64(len(data))}, int(h.off)); got != int(h.n) {
					t.Errorf("%s on %s at %d: %d bytes, want %d", e, kind, h.off, h.n, got)
				}
			}
			s.release()
		}
	}
}

// TestHostileStrings: strings that ask for too much end with an error.
func TestHostileStrings(t *testing.T) {
	for name, decl := range map[string]string{
		"a million alternatives": "{ 61 ( " + strings.Repeat("62 | ", 1000000) + "63 ) }",
		"a million rows":         "{ 61 " + strings.Repeat("[1-2] 62 ", 1000000) + " }",
		"long alternatives":      "/(" + strings.Repeat("abc|", 100000) + "x)/",
		"counts in counts":       "/((ab{100}){100}){100}/",
	} {
		_, err := Compile(Options{}, Source{Name: "t", Text: "rule r { strings: $a = " + decl + "\n condition: $a }"})
		if err == nil || !strings.Contains(err.Error(), "too l") {
			t.Errorf("%s: error %.100v", name, err)
		}
	}
}

// TestLongLine: one line of many windows without an end gives the hits of its begin and its end.
func TestLongLine(t *testing.T) {
	r := compileOne(t, `rule r { strings: $a = /stratum.{1,40}\/\// $b = "needle" $c = /x.*y/ condition: any of them }`)
	line := append([]byte("stratum+tcp://x"), bytes.Repeat([]byte("z"), 9<<20)...)
	line = append(line, "needle x y"...)
	res, err := r.ScanReader(context.Background(), bytes.NewReader(line), int64(len(line)), ScanOptions{})
	if err != nil || len(res.Matches) != 1 {
		t.Fatalf("%+v %v", res, err)
	}
	var got []string
	for _, m := range res.Matches[0].Strings {
		got = append(got, fmt.Sprintf("%s@%d", m.ID, m.Offset))
	}
	if s := strings.Join(got, " "); s != fmt.Sprintf("$a@0 $b@%d $c@%d", len(line)-10, len(line)-3) {
		t.Errorf("places %s", s)
	}
}

func BenchmarkHostileExpressions(b *testing.B) {
	for _, e := range hostile {
		r := compileOne(b, "rule r { strings: $a = "+e+" condition: $a }")
		for kind, data := range hostileData(1 << 20) {
			b.Run(e+" on "+kind, func(b *testing.B) {
				b.SetBytes(int64(len(data)))
				for b.Loop() {
					if _, err := r.Scan(context.Background(), data, ScanOptions{}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkSweep is the cost of the filter: many rules, text without a hit.
func BenchmarkSweep(b *testing.B) {
	data := bytes.Repeat([]byte("The quick brown fox jumps over the lazy dog. 0123456789 "), 20000)
	for _, n := range []int{10, 1000, 20000} {
		var src strings.Builder
		for i := range n {
			fmt.Fprintf(&src, "rule r%d { strings: $a = \"k%07dq\" $b = { %02X %02X 90 ?? 8B [2-4] %02X 55 } condition: any of them }\n", i, i*7919, i&0xFF, i>>8&0xFF, i&0x7F)
		}
		r := compileOne(b, src.String())
		b.Run(fmt.Sprint(n, " rules"), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Scan(context.Background(), data, ScanOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestAutomataAreWorthIt: with more expressions in the data than automata are kept for, one is made for every 16th try at most.
func TestAutomataAreWorthIt(t *testing.T) {
	const expressions, scans = maxAutomata + 50, 60
	var src, text strings.Builder
	for i := range expressions {
		fmt.Fprintf(&src, "rule r%d { strings: $a = /k%dq[ab]+/ condition: $a }\n", i, i+1000)
		fmt.Fprintf(&text, "k%dqab ", i+1000)
	}
	r, data := compileOne(t, src.String()), []byte(text.String())
	s := r.scanner()
	defer s.release()
	before, made := make([]*dfa, len(s.dfas)), 0
	for range scans {
		s.ctx, s.data, s.mem, s.size = context.Background(), bytes.NewReader(data), data, int64(len(data))
		if err := s.search(s.ctx); err != nil {
			t.Fatal(err)
		}
		if len(s.touched) != expressions {
			t.Fatalf("%d expressions found, want %d", len(s.touched), expressions)
		}
		for i, d := range s.dfas {
			if d != nil && d != before[i] {
				made++
			}
		}
		copy(before, s.dfas)
		s.forget()
	}
	if most := expressions * scans / warm; made == 0 || made > most {
		t.Errorf("%d automata made for %d tries, want at most %d", made, expressions*scans, most)
	}
}
