package sigma

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// test is one question to an event.
type test interface{ test(*event) bool }

type allOf []test

func (a allOf) test(ev *event) bool {
	for _, t := range a {
		if !t.test(ev) {
			return false
		}
	}
	return true
}

type anyOf []test

func (a anyOf) test(ev *event) bool {
	for _, t := range a {
		if t.test(ev) {
			return true
		}
	}
	return false
}

// inverse is the modifier neq.
type inverse struct{ of test }

func (i inverse) test(ev *event) bool { return !i.of.test(ev) }

// fieldTest asks a value of a field, or of any value when the field is "" (a keyword).
type fieldTest struct {
	field string
	cased bool
	match func(string) bool
}

func (f *fieldTest) test(ev *event) bool {
	if f.field != "" {
		v, ok := ev.get(f.field, f.cased)
		return ok && f.match(v)
	}
	if f.cased {
		found := false
		ev.fields.Each(func(v string) bool {
			found = f.match(v[:min(len(v), maxField)])
			return !found
		})
		return found
	}
	if ev.all == nil {
		ev.all = []string{}
		ev.fields.Each(func(v string) bool {
			ev.all = append(ev.all, strings.ToLower(v[:min(len(v), maxField)]))
			return true
		})
	}
	for _, v := range ev.all {
		if f.match(v) {
			return true
		}
	}
	return false
}

type existsTest struct {
	field string
	want  bool
}

func (e existsTest) test(ev *event) bool {
	_, ok := ev.fields.Get(e.field)
	return ok == e.want
}

// nullTest holds when the field is absent or empty.
type nullTest struct{ field string }

func (n nullTest) test(ev *event) bool {
	v, ok := ev.fields.Get(n.field)
	return !ok || v == ""
}

type refTest struct {
	field, other string
	mode         string
	cased        bool
}

func (r refTest) test(ev *event) bool {
	a, okA := ev.get(r.field, r.cased)
	b, okB := ev.get(r.other, r.cased)
	if !okA || !okB {
		return false
	}
	switch r.mode {
	case "contains":
		return strings.Contains(a, b)
	case "startswith":
		return strings.HasPrefix(a, b)
	case "endswith":
		return strings.HasSuffix(a, b)
	}
	return a == b
}

// wildcard is a value with * and ?, cut at the stars. A part is a list of bytes with -1 for "?".
type wildcard struct {
	parts       [][]int16
	first, last bool // a star stands at the beginning, at the end
}

// parseWildcard reads a Sigma value: * and ? are wildcards, a backslash before them or before itself is an escape.
func parseWildcard(s string) wildcard {
	var w wildcard
	var part []int16
	star := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s) && (s[i+1] == '*' || s[i+1] == '?' || s[i+1] == '\\'):
			i++
			part = append(part, int16(s[i]))
		case c == '*':
			if len(part) > 0 {
				w.parts = append(w.parts, part)
				part = nil
			} else if len(w.parts) == 0 {
				w.first = true
			}
			star = true
			continue
		case c == '?':
			part = append(part, -1)
		default:
			part = append(part, int16(c))
		}
		star = false
	}
	if len(part) > 0 {
		w.parts = append(w.parts, part)
	}
	w.last = star
	return w
}

// literal gives the value when it has no wildcard inside.
func (w wildcard) literal() (string, bool) {
	if len(w.parts) > 1 {
		return "", false
	}
	var b []byte
	for _, p := range w.parts {
		for _, c := range p {
			if c < 0 {
				return "", false
			}
			b = append(b, byte(c))
		}
	}
	return string(b), true
}

// matcher compiles the value to a function.
func (w wildcard) matcher() func(string) bool {
	if lit, ok := w.literal(); ok {
		switch {
		case w.first && w.last || lit == "" && w.first:
			return func(s string) bool { return strings.Contains(s, lit) }
		case w.first:
			return func(s string) bool { return strings.HasSuffix(s, lit) }
		case w.last:
			return func(s string) bool { return strings.HasPrefix(s, lit) }
		}
		return func(s string) bool { return s == lit }
	}
	return w.match
}

func partAt(s string, i int, p []int16) bool {
	if len(s)-i < len(p) {
		return false
	}
	for k, c := range p {
		if c >= 0 && byte(c) != s[i+k] {
			return false
		}
	}
	return true
}

// match finds the parts one after the other; the earliest place for each is enough.
func (w wildcard) match(s string) bool {
	parts, i, end := w.parts, 0, len(s)
	if !w.first {
		if !partAt(s, 0, parts[0]) {
			return false
		}
		i = len(parts[0])
		parts = parts[1:]
		if len(parts) == 0 {
			return w.last || i == end
		}
	}
	if !w.last {
		p := parts[len(parts)-1]
		if end -= len(p); end < i || !partAt(s, end, p) {
			return false
		}
		parts = parts[:len(parts)-1]
	}
	for _, p := range parts {
		for ; ; i++ {
			if i+len(p) > end {
				return false
			}
			if partAt(s, i, p) {
				break
			}
		}
		i += len(p)
	}
	return true
}

func regexMatcher(expr, flags string) (func(string) bool, error) {
	if flags != "" {
		expr = "(?" + flags + ")" + expr
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, err
	}
	return re.MatchString, nil
}

func cidrMatcher(s string) (func(string) bool, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return nil, err
	}
	return func(v string) bool {
		a, err := netip.ParseAddr(v)
		return err == nil && p.Contains(a.Unmap())
	}, nil
}

func numberMatcher(o, s string) (func(string) bool, error) {
	want, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil, err
	}
	return func(v string) bool {
		x, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return false
		}
		switch o {
		case "lt":
			return x < want
		case "lte":
			return x <= want
		case "gt":
			return x > want
		}
		return x >= want
	}, nil
}
