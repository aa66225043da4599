package sigma

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	"go.yaml.in/yaml/v3"
)

// kind is what the values of an item are compared as.
type kind uint8

const (
	asText kind = iota
	asRegex
	asNetwork
	asNumber
	asTime
	asReference
	asPresence
)

// item is one line of a selection: a field, its modifiers and its values.
type item struct {
	field      string // "" in a keyword
	kind       kind
	values     []value
	all, neg   bool
	cased      bool
	bytes      bool   // the values are UTF-16: bytes, not characters
	placed     bool   // contains, startswith or endswith was there
	begin, end bool   // of regular expressions and references: startswith, endswith
	flags      string // of regular expressions
	op         compareOp
	unit       timeUnit
	lists      map[string][]string // placeholders
	before     int                 // modifiers applied so far
}

// value is one value of an item.
type value struct {
	at   *yaml.Node
	text string
	alts []pattern // what it became; any of them
	null bool
	bool bool // true or false, unquoted
}

// modifiers are all of the specification (Sigma modifiers 2.1) with the long names of the reference implementation for the flags of re.
var modifiers = map[string]func(*item) error{
	"contains":   func(it *item) error { return it.place(true, true) },
	"startswith": func(it *item) error { return it.place(false, true) },
	"endswith":   func(it *item) error { return it.place(true, false) },
	"all":        func(it *item) error { it.all = true; return nil },
	"neq":        func(it *item) error { it.neg = true; return nil },
	"cased":      func(it *item) error { it.cased = true; return it.only(asText, asRegex, asReference) },
	"re":         func(it *item) error { return it.become(asRegex) },
	"i":          func(it *item) error { return it.flag("i") },
	"ignorecase": func(it *item) error { return it.flag("i") },
	"m":          func(it *item) error { return it.flag("m") },
	"multiline":  func(it *item) error { return it.flag("m") },
	"s":          func(it *item) error { return it.flag("s") },
	"dotall":     func(it *item) error { return it.flag("s") },
	"cidr":       func(it *item) error { return it.become(asNetwork) },
	"exists":     func(it *item) error { return it.become(asPresence) },
	"fieldref":   (*item).reference,
	"expand":     (*item).expand,
	"windash":    func(it *item) error { return it.rewrite(vary) },
	"base64":     func(it *item) error { return it.encode(base64Plain) },
	"base64offset": func(it *item) error {
		return it.encode(base64Offsets)
	},
	"wide":    func(it *item) error { return it.utf16("", binary.LittleEndian) },
	"utf16le": func(it *item) error { return it.utf16("", binary.LittleEndian) },
	"utf16be": func(it *item) error { return it.utf16("", binary.BigEndian) },
	"utf16":   func(it *item) error { return it.utf16("\xff\xfe", binary.LittleEndian) },
	"lt":      func(it *item) error { return it.compare(opLT) },
	"lte":     func(it *item) error { return it.compare(opLTE) },
	"gt":      func(it *item) error { return it.compare(opGT) },
	"gte":     func(it *item) error { return it.compare(opGTE) },
	"minute":  func(it *item) error { return it.time(unitMinute) },
	"hour":    func(it *item) error { return it.time(unitHour) },
	"day":     func(it *item) error { return it.time(unitDay) },
	"week":    func(it *item) error { return it.time(unitWeek) },
	"month":   func(it *item) error { return it.time(unitMonth) },
	"year":    func(it *item) error { return it.time(unitYear) },
}

func base64Plain(s string) []string { return []string{base64.StdEncoding.EncodeToString([]byte(s))} }

// apply applies one modifier.
func (it *item) apply(name string) error {
	f := modifiers[name]
	if f == nil {
		return fmt.Errorf("unknown modifier %q", name)
	}
	if err := f(it); err != nil {
		return fmt.Errorf("modifier %q: %w", name, err)
	}
	if name != "all" && name != "neq" && name != "cased" && name != "expand" {
		it.before++
	}
	return nil
}

// only refuses an item of another kind.
func (it *item) only(kinds ...kind) error {
	for _, k := range kinds {
		if it.kind == k {
			return nil
		}
	}
	return fmt.Errorf("does not fit behind the modifiers before it")
}

// become makes the values something else than text; that is possible for unmodified values only.
func (it *item) become(k kind) error {
	if it.before > 0 {
		return fmt.Errorf("stands behind the field: no modifier may change the value before it")
	}
	it.kind = k
	return nil
}

func (it *item) place(before, after bool) error {
	it.placed = true
	switch it.kind {
	case asRegex, asReference:
		it.begin, it.end = it.begin || after, it.end || before
		return nil
	}
	return it.rewrite(func(p pattern) pattern {
		if before {
			p = pattern{{part: partMany}}.join(p...)
		}
		if after {
			p = p.join(piece{part: partMany})
		}
		return p
	})
}

func (it *item) flag(f string) error {
	if it.kind != asRegex {
		return fmt.Errorf("stands behind re only")
	}
	if !strings.Contains(it.flags, f) {
		it.flags += f
	}
	return nil
}

func (it *item) reference() error {
	if err := it.become(asReference); err != nil {
		return err
	}
	for _, v := range it.values {
		if len(v.alts) != 1 {
			return fmt.Errorf("needs the name of a field")
		}
		if name, ok := v.alts[0].literal(); !ok || name == "" {
			return fmt.Errorf("needs the name of a field without wildcards")
		}
	}
	return nil
}

func (it *item) compare(op compareOp) error {
	if it.kind != asTime {
		if err := it.become(asNumber); err != nil {
			return err
		}
	}
	if it.op != opEQ {
		return fmt.Errorf("only one of lt, lte, gt and gte may stand")
	}
	it.op = op
	return nil
}

func (it *item) time(u timeUnit) error {
	it.unit = u
	return it.become(asTime)
}

// size is about how many bytes a value needs.
func (it *item) size(v value) int {
	if it.kind == asRegex {
		const state = 64 // bytes of one state of package regexp, with its share of a matcher
		parsed, err := syntax.Parse(v.text, syntax.Perl)
		if err != nil {
			return 0 // told later
		}
		return state * states(parsed)
	}
	n := 0
	for _, p := range v.alts {
		n += p.size()
	}
	return n
}

// rewrite changes every pattern.
func (it *item) rewrite(f func(pattern) pattern) error {
	return it.expandTo(func(p pattern) ([]pattern, error) { return []pattern{f(p)}, nil })
}

// expandTo replaces every pattern by those that f makes of it.
func (it *item) expandTo(f func(pattern) ([]pattern, error)) error {
	if err := it.only(asText); err != nil {
		return err
	}
	for i := range it.values {
		v := &it.values[i]
		if v.null {
			return fmt.Errorf("null has no text")
		}
		var out []pattern
		for _, p := range v.alts {
			if len(p) > maxPieces {
				return fmt.Errorf("a value of more than %d wildcards", maxPieces)
			}
			more, err := f(p)
			if err != nil {
				return err
			}
			if out = append(out, more...); len(out) > maxValues {
				return fmt.Errorf("a value becomes more than %d", maxValues)
			}
		}
		size := 0
		for _, p := range out {
			size += p.size()
		}
		if size > maxVariants {
			return fmt.Errorf("a value becomes more than %d bytes", maxVariants)
		}
		v.alts = out
	}
	return nil
}

func (it *item) encode(f func(string) []string) error {
	it.bytes = false
	return it.expandTo(func(p pattern) ([]pattern, error) {
		spelled, err := spell(p, maxDashes)
		if err != nil {
			return nil, err
		}
		var out []pattern
		for _, one := range spelled {
			text, ok := one.literal()
			if !ok {
				return nil, errWildcards
			}
			forms := f(text)
			if len(forms) == 0 || forms[0] == "" {
				return nil, fmt.Errorf("the value is too short")
			}
			for _, s := range forms {
				out = append(out, plain(s))
			}
		}
		return out, nil
	})
}

func (it *item) utf16(mark string, order binary.AppendByteOrder) error {
	it.bytes = true
	return it.expandTo(func(p pattern) ([]pattern, error) {
		spelled, err := spell(p, maxDashes)
		for i := range spelled {
			spelled[i] = plain(mark).join(spelled[i].each(func(s string) string { return utf16Text(s, order) })...)
		}
		return spelled, err
	})
}

// expand puts the values of placeholders in.
func (it *item) expand() error {
	if it.kind == asRegex {
		return it.expandRegex()
	}
	return it.expandTo(func(p pattern) ([]pattern, error) {
		return product(names(p), partName, func(name string) ([]pattern, error) {
			list, ok := it.lists[name]
			if !ok {
				return nil, fmt.Errorf("no list was given for the placeholder %%%s%%", name)
			}
			var out []pattern
			for _, s := range list {
				out = append(out, parsePattern(strings.ToValidUTF8(s, "\uFFFD")))
			}
			return out, nil
		})
	})
}

func (it *item) expandRegex() error {
	for i := range it.values {
		v, out := &it.values[i], ""
		for v.text != "" {
			at, name := placeholder(v.text)
			if at < 0 {
				break
			}
			list, ok := it.lists[name]
			if !ok {
				return fmt.Errorf("no list was given for the placeholder %%%s%%", name)
			}
			quoted := make([]string, len(list))
			for i, s := range list {
				quoted[i] = regexp.QuoteMeta(s)
			}
			out += strings.ReplaceAll(v.text[:at], `\%`, "%") + "(?:" + strings.Join(quoted, "|") + ")"
			v.text = v.text[at+len(name)+2:]
		}
		v.text = out + strings.ReplaceAll(v.text, `\%`, "%")
	}
	return nil
}
