package yara

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// conditionData is what the conditions below are asked of.
const conditionData = "xyzabcccabcdabbbc MZ\x01\x02\x80\xff tail 0123"

// conditions cover every operator, and undefined values, in every place.
var conditions = strings.Split(strings.TrimSpace(`
1.0 == 1
"a"
""
0.0
-0.0
0
1 << 64 == 0
1 >> 64 == 0
-1 >> 1 == -1
-1 \ 2 == 0
-7 % 3 == -1
7 \ -2 == -3
for any i in (5..1) : (true)
for all i in (5..1) : (true)
for none i in (5..1) : (true)
for 0 i in (1..2) : (false)
for 1 i in (1..2) : (true)
for 2 i in (1..2) : (true)
for 3 i in (1..2) : (true)
for none i in (1..2) : (false)
for all i in (1..2) : (i > 0)
for -1 i in (1,2) : (true)
for 0 i in (1,2) : (i==3)
for 3 i in (1,2) : (true)
for uint8(1000) i in (1,3) : (true)
not for uint8(1000) i in (1,3) : (true)
defined (for uint8(1000) i in (1,3) : (true))
for all i in (uint8(1000)..3) : (true)
for all i in (1..uint8(1000)) : (true)
not for all i in (uint8(1000)..3) : (true)
for all i in (uint8(1000),3) : (i==3)
for any i in (uint8(1000),3) : (i==3)
for all i in (uint8(1000),3) : (not defined i or i==3)
for any i in (uint8(1000),3) : (not defined i)
for filesize i in (1..3) : ( true )
for any i in (1..3) : (uint8(1000) == 1)
for none i in (1..3) : (uint8(1000) == 1)
for all i in (1..3) : (uint8(1000) == 1)
for all i in (1..3) : (not (uint8(1000) == 1))
for any i in (1..3) : ( for any j in (i..5) : ( j == 4 and i == 2 ) )
for all i in (1..#a2) : (false)
for any i in (1..#a1) : (@a1[i] == 8)
for all i in (0..#a1) : (@a1[i] > 0)
for 2 i in (1..#a1) : (@a1[i] > 5)
for 50 i in (1..100) : (i % 2 == 0)
uint8(-1) == 0
not defined uint8(-1)
not (uint8(100000)==1 and true)
not (true and uint8(100000)==1)
not (uint8(100000)==1 or uint8(100000)==2)
not (uint8(100000)==1 or false)
(uint8(100000)==1 or true)
(true or uint8(100000)==1)
not (uint8(100000)==1)
defined (uint8(100000)==1)
defined (uint8(100000)==1 and true)
defined (uint8(100000)==1 or false)
not (uint8(100000) > 1 or uint8(100000) < 1)
uint8(100000) == uint8(100000)
uint8(100000) != uint8(100000)
uint8(100000) + 1 == 1
-uint8(100000) == 1
~uint8(100000) == 1
defined -uint8(100000)
defined ~uint8(100000)
defined (uint8(100000) + 1)
uint8(100000)
not uint8(100000)
filesize == 34.0
filesize > 33.9
1 \ 2.0 == 0.5
-1.5 == -1.5
1.0 \ 0.0 == 1.0
0.0 \ 0.0 == 0.0
0.0 \ 0.0 != 0.0
1 \ (filesize - 34) == 1
defined (1 \ (filesize - 34))
1 % (filesize - 34) == 1
filesize % (1 & 2) == 1
filesize \ 0 == 1
filesize \ (filesize >> 1KB) == 1
filesize % (uint8(0) << 64) == 1
5 \ ((filesize >> 64) * 2) == 5
5 \ ((filesize >> 64) + 1) == 5
5 \ -(filesize >> 64) == 5
5 \ ~(filesize >> 64) == -5
5 << ((filesize >> 64) - 1) == 5
filesize \ (2 >> 9) == 1
filesize % (1 >> 1) == 1
(1 >> 62) + 0x7fffffffffffffff > 1
(4 >> 1) - 2 == 0
((4 >> 1) * 2)% of them
(400 >> 2)% of them
((filesize >> 64) + 0x7fffffffffffffff) + 1 < 0
((filesize >> 64) - 1) * filesize * 2 < 0
((filesize >> 64) + 150)% of them
((filesize >> 64) + 50)% of them
1.5% of them
1.5 of them
(filesize + 1)% of them
filesize \ 0.0 > 1
filesize << -1 == 1
filesize >> (2 - 3) == 1
filesize + 9223372036854775807 < 0
defined (1 % (filesize - 34))
1 << (filesize - 35) == 1
defined (1 << (filesize - 35))
1 << (filesize + 30) == 0
filesize >> 70 == 0
-filesize >> 1 == -17
filesize ^ 3 == 33
filesize & 2 == 2
filesize | 1 == 35
~filesize == -35
2 + 3 * 4 == 14
10 - 3 - 2 == 5
100 \ 10 \ 2 == 5
7 & 3 == 3
1 | 2 ^ 3 & 4 == 1
1 + 1 << 2 == 8
not 1 == 2
not not true
- - 5 == 5
~ -1 == 0
"a" < "b"
"a" <= "a"
"b" > "a"
"abc" != "abd"
"a" == "A"
"a" matches /A/i
"" matches /^$/
"" matches /a*/
"abc" matches /^b/
"abc" matches /b$/
"abc" matches /bc$/
"a\nb" matches /a.b/
"a\nb" matches /a.b/s
"abc" matches /^abc$/
"abc" contains ""
"" contains "a"
"" contains ""
"abc" startswith ""
"abc" endswith "bc"
"ABC" icontains "bc"
"ABC" istartswith "ab"
"ABC" iendswith "bc"
"ABC" iequals "abc"
"ABC" iequals "ab"
"a\x00b" contains "b"
"a\x00b" == "a\x00b"
"a\x00b" == "a"
"a\x00b" matches /b/
"\x00" == ""
ext_s == "hello"
ext_s contains "ell"
ext_s matches /h.*o/
ext_i == 7
ext_i + 1 == 8
ext_b
not ext_b
ext_b == 1
ext_f > 1.4
ext_f == 1.5
ext_e == ""
ext_e
defined ext_e
0 of them
1 of them
-1 of them
none of them
all of them
any of them
not all of them
2 of them
3 of them
4 of them
0 of ($a)
0 of ($a2)
none of ($a2)
none of ($a)
50% of them
67% of them
66% of them
34% of them
1% of them
100% of them
(filesize - 1) % of them
(filesize - 33) % of them
uint8(1000) % of them
filesize of them
uint8(1000) of them
not uint8(1000) of them
1.5 of them
any of them in (0..1)
all of ($a,$a1) in (0..5)
all of ($a,$a1) in (0..1)
none of them in (100..200)
none of them in (0..1)
any of ($a*) in (uint8(1000)..1)
not (any of ($a*) in (uint8(1000)..1))
2 of them in (0..5)
#a1 in (0..8) == 2
#a1 in (3..3) == 1
#a1 in (4..7) == 0
#a1 in (8..3) == 0
#a1 in (-5..3) == 1
#a in (uint8(1000)..5) == 1
defined (#a in (uint8(1000)..5))
#a in (0..filesize) == 1
@a1[0] == 3
@a1[0]
defined @a1[0]
@a1[-1] == 3
@a1 == 3
@a1[3] == 12
@a1[9] == 12
not @a1[9] == 12
defined @a1[9]
@a1[uint8(1000)] == 3
@a1[1.0 + 0] == 3
#a1 == 3
#a2 == 0
not #a2
#a1
!a1[1] == 2
!a1 == 2
!a1[9] == 2
defined !a1[9]
!a2 == 0
@a2 == 0
defined @a2
$a at 0
$a at 1
$a at uint8(1000)
not ($a at uint8(1000))
defined ($a at uint8(1000))
$a at -1
$a at filesize
$a at 1 - 1
$a in (uint8(1000)..5)
not ($a in (uint8(1000)..5))
defined ($a in (uint8(1000)..5))
$a in (5..1)
$a in (-5..1)
$a in (0..0)
$a1 in (filesize-34..8)
for any of them : ($)
for all of them : ($)
for 2 of them : ($)
for all of ($a1) : (# > 2)
for any of them : (@ > 2)
for any of them : (! == 2)
for 2 of them : ($ at 0 or # > 1)
for any of them : ($ in (0..1))
for any of them : (@[2] == 8)
for any of them : (![1] == 2)
for any of them : (# in (0..8) == 2)
for any of them : (#a == 1)
for all of ($a,$a) : (true)
2 of ($a,$a)
2 of ($a,$a*)
for any of them : (1)
for any of them : (uint8(1000))
for none of them : (uint8(1000))
for any i in (1..2) : (any of them)
any of (q*)
all of (q*)
none of (q*)
any of (q1)
any of (q2)
all of (q1,q2)
1 of (q*)
2 of (q*)
50% of (q*)
60% of (q*)
q1
not q2
q1 and not q2
q3
not q3
defined q1
entrypoint == 1
not entrypoint
defined entrypoint
uint8(0) == 0x78
uint16(18) == 0x5a4d
uint16be(18) == 0x4d5a
uint32(18) == 0x02015a4d
uint32be(18) == 0x4d5a0102
int8(22) == -128
int8(23) == -1
int16(22) == -128
int16be(22) == -32513
int32(20) == -8388095
uint32(20) == 4286578689
int32be(20) == 25329919
uint8be(22) == 128
int8be(22) == -128
uint16(33) == 1
uint16(32) == 27753
defined uint16(33)
defined uint32(31)
defined uint32(30)
uint32(filesize - 4) == 1818845556
uint8(filesize) == 1
uint8(0x7fffffffffffffff) == 1
0x10 == 16
0o17 == 15
017 == 17
1KB == 1024
2MB == 2097152
1.25 > 1
true
false
not false
filesize
filesize < 1KB
$a and $a1
$a2 or $a
not $a2
$a and not $a2
`), "\n")

// oracleFaults are conditions the oracle gets wrong by its own manual, with the reason. The test fails when there is no difference any more.
var oracleFaults = map[string]string{
	"for none i in (1..2) : (true)":   "none holds when the body holds for no turn; the oracle takes it for a count of at least 0",
	"for none i in (1..2) : (i == 2)": "as above",
	"for 0 i in (1..2) : (true)":      "0 means none, as in 0 of them",
	"for 0 i in (1,2) : (i==1)":       "as above",
	"for none of them : ($)":          "as above, over strings",
	"for 0 of them : ($)":             "as above, over strings",
}

// oracleExtra are conditions of later versions of the language.
var oracleExtra = map[string]string{
	"for 67% of them : ($)": "4.3 has percentages in loops", "for 66% of them : ($)": "as above", "50% of them in (0..5)": "as above",
	"any of them at 0": "4.3", "none of them at 0": "4.3", `for any s in ("a", "b") : (s == "b")`: "4.3 has loops over strings",
}

func keys(m map[string]string) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	return out
}

// TestOracleConditions: every condition holds here where it holds there, and what is refused there is refused here.
func TestOracleConditions(t *testing.T) {
	prog := oracle(t)
	externals := map[string]any{"ext_s": "hello", "ext_i": 7, "ext_b": true, "ext_f": 1.5, "ext_e": ""}
	const head = "rule q1 { condition: true }\nrule q2 { condition: false }\nrule q3 { condition: uint8(1000) == 1 }\n"
	const decl = `$a = "xyz" $a1 = "ab" $a2 = "nonexist"`
	dir := t.TempDir()
	data, file := filepath.Join(dir, "data"), filepath.Join(dir, "r.yar")
	if err := os.WriteFile(data, []byte(conditionData), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range append(append(conditions, keys(oracleFaults)...), keys(oracleExtra)...) {
		text := fmt.Sprintf("%srule r { strings: %s condition: (%s) and (#a + #a1 + #a2 >= 0) }\n", head, decl, c)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(prog, "-w", "-d", "ext_s=hello", "-d", "ext_i=7", "-d", "ext_b=true", "-d", "ext_f=1.5", "-d", "ext_e=", file, data).CombinedOutput()
		if strings.Contains(string(out), "error scanning") {
			t.Logf("%s: the oracle fails: %s", c, out)
			continue
		}
		r, mine := Compile(Options{Externals: externals}, Source{Name: "r", Text: text})
		if reason := oracleExtra[c]; reason != "" && err != nil && mine == nil {
			continue
		}
		if (err == nil) != (mine == nil) {
			t.Errorf("%s: the oracle: %s the engine: %v", c, out, mine)
		}
		if err != nil || mine != nil {
			continue
		}
		res, err := r.Scan(context.Background(), []byte(conditionData), ScanOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var names string
		for _, m := range res.Matches {
			names += m.Rule + " " + data + "\n"
		}
		if oracleFaults[c] != "" {
			if names == string(out) {
				t.Errorf("%s: no difference: %s", c, oracleFaults[c])
			}
			continue
		}
		if names != string(out) {
			t.Errorf("%s: the oracle: %q, the engine: %q", c, strings.ReplaceAll(string(out), data, ""), strings.ReplaceAll(names, data, ""))
		}
	}
	t.Logf("%d conditions", len(conditions))
}

// TestOraclePlaces: a string that is asked for at one place known in advance and nowhere else is listed there only, and both know the same places in advance.
func TestOraclePlaces(t *testing.T) {
	places := []string{"2", "1 + 1", "filesize", "filesize >> 64", "uint8(9000) >> 64", "(filesize << 64) + 2", "(filesize >> 1KB) - 1", "-(filesize << 64)", "~(~2 + (filesize << 64))",
		"(filesize >> 64) * filesize", "((filesize >> 64) + 5) % 3", "((filesize >> 64) + 1) << 1", "1 << (filesize << 64)", "5 << ((filesize >> 64) + 64)", "0 & filesize", "filesize >> 63",
		"ext", "ext + 0", "ext >> 64", "elf.ET_EXEC", "elf.ET_EXEC + 0", "-elf.ET_NONE", "elf.ET_EXEC >> 64", "elf.type", "2 \\ (elf.ET_NONE + 1)", "2 \\ elf.ET_NONE", "2 << (elf.ET_NONE - 1)",
		"elf.EM_X86_64 + 0x7fffffffffffffff", "4 >> 0", "0 >> 5", "-1", "uint8(9000) >> 64 << 1"}
	text := "import \"elf\"\n"
	for i, p := range places {
		text += fmt.Sprintf("rule r%d { strings: $a = \"ab\" condition: $a at (%s) or true }\n", i, p)
		text += fmt.Sprintf("rule t%d { strings: $a = \"ab\" condition: $a at 2 or $a at (%s) or true }\n", i, p)
		text += fmt.Sprintf("rule u%d { strings: $a = \"ab\" condition: $a at (%s) or $a at 2 or true }\n", i, p)
		text += fmt.Sprintf("rule v%d { strings: $a = \"ab\" $b = \"ba\" condition: for any of ($b) : ($ at (%s)) or $a at 2 or true }\n", i, p)
		text += fmt.Sprintf("rule w%d { strings: $a = \"ab\" $b = \"ba\" condition: $a at 2 or for any of ($b) : ($ at (%s)) or true }\n", i, p)
	}
	for i, body := range []string{"true", "$", "#>1", "@>1", "!>1", "$ in (0..5)", "# in (0..5)", "$ at 2 and $ at 4", "$ at 2 and #>0"} {
		text += fmt.Sprintf("rule x%d { strings: $a = \"ab\" $b = \"ba\" condition: for any of ($b) : (%s) or $a at 2 or true }\n", i, body)
		text += fmt.Sprintf("rule y%d { strings: $a = \"ab\" $b = \"ba\" condition: $a at 2 or for any of ($b) : (%s) or true }\n", i, body)
	}
	file := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(file, []byte("ababababab"), 0o600); err != nil {
		t.Fatal(err)
	}
	differ, lines := compareAll(t, []Source{{Name: "r", Namespace: "n", Text: text}}, map[string]any{"ext": 2}, []string{file})
	t.Logf("%d places, %d lines, %d files differ", len(places), lines, differ)
}

// TestOracleShift: what the oracle computes of a shift to the right in advance is wrong, and not what it computes on a file.
func TestOracleShift(t *testing.T) {
	file := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(file, []byte("ababababab"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, rule := range []string{
		"rule r0 { strings: $a = \"ab\" condition: $a at (4 >> 1) }",
		"rule r0 { strings: $a = \"ab\" condition: $a at (1 >> 1) or true }",
		"rule r0 { strings: $a = \"ab\" condition: $a at ((uint8(0) >> 64) + 8 >> 1) }",
	} {
		src := Source{Name: "r", Namespace: "n", Text: rule}
		want, err := oracleScan(t, []Source{src}, nil, []string{file})
		if err != nil {
			t.Fatal(err)
		}
		r, err := Compile(Options{}, src)
		if err != nil {
			t.Fatal(err)
		}
		res, err := r.Scan(context.Background(), []byte("ababababab"), ScanOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got := engineLines(res)
		if len(difference(want[file], got)) == 0 || !shiftedWrong(t, 0, rule, map[string][]string{file: got}) {
			t.Errorf("%s: the oracle: %q, the engine: %q", rule, want[file], got)
		}
	}
}
