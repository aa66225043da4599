package sigma

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// part is what a piece of a pattern stands for.
type part uint8

const (
	partText part = iota // these characters
	partOne              // "?": any one character
	partMany             // "*": any characters, also none
	partDash             // modifier windash: one of dashes
	partName             // modifier expand: the name of a placeholder, gone before the pattern is used
)

// dashes are what Windows programs take for the sign before an option: hyphen, slash, en dash, em dash, horizontal bar.
var dashes = [...]string{"-", "/", "–", "—", "―"}

type piece struct {
	part part
	text string // of partText, partName
}

// pattern is a value with its wildcards taken apart. Two texts never stand side by side, nor do two "*".
type pattern []piece

// parsePattern reads a value: "*" and "?" are wildcards; a backslash before them or before another backslash makes them plain; any other backslash is one.
func parsePattern(s string) pattern {
	var p pattern
	var text []byte
	flush := func() {
		if len(text) > 0 {
			p.add(piece{partText, string(text)})
			text = nil
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && strings.IndexByte(`*?\`, s[i+1]) >= 0:
			i++
			text = append(text, s[i])
		case c == '*' || c == '?':
			flush()
			what := partOne
			if c == '*' {
				what = partMany
			}
			p.add(piece{part: what})
		default:
			text = append(text, c)
		}
	}
	flush()
	return p
}

// plain is a pattern without wildcards.
func plain(s string) pattern {
	if s == "" {
		return nil
	}
	return pattern{{partText, s}}
}

// add appends a piece to a pattern that nobody else has, and keeps the promise of the type.
func (p *pattern) add(next piece) {
	if n := len(*p); n > 0 && (*p)[n-1].part == next.part {
		switch next.part {
		case partMany:
			return
		case partText:
			(*p)[n-1].text += next.text
			return
		}
	}
	*p = append(*p, next)
}

// join gives p followed by q; neither is changed.
func (p pattern) join(q ...piece) pattern {
	out := append(make(pattern, 0, len(p)+len(q)), p...)
	for _, one := range q {
		out.add(one)
	}
	return out
}

// literal gives the text of a pattern without wildcards.
func (p pattern) literal() (string, bool) {
	switch {
	case len(p) == 0:
		return "", true
	case len(p) == 1 && p[0].part == partText:
		return p[0].text, true
	}
	return "", false
}

// core takes the "*" off both ends and says whether there were any.
func (p pattern) core() (inner pattern, before, after bool) {
	if len(p) > 0 && p[0].part == partMany {
		before, p = true, p[1:]
	}
	if n := len(p); n > 0 && p[n-1].part == partMany {
		after, p = true, p[:n-1]
	}
	return p, before, after || before && len(p) == 0
}

// each rewrites the texts of a pattern.
func (p pattern) each(f func(string) string) pattern {
	var out pattern
	for _, one := range p {
		if one.part == partText {
			one.text = f(one.text)
		}
		out.add(one)
	}
	return out
}

// size is the number of bytes and wildcards.
func (p pattern) size() int {
	n := len(p)
	for _, one := range p {
		n += len(one.text)
	}
	return n
}

// longest gives the longest text of a pattern, which must occur wherever the pattern matches.
func (p pattern) longest() string {
	s := ""
	for _, one := range p {
		if one.part == partText && len(one.text) > len(s) {
			s = one.text
		}
	}
	return s
}

// glob matches patterns: the pieces between two "*", in order.
type glob struct {
	runs        []run
	before, end bool // a "*" stands first, last
}

type run struct {
	pieces pattern
	first  []byte // the text of the first piece, if it is text
}

func newGlob(p pattern) glob {
	inner, before, end := p.core()
	g := glob{before: before, end: end}
	var pieces pattern
	flush := func() {
		r := run{pieces: pieces}
		if pieces[0].part == partText {
			r.first = []byte(pieces[0].text)
		}
		g.runs, pieces = append(g.runs, r), nil
	}
	for _, one := range inner {
		if one.part == partMany {
			flush()
			continue
		}
		pieces = append(pieces, one)
	}
	if len(inner) > 0 {
		flush()
	}
	return g
}

// match says whether the pattern covers all of b. The earliest place for each run is enough: all matches of a run have equally many characters.
func (g *glob) match(b []byte) bool {
	runs := g.runs
	if len(runs) == 0 {
		return g.before || len(b) == 0
	}
	if !g.before {
		n := runAt(runs[0].pieces, b)
		if n < 0 {
			return false
		}
		if b, runs = b[n:], runs[1:]; len(runs) == 0 {
			return g.end || len(b) == 0
		}
	}
	if !g.end {
		last := runs[len(runs)-1].pieces
		start := stepBack(b, last)
		if start < 0 || runAt(last, b[start:]) != len(b)-start {
			return false
		}
		b, runs = b[:start], runs[:len(runs)-1]
	}
	for _, r := range runs {
		n := findRun(r, b)
		if n < 0 {
			return false
		}
		b = b[n:]
	}
	return true
}

// runAt gives the length in bytes of a run at the beginning of b, or -1.
func runAt(run pattern, b []byte) int {
	i := 0
	for _, one := range run {
		n := 0
		switch one.part {
		case partText:
			if len(b)-i < len(one.text) || string(b[i:i+len(one.text)]) != one.text {
				return -1
			}
			n = len(one.text)
		case partOne:
			if _, n = utf8.DecodeRune(b[i:]); n == 0 {
				return -1
			}
		case partDash:
			if n = dashAt(b[i:]); n == 0 {
				return -1
			}
		}
		i += n
	}
	return i
}

func dashAt[T string | []byte](b T) int {
	for _, d := range dashes {
		if len(b) >= len(d) && string(b[:len(d)]) == d {
			return len(d)
		}
	}
	return 0
}

// findRun gives the end of the first place of a run in b, or -1.
func findRun(r run, b []byte) int {
	for at := 0; at <= len(b); {
		step := 1
		if r.first != nil {
			n := bytes.Index(b[at:], r.first)
			if n < 0 {
				return -1
			}
			at += n
		} else if _, n := utf8.DecodeRune(b[at:]); n > 0 {
			step = n
		}
		if n := runAt(r.pieces, b[at:]); n >= 0 {
			return at + n
		}
		at += step
	}
	return -1
}

// stepBack gives the place in b where as many characters begin as the run has, or -1.
func stepBack(b []byte, run pattern) int {
	at := len(b)
	for i := len(run) - 1; i >= 0; i-- {
		if run[i].part == partText {
			if at -= len(run[i].text); at < 0 {
				return -1
			}
			continue
		}
		_, n := utf8.DecodeLastRune(b[:at])
		if n == 0 {
			return -1
		}
		at -= n
	}
	return at
}
