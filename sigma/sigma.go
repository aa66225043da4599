// Package sigma is an engine for Sigma rules (detection rules on events) in pure Go. It imports only the standard library and a YAML parser.
//
// Compile turns rule sources into an immutable *Rules; Match asks which rules speak of one event. Supported: field and keyword detections, lists and wildcards, the modifiers
// contains, startswith, endswith, all, re (i, m, s), cased, exists, fieldref, cidr, lt, lte, gt, gte, neq, windash, base64, base64offset, wide (utf16le), the condition grammar
// (and, or, not, parentheses, "1 of x*", "all of them", "N of"), and log sources. A rule that asks for more, such as a correlation, is refused by name and line and never half used.
//
// Sources are hostile input: their size, nesting and number of values are limited. Regular expressions are RE2, so matching is linear in the event.
package sigma

import (
	"fmt"
	"strings"
)

const (
	maxSource  = 1 << 20 // bytes of one source
	maxNesting = 100     // parentheses in a condition, levels in a document
	maxValues  = 20000   // values of one rule
	maxField   = 1 << 16 // bytes of a field that are looked at
)

// LogSource says where events come from. An empty part of a rule's source matches everything.
type LogSource struct {
	Category, Product, Service string
}

// Fields is an event as the engine sees it.
type Fields interface {
	// Get gives the value of a field and whether the event has it.
	Get(name string) (string, bool)
	// Each calls f with every value until f returns false; it serves keyword searches.
	Each(f func(value string) bool)
}

// Map is the simplest event.
type Map map[string]string

// Get gives the value of a field.
func (m Map) Get(name string) (string, bool) {
	v, ok := m[name]
	return v, ok
}

// Each calls f with every value, in no particular order.
func (m Map) Each(f func(value string) bool) {
	for _, v := range m {
		if !f(v) {
			return
		}
	}
}

// Source is one file, which may hold several rules separated by "---".
type Source struct {
	Name, Text string
}

// Rule is a compiled rule. Its exported fields are what the source says; do not change them.
type Rule struct {
	ID, Title, Description, Status, Level string
	Tags                                  []string
	FalsePositives                        []string
	Source                                LogSource
	// Custom holds top-level keys that Sigma does not define and whose value is plain text.
	Custom map[string]string
	// File and Line say where the rule begins.
	File string
	Line int

	search map[string]test
	cond   *cond
}

// Rules is a compiled set, immutable and safe for concurrent use.
type Rules struct {
	rules []*Rule
	index map[LogSource][]*Rule
}

// Error is one fault of a source; Line and Column count from 1.
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

// Errors is every fault found in the sources of one Compile.
type Errors []Error

// Error joins the faults, one a line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Compile parses and compiles the sources. The error is of type Errors and names every broken rule.
func Compile(sources ...Source) (*Rules, error) {
	rs := &Rules{index: map[LogSource][]*Rule{}}
	var errs Errors
	for _, s := range sources {
		rules, e := parse(s)
		errs = append(errs, e...)
		rs.rules = append(rs.rules, rules...)
	}
	if len(errs) > 0 {
		return nil, errs
	}
	for _, r := range rs.rules {
		rs.index[r.Source] = append(rs.index[r.Source], r)
	}
	return rs, nil
}

// List gives the rules in source order.
func (rs *Rules) List() []*Rule { return append([]*Rule(nil), rs.rules...) }

// Match gives the rules whose log source covers src and whose condition holds for the event. Only the first 64 KiB of a field are looked at.
func (rs *Rules) Match(src LogSource, f Fields) []*Rule {
	var out []*Rule
	ev := &event{fields: f}
	for mask := 0; mask < 8; mask++ {
		key := src
		if mask&1 != 0 {
			key.Category = ""
		}
		if mask&2 != 0 {
			key.Product = ""
		}
		if mask&4 != 0 {
			key.Service = ""
		}
		if mask != 0 && (mask&1 != 0 && src.Category == "" || mask&2 != 0 && src.Product == "" || mask&4 != 0 && src.Service == "") {
			continue // the same key as with a smaller mask
		}
		for _, r := range rs.index[key] {
			if r.cond.holds(r, ev) {
				out = append(out, r)
			}
		}
	}
	return out
}

// event keeps the folded form of the fields that were asked for.
type event struct {
	fields Fields
	folded map[string]string
	all    []string // folded values, for keywords
}

func (e *event) get(name string, cased bool) (string, bool) {
	v, ok := e.fields.Get(name)
	if len(v) > maxField {
		v = v[:maxField]
	}
	if cased || !ok {
		return v, ok
	}
	if f, have := e.folded[name]; have {
		return f, true
	}
	if e.folded == nil {
		e.folded = map[string]string{}
	}
	f := strings.ToLower(v)
	e.folded[name] = f
	return f, true
}
