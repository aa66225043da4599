package yara

func keyword(s string) bool {
	switch s {
	case "all", "and", "any", "ascii", "at", "base64", "base64wide", "condition", "contains", "defined", "endswith", "entrypoint", "false", "filesize",
		"for", "fullword", "global", "icontains", "iendswith", "iequals", "import", "in", "include", "istartswith", "matches", "meta", "nocase", "none", "not",
		"of", "or", "private", "rule", "startswith", "strings", "them", "true", "wide", "xor":
		return true
	}
	return readerIndex(s) >= 0
}

// enter counts nesting; what drives it is text of others.
func (p *parser) enter() error {
	if p.depth++; p.depth > maxNesting {
		return p.errorf("nested deeper than %d", maxNesting)
	}
	return p.err
}

func (p *parser) leave() { p.depth-- }

func (p *parser) expr() (*expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	return p.chain(opOr, "or", func() (*expr, error) {
		return p.chain(opAnd, "and", p.not)
	})
}

// chain reads "a or b or c" into one node, so that long chains are flat.
func (p *parser) chain(o op, word string, sub func() (*expr, error)) (*expr, error) {
	e, err := sub()
	if err != nil || !p.is(word) {
		return e, err
	}
	all := &expr{op: o, pos: e.pos, kids: []*expr{e}}
	for p.accept(word) {
		if e, err = sub(); err != nil {
			return nil, err
		}
		all.kids = append(all.kids, e)
	}
	return all, p.err
}

func (p *parser) not() (*expr, error) {
	var ops []*expr
	for p.is("not") || p.is("defined") {
		o := opNot
		if p.tok.val == "defined" {
			o = opDefined
		}
		ops = append(ops, &expr{op: o, pos: p.tok.pos})
		p.advance()
		if len(ops) > maxNesting {
			return nil, p.errorf("nested deeper than %d", maxNesting)
		}
	}
	e, err := p.compare()
	for i := len(ops) - 1; i >= 0 && err == nil; i-- {
		ops[i].kids = []*expr{e}
		e = ops[i]
	}
	return e, err
}

// levels of binary operators from the loosest; within a level they bind to the left.
var levels = [...]map[string]op{
	{"==": opEq, "!=": opNe, "contains": opContains, "icontains": opIContains, "startswith": opStartsWith, "istartswith": opIStartsWith,
		"endswith": opEndsWith, "iendswith": opIEndsWith, "iequals": opIEquals, "matches": opMatches},
	{"<": opLt, "<=": opLe, ">": opGt, ">=": opGe},
	{"|": opBitOr},
	{"^": opBitXor},
	{"&": opBitAnd},
	{"<<": opShl, ">>": opShr},
	{"+": opAdd, "-": opSub},
	{"*": opMul, "\\": opDiv, "%": opMod},
}

// compare reads a comparison, or the count of "N of SET" and "N% of SET".
func (p *parser) compare() (*expr, error) {
	e, err := p.binary(0)
	if err == nil && (p.is("of") || p.is("%") && p.peek().val == "of") {
		return p.of(quantifier{n: e})
	}
	return e, err
}

func (p *parser) binary(level int) (*expr, error) {
	if level == len(levels) {
		return p.unary()
	}
	left, err := p.binary(level + 1)
	for n := 0; err == nil; n++ {
		o, ok := levels[level][p.tok.val]
		if !ok || p.tok.kind != tPunct && p.tok.kind != tIdent || o == opMod && p.peek().val == "of" {
			return left, p.err
		}
		if n > maxNesting {
			return nil, p.errorf("more than %d operators in a row", maxNesting)
		}
		e := &expr{op: o, pos: p.tok.pos}
		if o == opMatches {
			err = p.matches(e, left)
		} else {
			p.advance()
			var right *expr
			right, err = p.binary(level + 1)
			e.kids = []*expr{left, right}
		}
		left = e
	}
	return nil, err
}

// matches reads the expression behind the word; the lexer stands right behind it.
func (p *parser) matches(e, left *expr) error {
	if err := p.lex.skip(); err != nil {
		return err
	}
	l, at := &p.lex, p.lex.pos()
	if l.i >= len(l.src) || l.src[l.i] != '/' {
		return l.errorf(at, "expected a regular expression after matches")
	}
	l.i++
	e.kids = []*expr{left}
	if err := p.regex(e); err != nil {
		return err
	}
	p.advance()
	return p.err
}

// regex reads a regular expression whose first "/" was passed.
func (p *parser) regex(e *expr) error {
	l, at := &p.lex, p.lex.pos()
	raw, ok := l.until('/', true)
	if !ok {
		return l.errorf(at, "regular expression is not closed on its line")
	}
	re, err := parseRegex(raw, l.flags())
	e.extras = &extras{}
	if err == nil {
		e.re, err = newMatcher(re)
	}
	if err != nil {
		return l.errorf(at, "%s", err)
	}
	return nil
}

func (p *parser) unary() (*expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	if p.is("-") || p.is("~") {
		e := &expr{op: opNeg, pos: p.tok.pos}
		if p.tok.val == "~" {
			e.op = opInvert
		}
		p.advance()
		kid, err := p.unary()
		e.kids = []*expr{kid}
		return e, err
	}
	return p.primary()
}

func (p *parser) primary() (*expr, error) {
	t := p.tok
	e := &expr{pos: t.pos, name: t.val}
	switch t.kind {
	case tInt:
		e.val = intValue(t.num)
	case tFloat:
		e.val = floatValue(t.f)
	case tString:
		e.val = strValue(t.val)
	case tPattern, tCount, tOffset, tLength:
		return p.pattern(e)
	case tPunct:
		if t.val == "(" {
			p.advance()
			in, err := p.expr()
			if err != nil {
				return nil, err
			}
			return in, p.expect(")")
		}
		return nil, p.errorf("unexpected %s in a condition", t)
	case tIdent:
		return p.name(e)
	default:
		return nil, p.errorf("unexpected %s in a condition", t)
	}
	p.advance()
	return e, p.err
}

// pattern reads $a, $a at, $a in, #a, #a in, @a[i] and !a[i].
func (p *parser) pattern(e *expr) (*expr, error) {
	t := p.tok
	p.advance()
	e.op = map[kind]op{tPattern: opString, tCount: opCount, tOffset: opOffset, tLength: opLength}[t.kind]
	if t.kind == tPattern && p.accept("*") {
		return nil, p.errorf("$%s* may stand in a set only", t.val)
	}
	var err error
	switch {
	case t.kind == tPattern && p.accept("at"):
		e.op = opStringAt
		var at *expr
		at, err = p.binary(2)
		e.kids = []*expr{at}
	case t.kind == tPattern && p.accept("in"):
		e.op = opStringIn
		e.kids, err = p.bounds()
	case t.kind == tCount && p.accept("in"):
		e.op = opCountIn
		e.kids, err = p.bounds()
	case (t.kind == tOffset || t.kind == tLength) && p.accept("["):
		var i *expr
		if i, err = p.expr(); err == nil {
			e.kids = []*expr{i}
			err = p.expect("]")
		}
	}
	if err != nil {
		return nil, err
	}
	return e, p.err
}

// bounds reads "(a..b)".
func (p *parser) bounds() ([]*expr, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	lo, err := p.expr()
	if err != nil {
		return nil, err
	}
	if err := p.expect(".."); err != nil {
		return nil, err
	}
	hi, err := p.expr()
	if err != nil {
		return nil, err
	}
	return []*expr{lo, hi}, p.expect(")")
}
