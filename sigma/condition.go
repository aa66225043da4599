package sigma

import (
	"fmt"
	"path"
	"sort"
	"strconv"
	"strings"
)

type condOp uint8

const (
	condAnd condOp = iota
	condOr
	condNot
	condName
	condCount // at least n of names
)

type cond struct {
	op    condOp
	subs  []*cond
	names []string
	n     int
}

func (c *cond) holds(r *Rule, ev *event) bool {
	switch c.op {
	case condAnd:
		for _, s := range c.subs {
			if !s.holds(r, ev) {
				return false
			}
		}
		return true
	case condOr:
		for _, s := range c.subs {
			if s.holds(r, ev) {
				return true
			}
		}
		return false
	case condNot:
		return !c.subs[0].holds(r, ev)
	case condName:
		return r.search[c.names[0]].test(ev)
	}
	count := 0
	for i, name := range c.names {
		if r.search[name].test(ev) {
			count++
		}
		if count >= c.n || count+len(c.names)-i-1 < c.n {
			break
		}
	}
	return count >= c.n
}

type condParser struct {
	words  []string
	i      int
	depth  int
	search map[string]test
}

func parseCondition(s string, search map[string]test) (*cond, error) {
	if len(s) > 1<<16 {
		return nil, fmt.Errorf("longer than %d bytes", 1<<16)
	}
	s = strings.NewReplacer("(", " ( ", ")", " ) ", "|", " | ").Replace(s)
	p := &condParser{words: strings.Fields(s), search: search}
	c, err := p.chain(condOr)
	if err != nil {
		return nil, err
	}
	if p.i < len(p.words) {
		return nil, fmt.Errorf("unexpected %q", p.words[p.i])
	}
	return c, nil
}

func (p *condParser) word() string {
	if p.i < len(p.words) {
		return p.words[p.i]
	}
	return ""
}

func (p *condParser) chain(o condOp) (*cond, error) {
	c := &cond{op: o}
	for {
		var sub *cond
		var err error
		if o == condOr {
			sub, err = p.chain(condAnd)
		} else {
			sub, err = p.not()
		}
		if err != nil {
			return nil, err
		}
		c.subs = append(c.subs, sub)
		if w := strings.ToLower(p.word()); w != map[condOp]string{condOr: "or", condAnd: "and"}[o] {
			break
		}
		p.i++
	}
	if len(c.subs) == 1 {
		return c.subs[0], nil
	}
	return c, nil
}

func (p *condParser) not() (*cond, error) {
	neg := false
	for strings.EqualFold(p.word(), "not") {
		neg = !neg
		p.i++
	}
	c, err := p.term()
	if err == nil && neg {
		c = &cond{op: condNot, subs: []*cond{c}}
	}
	return c, err
}

func (p *condParser) term() (*cond, error) {
	w := p.word()
	p.i++
	switch {
	case w == "":
		return nil, fmt.Errorf("ends too early")
	case w == "(":
		if p.depth++; p.depth > maxNesting {
			return nil, fmt.Errorf("nested deeper than %d", maxNesting)
		}
		c, err := p.chain(condOr)
		if err != nil {
			return nil, err
		}
		p.depth--
		if p.word() != ")" {
			return nil, fmt.Errorf("a parenthesis is not closed")
		}
		p.i++
		return c, nil
	case strings.EqualFold(p.word(), "of"):
		return p.of(w)
	}
	if p.search[w] == nil {
		return nil, fmt.Errorf("undefined selection %q", w)
	}
	return &cond{op: condName, names: []string{w}}, nil
}

func (p *condParser) of(count string) (*cond, error) {
	p.i++
	set := p.word()
	p.i++
	c := &cond{op: condCount}
	pattern := set
	if set == "them" {
		pattern = "*"
	}
	for name := range p.search {
		ok, err := path.Match(pattern, name)
		if err != nil {
			return nil, fmt.Errorf("bad pattern %q", set)
		}
		if ok && (set != "them" || !strings.HasPrefix(name, "_")) {
			c.names = append(c.names, name)
		}
	}
	sort.Strings(c.names)
	if len(c.names) == 0 {
		return nil, fmt.Errorf("no selection matches %q", set)
	}
	switch strings.ToLower(count) {
	case "all":
		c.n = len(c.names)
	case "any":
		c.n = 1
	default:
		n, err := strconv.Atoi(count)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("bad count %q", count)
		}
		c.n = n
	}
	return c, nil
}
