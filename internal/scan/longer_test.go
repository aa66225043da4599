package scan

import (
	"fmt"
	"testing"

	"github.com/deminer/deminer"
)

// TestLonger: what is remembered stands in for logs that were rotated away, and is not counted beside them.
func TestLonger(t *testing.T) {
	failed := func(from string, n int, source string) deminer.Login {
		return deminer.Login{Kind: "failed", From: from, Count: n, Source: source}
	}
	logs := []deminer.Login{failed("a", 3, "log"), failed("a", 2, "log"), failed("b", 9, "log"), {Kind: "login", From: "a", Source: "log"}}
	got := longer(logs, []deminer.Login{failed("a", 20, "own"), failed("a", 1, "own"), failed("b", 4, "own"), failed("c", 7, "own")})
	text := ""
	for _, l := range got {
		text += fmt.Sprintf("%s %s %d %s, ", l.Kind, l.From, l.Count, l.Source)
	}
	if text != "failed b 9 log, login a 0 log, failed a 20 own, failed a 1 own, failed c 7 own, " {
		t.Error(text)
	}
}
