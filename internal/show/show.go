// Package show writes reports, plans and journals for people: the answer first, then the evidence, then the next step.
//
// It writes to any writer, in a given width, with or without color. Nothing that comes from a host is written raw: every
// such text passes deminer.Safe or deminer.Cut.
package show

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/deminer/deminer"
)

// Page is where and how to write.
type Page struct {
	W     io.Writer
	Width int  // columns; 0 means 100
	Color bool // ANSI colors and symbols
}

func (p Page) width() int {
	if p.Width <= 0 {
		return 100
	}
	return max(p.Width, 40)
}

// The colors of the page, as SGR codes: red only for proof.
const (
	red    = "31;1"
	yellow = "33"
	green  = "32"
	cyan   = "36"
	bold   = "1"
	dim    = "2"
)

func (p Page) paint(code, s string) string {
	if !p.Color || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p Page) line(format string, args ...any) { fmt.Fprintf(p.W, format+"\n", args...) }

// wrap writes text behind a label of the given width, folded at the page width. Label and text may be painted.
func (p Page) wrap(indent int, label, text string) {
	head := label + strings.Repeat(" ", max(0, indent-visible(label)))
	for _, l := range fold(text, max(p.width()-indent, 20)) {
		p.line("%s%s", head, l)
		head = strings.Repeat(" ", indent)
	}
}

// sgr is a color code as paint writes it.
var sgr = regexp.MustCompile("\x1b\\[[0-9;]*m")

// visible counts the characters a person sees.
func visible(s string) int { return utf8.RuneCountInString(sgr.ReplaceAllString(s, "")) }

// fold breaks text at spaces into lines of at most n visible characters; a longer word is cut. A color that is on at a
// break is switched off before it and on again after.
func fold(text string, n int) []string {
	var out []string
	line, on := "", ""
	flush := func() {
		if on != "" {
			line += "\x1b[0m"
		}
		out, line = append(out, line), on
	}
	for _, w := range strings.Fields(text) {
		for visible(w) > n && !strings.Contains(w, "\x1b") {
			if visible(line) > 0 {
				flush()
			}
			r := []rune(w)
			line += string(r[:n])
			flush()
			w = string(r[n:])
		}
		switch {
		case visible(line) == 0:
			line += w
		case visible(line)+1+visible(w) > n:
			flush()
			line += w
		default:
			line += " " + w
		}
		for _, code := range sgr.FindAllString(w, -1) {
			if on = code; code == "\x1b[0m" {
				on = ""
			}
		}
	}
	return append(out, line)
}

// Ago says how long a time lies back, roughly.
func Ago(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case d < time.Minute:
		return "less than a minute"
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
}

// Seconds writes a duration as people read it.
func Seconds(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute).Minutes()))
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Gaps writes what was not looked at; all of it, or a line that names the most important.
func (p Page) Gaps(gaps []deminer.Gap, all bool) {
	if len(gaps) == 0 {
		return
	}
	gaps = grouped(gaps)
	if !all {
		var parts []string
		for i, g := range gaps {
			if i == 3 {
				parts = append(parts, fmt.Sprintf("and %d more", len(gaps)-3))
				break
			}
			parts = append(parts, gap(g))
		}
		p.wrap(2, "  ", p.paint(dim, "Not looked at: "+strings.Join(parts, " · ")+". See deminer scan --gaps"))
		return
	}
	p.line("  Not, or not wholly, looked at:")
	for _, g := range gaps {
		p.wrap(6, "    - ", gap(g))
	}
}

// grouped puts the parts that were left out for the same reason on one line.
func grouped(gaps []deminer.Gap) (out []deminer.Gap) {
	at := map[string]int{}
	for _, g := range gaps {
		kind, name, ok := strings.Cut(g.Part, "/")
		i, seen := at[kind+g.Why]
		switch {
		case ok && g.What == "" && seen:
			out[i].Part += ", " + name
			continue
		case ok && g.What == "":
			at[kind+g.Why] = len(out)
		}
		out = append(out, g)
	}
	return out
}

func gap(g deminer.Gap) string {
	s := g.Part
	for _, kind := range []string{"persist/", "detect/", "live/", "view/"} {
		s = strings.TrimPrefix(s, kind)
	}
	if g.What != "" {
		s += " " + deminer.Cut(g.What, 60)
	}
	if g.Count > 1 {
		s += fmt.Sprintf(" (%d)", g.Count)
	}
	return s + ": " + deminer.Cut(g.Why, 120)
}
