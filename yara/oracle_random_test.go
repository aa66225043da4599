package yara

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// generator makes random rules and data over a small alphabet, so that strings hit often.
type generator struct {
	*rand.Rand
	// Of the expression that is made: it is plain (of a full word; when there are matches of several lengths at one place, it depends on where the oracle's atoms lie
	// which of them is tried), lazy, and it has both forms (then the oracle does not find the wide form of what has \b or \B in it).
	plain, lazy, both bool
}

func (g generator) pick(list ...string) string { return list[g.IntN(len(list))] }

func (g generator) many(n int, f func() string) string {
	var b strings.Builder
	for range 1 + g.IntN(n) {
		b.WriteString(f())
	}
	return b.String()
}

func (g generator) letter() string { return g.pick("a", "b", "c", "A", "B", "1", "_", "x") }

func (g generator) text() string {
	s := g.many(6, g.letter)
	if g.IntN(6) == 0 {
		s += g.pick(`\x00`, `\n`, `\\`, `\"`, `\xff`, " ")
	}
	mods := ""
	switch g.IntN(8) {
	case 0, 1:
		mods = g.pick("nocase", "wide", "ascii wide", "fullword", "wide fullword", "nocase wide ascii fullword", "nocase fullword", "ascii")
	case 2:
		mods = g.pick("xor", "xor(1-3)", "xor(0-1) wide", "xor(2)", "xor(0x01-0x20) wide ascii", "xor fullword", "xor wide fullword")
	case 3:
		s += "abc"
		mods = g.pick("base64", "base64wide", "base64 wide", "base64 base64wide", `base64("!@#$%^&*(){}[].,|ABCDEFGHIJ\x09LMNOPQRSTUVWXYZabcdefghijklmnopqrstu")`)
	}
	return `"` + s + `" ` + mods
}

func (g generator) hexByte() string {
	switch g.IntN(10) {
	case 0:
		return "?? "
	case 1:
		return g.pick("6? ", "?1 ", "?2 ", "4? ")
	}
	return g.pick("61 ", "62 ", "63 ", "41 ", "31 ", "5F ", "D0 ", "85 ", "D0 85 ")
}

func (g generator) hex() string {
	s := g.hexByte()
	for range g.IntN(6) {
		switch g.IntN(7) {
		case 0:
			s += g.pick("[1] ", "[0-2] ", "[1-3] ", "[2-] ", "[0-300] ", "[-] ", "[4-6] ", "[3-250] ") + g.hexByte()
		case 1:
			s += "( " + g.many(3, g.hexByte) + "| " + g.many(2, g.hexByte) + g.pick("", "| "+g.hexByte()) + ") "
		default:
			s += g.hexByte()
		}
	}
	return "{ " + s + "}"
}

// spelled is an expression in two spellings: as it is, and with what may be left out as an alternative to nothing, and no place where libyara cuts it in two. Both mean
// the same.
type spelled struct{ plain, other string }

func same(s string) spelled { return spelled{s, s} }

func (s spelled) wrap(before, after string) spelled {
	return spelled{before + s.plain + after, before + s.other + after}
}

func (s spelled) add(t spelled) spelled { return spelled{s.plain + t.plain, s.other + t.other} }

func (g generator) regexAtom(depth int) spelled {
	switch n := g.IntN(12); {
	case n < 6 || depth > 2:
		return same(g.letter())
	case n == 6:
		return same(g.pick(".", `\w`, `\d`, `\s`, `\W`, `\D`, `\S`))
	case n == 7:
		return same(g.pick("[abc]", "[^a]", "[a-c]", "[A-Cx_]", `[\d_]`, `[^\w]`, "[b-]", "[]a]"))
	case n == 8 && g.both:
		return same(g.pick("^", "$"))
	case n == 8:
		return same(g.pick(`\b`, `\B`, "^", "$"))
	}
	return g.regex(depth+1).wrap("(", ")")
}

// repeated puts a quantifier behind an expression.
func (g generator) repeated(a spelled) spelled {
	q, lazy := g.pick("*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}"), ""
	if g.lazy { // "nothing or X" cannot be spelled
		q, lazy = g.pick("*", "+", "{2}", "{1,3}", "{2,}"), "?"
	}
	out := a.wrap("", q+lazy)
	if a.plain == "." && q == "{2,}" {
		out.other = "(.|.)" + q + lazy
	}
	switch empty := "(" + a.other + "|)"; {
	case q == "?":
		out.other = empty
	case q == "{0,2}":
		out.other = "(" + a.other + empty + "|)"
	}
	return out
}

func (g generator) regex(depth int) spelled {
	seq := func() (out spelled) {
		for range 1 + g.IntN(4) {
			a := g.regexAtom(depth)
			if !g.plain && g.IntN(3) == 0 && a.plain != `\b` && a.plain != `\B` && a.plain != "^" && a.plain != "$" {
				a = g.repeated(a)
			}
			out = out.add(a)
		}
		return out
	}
	s := seq()
	for range g.IntN(3) / 2 * (1 + g.IntN(2)) {
		if g.plain {
			break
		}
		s = s.add(seq().wrap("|", ""))
	}
	return s
}

func (g generator) decl() spelled {
	switch g.IntN(3) {
	case 0:
		return same(strings.TrimSpace(g.text()))
	case 1:
		return same(g.hex())
	}
	mods := g.pick("", "", "", " wide", " ascii wide", " fullword", " nocase", " wide fullword")
	g.lazy, g.both = g.IntN(4) == 0, mods == " ascii wide"
	g.plain = strings.Contains(mods, "fullword")
	flags := g.pick("", "", "i", "s", "is")
	out := g.regex(0)
	for n, err := parseRegex(out.plain, ""); err == nil; n, err = parseRegex(out.plain, "") {
		if lo, _ := span(n); lo > 0 { // what may be empty is found by what it may hold, there: not everywhere
			break
		}
		out = g.regex(0)
	}
	out = out.wrap("/", "/"+flags)
	if g.both { // in the other spelling the forms are two strings
		out.other += " $ = " + out.other + " wide"
		out.plain += mods
		return out
	}
	return out.wrap("", mods)
}

func (g generator) data() string {
	s := g.many(60, func() string {
		switch g.IntN(9) {
		case 0:
			return g.many(5, func() string { return g.letter() + "\x00" })
		case 1:
			return g.pick("\n", " ", "\x00", "\xff", ".", "\x60\x63\x62", "YWJj", "b\x00", "\xd0", "\x85", "\xd0\x85")
		}
		return g.many(7, g.letter)
	})
	return s
}

// TestOracleRandom compares on random strings, conditions and data. DEMINER_ORACLE_ROUNDS and DEMINER_ORACLE_SEED ask for more and for others.
func TestOracleRandom(t *testing.T) {
	oracle(t)
	rounds, seed := asked("ROUNDS", 4), asked("SEED", 1)
	total, refused := 0, 0
	for round := range rounds {
		n, r := randomRound(t, uint64(seed+round), 60, 8)
		total, refused = total+n, refused+r
		conditionRound(t, uint64(seed+round), 60)
	}
	t.Logf("%d strings, %d of them refused by both", total, refused)
}

// asked gives a number of the environment, or the usual one.
func asked(name string, usual int) int {
	if n, err := strconv.Atoi(os.Getenv("DEMINER_ORACLE_" + name)); err == nil {
		return n
	}
	return usual
}

// files writes n files of random data.
func (g generator) files(t *testing.T, n int) (files []string) {
	dir := t.TempDir()
	for i := range n {
		p := filepath.Join(dir, fmt.Sprint("data", i))
		if err := os.WriteFile(p, []byte(g.data()), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, p)
	}
	return files
}

// randomRound compares so many random strings on so many files.
func randomRound(t *testing.T, seed uint64, strs, count int) (total, refused int) {
	g := generator{Rand: rand.New(rand.NewPCG(seed, 2))}
	files := g.files(t, count)
	var all, decls []spelled
	var rules []string
	for i := range strs {
		all = append(all, g.decl())
		rules = append(rules, ruleOf(i, all[i].plain))
	}
	no := refusals(t, rules)
	for i, d := range all {
		total++
		_, err := Compile(Options{}, Source{Name: "r", Text: rules[i]})
		if (no[i] != "") != (err != nil) && !strings.Contains(no[i], "too complex") { // a limit of the oracle alone
			t.Errorf("seed %d: %s: the oracle: %s the engine: %v", seed, d.plain, no[i], err)
		}
		if no[i] != "" || err != nil {
			refused++
			continue
		}
		decls = append(decls, d)
	}
	plain := randomCompare(t, decls, files, func(d spelled) string { return d.plain })
	other := randomCompare(t, decls, files, func(d spelled) string { return d.other })
	for i, d := range plain {
		if decls[i].plain != decls[i].other && other[i] == "" {
			t.Logf("seed %d: the oracle differs from itself: %s", seed, decls[i].plain)
			continue
		}
		t.Errorf("seed %d: %s\n%s", seed, decls[i].plain, d)
	}
	return total, refused
}

func ruleOf(i int, decl string) string {
	return fmt.Sprintf("rule r%d { strings: $ = %s condition: any of them }\n", i, decl)
}

// randomCompare gives the first difference of every string that has one.
func randomCompare(t *testing.T, decls []spelled, files []string, spell func(spelled) string) map[int]string {
	dropped := map[int]bool{}
	var src []Source
	var want map[string][]string
	for {
		var text strings.Builder
		for i, d := range decls {
			if !dropped[i] {
				text.WriteString(ruleOf(i, spell(d)))
			}
		}
		src = []Source{{Name: "r", Namespace: "n", Text: text.String()}}
		var err error
		if want, err = oracleScan(t, src, nil, files); err == nil {
			break
		}
		var i int
		_, after, _ := strings.Cut(err.Error(), "in rule \"r")
		if _, bad := fmt.Sscanf(after, "%d\"", &i); bad != nil || dropped[i] {
			t.Fatal(err)
		}
		dropped[i] = true // the oracle gives up on it
	}
	r, err := Compile(Options{Limits: Limits{Hits: 1_000_000}}, src...)
	if err != nil {
		t.Fatal(err)
	}
	out := map[int]string{}
	for _, f := range files {
		data, _ := os.ReadFile(f)
		res, err := r.Scan(context.Background(), data, ScanOptions{})
		if err != nil {
			t.Fatal(err)
		}
		lines := append(engineLines(res), want[f]...)
		for _, d := range difference(want[f], engineLines(res)) {
			var i int
			if _, err := fmt.Sscanf(d[strings.Index(d, "n:r"):], "n:r%d ", &i); err != nil {
				t.Fatal(d)
			}
			if strings.Contains(decls[i].plain, "|") && decls[i].plain[0] != '"' && sameOffset(d, lines) {
				continue // of alternatives of several lengths the oracle takes one by where its atoms lie
			}
			if !strings.HasSuffix(d, "]") && len(out[i]) < 600 {
				out[i] += around(d, data) + "\n"
			}
		}
	}
	return out
}

// sameOffset tells whether both say that there is a match where d says so.
func sameOffset(d string, lines []string) bool {
	_, d, _ = strings.Cut(d, ": ")
	place, _, _ := strings.Cut(d, "+")
	n := 0
	for _, l := range lines {
		if strings.HasPrefix(l, place+"+") {
			n++
		}
	}
	return n >= 2
}

// around shows a difference with the data it is about.
func around(d string, data []byte) string {
	var off, n int
	i := strings.LastIndex(d, "0x")
	if _, err := fmt.Sscanf(d[i:], "0x%x+%d", &off, &n); err != nil {
		return d
	}
	return fmt.Sprintf("%s in %q", d, data[max(0, off-4):min(len(data), off+n+12)])
}

// refusals gives what the oracle says of each rule it refuses. The rules are called r0, r1 and so on. All go into one process, and again without the
// first it names: what it says of those behind is not always true, a fault inside a loop leaves it there.
func refusals(t *testing.T, rules []string) map[int]string {
	t.Helper()
	p, no := filepath.Join(t.TempDir(), "r.yar"), map[int]string{}
	for {
		text := ""
		for i, rule := range rules {
			if no[i] == "" {
				text += rule
			}
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := execOutput(oracle(t), "-w", p, os.DevNull)
		if err == nil {
			return no
		}
		var i int
		_, name, _ := strings.Cut(out, "error: rule \"r")
		if _, other := fmt.Sscanf(name, "%d\"", &i); other != nil || no[i] != "" {
			t.Fatalf("%v: %s\n%s", err, out, text)
		}
		no[i], _, _ = strings.Cut(name, "\n")
	}
}
