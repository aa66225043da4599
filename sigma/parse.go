package sigma

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

type ruleParser struct {
	file   string
	title  string
	values int
	errs   Errors
}

func parse(s Source) ([]*Rule, Errors) {
	p := &ruleParser{file: s.Name}
	if len(s.Text) > maxSource {
		return nil, Errors{{File: s.Name, Line: 1, Column: 1, Text: fmt.Sprintf("source is longer than %d bytes", maxSource)}}
	}
	var out []*Rule
	dec := yaml.NewDecoder(strings.NewReader(s.Text))
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return out, p.errs
		}
		if err != nil {
			return nil, append(p.errs, yamlError(s.Name, err))
		}
		if doc.Kind != yaml.DocumentNode || len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
			continue
		}
		p.title, p.values = "", 0
		if r := p.rule(doc.Content[0]); r != nil {
			out = append(out, r)
		}
	}
}

// yamlError takes the line out of the parser's text, which has no field for it.
func yamlError(file string, err error) Error {
	e := Error{File: file, Line: 1, Column: 1, Text: err.Error()}
	var line int
	if _, scan := fmt.Sscanf(e.Text, "yaml: line %d:", &line); scan == nil && line > 0 {
		e.Line = line
	}
	return e
}

func (p *ruleParser) failf(n *yaml.Node, format string, args ...any) {
	if len(p.errs) < 100 {
		p.errs = append(p.errs, Error{File: p.file, Line: n.Line, Column: n.Column, Rule: p.title, Text: fmt.Sprintf(format, args...)})
	}
}

// pairs gives the entries of a mapping in order; anything else, and a key that occurs twice, is a fault.
func (p *ruleParser) pairs(n *yaml.Node, what string) []*yaml.Node {
	if n.Kind != yaml.MappingNode {
		p.failf(n, "%s must be a mapping", what)
		return nil
	}
	seen := map[string]bool{}
	for i := 0; i < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode || seen[k.Value] {
			p.failf(k, "%s: key %q is not plain or occurs twice", what, k.Value)
			return nil
		}
		seen[k.Value] = true
	}
	return n.Content
}

func (p *ruleParser) rule(n *yaml.Node) *Rule {
	before := len(p.errs)
	r := &Rule{File: p.file, Line: n.Line, Custom: map[string]string{}, search: map[string]test{}}
	var detection *yaml.Node
	list := p.pairs(n, "a rule")
	for i := 0; i+1 < len(list); i += 2 {
		key, v := list[i].Value, list[i+1]
		switch key {
		case "title":
			r.Title, p.title = v.Value, v.Value
		case "id":
			r.ID = v.Value
		case "description":
			r.Description = v.Value
		case "status":
			r.Status = v.Value
		case "level":
			r.Level = v.Value
		case "tags":
			r.Tags = plain(v)
		case "falsepositives":
			r.FalsePositives = plain(v)
		case "logsource":
			p.logSource(r, v)
		case "detection":
			detection = v
		case "correlation", "action":
			p.failf(list[i], "%s is not supported", key)
		case "author", "date", "modified", "references", "related", "fields", "license", "name", "taxonomy", "scope":
		default:
			if v.Kind == yaml.ScalarNode {
				r.Custom[key] = v.Value
			}
		}
	}
	switch {
	case len(p.errs) > before:
	case r.Title == "":
		p.failf(n, "a rule needs a title")
	case detection == nil:
		p.failf(n, "a rule needs a detection")
	default:
		p.detection(r, detection)
	}
	if len(p.errs) > before {
		return nil
	}
	return r
}

func plain(n *yaml.Node) []string {
	if n.Kind == yaml.ScalarNode {
		return []string{n.Value}
	}
	var out []string
	for _, c := range n.Content {
		if c.Kind == yaml.ScalarNode {
			out = append(out, c.Value)
		}
	}
	return out
}

func (p *ruleParser) logSource(r *Rule, n *yaml.Node) {
	list := p.pairs(n, "logsource")
	for i := 0; i+1 < len(list); i += 2 {
		switch v := strings.ToLower(list[i+1].Value); list[i].Value {
		case "category":
			r.Source.Category = v
		case "product":
			r.Source.Product = v
		case "service":
			r.Source.Service = v
		}
	}
}

func (p *ruleParser) detection(r *Rule, n *yaml.Node) {
	var condition *yaml.Node
	list := p.pairs(n, "detection")
	for i := 0; i+1 < len(list); i += 2 {
		switch key := list[i].Value; key {
		case "condition":
			condition = list[i+1]
		case "timeframe":
			p.failf(list[i], "timeframe is not supported")
		default:
			if t := p.search(list[i+1], 0); t != nil {
				r.search[key] = t
			}
		}
	}
	if condition == nil {
		p.failf(n, "a detection needs a condition")
		return
	}
	texts := []*yaml.Node{condition}
	if condition.Kind == yaml.SequenceNode {
		texts = condition.Content
	}
	any := &cond{op: condOr}
	for _, t := range texts {
		c, err := parseCondition(t.Value, r.search)
		if err != nil {
			p.failf(t, "condition: %s", err)
			return
		}
		any.subs = append(any.subs, c)
	}
	r.cond = any
}

// search reads a search identifier: a mapping (all of), a list of mappings (any of) or keywords.
func (p *ruleParser) search(n *yaml.Node, depth int) test {
	if depth > 4 {
		p.failf(n, "nested too deep")
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		var all allOf
		list := p.pairs(n, "a selection")
		for i := 0; i+1 < len(list); i += 2 {
			if t := p.field(list[i], list[i+1]); t != nil {
				all = append(all, t)
			}
		}
		return all
	case yaml.SequenceNode:
		var any anyOf
		for _, c := range n.Content {
			if t := p.search(c, depth+1); t != nil {
				any = append(any, t)
			}
		}
		return any
	case yaml.ScalarNode:
		key := *n
		key.Value = "|contains"
		return p.field(&key, n)
	}
	p.failf(n, "a selection must be a mapping, a list or a keyword")
	return nil
}
