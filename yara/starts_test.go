package yara

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// plainly is what Find has to give, by comparing every literal at every place.
func plainly(list []string, data []byte, fold bool) []string {
	var out []string
	if fold {
		data = bytes.ToLower(data)
	}
	for end := 1; end <= len(data); end++ {
		for id, s := range list {
			if fold {
				s = strings.ToLower(s)
			}
			if s != "" && bytes.HasSuffix(data[:end], []byte(s)) {
				out = append(out, fmt.Sprint(end, " ", id))
			}
		}
	}
	return out
}

// TestFindEqualsComparing: short and long literals, inside and beside each other, in either letter case.
func TestFindEqualsComparing(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "abAB"[r.IntN(4)]
		}
		return string(b)
	}
	for round := range 400 {
		var list []string
		shortest := 1 + round%6
		for range 1 + r.IntN(8) {
			list = append(list, word(shortest+r.IntN(6)))
		}
		fold := round%2 == 0
		l, err := NewLiterals(list, fold)
		if err != nil {
			t.Fatal(err)
		}
		data := []byte(word(r.IntN(60)) + "\x00@`" + word(r.IntN(60)))
		var got []string
		last := 0
		l.Find(data, func(id, end int) bool {
			if end < last {
				t.Fatalf("literal that ends at %d after one that ends at %d", end, last)
			}
			last = end
			got = append(got, fmt.Sprint(end, " ", id))
			return true
		})
		want := plainly(list, data, fold)
		if !sameSet(got, want) {
			t.Fatalf("%q in %q, fold %v:\n got %v\nwant %v", list, data, fold, got, want)
		}
	}
}

func sameSet(a, b []string) bool {
	n := map[string]int{}
	for _, s := range a {
		n[s]++
	}
	for _, s := range b {
		n[s]--
	}
	for _, k := range n {
		if k != 0 {
			return false
		}
	}
	return len(a) == len(b)
}

// BenchmarkLiteralsText is a text in which the beginnings of many literals are frequent.
func BenchmarkLiteralsText(b *testing.B) {
	var list []string
	for i := range 600 {
		list = append(list, fmt.Sprintf("%c%c%c-pool%d.example", 'a'+i%26, 'a'+i/26, 'a'+i%7, i))
	}
	l, err := NewLiterals(list, true)
	if err != nil {
		b.Fatal(err)
	}
	data := bytes.Repeat([]byte("The quick brown fox jumps over the lazy dog. if [ -x /usr/bin/test ]; then exec \"$@\"; fi\n"), 10000)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		l.Find(data, func(int, int) bool { return true })
	}
}
