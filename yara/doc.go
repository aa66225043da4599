// Package yara is an engine for YARA rules in pure Go: no cgo, no library of the host, nothing but the standard library.
//
// Compile turns rule sources into an immutable *Rules that any number of goroutines may scan with. Text, hexadecimal and regular-expression strings
// are reduced to their rarest four bytes ("grams", by measured frequencies). One filter over all of them, small enough for the processor's caches, is asked at every byte
// of the data; what passes is compared by eight masked bytes, then verified by the string itself or by an automaton that is built as far as it is needed. Expressions
// without a rare gram share an automaton that runs backwards over the data. A verification never looks further than MaxMatch bytes, and expressions that are tried in
// vain too often are looked for backwards, too, so the cost is linear in the data whatever the rules or the data are.
//
// Sources are hostile input as well as data: nesting, program size, number of strings and the work of a condition are limited (see Limits), every error carries
// file, line and column, and a source with any error compiles to nothing.
//
// Data comes as bytes (Scan), as an io.ReaderAt that is read in windows (ScanReader) or as the memory of a process, region by region (ScanRegions). The modules
// console, elf, filetype, hash, math, pe, string and time are built in; they read the same data, a piece at a time, when a condition first asks for them.
// A set is saved with Save and loaded with Load.
//
// The language is that of YARA 4.2 with some of what came later. docs/yara.md says what is there, the limits, and what differs from libyara; tests hold the engine
// against Debian's yara.
package yara

import (
	"fmt"
	"strings"
)

// MaxMatch is the greatest length in bytes of one match of a hexadecimal or regular-expression string. libyara limits expressions to 4096 bytes too; its jumps may reach further.
const MaxMatch = 4096

// Limits bound what a source may ask for and what a scan may keep. A zero field means its default.
type Limits struct {
	// Hits is the number of matches kept for one string; later ones are dropped and Result.Truncated is set. Default 10,000.
	Hits int
	// Steps is the number of condition operations of one scan; a scan that needs more ends with an error. Default 20,000,000.
	Steps int
	// Excerpt is the number of bytes of a match that is copied into a result. Default 96.
	Excerpt int
	// Window is the number of bytes that ScanReader holds at a time (an overlap of MaxMatch is added). Default 256 KiB.
	Window int
}

const (
	maxSource   = 64 << 20 // bytes of one source
	maxNesting  = 200      // parentheses, unary operators and groups inside each other
	maxProgram  = 20000    // instructions of one string
	maxLiteral  = 64 << 10 // bytes of one text string
	maxErrors   = 100      // errors reported for one source
	maxAtoms    = 512      // atoms of one string, before xor
	maxAutomata = 256      // automata that a scan keeps, and
	maxCells    = 4 << 20  // their transitions and counters
	maxBackward = 256      // instructions of an expression that is looked for from its end as it is, and
	maxCount    = 8        // what repetitions of a longer one are counted to there
	keptExcerpt = 16       // excerpts kept for one string
)

func (l Limits) filled() Limits {
	if l.Hits <= 0 {
		l.Hits = 10000
	}
	if l.Steps <= 0 {
		l.Steps = 20_000_000
	}
	if l.Excerpt <= 0 {
		l.Excerpt = 96
	}
	if l.Window <= 0 {
		l.Window = 256 << 10
	}
	return l
}

// Error is one fault of a source. Line and Column count from 1; Column counts bytes.
type Error struct {
	File   string
	Line   int
	Column int
	Rule   string // rule that holds the fault, or ""
	Text   string
}

// Error gives "file:line:column: text", with the rule where it is known.
func (e Error) Error() string {
	if e.Rule != "" {
		return fmt.Sprintf("%s:%d:%d: rule %s: %s", e.File, e.Line, e.Column, e.Rule, e.Text)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Text)
}

// Errors is every fault found in the sources of one Compile, in source order.
type Errors []Error

// Error joins the faults, one a line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

type pos struct{ line, col int32 }
