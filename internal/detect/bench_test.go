package detect

import (
	"strings"
	"testing"
)

// BenchmarkCradles judges a long script without any cradle, the usual case.
func BenchmarkCradles(b *testing.B) {
	text := strings.Repeat("for f in /etc/*.conf; do curl -fsS https://example.net/$f -o /dev/null; done # a comment of the owner\n", 2000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		cradlesIn(text)
	}
}
