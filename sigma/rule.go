package sigma

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Rule is a compiled rule or correlation. Its fields are what the source says; do not change them.
type Rule struct {
	ID, Name, Title, Description, Status, Level string
	Author, Date, Modified, License             string
	Tags, FalsePositives, References            []string
	Fields, Scope                               []string
	Related                                     []Related
	Source                                      LogSource         // empty for a correlation
	Custom                                      map[string]string // keys that the specification does not know, with plain values
	Correlation                                 string            // type of a correlation: event_count, value_count, temporal, temporal_ordered; "" for a rule
	// Hidden rules only feed a correlation that does not say "generate: true": they give no hits of their own.
	Hidden bool
	File   string
	Line   int

	index    int32
	filtered bool // expr is a list of the rule's own condition and those of filters
	group    int32
	expr     *node
	corr     *correlation
}

// Related names another rule that this one has to do with.
type Related struct{ ID, Type string }

// filter is a Sigma filter: a condition that is joined to that of other rules.
type filter struct {
	title  string
	source LogSource
	any    bool
	rules  []entry
	expr   *node
	reader *reader
}

var levels = []string{"informational", "low", "medium", "high", "critical"}
var statuses = []string{"stable", "test", "experimental", "deprecated", "unsupported"}

// parsed is what one document became.
type parsed struct {
	rule   *Rule
	filter *filter
}

// document reads a rule, correlation or filter.
func (r *reader) document(n *yaml.Node, lists map[string][]string) (out parsed) {
	before := len(*r.errs)
	rule := &Rule{File: r.file, Line: n.Line, Custom: map[string]string{}}
	sections := map[string]entry{}
	entries := r.mapping(n, "a rule")
	for _, e := range entries {
		if e.name == "title" {
			r.rule = r.text(e, maxTitle)
		}
	}
	for _, e := range entries {
		switch e.name {
		case "logsource", "detection", "correlation", "filter":
			sections[e.name] = e
		case "action":
			r.failf(e.key, "action: collections of Sigma 1 are not part of Sigma 2: write each rule out, with --- between them")
		default:
			r.about(rule, e)
		}
	}
	if len(*r.errs) > before {
		return parsed{}
	}
	if rule.Title == "" {
		r.failf(n, "a rule needs a title")
		return parsed{}
	}
	switch corr, isCorr := sections["correlation"]; {
	case isCorr:
		for _, other := range []string{"detection", "filter"} {
			if e, has := sections[other]; has {
				r.failf(e.key, "a correlation has no %s", other)
			}
		}
		rule.corr = r.correlation(corr)
		if rule.corr != nil {
			rule.Correlation = rule.corr.kind.name
		}
		out.rule = rule
	case sections["filter"].key != nil:
		out.filter = r.filter(n, sections, lists)
	default:
		if e, has := sections["detection"]; has {
			rule.Source = r.source(n, sections)
			rule.expr = r.detection(e, lists)
		} else {
			r.failf(n, "a rule needs a detection, a correlation or a filter")
		}
		out.rule = rule
	}
	if len(*r.errs) > before {
		return parsed{}
	}
	return out
}

// about reads what a rule says about itself.
func (r *reader) about(rule *Rule, e entry) {
	for name, to := range map[string]*string{"title": &rule.Title, "id": &rule.ID, "name": &rule.Name, "author": &rule.Author, "date": &rule.Date, "modified": &rule.Modified, "license": &rule.License} {
		if e.name == name {
			*to = r.text(e, maxTitle)
			return
		}
	}
	for name, to := range map[string]*[]string{"tags": &rule.Tags, "falsepositives": &rule.FalsePositives, "references": &rule.References, "fields": &rule.Fields, "scope": &rule.Scope} {
		if e.name == name {
			*to = r.texts(e)
			return
		}
	}
	switch e.name {
	case "description":
		rule.Description = r.text(e, maxDescription)
	case "status":
		rule.Status = r.oneOf(e, statuses)
	case "level":
		rule.Level = r.oneOf(e, levels)
	case "taxonomy":
		if t := r.text(e, maxTitle); t != "" && t != "sigma" {
			r.failf(e.value, "taxonomy %q is not known: only sigma is", t)
		}
	case "related":
		rule.Related = r.related(e)
	default:
		if e.value.Kind == yaml.ScalarNode && len(rule.Custom) < maxCustom {
			rule.Custom[e.name] = e.value.Value
		}
	}
}

func (r *reader) oneOf(e entry, words []string) string {
	got := r.text(e, maxTitle)
	for _, w := range words {
		if got == w {
			return got
		}
	}
	r.failf(e.value, "%s %q is none of %s", e.name, got, strings.Join(words, ", "))
	return ""
}

func (r *reader) related(e entry) []Related {
	var out []Related
	for _, n := range r.list(e.value) {
		var one Related
		for _, f := range r.mapping(n, "related") {
			switch f.name {
			case "id":
				one.ID = r.text(f, maxTitle)
			case "type":
				one.Type = r.text(f, maxTitle)
			}
		}
		out = append(out, one)
	}
	return out
}

// source reads a log source.
func (r *reader) source(doc *yaml.Node, sections map[string]entry) (s LogSource) {
	e, has := sections["logsource"]
	if !has {
		r.failf(doc, "a logsource is missing")
		return s
	}
	for _, part := range r.mapping(e.value, "logsource") {
		switch part.name {
		case "category":
			s.Category = r.text(part, maxTitle)
		case "product":
			s.Product = r.text(part, maxTitle)
		case "service":
			s.Service = r.text(part, maxTitle)
		}
	}
	return s.lower()
}

// filter reads a Sigma filter.
func (r *reader) filter(doc *yaml.Node, sections map[string]entry, lists map[string][]string) *filter {
	if e, has := sections["detection"]; has {
		r.failf(e.key, "a filter has no detection")
	}
	f := &filter{title: r.rule, source: r.source(doc, sections), reader: r}
	e := sections["filter"]
	var rest []entry
	named := false
	for _, one := range r.mapping(e.value, "filter") {
		if one.name != "rules" {
			rest = append(rest, one)
			continue
		}
		named = true
		for _, n := range r.list(one.value) {
			ref := entry{one.key, n, n.Value}
			if n.Kind != yaml.ScalarNode || n.Value == "" {
				r.failf(n, "rules must be any, all, or ids and names of rules")
			}
			f.rules = append(f.rules, ref)
		}
		f.any = len(f.rules) == 0 || len(f.rules) == 1 && (strings.EqualFold(f.rules[0].name, "any") || strings.EqualFold(f.rules[0].name, "all"))
	}
	if !named {
		r.failf(e.key, "a filter needs rules: any, or ids and names of rules")
	}
	f.expr = r.selections(e, rest, lists)
	return f
}

// detection reads the detection of a rule.
func (r *reader) detection(e entry, lists map[string][]string) *node {
	return r.selections(e, r.mapping(e.value, "detection"), lists)
}

// selections reads named selections and the condition over them.
func (r *reader) selections(e entry, list []entry, placeholders map[string][]string) *node {
	d := &detection{reader: r, lists: placeholders}
	parts := map[string]*node{}
	var condition *entry
	if len(list) > maxSelections {
		r.failf(e.key, "more than %d selections", maxSelections)
		return nil
	}
	for i, one := range list {
		switch one.name {
		case "condition":
			condition = &list[i]
		case "timeframe":
			r.failf(one.key, "timeframe is of Sigma 1: it is the timespan of a correlation rule")
		default:
			if n := d.selection(one); n != nil {
				parts[one.name] = n
			} else {
				parts[one.name] = &node{op: opOr} // already reported
			}
		}
	}
	if condition == nil {
		r.failf(e.key, "%s needs a condition", e.name)
		return nil
	}
	any := &node{op: opOr}
	texts := r.list(condition.value)
	if len(texts) == 0 {
		r.failf(condition.value, "%s needs a condition", e.name)
	}
	for _, n := range texts {
		if c := r.condition(n, parts); c != nil {
			any.subs = append(any.subs, c)
		}
	}
	return any.simple()
}

// condition reads one condition and places its faults within the line.
func (r *reader) condition(n *yaml.Node, parts map[string]*node) *node {
	if n.Kind != yaml.ScalarNode || n.Value == "" {
		r.failf(n, "a condition must be text")
		return nil
	}
	c, err := parseCondition(n.Value, parts)
	if err == nil {
		return c
	}
	column := n.Column
	if ce, ok := err.(conditionError); ok && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 && !strings.Contains(n.Value, "\n") {
		column += ce.at + quoted(n)
	}
	r.fail(n.Line, column, fmt.Sprint(err))
	return nil
}

// quoted is the width of the opening quotation mark.
func quoted(n *yaml.Node) int {
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		return 1
	}
	return 0
}
