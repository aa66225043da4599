package sigma

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// corrKind is a type of correlation.
type corrKind struct {
	name    string
	ordered bool
	values  bool // counts values of a field
	rules   bool // counts rules, not events
}

var corrKinds = map[string]corrKind{
	"event_count":      {name: "event_count"},
	"value_count":      {name: "value_count", values: true},
	"temporal":         {name: "temporal", rules: true},
	"temporal_ordered": {name: "temporal_ordered", rules: true, ordered: true},
}

// bound is one line of a correlation's condition.
type bound struct {
	op    compareOp
	count int
}

var boundOps = map[string]compareOp{"gt": opGT, "gte": opGTE, "lt": opLT, "lte": opLTE, "eq": opEQ, "neq": opNEQ}

// correlation is the section of that name.
type correlation struct {
	kind     corrKind
	refs     []entry
	rules    []*Rule // resolved refs
	groupBy  []string
	aliases  map[string]map[string]entry // alias, then rule, to the field
	span     time.Duration
	bounds   []bound
	fields   []string // whose values are counted
	expr     *node    // extended condition of a temporal correlation: tests are the indexes of refs
	generate bool

	index   int
	keys    [][]string // for each ref: the fields to group by
	counted [][]string // for each ref: the fields whose values are counted
	parents []feed
	needs   []string // fields that correlations above this one want of its last event
	closes  bool     // the count has an upper bound, so it is known only when the window is over
	most    int      // entries kept of a group; more cannot change the answer
}

// feed says that a rule is the ref of that index in a correlation.
type feed struct {
	corr *Rule
	ref  int
}

// correlation reads the section.
func (r *reader) correlation(e entry) *correlation {
	c := &correlation{aliases: map[string]map[string]entry{}}
	seen := map[string]entry{}
	for _, one := range r.mapping(e.value, "correlation") {
		seen[one.name] = one
		switch one.name {
		case "type":
			r.corrType(c, one)
		case "rules":
			c.refs = r.references(one)
		case "group-by":
			c.groupBy = r.texts(one)
		case "timespan":
			c.span = r.timespan(one)
		case "aliases":
			r.aliases(c, one)
		case "generate":
			if one.value.Tag != "!!bool" {
				r.failf(one.value, "generate must be true or false")
			}
			c.generate = strings.EqualFold(one.value.Value, "true")
		case "condition":
		default:
			r.failf(one.key, "a correlation has no %q", one.name)
		}
	}
	for _, must := range []string{"type", "rules", "timespan"} {
		if _, has := seen[must]; !has {
			r.failf(e.key, "a correlation needs %s", must)
		}
	}
	if one, has := seen["condition"]; has {
		r.bounds(c, one)
	} else if c.kind.name != "" && !c.kind.rules {
		r.failf(e.key, "a correlation of type %s needs a condition", c.kind.name)
	}
	if c.kind.values && len(c.fields) == 0 {
		r.failf(e.key, "the condition of a value_count needs a field")
	}
	if len(c.bounds) == 0 {
		c.bounds = []bound{{opGTE, len(c.refs)}}
	}
	for _, b := range c.bounds {
		c.closes = c.closes || b.op == opLT || b.op == opLTE || b.op == opEQ || b.op == opNEQ
		c.most = max(c.most, b.count+1)
	}
	return c
}

func (r *reader) corrType(c *correlation, e entry) {
	name := r.text(e, maxTitle)
	kind, ok := corrKinds[name]
	switch {
	case ok:
		c.kind = kind
	case strings.HasPrefix(name, "value_"):
		r.failf(e.value, "type %s (of Sigma 2.1) is not supported: event_count, value_count, temporal, temporal_ordered", name)
	default:
		r.failf(e.value, "type %q is none of event_count, value_count, temporal, temporal_ordered", name)
	}
}

func (r *reader) references(e entry) []entry {
	var out []entry
	seen := map[string]bool{}
	for _, n := range r.list(e.value) {
		switch {
		case n.Kind != yaml.ScalarNode || n.Value == "":
			r.failf(n, "rules must be ids and names of rules")
		case seen[n.Value]:
			r.failf(n, "rule %q is named twice", n.Value)
		case len(out) == maxReferences:
			r.failf(n, "more than %d rules", maxReferences)
			return nil
		default:
			seen[n.Value] = true
			out = append(out, entry{e.key, n, n.Value})
		}
	}
	if len(out) == 0 {
		r.failf(e.value, "rules must name at least one rule")
	}
	return out
}

// maxSpan bounds timespans: ten years.
const maxSpan = 3650 * 24 * time.Hour

var spanUnits = map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}

func (r *reader) timespan(e entry) time.Duration {
	s := r.text(e, 16)
	if s == "" {
		return 0
	}
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 31)
	unit := spanUnits[s[len(s)-1]]
	if err != nil || n == 0 || unit == 0 || time.Duration(n) > maxSpan/unit {
		r.failf(e.value, "timespan %q is no number with s, m, h or d, such as 90m, of at most 3650d", s)
		return 0
	}
	return time.Duration(n) * unit
}

func (r *reader) aliases(c *correlation, e entry) {
	for _, alias := range r.mapping(e.value, "aliases") {
		fields := map[string]entry{}
		for _, one := range r.mapping(alias.value, "alias "+alias.name) {
			if r.text(one, maxTitle) == "" {
				r.failf(one.value, "alias %s needs the name of a field", alias.name)
			}
			fields[one.name] = one
		}
		c.aliases[alias.name] = fields
	}
}

// bounds reads the condition of a correlation: bounds of a count, or for a temporal one also rules joined by and, or, not.
func (r *reader) bounds(c *correlation, e entry) {
	if c.kind.rules && e.value.Kind == yaml.ScalarNode {
		r.extended(c, e.value)
		return
	}
	for _, one := range r.mapping(e.value, "the condition of a correlation") {
		op, ok := boundOps[one.name]
		switch {
		case one.name == "field" && c.kind.values:
			c.fields = r.texts(one)
		case !ok:
			r.failf(one.key, "%q is none of gt, gte, lt, lte, eq, neq, and field for a value_count", one.name)
		default:
			n, err := strconv.Atoi(one.value.Value)
			if err != nil || n < 0 || n > maxCount {
				r.failf(one.value, "%s needs a whole number from 0 to %d", one.name, maxCount)
			}
			c.bounds = append(c.bounds, bound{op, n})
		}
	}
	if len(c.bounds) == 0 {
		r.failf(e.value, "the condition of a correlation needs one of gt, gte, lt, lte, eq, neq")
	}
	for _, b := range c.bounds {
		if (b.op == opGTE || b.op == opEQ) && b.count == 0 || b.op == opLT && b.count <= 1 || b.op == opLTE && b.count == 0 {
			r.failf(e.value, "the condition asks for no events: a correlation sees only what happens")
		}
	}
}

// extended reads a condition such as "a and b and not c" over the rules of a temporal correlation.
func (r *reader) extended(c *correlation, n *yaml.Node) {
	parts := map[string]*node{}
	for i, ref := range c.refs {
		parts[ref.name] = &node{op: opTest, id: int32(i), seen: true}
	}
	if len(c.refs) == 0 {
		return // already reported
	}
	c.expr = r.condition(n, parts)
}

// resolve finds the rules that correlations and filters name.
type resolver struct {
	byRef map[string][]*Rule
	errs  *Errors
}

func newResolver(rules []*Rule, errs *Errors) *resolver {
	v := &resolver{byRef: map[string][]*Rule{}, errs: errs}
	for _, r := range rules {
		for _, ref := range []string{r.ID, r.Name} {
			if ref != "" && !(ref == r.Name && r.Name == r.ID && len(v.byRef[ref]) > 0 && v.byRef[ref][len(v.byRef[ref])-1] == r) {
				v.byRef[ref] = append(v.byRef[ref], r)
			}
		}
	}
	return v
}

func (v *resolver) find(file, title string, ref entry) *Rule {
	found := v.byRef[ref.name]
	text := ""
	switch len(found) {
	case 1:
		return found[0]
	case 0:
		text = fmt.Sprintf("there is no rule with the id or name %q", ref.name)
	default:
		text = fmt.Sprintf("%q is the id or name of %d rules: %s:%d and %s:%d", ref.name, len(found), found[0].File, found[0].Line, found[1].File, found[1].Line)
	}
	if len(*v.errs) < maxErrors {
		*v.errs = append(*v.errs, Error{File: file, Line: ref.value.Line, Column: ref.value.Column, Rule: title, Text: text})
	}
	return nil
}

// correlate resolves the refs of a correlation and works out which fields of which event it groups by.
func (v *resolver) correlate(r *Rule) {
	c := r.corr
	for _, ref := range c.refs {
		found := v.find(r.File, r.Title, ref)
		if found == nil {
			return
		}
		c.rules = append(c.rules, found)
		keys := make([]string, len(c.groupBy))
		for i, name := range c.groupBy {
			keys[i] = v.field(r, ref, found, name)
		}
		counted := make([]string, len(c.fields))
		for i, name := range c.fields {
			counted[i] = v.field(r, ref, found, name)
		}
		c.keys, c.counted = append(c.keys, keys), append(c.counted, counted)
	}
	for alias, fields := range c.aliases {
		for name, one := range fields {
			if !c.names(name) {
				*v.errs = append(*v.errs, Error{File: r.File, Line: one.key.Line, Column: one.key.Column, Rule: r.Title, Text: fmt.Sprintf("alias %s names %q, which is none of the rules of this correlation", alias, name)})
			}
		}
	}
}

// names says whether a ref is meant by an id or name.
func (c *correlation) names(ref string) bool {
	for i, one := range c.refs {
		if one.name == ref || c.rules[i].ID == ref || c.rules[i].Name == ref {
			return true
		}
	}
	return false
}

// field gives the field that a name of group-by means in events of a ref.
func (v *resolver) field(r *Rule, ref entry, found *Rule, name string) string {
	fields, isAlias := r.corr.aliases[name]
	if !isAlias {
		return name
	}
	for _, by := range []string{ref.name, found.Name, found.ID} {
		if e, has := fields[by]; has {
			return e.value.Value
		}
	}
	*v.errs = append(*v.errs, Error{File: r.File, Line: ref.value.Line, Column: ref.value.Column, Rule: r.Title, Text: fmt.Sprintf("alias %s has no field for rule %q", name, ref.name)})
	return name
}
