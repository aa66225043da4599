package sigma

import (
	"errors"
	"strings"

	"go.yaml.in/yaml/v3"
)

// detection reads the selections of one rule.
type detection struct {
	*reader
	lists  map[string][]string // placeholders
	values int                 // read so far, and what modifiers made of them
}

// selection reads what stands under a search identifier: a mapping (all of its lines), a list of mappings (any of them), or keywords.
func (d *detection) selection(e entry) *node {
	before := len(*d.errs)
	var out *node
	switch e.value.Kind {
	case yaml.MappingNode:
		out = d.fields(e.value)
	case yaml.ScalarNode:
		out = d.item(e.key, "", []*yaml.Node{e.value})
	case yaml.SequenceNode:
		out = d.alternatives(e)
	default:
		d.failf(e.value, "selection %q must be a mapping, a list or a keyword", e.name)
	}
	if len(*d.errs) > before {
		return nil
	}
	return out
}

// alternatives reads a list: each mapping and the keywords together are alternatives.
func (d *detection) alternatives(e entry) *node {
	any := &node{op: opOr}
	var words []*yaml.Node
	list := d.list(e.value)
	if len(list) == 0 {
		d.failf(e.value, "selection %q is empty", e.name)
	}
	for _, n := range list {
		switch n.Kind {
		case yaml.MappingNode:
			if sub := d.fields(n); sub != nil {
				any.subs = append(any.subs, sub)
			}
		case yaml.ScalarNode:
			words = append(words, n)
		default:
			d.failf(n, "a list in a selection holds mappings or keywords, no lists")
		}
	}
	if len(words) > 0 {
		if sub := d.item(e.key, "", words); sub != nil {
			any.subs = append(any.subs, sub)
		}
	}
	return any.simple()
}

// fields reads a mapping.
func (d *detection) fields(n *yaml.Node) *node {
	all := &node{op: opAnd}
	list := d.mapping(n, "a selection")
	if len(list) == 0 {
		d.failf(n, "a selection is empty")
	}
	for _, e := range list {
		values := d.list(e.value)
		if len(values) == 0 {
			d.failf(e.value, "field %q has no value", e.name)
			continue
		}
		if sub := d.item(e.key, e.name, values); sub != nil {
			all.subs = append(all.subs, sub)
		}
	}
	return all.simple()
}

// item reads one line: a field with modifiers, and its values.
func (d *detection) item(at *yaml.Node, key string, nodes []*yaml.Node) *node {
	if *d.made > maxMade {
		return nil // told already
	}
	words := strings.Split(key, "|")
	it := &item{field: words[0], lists: d.lists}
	for _, n := range nodes {
		v, ok := d.value(n, key)
		if !ok {
			return nil
		}
		it.values = append(it.values, v)
	}
	if len(words) > maxModifiers {
		d.failf(at, "%s: more than %d modifiers", fieldText(it.field), maxModifiers)
		return nil
	}
	column := at.Column + quoted(at) + len(words[0]) + 1
	for _, w := range words[1:] {
		if err := it.apply(w); err != nil {
			d.fail(at.Line, column, fieldText(it.field)+": "+err.Error())
			return nil
		}
		column += len(w) + 1
	}
	for _, v := range it.values {
		if d.values += len(v.alts); d.values > maxValues {
			d.failf(at, "more than %d values in a rule", maxValues)
			return nil
		}
		*d.made += it.size(v)
	}
	if *d.made > maxMade {
		d.failf(at, "all rules together: their values become more than %d bytes", maxMade)
		return nil
	}
	out, err := it.node()
	if err != nil {
		where := at
		if p := (placed{}); errors.As(err, &p) {
			where = p.value.at
		}
		d.failf(where, "%s: %s", fieldText(key), err)
		return nil
	}
	return out
}

// fieldText names a field in a fault.
func fieldText(key string) string {
	if key == "" {
		return "keyword"
	}
	return "field \"" + key + "\""
}

func (d *detection) value(n *yaml.Node, key string) (value, bool) {
	switch {
	case n.Kind != yaml.ScalarNode:
		d.failf(n, "%s: a value must be plain", fieldText(key))
		return value{}, false
	case len(n.Value) > maxText:
		d.failf(n, "%s: a value of more than %d bytes", fieldText(key), maxText)
		return value{}, false
	}
	v := value{at: n, text: scalar(n), null: n.Tag == "!!null", bool: n.Tag == "!!bool"}
	if !v.null {
		v.alts = []pattern{parsePattern(v.text)}
	}
	return v, true
}
