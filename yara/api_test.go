package yara

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/fstest"
)

func TestSaveAndLoad(t *testing.T) {
	files := fstest.MapFS{"lib/common.yar": {Data: []byte("private rule big { condition: filesize > 3 }")}}
	r, err := Compile(Options{Include: files, Externals: map[string]any{"s": "a\xff", "n": 5, "b": true, "f": 0.5}, Limits: Limits{Hits: 7}},
		Source{Name: "main.yar", Namespace: "ns", Text: "include \"lib/common.yar\"\nimport \"pe\"\nrule r : t { strings: $a = \"x\xe9y\" $b = /[0-9]+z/ condition: big and any of them and n == 5 and b and f < 1.0 and s == \"a\\xff\" and not pe.is_pe }"})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := r.Save(&b); err != nil {
		t.Fatal(err)
	}
	back, err := Load(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	data := []byte("ax\xe9y12z")
	want, err1 := r.Scan(context.Background(), data, ScanOptions{})
	got, err2 := back.Scan(context.Background(), data, ScanOptions{})
	if err1 != nil || err2 != nil || fmt.Sprint(want) != fmt.Sprint(got) || len(got.Matches) != 1 {
		t.Errorf("before %+v %v, after %+v %v", want, err1, got, err2)
	}
	var again bytes.Buffer
	if err := back.Save(&again); err != nil || !bytes.Equal(again.Bytes(), b.Bytes()) {
		t.Errorf("a loaded set is saved in other bytes: %v", err)
	}
}

func TestLoadRefuses(t *testing.T) {
	r := compileOne(t, `rule r { strings: $a = "abc" condition: $a }`)
	var b bytes.Buffer
	if err := r.Save(&b); err != nil {
		t.Fatal(err)
	}
	for i := range b.Bytes() {
		bad := bytes.Clone(b.Bytes())
		bad[i] ^= 0x10
		if _, err := Load(bytes.NewReader(bad)); err == nil {
			t.Fatalf("a set with byte %d changed is loaded", i)
		}
	}
	for n, want := range map[int]error{0: ErrForeign, 10: ErrForeign, 40: ErrForeign, b.Len() - 1: ErrDamaged} {
		if _, err := Load(bytes.NewReader(b.Bytes()[:n])); !errors.Is(err, want) {
			t.Errorf("cut at %d: %v, want %v", n, err, want)
		}
	}
	other := bytes.Clone(b.Bytes())
	other[len(savedMagic)+1]++
	if _, err := Load(bytes.NewReader(other)); !errors.Is(err, ErrVersion) {
		t.Errorf("other version: %v", err)
	}
	if _, err := Load(io.MultiReader(&b, strings.NewReader("x"))); !errors.Is(err, ErrDamaged) {
		t.Errorf("bytes behind the end: %v", err)
	}
}

func TestIncludes(t *testing.T) {
	files := fstest.MapFS{
		"a/one.yar":  {Data: []byte("include \"../b/two.yar\"\nrule one { condition: two }")},
		"b/two.yar":  {Data: []byte("rule two { condition: true }")},
		"b/bad.yar":  {Data: []byte("\n\nrule bad { condition: nothing }")},
		"loop.yar":   {Data: []byte("include \"loop.yar\"\n")},
		"double.yar": {Data: []byte("include \"double.yar\" include \"double.yar\" include \"double.yar\"\n")},
	}
	r, err := Compile(Options{Include: files}, Source{Name: "main.yar", Text: "include \"a/one.yar\"\nrule main { condition: one }"})
	if err != nil {
		t.Fatal(err)
	}
	if rules, _ := lookAt(t, r, "x"); strings.Join(rules, " ") != "two one main" {
		t.Errorf("rules %v", rules)
	}
	for text, want := range map[string]string{
		"include \"../outside.yar\"":          "../outside.yar",
		"include \"/etc/passwd\"":             "main.yar:1:9",
		"include \"missing.yar\"":             "main.yar:1:9: include \"missing.yar\"",
		"\ninclude \"b/bad.yar\"":             "b/bad.yar:3:23: rule bad: undefined identifier \"nothing\"",
		"include \"loop.yar\"":                "nested deeper than 16",
		"include \"double.yar\"":              "more than 4096 includes",
		"rule r { condition: true }\ninclude": "expected a quoted name",
	} {
		_, err := Compile(Options{Include: files}, Source{Name: "main.yar", Text: text})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %.300v, want %s", text, err, want)
		}
	}
}

// memory is a process with holes.
type memory map[int64]string

func (m memory) ReadAt(b []byte, off int64) (int, error) {
	for base, text := range m {
		if off >= base && off < base+int64(len(text)) {
			n := copy(b, text[off-base:])
			if n < len(b) {
				return n, io.EOF
			}
			return n, nil
		}
	}
	return 0, errors.New("no such page")
}

func TestScanRegions(t *testing.T) {
	src := `import "pe" rule r { strings: $a = "needle" $b = /need[a-z]{2}/ condition: #a == 2 and $b and uint8(0x1004) == 0x6e and not defined filesize and not defined pe.is_pe }`
	for _, window := range []int{1 << 20, 64} {
		r, err := Compile(Options{Limits: Limits{Window: window}}, Source{Name: "t", Text: src})
		if err != nil {
			t.Fatal(err)
		}
		mem := memory{0x1000: "....needle" + strings.Repeat("x", 300), 0x7f0000: strings.Repeat("y", 500) + "needle"}
		res, err := r.ScanRegions(context.Background(), mem, []Region{{0x7f0000, 506}, {0x5000, 100}, {0x1000, 310}}, ScanOptions{})
		if err != nil || len(res.Matches) != 1 || res.Unread != 100 || res.Size != 816 {
			t.Fatalf("window %d: %+v %v", window, res, err)
		}
		var at []int64
		for _, s := range res.Matches[0].Strings {
			at = append(at, s.Offset)
			if string(s.Excerpt) != "needle" {
				t.Errorf("excerpt %q", s.Excerpt)
			}
		}
		if fmt.Sprint(at) != fmt.Sprint([]int64{0x1004, 0x7f01f4, 0x1004, 0x7f01f4}) {
			t.Errorf("places %x", at)
		}
	}
	r := compileOne(t, `rule r { condition: true }`)
	for _, bad := range [][]Region{{{0, 10}, {5, 10}}, {{0, -1}}, {{1 << 62, 1 << 62}, {1, 1}}, {{-5, 3}}} {
		if _, err := r.ScanRegions(context.Background(), memory{}, bad, ScanOptions{}); err == nil {
			t.Errorf("regions %v are taken", bad)
		}
	}
}

func TestMaxBytes(t *testing.T) {
	r := compileOne(t, `rule early { strings: $a = "early" condition: $a and filesize == 25 } rule late { strings: $a = "late" condition: $a } rule end { strings: $a = /early$/ condition: $a }`)
	data := "..early.............late."
	for _, reader := range []bool{false, true} {
		opt := ScanOptions{MaxBytes: 7}
		var res Result
		var err error
		if reader {
			res, err = r.ScanReader(context.Background(), strings.NewReader(data), int64(len(data)), opt)
		} else {
			res, err = r.Scan(context.Background(), []byte(data), opt)
		}
		if err != nil || !res.Partial || res.Size != 7 || len(res.Matches) != 1 || res.Matches[0].Rule != "early" {
			t.Errorf("reader %v: %+v %v", reader, res, err)
		}
	}
}

// TestModuleLoops walks arrays and dictionaries.
func TestModuleLoops(t *testing.T) {
	for cond, want := range map[string]bool{
		`for any s in pe.sections : (s.name == ".rsrc" and s.raw_data_size == 2048)`:              true,
		`for all s in pe.sections : (s.name == ".rsrc")`:                                          false,
		`for any k, v in pe.version_info : (k == "CompanyName" and v == "Acme")`:                  true,
		`for any l in pe.import_details : (for any f in l.functions : (f.name == "ExitProcess"))`: true,
		`for any s in ("b", "a") : (s == "a")`:                                                    true,
		`for any hash in pe.sections : (hash.name == ".text")`:                                    true, // a variable may be called like a module that is not imported
		`for 2 r in pe.resources : (r.length > 0)`:                                                true,
		`pe.version_info["CompanyName"] iequals "ACME"`:                                           true,
		`pe.sections[0].name matches /^\.te/`:                                                     true,
	} {
		r := compileOne(t, "import \"pe\" rule r { condition: "+cond+" }")
		res, err := r.Scan(context.Background(), tinyPE(), ScanOptions{})
		if err != nil || (len(res.Matches) == 1) != want {
			t.Errorf("%s: %v %v", cond, res.Matches, err)
		}
	}
	for _, cond := range []string{`for any k in pe.version_info : (true)`, `for any a, b in pe.sections : (true)`, `pe.sections`, `pe.sections == 1`, `pe.sections["x"].name == ""`,
		`pe.version_info[1] == ""`, `pe.imports(1)`, `pe.nothing`, `pe.imphash == "x"`, `pe.sections[0].nothing`, `for any x in filesize : (true)`, `pe.imphash()[0] == 1`, `hash.md5(0, 1) == "x"`} {
		if _, err := Compile(Options{}, Source{Name: "t", Text: "import \"pe\" rule r { condition: " + cond + " }"}); err == nil {
			t.Errorf("%s compiles", cond)
		}
	}
}

func FuzzModules(f *testing.F) {
	f.Add(tinyPE())
	f.Add(tinyELF())
	src := ""
	for i, e := range logged {
		src += fmt.Sprintf("rule r%d { condition: console.log(%s) }\n", i, e)
	}
	r, err := Compile(Options{Limits: Limits{Steps: 10_000_000}}, Source{Name: "f", Text: "import \"pe\" import \"elf\" import \"math\" import \"hash\" import \"console\"\n" + src})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var a, b []string
		opt := func(to *[]string) ScanOptions {
			return ScanOptions{Console: func(s string) { *to = append(*to, s) }}
		}
		_, err1 := r.Scan(context.Background(), data, opt(&a))
		_, err2 := r.ScanReader(context.Background(), bytes.NewReader(data), int64(len(data)), opt(&b))
		if fmt.Sprint(err1) != fmt.Sprint(err2) || fmt.Sprint(a) != fmt.Sprint(b) {
			t.Fatalf("memory and reader differ: %v %v\n%v\n%v", err1, err2, a, b)
		}
	})
}

func FuzzLoad(f *testing.F) {
	r := compileOne(f, `rule r { strings: $a = "abc" condition: $a }`)
	var b bytes.Buffer
	if err := r.Save(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := Load(bytes.NewReader(data)); err == nil {
			_, _ = r.Scan(context.Background(), []byte("abc"), ScanOptions{})
		}
	})
}
