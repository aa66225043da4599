package show

import (
	"strings"
	"unicode/utf8"

	"github.com/deminer/deminer"
)

// Headline writes a line with a mark: what it is about, and in which state it is.
func (p Page) Headline(what, state string, good bool) {
	dot, code := "●", green
	if !good {
		code = yellow
	}
	if !p.Color {
		dot = "*"
	}
	p.line("  %s %s  %s", p.paint(code, dot), p.paint(bold, deminer.Safe(what)), p.paint(code, deminer.Safe(state)))
}

// Facts writes names and values, folded at the width. Values may be hostile.
func (p Page) Facts(rows [][2]string) {
	n := 0
	for _, r := range rows {
		n = max(n, utf8.RuneCountInString(r[0]))
	}
	for _, r := range rows {
		p.wrap(n+6, "    "+r[0], deminer.Safe(r[1]))
	}
}

// gap between the columns of a table, and the least width of the last one.
const (
	between = 2
	least   = 16
)

// Table writes rows, of which the first is the heading; cells are safe text. Fitted, columns are aligned and what is too
// wide for the page is cut; else cells stand with a TAB between them, for programs.
func (p Page) Table(rows [][]string, fitted bool) {
	if len(rows) == 0 {
		return
	}
	if !fitted {
		for _, r := range rows {
			p.line("%s", strings.Join(r, "\t"))
		}
		return
	}
	widths := p.widths(rows)
	for i, r := range rows {
		var b strings.Builder
		for c, cell := range r {
			cell = shorten(cell, widths[c])
			b.WriteString(cell)
			if c < len(r)-1 {
				b.WriteString(strings.Repeat(" ", widths[c]-utf8.RuneCountInString(cell)+between))
			}
		}
		text := strings.TrimRight(b.String(), " ")
		if i == 0 {
			text = p.paint(dim, text)
		}
		p.line("%s", text)
	}
}

// widths gives each column what it needs, and takes from the widest until all fit.
func (p Page) widths(rows [][]string) []int {
	out := make([]int, len(rows[0]))
	total := between * (len(out) - 1)
	for c := range out {
		for _, r := range rows {
			out[c] = max(out[c], utf8.RuneCountInString(r[c]))
		}
		total += out[c]
	}
	for total > p.width() {
		widest := 0
		for c, n := range out {
			if n >= out[widest] {
				widest = c
			}
		}
		if out[widest] <= least {
			break
		}
		out[widest]--
		total--
	}
	return out
}

func shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
