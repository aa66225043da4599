package sigma

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// documents reads a source to YAML nodes, one a document.
func documents(s Source) ([]*yaml.Node, *Error) {
	if len(s.Text) > maxSource {
		return nil, &Error{File: s.Name, Line: 1, Column: 1, Text: fmt.Sprintf("source is longer than %d bytes", maxSource)}
	}
	var out []*yaml.Node
	dec := yaml.NewDecoder(strings.NewReader(s.Text))
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, yamlError(s.Name, err)
		}
		if doc.Kind != yaml.DocumentNode || len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
			continue
		}
		if out = append(out, doc.Content[0]); len(out) > maxDocuments {
			return nil, &Error{File: s.Name, Line: doc.Line, Column: 1, Text: fmt.Sprintf("more than %d documents", maxDocuments)}
		}
	}
}

// yamlError takes the line out of the parser's text, which has no field for it.
func yamlError(file string, err error) *Error {
	e := &Error{File: file, Line: 1, Column: 1, Text: "YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}
	var line int
	if _, scan := fmt.Sscanf(err.Error(), "yaml: line %d:", &line); scan == nil && line > 0 {
		e.Line = line
		e.Text = "YAML: " + strings.TrimPrefix(err.Error(), fmt.Sprintf("yaml: line %d: ", line))
	}
	return e
}

// entry is one line of a mapping.
type entry struct {
	key, value *yaml.Node
	name       string
}

// reader walks the nodes of one document. Aliases are followed, each time anew, so everything it hands out is counted: a document of a few lines cannot become millions.
type reader struct {
	file, rule string
	nodes      int // handed out
	depth      int
	made       *int // bytes that the values of this Compile have become
	errs       *Errors
}

// failf reports a fault at a node.
func (r *reader) failf(n *yaml.Node, format string, args ...any) {
	r.fail(n.Line, n.Column, fmt.Sprintf(format, args...))
}

func (r *reader) fail(line, column int, text string) {
	if len(*r.errs) < maxErrors {
		*r.errs = append(*r.errs, Error{File: r.file, Line: line, Column: column, Rule: r.rule, Text: text})
	}
}

// follow gives what an alias stands for. It counts the node and reports false when there are too many.
func (r *reader) follow(n *yaml.Node) (*yaml.Node, bool) {
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		if r.nodes++; r.nodes > maxNodes {
			break
		}
		n = n.Alias
	}
	if r.nodes++; r.nodes > maxNodes {
		if r.nodes < 2*maxNodes {
			r.failf(n, "more than %d values, counting each use of an anchor", maxNodes)
			r.nodes = 2 * maxNodes
		}
		return n, false
	}
	return n, true
}

// mapping gives the entries of a mapping in order, "<<" merged in. Anything else, and a key that occurs twice, is a fault.
func (r *reader) mapping(n *yaml.Node, what string) []entry {
	n, ok := r.follow(n)
	if !ok {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		r.failf(n, "%s must be a mapping", what)
		return nil
	}
	var out, merged []entry
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, ok := r.follow(n.Content[i])
		value, okValue := r.follow(n.Content[i+1])
		if !ok || !okValue {
			return nil
		}
		switch {
		case key.Tag == "!!merge":
			merged = append(merged, r.merge(value, what)...)
		case key.Kind != yaml.ScalarNode:
			r.failf(key, "%s: a key must be plain", what)
			return nil
		case seen[key.Value]:
			r.failf(key, "%s: key %q occurs twice", what, key.Value)
			return nil
		default:
			seen[key.Value] = true
			out = append(out, entry{key, value, key.Value})
		}
	}
	for _, e := range merged {
		if !seen[e.name] {
			seen[e.name] = true
			out = append(out, e)
		}
	}
	return out
}

// merge gives the entries that "<<" brings in.
func (r *reader) merge(n *yaml.Node, what string) []entry {
	if r.depth++; r.depth > maxNesting {
		r.failf(n, "anchors nested deeper than %d", maxNesting)
		return nil
	}
	defer func() { r.depth-- }()
	if n.Kind != yaml.SequenceNode {
		return r.mapping(n, what)
	}
	var out []entry
	for _, c := range n.Content {
		out = append(out, r.mapping(c, what)...)
	}
	return out
}

// list gives the entries of a sequence, or the node itself if it is something else.
func (r *reader) list(n *yaml.Node) []*yaml.Node {
	n, ok := r.follow(n)
	if !ok {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		return []*yaml.Node{n}
	}
	out := make([]*yaml.Node, 0, len(n.Content))
	for _, c := range n.Content {
		c, ok := r.follow(c)
		if !ok {
			return nil
		}
		out = append(out, c)
	}
	return out
}

// text gives a plain value, of at most max bytes.
func (r *reader) text(e entry, max int) string {
	switch {
	case e.value.Kind != yaml.ScalarNode:
		r.failf(e.value, "%s must be plain text", e.name)
	case len(e.value.Value) > max:
		r.failf(e.value, "%s is longer than %d bytes", e.name, max)
	case e.value.Tag == "!!null":
	default:
		return e.value.Value
	}
	return ""
}

// texts gives a plain value or a list of them.
func (r *reader) texts(e entry) []string {
	var out []string
	for _, n := range r.list(e.value) {
		if n.Kind != yaml.ScalarNode {
			r.failf(n, "%s must be plain text or a list of it", e.name)
			return nil
		}
		if n.Tag != "!!null" {
			out = append(out, n.Value)
		}
	}
	return out
}

// scalar gives the text of a value as the specification compares it: whole numbers in decimal, everything else as written.
func scalar(n *yaml.Node) string {
	if n.Tag == "!!int" {
		var i int64
		if n.Decode(&i) == nil {
			return strconv.FormatInt(i, 10)
		}
	}
	return n.Value
}
