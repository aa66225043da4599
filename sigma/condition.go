package sigma

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// conditionError is a fault at a place within a condition.
type conditionError struct {
	at   int // byte
	text string
}

func (e conditionError) Error() string { return "condition: " + e.text }

// parseCondition reads the condition of a rule, a filter or a temporal correlation over the named parts it may use. Operators, from the loosest: or, and, not, "N of pattern", parentheses.
func parseCondition(s string, parts map[string]*node) (*node, error) {
	if len(s) > maxCondition {
		return nil, conditionError{0, fmt.Sprintf("longer than %d bytes", maxCondition)}
	}
	p := &conditionParser{words: split(s), parts: parts, sets: map[string]*node{}, end: len(s)}
	n, err := p.chain(opOr)
	if err != nil {
		return nil, err
	}
	if w := p.peek(); w.text != "" {
		return nil, p.unexpected(w)
	}
	return n, nil
}

// word is a token and where it stands.
type word struct {
	text string
	at   int
}

// split cuts a condition into words; parentheses and "|" stand alone.
func split(s string) []word {
	var out []word
	from := -1
	flush := func(to int) {
		if from >= 0 {
			out = append(out, word{s[from:to], from})
			from = -1
		}
	}
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case ' ', '\t', '\n', '\r':
			flush(i)
		case '(', ')', '|':
			flush(i)
			out = append(out, word{s[i : i+1], i})
		default:
			if from < 0 {
				from = i
			}
		}
	}
	flush(len(s))
	return out
}

type conditionParser struct {
	words   []word
	i       int
	depth   int
	end     int
	parts   map[string]*node
	sets    map[string]*node // "of" expressions, so that a repeated one is one node
	members int              // of all sets
}

func (p *conditionParser) peek() word {
	if p.i < len(p.words) {
		return p.words[p.i]
	}
	return word{"", p.end}
}

func (p *conditionParser) next() word {
	w := p.peek()
	p.i++
	return w
}

func (p *conditionParser) unexpected(w word) error {
	switch {
	case w.text == "":
		return conditionError{w.at, "ends too early"}
	case w.text == "|":
		return conditionError{w.at, aggregation(p.words[p.i:])}
	case w.text == ")":
		return conditionError{w.at, `")" without "("`}
	}
	return conditionError{w.at, fmt.Sprintf("unexpected %q", w.text)}
}

// chain reads operands joined by "or", or by "and" in the level below.
func (p *conditionParser) chain(op nodeOp) (*node, error) {
	list := &node{op: op}
	for {
		operand, name := p.not, "and"
		if op == opOr {
			operand, name = func() (*node, error) { return p.chain(opAnd) }, "or"
		}
		sub, err := operand()
		if err != nil {
			return nil, err
		}
		list.subs = append(list.subs, sub)
		if !strings.EqualFold(p.peek().text, name) {
			return list.simple(), nil
		}
		p.i++
	}
}

func (p *conditionParser) not() (*node, error) {
	negated := false
	for strings.EqualFold(p.peek().text, "not") {
		negated = !negated
		p.i++
	}
	n, err := p.operand()
	if err == nil && negated {
		n = &node{op: opNot, subs: []*node{n}}
	}
	return n, err
}

func (p *conditionParser) operand() (*node, error) {
	w := p.peek()
	switch {
	case w.text == "" || w.text == ")" || w.text == "|":
		return nil, p.unexpected(w)
	case w.text == "(":
		return p.group()
	}
	p.i++
	if strings.EqualFold(p.peek().text, "of") {
		p.i++
		return p.of(w)
	}
	if n := p.parts[w.text]; n != nil {
		return n, nil
	}
	return nil, conditionError{w.at, fmt.Sprintf("undefined selection %q", w.text)}
}

func (p *conditionParser) group() (*node, error) {
	open := p.next()
	if p.depth++; p.depth > maxNesting {
		return nil, conditionError{open.at, fmt.Sprintf("nested deeper than %d", maxNesting)}
	}
	n, err := p.chain(opOr)
	if err != nil {
		return nil, err
	}
	p.depth--
	if w := p.next(); w.text != ")" {
		if p.i--; w.text == "|" {
			return nil, p.unexpected(w)
		}
		return nil, conditionError{open.at, "a parenthesis is not closed"}
	}
	return n, nil
}

// of reads what follows "1 of", "all of": a pattern of names, or "them".
func (p *conditionParser) of(count word) (*node, error) {
	set := p.next()
	if set.text == "" || set.text == "(" || set.text == ")" || set.text == "|" {
		p.i--
		return nil, conditionError{set.at, `"of" needs a name, a pattern such as selection_* or "them"`}
	}
	key := strings.ToLower(count.text) + " of " + set.text
	if n := p.sets[key]; n != nil {
		return n, nil
	}
	list := &node{op: opOr}
	for _, name := range p.matching(set.text) {
		list.subs = append(list.subs, p.parts[name])
	}
	if len(list.subs) == 0 {
		return nil, conditionError{set.at, fmt.Sprintf("no selection matches %q", set.text)}
	}
	if p.members += len(list.subs); p.members > maxValues {
		return nil, conditionError{set.at, fmt.Sprintf("sets of more than %d selections", maxValues)}
	}
	switch n, err := strconv.Atoi(count.text); {
	case strings.EqualFold(count.text, "all"):
		list.op = opAnd
	case strings.EqualFold(count.text, "any"), err == nil && n == 1:
	case err == nil && n > 1 && n <= len(list.subs):
		list.op, list.n = opAtLeast, n
	case err == nil && n > len(list.subs):
		return nil, conditionError{count.at, fmt.Sprintf("%d of %q, which matches %d", n, set.text, len(list.subs))}
	default:
		return nil, conditionError{count.at, fmt.Sprintf(`bad count %q: 1, all or any`, count.text)}
	}
	p.sets[key] = list.simple()
	return p.sets[key], nil
}

// matching gives the names that a pattern means, sorted. Those that begin with "_" belong to no set unless the pattern begins so.
func (p *conditionParser) matching(pattern string) []string {
	if pattern == "them" {
		pattern = "*"
	}
	var names []string
	for name := range p.parts {
		if star(pattern, name) && (name[:min(1, len(name))] != "_" || pattern[0] == '_') {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

// star matches names; "*" is the only wildcard.
func star(pattern, name string) bool {
	runs := strings.Split(pattern, "*")
	if len(runs) == 1 {
		return pattern == name
	}
	name, ok := strings.CutPrefix(name, runs[0])
	if !ok {
		return false
	}
	last := runs[len(runs)-1]
	for _, r := range runs[1 : len(runs)-1] {
		i := strings.Index(name, r)
		if i < 0 {
			return false
		}
		name = name[i+len(r):]
	}
	return strings.HasSuffix(name, last)
}
