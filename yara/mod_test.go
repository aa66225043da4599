package yara

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestFiletype(t *testing.T) {
	r := compileOne(t, `import "filetype" import "console" rule r { condition: console.log(filetype.name) and console.log(filetype.mime) }`)
	for data, want := range map[string]string{
		"": "empty application/x-empty", string(tinyPE()): "pe application/vnd.microsoft.portable-executable", string(tinyELF()): "elf application/x-elf",
		"MZ only": "dos application/x-dosexec", "#!/bin/sh\n": "script text/x-script", "\x1f\x8b\x08": "gzip application/gzip", "häuser\n": "text text/plain",
		"h\xc3": "text text/plain", "\xc3": "text text/plain", "a\x00b": "data application/octet-stream", "\xff\xfe": "data application/octet-stream",
		strings.Repeat("\x00", 257) + "ustar": "tar application/x-tar",
	} {
		var got []string
		if _, err := r.Scan(context.Background(), []byte(data), ScanOptions{Console: func(s string) { got = append(got, s) }}); err != nil {
			t.Fatal(err)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%.20q: %s, want %s", data, s, want)
		}
	}
}

func TestStringAndTime(t *testing.T) {
	for cond, want := range map[string]bool{
		`string.length("abc") == 3`: true, `string.length("a\x00b") == 3`: true, `string.to_int("12") == 12`: true, `string.to_int("-12") == -12`: true,
		`string.to_int("0x10") == 16`: true, `string.to_int("010") == 8`: true, `string.to_int("10", 2) == 2`: true, `string.to_int("ff", 16) == 255`: true,
		`string.to_int("zz", 36) == 1295`: true, `defined string.to_int("abc")`: false, `defined string.to_int("")`: false, `defined string.to_int("1_0")`: false,
		`defined string.to_int("--1")`: false, `defined string.to_int("1", 99)`: false, `defined string.to_int("99999999999999999999")`: false, `string.to_int(" 7") == 7`: true,
		`time.now() > 1500000000`: true, `math.to_string(255, 16) == "ff"`: true, `math.to_string(-5) == "-5"`: true, `math.to_string(8, 8) == "10"`: true,
		`defined math.to_string(8, 3)`: false,
	} {
		r := compileOne(t, "import \"string\" import \"time\" import \"math\" rule r { condition: "+cond+" }")
		if rules, _ := lookAt(t, r, "x"); (len(rules) == 1) != want {
			t.Errorf("%s: %v", cond, rules)
		}
	}
}

// TestPathological: sources and data made to cost much end within limits, with an error that says which.
func TestPathological(t *testing.T) {
	alternatives := "{ 61 ( 62" + strings.Repeat(" | 63", 1_000_000) + " ) 64 }"
	for name, c := range map[string]struct{ src, want string }{
		"alternatives": {"rule r { strings: $a = " + alternatives + " condition: $a }", "too large"},
		"jumps":        {"rule r { strings: $a = { 61 " + strings.Repeat("[0-4000] 62 ", 1000) + "} condition: $a }", "too large"},
		"regex":        {"rule r { strings: $a = /" + strings.Repeat("(a{1,1000}){1,1000}", 10) + "/ condition: $a }", "too large"},
		"fields":       {"import \"pe\" rule r { condition: pe" + strings.Repeat(".a", 100000) + " }", "fields in a row"},
		"calls":        {"import \"pe\" rule r { condition: " + strings.Repeat("pe.imports(", 100000) + " }", "nested deeper"},
		"source":       {strings.Repeat(" ", maxSource+1), "source is longer"},
		"text":         {"rule r { strings: $a = \"" + strings.Repeat("a", 1<<20) + "\" condition: $a }", "longer than"},
		"loops":        {"rule r { condition: " + strings.Repeat("for any i in (1..2) : ( ", 5000) + " }", ""},
	} {
		if _, err := Compile(Options{}, Source{Name: name, Text: c.src}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %.200v, want %q", name, err, c.want)
		}
	}
	r := compileOne(t, `import "math" rule r { condition: for all i in (0..1000000) : (math.entropy(i, filesize) >= 0.0) }`)
	if _, err := r.Scan(context.Background(), make([]byte, 1<<20), ScanOptions{}); !errors.Is(err, ErrWork) {
		t.Errorf("a module that is asked for too much: %v", err)
	}
}
