package yara

// name reads what begins with a word: literals, of, for, readers, variables and module fields.
func (p *parser) name(e *expr) (*expr, error) {
	word := p.tok.val
	switch word {
	case "true", "false":
		e.val = boolValue(word == "true")
		p.advance()
		return e, p.err
	case "filesize", "entrypoint":
		e.op = opFilesize
		if word == "entrypoint" {
			e.op = opEntry
		}
		p.advance()
		return e, p.err
	case "any", "all", "none":
		p.advance()
		return p.of(quantifier{word: word})
	case "for":
		return p.loop()
	}
	if i := readerIndex(word); i >= 0 {
		e.op, e.num = opReader, i
		p.advance()
		if err := p.expect("("); err != nil {
			return nil, err
		}
		at, err := p.expr()
		if err != nil {
			return nil, err
		}
		e.kids = []*expr{at}
		return e, p.expect(")")
	}
	if keyword(word) {
		return nil, p.errorf("unexpected %q in a condition", word)
	}
	e.op = opIdent
	p.advance()
	return p.fields(e)
}

// fields reads what follows a name: .field, [index] and (arguments), in any number.
func (p *parser) fields(e *expr) (*expr, error) {
	for n := 0; p.is(".") || p.is("[") || p.is("("); n++ {
		if n > maxNesting {
			return nil, p.errorf("more than %d fields in a row", maxNesting)
		}
		up := &expr{op: opField, pos: p.tok.pos, kids: []*expr{e}}
		var err error
		switch {
		case p.accept("."):
			if p.tok.kind != tIdent {
				return nil, p.errorf("expected a field name after %q", ".")
			}
			up.name, up.pos = p.tok.val, p.tok.pos
			p.advance()
		case p.accept("["):
			up.op = opIndex
			var at *expr
			if at, err = p.expr(); err == nil {
				up.kids = append(up.kids, at)
				err = p.expect("]")
			}
		default:
			up.op = opCall
			err = p.arguments(up)
		}
		if err != nil {
			return nil, err
		}
		e = up
	}
	return e, p.err
}

// arguments reads "(a, b)"; the current token is the parenthesis.
func (p *parser) arguments(e *expr) error {
	p.advance()
	for n := 0; !p.is(")"); n++ {
		if n > 0 {
			if err := p.expect(","); err != nil {
				return err
			}
		}
		arg, err := p.argument()
		if err != nil {
			return err
		}
		e.kids = append(e.kids, arg)
	}
	return p.expect(")")
}

func (p *parser) argument() (*expr, error) {
	if !p.is("/") {
		return p.expr()
	}
	e := &expr{op: opRegex, pos: p.tok.pos}
	if err := p.regex(e); err != nil {
		return nil, err
	}
	p.advance()
	return e, p.err
}

// of reads "QUANTIFIER of SET [at X | in (a..b)]". The current token is "of" or "%".
func (p *parser) of(q quantifier) (*expr, error) {
	q.percent = p.accept("%")
	e := &expr{op: opOf, pos: p.tok.pos, extras: &extras{quant: q}}
	if err := p.expect("of"); err != nil {
		return nil, err
	}
	if err := p.set(e); err != nil {
		return nil, err
	}
	var err error
	switch {
	case p.accept("at"):
		e.place = opStringAt
		var at *expr
		at, err = p.binary(2)
		e.kids = []*expr{at}
	case p.accept("in"):
		e.place = opStringIn
		e.kids, err = p.bounds()
	}
	return e, err
}

// set reads "them", "($a, $b*)" or "(rule_a, rule_b*)".
func (p *parser) set(e *expr) error {
	if p.accept("them") {
		e.set = []string{"*"}
		return p.err
	}
	if err := p.expect("("); err != nil {
		return err
	}
	for {
		switch p.tok.kind {
		case tPattern:
		case tIdent:
			if p.is("them") {
				p.advance()
				e.set = []string{"*"}
				return p.expect(")")
			}
			e.rules = true
		default:
			return p.errorf("expected a string or a rule in a set, found %s", p.tok)
		}
		name := p.tok.val
		p.advance()
		if p.accept("*") {
			name += "*"
		}
		e.set = append(e.set, name)
		if !p.accept(",") {
			return p.expect(")")
		}
	}
}

func (p *parser) quantifier() (quantifier, error) {
	if p.is("any") || p.is("all") || p.is("none") {
		q := quantifier{word: p.tok.val}
		p.advance()
		return q, p.err
	}
	n, err := p.binary(2)
	return quantifier{n: n, percent: p.accept("%")}, err
}

// loop reads "for Q of SET : ( body )" and "for Q v in RANGE or (list) : ( body )".
func (p *parser) loop() (*expr, error) {
	e := &expr{op: opForIn, pos: p.tok.pos, extras: &extras{}}
	p.advance()
	var err error
	if e.quant, err = p.quantifier(); err != nil {
		return nil, err
	}
	if p.accept("of") {
		e.op = opForOf
		err = p.set(e)
	} else {
		err = p.iteration(e)
	}
	if err != nil {
		return nil, err
	}
	if err := p.expect(":"); err != nil {
		return nil, err
	}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	body, err := p.expr()
	if err != nil {
		return nil, err
	}
	e.kids = append(e.kids, body)
	return e, p.expect(")")
}

// iteration reads "v in (a..b)", "v in (x, y)" or "v in module.array"; names holds the variables, num is 1 for a range, 0 for a list, 2 for an array or a dictionary of a module.
func (p *parser) iteration(e *expr) error {
	if p.tok.kind != tIdent || keyword(p.tok.val) {
		return p.errorf("expected a variable after for")
	}
	e.names = []string{p.tok.val}
	p.advance()
	if p.accept(",") { // key and value of a dictionary
		if p.tok.kind != tIdent || keyword(p.tok.val) {
			return p.errorf("expected a second variable after for")
		}
		e.names = append(e.names, p.tok.val)
		p.advance()
	}
	if err := p.expect("in"); err != nil {
		return err
	}
	if !p.accept("(") {
		x, err := p.primary()
		e.num = 2
		e.kids = []*expr{x}
		return err
	}
	for {
		x, err := p.expr()
		if err != nil {
			return err
		}
		e.kids = append(e.kids, x)
		if len(e.kids) == 1 && p.accept("..") {
			e.num = 1
			continue
		}
		if !p.accept(",") {
			break
		}
	}
	if e.num == 1 && len(e.kids) != 2 {
		return p.errorf("a range has two ends")
	}
	return p.expect(")")
}
