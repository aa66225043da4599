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

// Space between the columns of a table, and what each is not made narrower than.
const (
	between   = 2
	least     = 12
	leastLast = 28
)

// Table writes rows, of which the first is the heading; cells are safe text. Fitted, columns are aligned, the last one is
// folded into the room that is left, and others are cut where it would have too little; else cells stand with a TAB between
// them, for programs.
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
	last := len(widths) - 1
	for i, r := range rows {
		var b strings.Builder
		for c, cell := range r[:last] {
			cell = shorten(cell, widths[c])
			b.WriteString(cell + strings.Repeat(" ", widths[c]-utf8.RuneCountInString(cell)+between))
		}
		head := b.String()
		for _, part := range fold(r[last], widths[last]) {
			text := strings.TrimRight(head+part, " ")
			if i == 0 {
				text = p.paint(dim, text)
			}
			p.line("%s", text)
			head = strings.Repeat(" ", utf8.RuneCountInString(b.String()))
		}
	}
}

// widths gives each column what it needs, takes from the widest until the last has enough, and gives that what is left.
func (p Page) widths(rows [][]string) []int {
	out := make([]int, len(rows[0]))
	for c := range out {
		for _, r := range rows {
			out[c] = max(out[c], utf8.RuneCountInString(r[c]))
		}
	}
	last := len(out) - 1
	room := p.width() - between*last
	for _, n := range out[:last] {
		room -= n
	}
	for room < min(out[last], leastLast) {
		widest := 0
		for c, n := range out[:last] {
			if n >= out[widest] || widest == last {
				widest = c
			}
		}
		if last == 0 || out[widest] <= least {
			break
		}
		out[widest]--
		room++
	}
	out[last] = max(min(out[last], room), 10)
	return out
}

func shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
