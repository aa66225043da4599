package yara

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

// FuzzOracle compares random strings, random conditions and random data with the oracle. A seed says which.
func FuzzOracle(f *testing.F) {
	oracle(f)
	for _, seed := range []uint64{0, 1, 2, 3, 4, 5, 40, 218} { // with 40 a string of two first bytes was not found everywhere
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		if seed%2 == 0 {
			randomRound(t, seed, 6, 3)
		} else {
			conditionRound(t, seed, 8)
		}
	})
}

// number makes an integer expression over the strings $s1 to $s3.
func (g generator) number(depth int) string {
	if depth > 2 || g.IntN(3) == 0 {
		return g.pick("0", "1", "2", "3", "5", "9", "0x61", "1KB", "filesize", "#s1", "#s2", "#s3", "@s1", "@s2", "!s3", "int8(0)", "uint16(1)", "uint32be(2)")
	}
	n := func() string { return g.number(depth + 1) }
	switch g.IntN(9) {
	case 0:
		return g.pick("@", "!") + g.pick("s1", "s2", "s3") + "[" + n() + "]"
	case 1:
		return g.pick("uint8", "int16", "uint32", "uint16be", "int32be") + "(" + n() + ")"
	case 2:
		return g.pick("-", "~") + "(" + n() + ")"
	}
	return "(" + n() + " " + g.pick("+", "-", "*", "\\", "%", "&", "|", "^", "<<", ">>") + " " + n() + ")"
}

// truth makes a condition. Loops that hold for no turn, and counts in ranges, are left out: there the oracle is known to differ (docs/yara.md).
func (g generator) truth(depth int) string {
	n := func() string { return g.number(1) }
	s := g.pick("s1", "s2", "s3")
	if depth < 3 && g.IntN(2) == 0 {
		c := func() string { return g.truth(depth + 1) }
		switch g.IntN(6) {
		case 0:
			return "not (" + c() + ")"
		case 1:
			return "(" + c() + " and " + c() + ")"
		case 2:
			return "(" + c() + " or " + c() + ")"
		case 3:
			return "for " + g.pick("any", "all", "2") + " i in (1..#" + s + ") : (@" + s + "[i] " + g.pick("<", ">", "!=", "==") + " " + n() + ")"
		case 4:
			return "for " + g.pick("any", "all", "2", "1") + " of " + g.pick("them", "($s1, $s2)", "($s*)") + " : (" + g.pick("#", "@", "!", "$ and #") + " " + g.pick("<", ">", "==") + " " + n() + ")"
		}
		return "defined (" + n() + ")"
	}
	switch g.IntN(6) {
	case 0:
		return "$" + s
	case 1:
		return "$" + s + " at " + n()
	case 2:
		return "$" + s + " in (" + n() + ".." + n() + ")"
	case 3:
		set := " of " + g.pick("them", "($s1, $s3)", "($s*)")
		return g.pick("any"+set, "all"+set, "2"+set, "50%"+set, "70%"+set, "any"+set+" in (0.."+n()+")", "1"+set+" in ("+n()+"..filesize)")
	}
	return n() + " " + g.pick("==", "!=", "<", ">", "<=", ">=") + " " + n()
}

// conditionRound compares so many random conditions over random texts.
func conditionRound(t *testing.T, seed uint64, count int) {
	g := generator{Rand: rand.New(rand.NewPCG(seed, 3))}
	files := g.files(t, 4)
	var rules []string
	for i := range count {
		cond := g.truth(0)
		decls := ""
		for _, s := range []string{"s1", "s2", "s3"} {
			d := fmt.Sprintf(" $%s = %q", s, g.many(3, g.letter))
			if strings.Contains(cond, s) || strings.Contains(cond, "them") || strings.Contains(cond, "$s*") {
				decls += d
			}
		}
		if decls != "" {
			decls = "strings:" + decls
		}
		rules = append(rules, fmt.Sprintf("rule r%d { %s condition: %s }\n", i, decls, cond))
	}
	no, text := refusals(t, rules), ""
	for i, rule := range rules {
		_, err := Compile(Options{}, Source{Name: "r", Text: rule})
		if (no[i] != "") != (err != nil) {
			t.Errorf("%sthe oracle: %s the engine: %v", rule, no[i], err)
		}
		if err == nil && no[i] == "" {
			text += rule
		}
	}
	src := Source{Name: "r", Namespace: "n", Text: text}
	want, err := oracleScan(t, []Source{src}, nil, files)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	r, err := Compile(Options{}, src)
	if err != nil {
		t.Fatal(err)
	}
	got, differ := map[string][]string{}, map[int]string{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		res, err := r.Scan(context.Background(), data, ScanOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got[f] = engineLines(res)
		for _, d := range difference(want[f], got[f]) {
			var i int
			if _, err := fmt.Sscanf(d[strings.Index(d, "n:r"):], "n:r%d ", &i); err != nil {
				t.Fatal(d)
			}
			differ[i] += fmt.Sprintf("%s on %q\n", d, data)
		}
	}
	for i, d := range differ {
		if shiftedWrong(t, i, rules[i], got) {
			t.Logf("seed %d: the oracle differs from itself: %s", seed, rules[i])
			continue
		}
		t.Errorf("%s%s", rules[i], d)
	}
}

// shiftedWrong tells whether the oracle gives what the engine gave as soon as it cannot compute shifts to the right in advance: it does that wrong (docs/yara.md).
func shiftedWrong(t *testing.T, i int, rule string, got map[string][]string) bool {
	t.Helper()
	other := strings.ReplaceAll(rule, " >> ", " >> (filesize - filesize) + ")
	if other == rule {
		return false
	}
	want, err := oracleScan(t, []Source{{Name: "r", Namespace: "n", Text: other}}, nil, slices.Collect(maps.Keys(got)))
	if err != nil {
		t.Fatal(err)
	}
	for f, lines := range got {
		mine := slices.DeleteFunc(slices.Clone(lines), func(s string) bool { return !strings.HasPrefix(s, fmt.Sprintf("n:r%d ", i)) })
		if len(difference(want[f], mine)) > 0 {
			return false
		}
	}
	return true
}

// FuzzDER: elements lie inside what they were read from, one behind the other, and what names them is text.
func FuzzDER(f *testing.F) {
	f.Add([]byte("\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"))
	f.Add([]byte("\x30\x82\x00\x04\x02\x02\x01\x00\x04\x00"))
	f.Add([]byte("\x30\x84\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		at := 0
		for _, e := range derList(data, 64) {
			if string(data[at:at+len(e.full)]) != string(e.full) || !strings.HasSuffix(string(e.full), string(e.body)) || len(e.full) < 2 || e.full[0] != e.tag {
				t.Fatalf("element %+v at %d of %x", e, at, data)
			}
			at += len(e.full)
			if strings.Trim(e.oid(), "0123456789.") != "" {
				t.Fatalf("object identifier %q", e.oid())
			}
			derList(e.body, 64)
		}
		list := &object{}
		(&peFile{}).signed(data, list)
		if len(list.items) > 64*peMaxCerts {
			t.Fatalf("%d certificates", len(list.items))
		}
	})
}

// FuzzHex: what is read of a hexadecimal string can be written in its plainest form and read again as the same, and its program finds bytes that were made to match it.
func FuzzHex(f *testing.F) {
	for _, s := range []string{"4D 5A", "61 [1-2] ( 62 | 63 ?4 ) // x\n 65", "7? ~90 [-] 00", "( 61 ( 62 | 63 ) | 64 ) /* 1 */ 65"} {
		f.Add(s, uint64(1))
	}
	f.Fuzz(func(t *testing.T, s string, seed uint64) {
		n, err := parseHex(s)
		if err != nil || programSize(n) > maxProgram {
			return
		}
		again, err := parseHex(hexText(n))
		if err != nil || hexText(again) != hexText(n) {
			t.Fatalf("%q is %q, and that %v", s, hexText(n), err)
		}
		m, err := newMatcher(n)
		if err != nil {
			t.Fatal(err)
		}
		data := nodeBytes(rand.New(rand.NewPCG(seed, 1)), n, nil)
		if len(data) > 0 && len(data) <= MaxMatch && m.simulate(&threads{}, view{buf: data, total: int64(len(data))}, 0) <= 0 {
			t.Fatalf("%q does not match %x", s, data)
		}
	})
}

// hexText writes an expression of a hexadecimal string.
func hexText(n *node) string {
	var b strings.Builder
	switch n.op {
	case nSet:
		return "~" + hexCell(cellOf(ptr(n.set.inverted())))
	case nRow:
		for i := range len(n.lit) {
			b.WriteString(hexCell(n.cell(i)))
		}
	case nCat:
		for _, s := range n.subs {
			b.WriteString(hexText(s))
		}
	case nAlt:
		for i, s := range n.subs {
			b.WriteString("(|"[min(i, 1):][:1] + hexText(s))
		}
		b.WriteString(")")
	case nRepeat:
		if n.max < 0 {
			return fmt.Sprintf("[%d-]", n.min)
		}
		return fmt.Sprintf("[%d-%d]", n.min, n.max)
	}
	return b.String()
}

func ptr[T any](v T) *T { return &v }

func hexCell(c cell) string {
	s := []byte(fmt.Sprintf("%02X", c.v))
	if c.m&0xF0 == 0 {
		s[0] = '?'
	}
	if c.m&0x0F == 0 {
		s[1] = '?'
	}
	return string(s)
}
