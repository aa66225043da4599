package sigma

import (
	"fmt"
	"strings"
	"time"
)

// Limits of what a source may hold. A source beyond them is refused with an error that names the limit.
const (
	maxSource      = 1 << 20 // bytes of one source
	maxDocuments   = 10_000  // in one source
	maxNodes       = 200_000 // YAML nodes of one document, each use of an anchor counted
	maxNesting     = 100     // parentheses in a condition, merged anchors
	maxSelections  = 1000    // of one rule
	maxValues      = 20_000  // values of one rule, and of one value after modifiers; members of all "of" sets of one condition
	maxText        = 1 << 14 // bytes of one value
	maxVariants    = 1 << 20 // bytes of all that modifiers make of one value
	maxModifiers   = 32      // of one field
	maxPieces      = 1000    // wildcards and texts of one value
	maxRegex       = 1 << 12 // bytes of one regular expression
	maxStates      = 10_000  // of one regular expression, its repetitions written out
	maxMade        = 1 << 25 // bytes that all values and expressions of one Compile may become
	maxCondition   = 1 << 16 // bytes of one condition
	maxTitle       = 1 << 10 // bytes of a title, name, id: the specification has 256 characters
	maxDescription = 1 << 18 // bytes of a description: the specification has 65,535 characters
	maxCustom      = 100     // keys that the specification does not know
	maxErrors      = 1000    // faults told of one Compile
	maxCount       = 100_000 // bound of a correlation's condition
	maxChain       = 20      // correlations on correlations
	maxReferences  = 1000    // rules of one correlation or filter
)

// MaxValue is how many bytes of a field's value are looked at. The rest is passed over and counted, see Matcher.Cut.
const MaxValue = 1 << 16

// LogSource says where events come from. A rule speaks of an event if each part that the rule names equals that of the event; case does not count.
type LogSource struct {
	Category, Product, Service string
}

func (s LogSource) lower() LogSource {
	return LogSource{strings.ToLower(s.Category), strings.ToLower(s.Product), strings.ToLower(s.Service)}
}

// covers says whether events of o are events of s.
func (s LogSource) covers(o LogSource) bool {
	return (s.Category == "" || s.Category == o.Category) && (s.Product == "" || s.Product == o.Product) && (s.Service == "" || s.Service == o.Service)
}

// Field is a field of an event. A field with several values stands there several times; a test holds if it holds for one of them.
type Field struct {
	Name, Value string
	Null        bool // the field is there and has no value
}

// Event is what rules are asked about. Names of fields are compared exactly.
type Event struct {
	Source LogSource
	Fields []Field
	Time   time.Time // used by Stream only
}

// Source is one file, which may hold several rules separated by "---".
type Source struct {
	Name, Text string
}

// Options are choices of the caller. The zero value is good.
type Options struct {
	// Placeholders are the lists for the modifier expand, by the name between the percent signs. Their values may have wildcards. A rule that names another placeholder is refused.
	Placeholders map[string][]string
}

// Error is one fault.
type Error struct {
	File         string
	Line, Column int
	Rule         string // title, or ""
	Text         string
}

// Error gives "file:line:column: text", with the rule where it is known.
func (e Error) Error() string {
	if e.Rule != "" {
		return fmt.Sprintf("%s:%d:%d: rule %q: %s", e.File, e.Line, e.Column, e.Rule, e.Text)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Text)
}

// Errors is every fault found in the sources of one Compile, up to a thousand.
type Errors []Error

// Error joins the faults, one a line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}
