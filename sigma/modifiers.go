package sigma

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// mods are the modifiers of one field.
type mods struct {
	place                       string // contains, startswith, endswith or ""
	all, re, cased, exists, neq bool
	fieldref, cidr, windash     bool
	compare                     string // lt, lte, gt, gte
	flags                       string
	encode                      []string // wide, base64, base64offset in order
}

func parseMods(list []string) (mods, error) {
	var m mods
	for _, w := range list {
		switch w {
		case "contains", "startswith", "endswith":
			m.place = w
		case "all":
			m.all = true
		case "re":
			m.re = true
		case "i", "m", "s":
			if !m.re {
				return m, fmt.Errorf("modifier %q stands behind re only", w)
			}
			m.flags += w
		case "cased":
			m.cased = true
		case "exists":
			m.exists = true
		case "neq":
			m.neq = true
		case "fieldref":
			m.fieldref = true
		case "cidr":
			m.cidr = true
		case "windash":
			m.windash = true
		case "lt", "lte", "gt", "gte":
			m.compare = w
		case "wide", "utf16le", "base64", "base64offset":
			m.encode = append(m.encode, w)
		default:
			return m, fmt.Errorf("unknown modifier %q", w)
		}
	}
	return m, nil
}

// field reads "Name|modifiers: value or list".
func (p *ruleParser) field(key, n *yaml.Node) test {
	words := strings.Split(key.Value, "|")
	m, err := parseMods(words[1:])
	if err != nil {
		p.failf(key, "%s", err)
		return nil
	}
	values := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		values = n.Content
		if len(values) == 0 {
			p.failf(n, "field %q has no value", key.Value)
			return nil
		}
	}
	var tests []test
	for _, v := range values {
		if p.values++; p.values > maxValues {
			p.failf(v, "more than %d values", maxValues)
			return nil
		}
		if v.Kind != yaml.ScalarNode {
			p.failf(v, "field %q: a value must be plain", key.Value)
			return nil
		}
		t, err := m.value(words[0], v)
		if err != nil {
			p.failf(v, "field %q: %s", key.Value, err)
			return nil
		}
		tests = append(tests, t)
	}
	var t test = anyOf(tests)
	if len(tests) == 1 {
		t = tests[0]
	} else if m.all {
		t = allOf(tests)
	}
	if m.neq {
		t = inverse{t}
	}
	return t
}

func (m mods) value(field string, n *yaml.Node) (test, error) {
	s := n.Value
	switch {
	case m.exists:
		return existsTest{field, strings.EqualFold(s, "true") || strings.EqualFold(s, "yes")}, nil
	case n.Tag == "!!null":
		return nullTest{field}, nil
	case m.fieldref:
		return refTest{field, s, m.place, m.cased}, nil
	}
	t := &fieldTest{field: field, cased: m.cased}
	var err error
	switch {
	case m.re:
		t.cased = true
		t.match, err = regexMatcher(s, m.flags)
	case m.cidr:
		t.match, err = cidrMatcher(s)
	case m.compare != "":
		t.match, err = numberMatcher(m.compare, s)
	default:
		return m.text(t, s)
	}
	return t, err
}

// text compiles a plain value with its encodings and wildcards.
func (m mods) text(t *fieldTest, s string) (test, error) {
	forms := []string{s}
	if m.windash {
		forms = dashes(s)
	}
	escape := false
	for _, e := range m.encode {
		escape, t.cased = true, true
		var next []string
		for _, f := range forms {
			more, err := encode(e, f)
			if err != nil {
				return nil, err
			}
			next = append(next, more...)
		}
		forms = next
	}
	var any anyOf
	for _, f := range forms {
		if !t.cased {
			f = strings.ToLower(f)
		}
		w := parseWildcard(f)
		if escape { // encoded text has no wildcards
			part := make([]int16, len(f))
			for i := range part {
				part[i] = int16(f[i])
			}
			w = wildcard{parts: [][]int16{part}}
		}
		w.first = w.first || m.place == "contains" || m.place == "endswith"
		w.last = w.last || m.place == "contains" || m.place == "startswith"
		one := *t
		one.match = w.matcher()
		any = append(any, &one)
	}
	if len(any) == 1 {
		return any[0], nil
	}
	return any, nil
}

var dash = regexp.MustCompile(`(^|\s)[-/]`)

// dashes gives the value with every dash that begins a word written in the ways Windows programs accept.
func dashes(s string) []string {
	out := []string{s}
	for _, d := range []string{"-", "/", "–", "—", "―"} {
		if f := dash.ReplaceAllString(s, "${1}"+d); f != s {
			out = append(out, f)
		}
	}
	return out
}

func encode(how, s string) ([]string, error) {
	switch how {
	case "wide", "utf16le":
		b := make([]byte, 0, 2*len(s))
		for _, r := range s {
			if r > 0xFFFF {
				return nil, errors.New("a character outside the basic plane cannot be made wide")
			}
			b = append(b, byte(r), byte(r>>8))
		}
		return []string{string(b)}, nil
	case "base64":
		return []string{strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(s)), "=")}, nil
	}
	var out []string
	for pad := 0; pad < 3; pad++ {
		full := base64.RawStdEncoding.EncodeToString([]byte("   "[:pad] + s))
		if (pad+len(s))%3 != 0 {
			full = full[:len(full)-1]
		}
		if lead := [...]int{0, 2, 3}[pad]; len(full) > lead {
			out = append(out, full[lead:])
		}
	}
	return out, nil
}
