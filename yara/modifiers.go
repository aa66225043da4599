package yara

import "errors"

// modifiers reads the words behind a string and checks that they fit its kind and each other.
func (p *parser) modifiers(d *stringDecl) error {
	m := &d.mods
	for p.tok.kind == tIdent {
		switch p.tok.val {
		case "ascii":
			m.ascii = true
		case "wide":
			m.wide = true
		case "nocase":
			m.nocase = true
		case "fullword":
			m.fullword = true
		case "private":
			m.private = true
		case "xor":
			if err := p.xor(m); err != nil {
				return err
			}
			continue
		case "base64", "base64wide":
			if err := p.base64(d); err != nil {
				return err
			}
			continue
		default:
			return p.fit(d)
		}
		p.advance()
	}
	return p.fit(d)
}

func (p *parser) xor(m *modifiers) error {
	m.xor, m.xorMin, m.xorMax = true, 0, 255
	p.advance()
	if !p.accept("(") {
		return nil
	}
	lo, err := p.byteArg()
	if err != nil {
		return err
	}
	hi := lo
	if p.accept("-") {
		if hi, err = p.byteArg(); err != nil {
			return err
		}
	}
	if hi < lo {
		return p.errorf("xor range is empty")
	}
	m.xorMin, m.xorMax = lo, hi
	return p.expect(")")
}

func (p *parser) byteArg() (byte, error) {
	if p.tok.kind != tInt || p.tok.num < 0 || p.tok.num > 255 {
		return 0, p.errorf("expected a number from 0 to 255")
	}
	n := byte(p.tok.num)
	p.advance()
	return n, nil
}

func (p *parser) base64(d *stringDecl) error {
	if p.tok.val == "base64" {
		d.mods.base64 = true
	} else {
		d.mods.base64wide = true
	}
	p.advance()
	if !p.accept("(") {
		return nil
	}
	if p.tok.kind != tString || len(p.tok.val) != 64 {
		return p.errorf("expected an alphabet of 64 characters")
	}
	d.alphabet = p.tok.val
	p.advance()
	return p.expect(")")
}

// fit applies the rules of the language on combinations.
func (p *parser) fit(d *stringDecl) error {
	m := d.mods
	b64 := m.base64 || m.base64wide
	var err error
	switch {
	case d.kind == hexString && (m.ascii || m.wide || m.nocase || m.fullword || m.xor || b64):
		err = errors.New("a hexadecimal string takes no modifier but private")
	case d.kind == regexString && (m.xor || b64):
		err = errors.New("a regular expression takes neither xor nor base64")
	case m.nocase && (m.xor || b64):
		err = errors.New("nocase goes with neither xor nor base64")
	case b64 && (m.xor || m.fullword):
		err = errors.New("base64 goes with neither xor nor fullword")
	case b64 && len(d.text) < 3:
		err = errors.New("base64 needs a string of at least 3 bytes")
	}
	if err != nil {
		return p.lex.errorf(d.pos, "string $%s: %s", d.name, err)
	}
	return p.err
}
