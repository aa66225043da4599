package yara

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// The slow, obvious matcher: every offset is tried, and an expression is a function from a place to all places where it can end.

type slowForm struct {
	n    *node
	wide bool
	key  int
}

// slowForms lays out what a string declaration stands for.
func slowForms(d *stringDecl) []slowForm {
	if d.kind != textString {
		var out []slowForm
		if d.mods.ascii || !d.mods.wide {
			out = append(out, slowForm{n: d.re})
		}
		if d.mods.wide {
			out = append(out, slowForm{n: widenNode(d.re), wide: true})
		}
		if d.mods.nocase {
			for i := range out {
				out[i].n = foldNode(out[i].n)
			}
		}
		return out
	}
	var out []slowForm
	forms, err := textForms(d)
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

// ends gives every place where n can end when it begins at i, each once, the one to be taken first in front.
func ends(n *node, data []byte, i int, memo slowMemo) []int {
	switch n.op {
	case nSet:
		if i < len(data) && n.set.has(data[i]) {
			return []int{i + 1}
		}
	case nRow:
		if i+len(n.lit) <= len(data) && rowIs(n, data[i:]) {
			return []int{i + len(n.lit)}
		}
	case nCat:
		return sequenceEnds(n.subs, data, i, memo)
	case nAlt:
		var out []int
		for _, s := range n.subs {
			out = append(out, ends(s, data, i, memo)...)
		}
		return distinct(out)
	case nRepeat:
		key := slowKey{n, i}
		out, ok := memo[key]
		if !ok {
			out = repeatEnds(n, data, i, 0, map[[2]int][]int{}, memo)
			memo[key] = out
		}
		return out
	default:
		in := inst{op: [...]instOp{iBegin, iEnd, iWord, iNotWord}[n.op-nBegin], x: uint16(n.min)}
		if in.holds(view{data, 0, int64(len(data))}, i) {
			return []int{i}
		}
	}
	return nil
}

func distinct(list []int) []int {
	if len(list) < 2 {
		return list
	}
	seen := make([]bool, slices.Max(list)+1)
	return slices.DeleteFunc(list, func(i int) bool {
		was := seen[i]
		seen[i] = true
		return was
	})
}

// slowMemo keeps what was found of repetitions, which nested ones ask for again and again.
type slowMemo map[slowKey][]int

type slowKey struct {
	n *node
	i int
}

func sequenceEnds(subs []*node, data []byte, i int, memo slowMemo) []int {
	out := []int{i}
	for _, s := range subs {
		var next []int
		for _, e := range out {
			next = append(next, ends(s, data, e, memo)...)
		}
		out = distinct(next)
	}
	return out
}

// repeatEnds gives the ends after done repetitions.
func repeatEnds(n *node, data []byte, i, done int, known map[[2]int][]int, memo slowMemo) []int {
	if n.max < 0 {
		done = min(done, n.min)
	}
	key := [2]int{i, done}
	if out, ok := known[key]; ok {
		return out
	}
	known[key] = nil // a repetition of nothing leads nowhere new
	var out []int
	if n.max < 0 || done < n.max {
		for _, e := range ends(n.subs[0], data, i, memo) {
			out = append(out, repeatEnds(n, data, e, done+1, known, memo)...)
		}
	}
	if done >= n.min {
		if n.lazy {
			out = append([]int{i}, out...)
		} else {
			out = append(out, i)
		}
	}
	known[key] = distinct(out)
	return known[key]
}

func rowIs(n *node, b []byte) bool {
	for i := range len(n.lit) {
		if c := n.cell(i); b[i]&c.m != c.v {
			return false
		}
	}
	return true
}

// slowHits gives "offset+length" of every match of a string.
func slowHits(d *stringDecl, data []byte) []string {
	p := &pattern{mods: d.mods}
	v := view{data, 0, int64(len(data))}
	forms := slowForms(d)
	memo := slowMemo{}
	var out []string
	for i := range data {
		best := 0
		ascii := map[int]bool{} // keys with which the ascii form matches: it counts alone
		for _, f := range forms {
			list := ends(f.n, data, i, memo)
			if len(list) == 0 || list[0] == i || f.wide && ascii[f.key] {
				continue
			}
			n := list[0] - i
			whole := !d.mods.fullword || p.word(v, i, n, f.wide)
			ascii[f.key] = ascii[f.key] || !f.wide && (whole || d.kind != textString)
			if whole {
				best = max(best, n)
			}
		}
		if best > 0 {
			out = append(out, fmt.Sprintf("%d+%d", i, best))
		}
	}
	return out
}

// shapes makes declarations and data that have much to do with each other.
type shapes struct{ *rand.Rand }

func (g shapes) pick(s string) byte { return s[g.IntN(len(s))] }

func (g shapes) word(n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte(g.pick("aAbBk0. _"))
	}
	return b.String()
}

func (g shapes) decl() string {
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
	d := "/" + g.regex(2, []string{"", "", "?"}[g.IntN(3)]) + "/" + []string{"", "i", "s", "is"}[g.IntN(4)]
	return d + []string{"", "", " wide", " wide ascii", " nocase", " fullword"}[g.IntN(6)]
}

func (g shapes) hexByte() string {
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

func (g shapes) hex(depth int) string {
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

func (g shapes) regex(depth int, lazy string) string {
	var b strings.Builder
	for k := range 1 + g.IntN(5) {
		switch c := g.IntN(10); {
		case c < 5:
			b.WriteString(strings.ReplaceAll(g.word(1), ".", `\.`))
		case c == 5:
			b.WriteString([]string{".", `\w`, "[a-k]", "[^b]", `\d`, `\W`}[g.IntN(6)])
		case c == 6 && depth > 0:
			b.WriteString("(" + g.regex(depth-1, lazy) + "|" + g.regex(depth-1, lazy) + ")")
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

func (g shapes) data() []byte {
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
	for _, window := range []int{1 << 20, 64, 65} {
		r.limits.Window = window
		if window == 65 { // what sets with too many grams do
			r.index.all.marks, r.index.lean.marks = nil, nil
		}
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
		g := shapes{rand.New(rand.NewPCG(seed, 1))}
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

// TestMatcherEdges: shapes that the shapes seldom makes.
func TestMatcherEdges(t *testing.T) {
	text := []byte("x1234567890abcdefghijklmnopqrstuvwxyz--ABCDEFGH\x00\x00\x00\x00MZ\x90\x00 aaaaaaaaaaaaaaaaaaaaaaaab 0 zz ab AB ab")
	for _, d := range []string{
		`"z"`, `"zz"`, `" zz"`, `"x"`, `"x1"`, `"x12"`, `"x123"`, `"\x00"`, `"\x00\x00"`, `{ 00 00 00 }`, `{ ?? }`, `{ 4D 5A }`, `{ ( 4D | 5A ) }`, `{ ?? 5A ?? }`,
		`/[0-9]{3}/`, `/[0-9]+/`, `/a{3,9}b/`, `/a+b/`, `/[a-z]*b/`, `/(a|b|c)(d|e|f)(g|h|i)/`, `/[^a]z$/`, `/^x/`, `/\bz/`, `/.{2,20}zz/s`, `/a.*?b/`, `/z+/`, `/(ab|cd|ef){1,3}/`,
		`"abcdefgh" nocase`, `"ABC" xor`, `/h?aB/i`, `/q{0,2}z./i`, `{ 61 [0-30] 62 }`, `{ 61 [2] 64 }`, `/[A-H][A-H]/ nocase`,
	} {
		for _, data := range [][]byte{text, []byte(xored(string(text), 1)), nil, text[:1]} {
			if !compareOnce(t, []string{d}, data) {
				t.Errorf("%s does not compile", d)
			}
		}
	}
}
