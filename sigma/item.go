package sigma

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// node compiles an item whose modifiers have been applied.
func (it *item) node() (*node, error) {
	if it.field == "" && (it.kind == asReference || it.kind == asPresence || it.kind == asTime || it.kind == asNumber) {
		return nil, errors.New("a keyword has no field, which this modifier needs")
	}
	list := &node{op: opOr}
	if it.all {
		list.op = opAnd
	}
	for _, v := range it.values {
		n, err := it.one(v)
		if err != nil {
			return nil, placed{err, v}
		}
		list.subs = append(list.subs, n)
	}
	out := list.simple()
	if it.neg {
		out = &node{op: opNot, subs: []*node{out}}
	}
	return out, nil
}

// placed is an error with the value that has it.
type placed struct {
	error
	value value
}

func (it *item) one(v value) (*node, error) {
	if v.null {
		if it.kind != asText || it.field == "" {
			return nil, errors.New("null can only be the plain value of a field")
		}
		return leaf(&test{kind: testNull, field: it.field}), nil
	}
	switch it.kind {
	case asRegex:
		return it.regex(v.text)
	case asNetwork:
		p, err := netip.ParsePrefix(v.text)
		if err != nil {
			return nil, fmt.Errorf("%q is no network such as 10.0.0.0/8 or fe80::/10", v.text)
		}
		return leaf(&test{kind: testNetwork, field: it.field, network: unmapped(p.Masked())}), nil
	case asNumber:
		n, ok := parseNumber(v.text)
		if !ok {
			return nil, fmt.Errorf("%q is no number", v.text)
		}
		return leaf(&test{kind: testNumber, field: it.field, op: it.op, number: n}), nil
	case asTime:
		n, ok := parseNumber(v.text)
		if r := timeRange[it.unit]; !ok || !n.whole || n.i < r[0] || n.i > r[1] {
			return nil, fmt.Errorf("%q is no whole number from %d to %d", v.text, r[0], r[1])
		}
		return leaf(&test{kind: testTime, field: it.field, op: it.op, number: n, unit: it.unit}), nil
	case asReference:
		name, _ := v.alts[0].literal()
		return leaf(&test{kind: testReference, field: it.field, other: name, begin: it.begin, end: it.end, cased: it.cased}), nil
	case asPresence:
		if !v.bool {
			return nil, errors.New("exists needs true or false")
		}
		return leaf(&test{kind: testExists, field: it.field, want: strings.EqualFold(v.text, "true")}), nil
	}
	alts := &node{op: opOr}
	for _, p := range v.alts {
		more, err := it.texts(p)
		if err != nil {
			return nil, err
		}
		alts.subs = append(alts.subs, more...)
	}
	return alts.simple(), nil
}

// fewDashes is up to how many signs of a value are spelled out, which the pre-filter can use; more are matched one by one.
const fewDashes = 2

// texts makes the tests for one pattern.
func (it *item) texts(p pattern) ([]*node, error) {
	if len(p) > maxPieces {
		return nil, fmt.Errorf("more than %d wildcards", maxPieces)
	}
	if it.field == "" && !it.placed {
		p = pattern{{part: partMany}}.join(p...).join(piece{part: partMany})
	}
	spelled, err := spell(p, fewDashes)
	if err != nil {
		spelled = []pattern{p}
	}
	var out []*node
	for _, one := range spelled {
		out = append(out, it.text(one))
	}
	return out, nil
}

// text makes the test for one pattern: a literal of the pre-filter if it can be one, otherwise a test that is made when it is asked for, guarded by a literal that must be there.
func (it *item) text(p pattern) *node {
	t := &test{field: it.field, cased: it.cased, bytes: it.bytes}
	folded := p.each(fold)
	inner, before, after := folded.core()
	guard := &test{kind: testLiteral, field: it.field}
	if text, ok := inner.literal(); ok && len(text) >= minLiteral && !it.bytes {
		guard.text, guard.begin, guard.end = text, !before, !after
		if !it.cased {
			return leaf(guard)
		}
		t.guards = []*test{guard}
	} else if text := folded.longest(); len(text) >= minLiteral && !it.bytes {
		guard.text = text
		t.guards = []*test{guard}
	}
	switch {
	case it.cased:
	case it.bytes:
		p = p.each(func(s string) string { return string(appendFoldASCII(nil, s)) })
	default:
		p = folded
	}
	t.kind, t.pattern, t.glob = testGlob, p, newGlob(p)
	return leaf(t)
}

// unmapped gives an IPv4 network in IPv6 form as IPv4, the form in which addresses are compared.
func unmapped(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}
