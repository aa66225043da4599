package match

import (
	"bytes"
	"regexp"
	"regexp/syntax"
)

// loosened gives an expression without its assertions, such as ^ and \b: where expr matches in a part of a text, loosened
// matches in the text. It is nil where there is none.
func loosened(expr string) *regexp.Regexp {
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	loosen(tree)
	re, err := regexp.Compile(tree.String())
	if err != nil {
		return nil
	}
	return re
}

func loosen(re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		re.Op = syntax.OpEmptyMatch
	}
	for _, sub := range re.Sub {
		loosen(sub)
	}
}

// maxFitted is the longest line in bytes that expressions are asked about before the text is taken apart.
const maxFitted = 4096

// fitting asks, line by line, which expressions can match in a command of a line. Most places of literals such as -a are in
// lines where none can, and such a text need not be taken apart.
type fitting struct {
	from, end int
	asked     map[*indicator]bool // of this line
}

// may tells whether the expression can match in the command that holds the offset.
func (f *fitting) may(in *indicator, text []byte, at int) bool {
	if at < f.from || at >= f.end {
		f.from, f.end = wholeLine(text, at)
		clear(f.asked)
	}
	if in.loose == nil || f.end-f.from > maxFitted {
		return true
	}
	fit, known := f.asked[in]
	if !known {
		if f.asked == nil {
			f.asked = map[*indicator]bool{}
		}
		fit = in.loose.Match(text[f.from:f.end])
		f.asked[in] = fit
	}
	return fit
}

// wholeLine gives the line that holds an offset, with the lines that a backslash before the newline joins to it: no command
// goes beyond it.
func wholeLine(text []byte, at int) (from, end int) {
	for from = at; from > 0; {
		i := bytes.LastIndexByte(text[:from], '\n')
		if i <= 0 || text[i-1] != '\\' {
			from = i + 1
			break
		}
		from = i - 1
	}
	for end = at; end < len(text); end++ {
		i := bytes.IndexByte(text[end:], '\n')
		if i < 0 {
			return from, len(text)
		}
		if end += i; end == 0 || text[end-1] != '\\' {
			return from, end + 1
		}
	}
	return from, len(text)
}

// remark knows, line by line, what is a comment: nothing in it is a command, and nobody must hide one behind many of them.
type remark struct {
	from, end int
	is        bool
}

// holds tells whether the offset is in a line that begins as a comment of a shell does, and continues none before it.
func (r *remark) holds(text []byte, at int) bool {
	if at >= r.from && at < r.end {
		return r.is
	}
	r.from, r.end = bytes.LastIndexByte(text[:at], '\n')+1, len(text)
	if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
		r.end = at + i + 1
	}
	line := bytes.TrimLeft(text[r.from:r.end], " \t\r")
	r.is = len(line) > 1 && line[0] == '#' && line[1] != '!' && (r.from < 2 || text[r.from-2] != '\\')
	return r.is
}
