package yara

import (
	"errors"
	"fmt"
	"strings"
)

type parser struct {
	lex   lexer
	tok   token
	ahead *token
	depth int
	rule  string
	err   error // first fault of the tokens; once set, tokens are EOF
}

// parse reads one source. Faults inside a rule end that rule and the next one is tried, so that all broken rules of a file are named.
func parse(file, text string) (*source, Errors) {
	src := &source{file: file}
	if len(text) > maxSource {
		return src, Errors{{File: file, Line: 1, Column: 1, Text: fmt.Sprintf("source is longer than %d bytes", maxSource)}}
	}
	p := &parser{lex: lexer{file: file, src: text, line: 1}}
	var errs Errors
	p.advance()
	for len(errs) < maxErrors {
		if p.err == nil && p.tok.kind == tEOF {
			return src, errs
		}
		p.rule = ""
		err := p.err
		if err == nil {
			err = p.item(src)
		}
		if err != nil {
			errs = append(errs, p.fault(err))
			if !p.recover() {
				return src, errs
			}
		}
	}
	return src, errs
}

func (p *parser) fault(err error) Error {
	var e Error
	if !errors.As(err, &e) {
		e = p.lex.errorf(p.tok.pos, "%s", err)
	}
	e.Rule = p.rule
	return e
}

// recover moves on to the next line that begins with a rule keyword.
func (p *parser) recover() bool {
	l := &p.lex
	p.err, p.ahead, p.depth = nil, nil, 0
	for {
		nl := strings.IndexByte(l.src[l.i:], '\n')
		if nl < 0 {
			return false
		}
		l.advance(nl + 1)
		for _, word := range [...]string{"rule ", "private ", "global "} {
			if strings.HasPrefix(l.src[l.i:], word) {
				p.advance()
				return true
			}
		}
	}
}

func (p *parser) advance() {
	if p.ahead != nil {
		p.tok, p.ahead = *p.ahead, nil
		return
	}
	t, err := p.lex.next()
	if err != nil {
		if p.err == nil {
			p.err = err
		}
		t = token{kind: tEOF, pos: p.lex.pos()}
	}
	p.tok = t
}

func (p *parser) peek() token {
	if p.ahead == nil {
		t, err := p.lex.next()
		if err != nil {
			p.err = err
			t = token{kind: tEOF}
		}
		p.ahead = &t
	}
	return *p.ahead
}

func (p *parser) errorf(format string, args ...any) error {
	if p.err != nil {
		return p.err
	}
	return p.lex.errorf(p.tok.pos, format, args...)
}

func (p *parser) is(val string) bool {
	return (p.tok.kind == tPunct || p.tok.kind == tIdent) && p.tok.val == val
}

func (p *parser) accept(val string) bool {
	if p.is(val) {
		p.advance()
		return true
	}
	return false
}

func (p *parser) expect(val string) error {
	if !p.accept(val) {
		return p.errorf("expected %q, found %s", val, p.tok)
	}
	return p.err
}

func (t token) String() string {
	switch t.kind {
	case tEOF:
		return "the end of the source"
	case tString:
		return "a string"
	case tInt, tFloat:
		return "a number"
	case tPattern:
		return fmt.Sprintf("%q", "$"+t.val)
	}
	return fmt.Sprintf("%q", t.val)
}

func (p *parser) item(src *source) error {
	switch {
	case p.is("import"), p.is("include"):
		word := p.tok.val
		p.advance()
		if p.tok.kind != tString {
			return p.errorf("expected a quoted name after %s", word)
		}
		n := named{p.tok.val, p.tok.pos}
		if word == "import" {
			src.imports = append(src.imports, n)
		} else {
			src.includes = append(src.includes, n)
		}
		p.advance()
		return nil
	}
	r, err := p.ruleDecl()
	if err == nil {
		src.rules = append(src.rules, r)
	}
	return err
}

func (p *parser) ruleDecl() (*ruleDecl, error) {
	r := &ruleDecl{}
	for {
		if p.accept("private") {
			r.private = true
		} else if p.accept("global") {
			r.global = true
		} else {
			break
		}
	}
	if err := p.expect("rule"); err != nil {
		return nil, err
	}
	if p.tok.kind != tIdent || keyword(p.tok.val) || len(p.tok.val) > 128 {
		return nil, p.errorf("expected a rule name, found %s", p.tok)
	}
	r.name, r.pos, p.rule = p.tok.val, p.tok.pos, p.tok.val
	p.advance()
	if p.accept(":") {
		for p.tok.kind == tIdent {
			r.tags = append(r.tags, p.tok.val)
			p.advance()
		}
	}
	if err := p.expect("{"); err != nil {
		return nil, err
	}
	return r, p.body(r)
}

func (p *parser) body(r *ruleDecl) error {
	if p.accept("meta") {
		from := p.lex.i // behind the colon
		if err := p.expect(":"); err != nil {
			return err
		}
		if _, err := p.metas(); err != nil {
			return err
		}
		r.meta = p.lex.src[from:p.lex.i]
	}
	if p.accept("strings") {
		if err := p.strings(r); err != nil {
			return err
		}
	}
	if err := p.expect("condition"); err != nil {
		return err
	}
	if err := p.expect(":"); err != nil {
		return err
	}
	cond, err := p.expr()
	if err != nil {
		return err
	}
	r.cond = cond
	return p.expect("}")
}

// metasOf reads a meta section, as parse found it, again: it is asked for when its rule holds, and thousands of lists would be kept for that.
func metasOf(section string) []Meta {
	p := &parser{lex: lexer{src: section, line: 1}}
	p.advance()
	list, _ := p.metas() // it was read before
	return list
}

// metas reads lines up to what is none.
func (p *parser) metas() (list []Meta, err error) {
	for p.tok.kind == tIdent && p.peek().kind == tPunct && p.peek().val == "=" {
		m := Meta{Key: p.tok.val}
		p.advance()
		p.advance()
		neg := p.accept("-")
		switch {
		case p.tok.kind == tString && !neg:
			m.Value = p.tok.val
		case p.tok.kind == tInt:
			m.Value = p.tok.num
			if neg {
				m.Value = -p.tok.num
			}
		case p.is("true") || p.is("false"):
			m.Value = p.tok.val == "true"
		default:
			return nil, p.errorf("meta %s: expected a string, a number, true or false", m.Key)
		}
		list = append(list, m)
		p.advance()
	}
	return list, p.err
}

func (p *parser) strings(r *ruleDecl) error {
	if err := p.expect(":"); err != nil {
		return err
	}
	seen := map[string]bool{}
	for p.tok.kind == tPattern {
		d := stringDecl{name: p.tok.val, pos: p.tok.pos}
		if d.name != "" && seen[d.name] {
			return p.errorf("string $%s is declared twice", d.name)
		}
		seen[d.name] = true
		p.advance()
		if !p.is("=") {
			return p.errorf("expected \"=\" after $%s", d.name)
		}
		if err := p.stringValue(&d); err != nil {
			return err
		}
		r.strings = append(r.strings, d)
	}
	if len(r.strings) == 0 {
		return p.errorf("the strings section is empty")
	}
	return p.err
}

// stringValue reads what stands after "=". The current token is "=", so the lexer stands right behind it and may read raw text.
func (p *parser) stringValue(d *stringDecl) error {
	if err := p.lex.skip(); err != nil {
		return err
	}
	l, at := &p.lex, p.lex.pos()
	var err error
	switch {
	case l.i < len(l.src) && l.src[l.i] == '{':
		l.i++
		raw, ok := l.until('}', false)
		if !ok {
			return l.errorf(at, "hexadecimal string is not closed")
		}
		d.kind, d.text = hexString, raw
		d.re, err = parseHex(raw)
	case l.i < len(l.src) && l.src[l.i] == '/':
		l.i++
		raw, ok := l.until('/', true)
		if !ok {
			return l.errorf(at, "regular expression is not closed on its line")
		}
		d.kind, d.text = regexString, raw
		d.flags = l.flags()
		d.re, err = parseRegex(raw, d.flags)
	default:
		p.advance()
		if p.tok.kind != tString {
			return p.errorf("expected a string, { or /")
		}
		d.text = p.tok.val
		if d.text == "" {
			return p.errorf("string $%s is empty", d.name)
		}
	}
	if err != nil {
		return l.errorf(at, "string $%s: %s", d.name, err)
	}
	p.advance()
	if err := p.modifiers(d); err != nil || d.kind != regexString || !d.mods.nocase {
		return err
	}
	// Letter case is folded where classes are read: [^a] is neither a nor A.
	d.mods.nocase = false
	d.flags += "i"
	d.re, err = parseRegex(d.text, d.flags)
	return err
}

// flags reads the letters right behind a regular expression.
func (l *lexer) flags() string {
	start := l.i
	for l.i < len(l.src) && (l.src[l.i] == 'i' || l.src[l.i] == 's') {
		l.i++
	}
	return l.src[start:l.i]
}
