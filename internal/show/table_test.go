package show

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// TestTableFits: on a terminal a table keeps to the page, folds its last column and loses nothing of it; for a pipe it is cut nowhere.
func TestTableFits(t *testing.T) {
	what := "a long sentence that an administrator reads to the end, whatever the width of the page is"
	rows := [][]string{{"ID", "KIND", "WHAT"}, {"yara/" + strings.Repeat("x", 60), "yara", what}, {"yara/y", "yara", "short"}}
	for _, width := range []int{40, 60, 80, 120, 200} {
		var b strings.Builder
		Page{W: &b, Width: width}.Table(rows, true)
		for line := range strings.Lines(b.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("width %d: a line of %d: %q", width, n, line)
			}
		}
		last := ""
		for line := range strings.Lines(b.String()) {
			last += strings.TrimSpace(line) + " "
		}
		for _, w := range strings.Fields(what) {
			if !strings.Contains(last, w) {
				t.Errorf("width %d: %q is lost:\n%s", width, w, b.String())
			}
		}
	}
	var b strings.Builder
	Page{W: &b, Width: 40}.Table(rows, false)
	if want := rows[1][0] + "\tyara\t" + what + "\n"; !strings.Contains(b.String(), want) {
		t.Errorf("for a pipe:\n%s", b.String())
	}
}
