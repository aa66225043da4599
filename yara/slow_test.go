package yara

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"
)

// The slow, obvious matcher: every offset is tried, and an expression is a function from a place to all places where it can end.

type slowForm struct {
	n    *node
	lazy bool
	wide bool
	key  int
}

// slowForms lays out what a string declaration stands for.
func slowForms(d *stringDecl) []slowForm {
	if d.kind != textString {
		var out []slowForm
		if d.mods.wide {
			out = append(out, slowForm{n: widenNode(d.re), lazy: d.lazy, wide: true, key: -1})
		}
		if d.mods.ascii || !d.mods.wide {
			out = append(out, slowForm{n: d.re, lazy: d.lazy, key: -1})
		}
		if d.mods.nocase {
			for i := range out {
				out[i].n = foldNode(out[i].n)
			}
		}
		return out
	}
	var out []slowForm
	forms, err := textForms(&d.mods, d.text)
	if err != nil {
		panic(err)
	}
	for _, f := range forms {
		lo, hi := 0, 0
		if d.mods.xor {
			lo, hi = int(d.mods.xorMin), int(d.mods.xorMax)
		}
		for k := lo; k <= hi; k++ {
			n := &node{op: nCat}
			for i := range len(f.lit) {
				var set byteSet
				set.add(f.lit[i] ^ byte(k))
				if d.mods.nocase {
					set.foldCase()
				}
				n.subs = append(n.subs, &node{op: nSet, set: set})
			}
			out = append(out, slowForm{n: n, wide: f.wide, key: k})
		}
	}
	return out
}

type places map[int]bool

// ends gives every place where n can end when it begins at one of from.
func ends(n *node, data []byte, from places) places {
	out := places{}
	switch n.op {
	case nSet:
		for i := range from {
			if i < len(data) && n.set.has(data[i]) {
				out[i+1] = true
			}
		}
	case nRow:
		for i := range from {
			if i+len(n.lit) <= len(data) && rowIs(n, data[i:]) {
				out[i+len(n.lit)] = true
			}
		}
	case nCat:
		out = from
		for _, s := range n.subs {
			out = ends(s, data, out)
		}
	case nAlt:
		for _, s := range n.subs {
			for i := range ends(s, data, from) {
				out[i] = true
			}
		}
	case nRepeat:
		return repeated(n, data, from)
	default:
		for i := range from {
			if holds([...]instOp{iBegin, iEnd, iWord, iNotWord}[n.op-nBegin], view{data, 0, int64(len(data))}, i) {
				out[i] = true
			}
		}
	}
	return out
}

func rowIs(n *node, b []byte) bool {
	for i := range len(n.lit) {
		if c := n.cell(i); b[i]&c.m != c.v {
			return false
		}
	}
	return true
}

func repeated(n *node, data []byte, from places) places {
	out, now := places{}, from
	for k := 0; ; k++ {
		grown := k < n.min
		if k >= n.min {
			for i := range now {
				grown = grown || !out[i]
				out[i] = true
			}
		}
		if k == n.max || !grown {
			return out
		}
		now = ends(n.subs[0], data, now)
	}
}

// slowHits gives "offset+length" of every match of a string.
func slowHits(d *stringDecl, data []byte) []string {
	p := &pattern{mods: d.mods}
	best := map[int]int{}
	for _, f := range slowForms(d) {
		for i := range data {
			n := 0
			for e := range ends(f.n, data, places{i: true}) {
				if l := e - i; l > 0 && l <= MaxMatch && (n == 0 || (l > n) != f.lazy) {
					n = l
				}
			}
			if n > 0 && (!d.mods.fullword || p.word(view{data, 0, int64(len(data))}, i, n, f.wide)) {
				best[i] = max(best[i], n)
			}
		}
	}
	var offs []int
	for i := range best {
		offs = append(offs, i)
	}
	sort.Ints(offs)
	var out []string
	for _, i := range offs {
		out = append(out, fmt.Sprintf("%d+%d", i, best[i]))
	}
	return out
}

// generator makes declarations and data that have much to do with each other.
type generator struct{ *rand.Rand }

func (g generator) pick(s string) byte { return s[g.IntN(len(s))] }

func (g generator) word(n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte(g.pick("aAbBk0. _"))
	}
	return b.String()
}

func (g generator) decl() string {
	switch g.IntN(3) {
	case 0:
		d := `"` + g.word(1+g.IntN(9)) + `"`
		for _, m := range []string{" wide", " ascii", " fullword"} {
			if g.IntN(4) == 0 {
				d += m
			}
		}
		return d + []string{"", "", " nocase", " xor(0-3)"}[g.IntN(4)]
	case 1:
		return "{ " + g.hex(2) + " }"
	}
	d := "/" + g.regex(2) + "/" + []string{"", "i", "s", "is"}[g.IntN(4)]
	return d + []string{"", "", " wide", " wide ascii", " nocase", " fullword"}[g.IntN(6)]
}

func (g generator) hexByte() string {
	switch b := g.pick("aAbBk0. _"); g.IntN(8) {
	case 0:
		return fmt.Sprintf("?%X", b&15)
	case 1:
		return fmt.Sprintf("%X?", b>>4)
	case 2:
		return "??"
	case 3:
		return fmt.Sprintf("~%02X", b)
	default:
		return fmt.Sprintf("%02X", b)
	}
}

func (g generator) hex(depth int) string {
	var b strings.Builder
	b.WriteString(g.hexByte())
	for range g.IntN(6) {
		switch {
		case g.IntN(5) == 0:
			fmt.Fprintf(&b, " [%d-%d]", g.IntN(3), 3+g.IntN(5))
		case depth > 0 && g.IntN(5) == 0:
			b.WriteString(" ( " + g.hex(depth-1) + " | " + g.hex(depth-1) + " )")
		}
		b.WriteString(" " + g.hexByte())
	}
	return b.String()
}

func (g generator) regex(depth int) string {
	var b strings.Builder
	lazy := ""
	for k := range 1 + g.IntN(5) {
		switch c := g.IntN(10); {
		case c < 5:
			b.WriteString(strings.ReplaceAll(g.word(1), ".", `\.`))
		case c == 5:
			b.WriteString([]string{".", `\w`, "[a-k]", "[^b]", `\d`, `\W`}[g.IntN(6)])
		case c == 6 && depth > 0:
			b.WriteString("(" + g.regex(depth-1) + "|" + g.regex(depth-1) + ")")
		case c == 7 && k > 0:
			b.WriteString([]string{`\b`, `\B`}[g.IntN(2)])
			continue
		default:
			b.WriteString(strings.ReplaceAll(g.word(2), ".", `\.`))
		}
		if g.IntN(3) == 0 {
			b.WriteString([]string{"*", "+", "?", "{2}", "{1,3}", "{0,9}", "{2,}"}[g.IntN(7)] + lazy)
		}
	}
	return b.String()
}

func (g generator) data() []byte {
	var b bytes.Buffer
	for b.Len() < 150 {
		switch w := g.word(1 + g.IntN(12)); g.IntN(4) {
		case 0:
			b.WriteString(widened(w))
		case 1:
			b.WriteString(xored(w, byte(g.IntN(4))))
		case 2:
			b.WriteString(strings.Repeat(w[:1], g.IntN(20)))
		default:
			b.WriteString(w)
		}
	}
	return b.Bytes()
}

func xored(s string, k byte) string {
	b := []byte(s)
	for i := range b {
		b[i] ^= k
	}
	return string(b)
}

// compareOnce compiles the declarations together and holds the hits of each against the slow matcher. It is false when they do not compile.
func compareOnce(t *testing.T, decls []string, data []byte) bool {
	t.Helper()
	var src strings.Builder
	for i, d := range decls {
		fmt.Fprintf(&src, "rule r%d { strings: $a = %s condition: $a }\n", i, d)
	}
	r, err := Compile(Options{}, Source{Name: "t", Text: src.String()})
	if err != nil {
		return false
	}
	parsed, _ := parse("t", src.String())
	for _, window := range []int{1 << 20, 64} {
		r.limits.Window = window
		res, err := r.ScanReader(context.Background(), bytes.NewReader(data), int64(len(data)), ScanOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string][]string{}
		for _, m := range res.Matches {
			for _, s := range m.Strings {
				got[m.Rule] = append(got[m.Rule], fmt.Sprintf("%d+%d", s.Offset, s.Length))
			}
		}
		for i, rule := range parsed.rules {
			want := slowHits(&rule.strings[0], data)
			if have := got[rule.name]; fmt.Sprint(have) != fmt.Sprint(want) {
				t.Errorf("window %d: %s on %q:\n got %v\nwant %v", window, decls[i], data, have, want)
			}
		}
	}
	return true
}

// FuzzMatcher: the fast matcher gives the hits of the slow one, for generated strings and data.
func FuzzMatcher(f *testing.F) {
	for i := range uint64(300) {
		f.Add(i)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		g := generator{rand.New(rand.NewPCG(seed, 1))}
		var decls []string
		for range 4 {
			decls = append(decls, g.decl())
		}
		if !compareOnce(t, decls, g.data()) {
			for _, d := range decls {
				compareOnce(t, []string{d}, g.data())
			}
		}
	})
}

// TestMatcherEdges: shapes that the generator seldom makes.
func TestMatcherEdges(t *testing.T) {
	text := []byte("x1234567890abcdefghijklmnopqrstuvwxyz--ABCDEFGH\x00\x00\x00\x00MZ\x90\x00 aaaaaaaaaaaaaaaaaaaaaaaab 0 zz")
	for _, d := range []string{
		`"z"`, `"zz"`, `" zz"`, `"x"`, `"x1"`, `"x12"`, `"x123"`, `"\x00"`, `"\x00\x00"`, `{ 00 00 00 }`, `{ ?? }`, `{ 4D 5A }`, `{ ( 4D | 5A ) }`, `{ ?? 5A ?? }`,
		`/[0-9]{3}/`, `/[0-9]+/`, `/a{3,9}b/`, `/a+b/`, `/[a-z]*b/`, `/(a|b|c)(d|e|f)(g|h|i)/`, `/[^a]z$/`, `/^x/`, `/\bz/`, `/.{2,20}zz/s`, `/a.*?b/`, `/z+/`, `/(ab|cd|ef){1,3}/`,
		`"abcdefgh" nocase`, `"ABC" xor`, `{ 61 [0-30] 62 }`, `{ 61 [2] 64 }`, `/[A-H][A-H]/ nocase`,
	} {
		for _, data := range [][]byte{text, []byte(xored(string(text), 1)), nil, text[:1]} {
			if !compareOnce(t, []string{d}, data) {
				t.Errorf("%s does not compile", d)
			}
		}
	}
}
