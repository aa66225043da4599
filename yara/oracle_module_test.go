package yara

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// moduleLines flattens what the oracle shows of a module ("a.b[0].c = 1"); undefined values are left out, and so are the constants.
func moduleLines(dump string) []string {
	var out, path []string
	for _, line := range strings.Split(dump, "\n") {
		text := strings.TrimLeft(line, "\t")
		depth := len(line) - len(text)
		if text == "" || depth == 0 {
			continue
		}
		path = path[:min(depth-1, len(path))]
		name, v, leaf := strings.Cut(text, " = ")
		path = append(path, name)
		if leaf && v != "YR_UNDEFINED" && name != strings.ToUpper(name) {
			out = append(out, strings.Join(path, ".")+" = "+v)
		}
	}
	sort.Strings(out)
	return out
}

// objectLines flattens an object in the same words.
func objectLines(path string, v value, out *[]string) {
	switch {
	case v.kind == vInt:
		*out = append(*out, fmt.Sprintf("%s = %d", path, v.i))
	case v.kind == vString:
		*out = append(*out, fmt.Sprintf("%s = %s", path, oracleQuote(v.s)))
	case v.kind == vObject:
		for name, f := range v.obj.fields {
			objectLines(strings.TrimPrefix(path+"."+name, "."), f, out)
		}
		for i, f := range v.obj.items {
			objectLines(fmt.Sprintf("%s.[%d]", path, i), f, out)
		}
	}
}

func oracleQuote(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= 0x20 && c < 0x7f {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "\\x%02x", c)
		}
	}
	return `"` + b.String() + `"`
}

// later are fields the oracle does not have, or numbers in another way: it goes on counting functions over all libraries.
var later = []string{"is_signed = ", "rich_signature.version_data", ".rva = ", "delay_import_details", "delayed_import_details", "import_details."}

func keep(lines []string) (out []string) {
next:
	for _, l := range lines {
		for _, skip := range later {
			if strings.Contains(l, skip) {
				continue next
			}
		}
		out = append(out, l)
	}
	sort.Strings(out)
	return out
}

// engineModule gives all a module knows of data.
func engineModule(t *testing.T, name string, data []byte) []string {
	t.Helper()
	s := &scanner{r: &Rules{}, ctx: context.Background(), data: bytes.NewReader(data), mem: data, size: int64(len(data))}
	var out []string
	objectLines("", objectValue(modules[name].load(&input{s: s, size: s.size})), &out)
	return keep(out)
}

// TestOracleModules compares all fields of pe and elf on whole, damaged and cut files, in one process of the oracle for each. DEMINER_ORACLE_FILES adds files.
func TestOracleModules(t *testing.T) {
	prog := oracle(t)
	g := rand.New(rand.NewPCG(3, 4))
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	all, checked := [][]byte{whole[:min(len(whole), 1<<20)], tinyELF(), tinyPE()}, 0
	own := len(all)
	for _, f := range listed(t) {
		if b, err := os.ReadFile(f); err == nil {
			all = append(all, b)
		}
	}
	for name, magic := range map[string]string{"pe": "MZ", "elf": "\x7fELF"} {
		var files [][]byte
		for k, seed := range all {
			rounds := 2
			if k < own {
				rounds = 25
			}
			for round := 0; round < rounds && strings.HasPrefix(string(seed[:min(len(seed), 4)]), magic); round++ {
				files = append(files, damaged(g, seed, round))
			}
		}
		src := filepath.Join(dir, name+".yar")
		if err := os.WriteFile(src, []byte("import \""+name+"\"\nrule r { condition: true }\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for k, dump := range moduleDumps(t, prog, src, files) {
			checked++
			if n := len(keep(moduleLines(dump))); k == 0 && n < 20 {
				t.Errorf("%s: the oracle knows only %d fields: the comparison says nothing", name, n)
			}
			if d := difference(keep(moduleLines(dump)), engineModule(t, name, files[k])); len(d) > 0 {
				t.Errorf("%s file %d: %d differences\n%s", name, k, len(d), strings.Join(d[:min(len(d), 6)], "\n"))
			}
		}
	}
	t.Logf("%d files compared", checked)
}

// moduleDumps gives what the oracle knows of each file, in one process. One on which it crashes is left out.
func moduleDumps(t *testing.T, prog, src string, files [][]byte) map[int]string {
	t.Helper()
	dir, dumps := t.TempDir(), map[int]string{}
	for i, data := range files {
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for from := 0; from < len(files); {
		var names strings.Builder
		for i := from; i < len(files); i++ {
			fmt.Fprintln(&names, filepath.Join(dir, strconv.Itoa(i)))
		}
		list := filepath.Join(dir, "list")
		if err := os.WriteFile(list, []byte(names.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(prog, "-p", "1", "-D", src, "--scan-list", list).Output()
		lines, start := strings.Split(string(out), "\n"), 0
		for i, line := range lines {
			if strings.HasPrefix(line, "r "+dir) { // behind the dump of that file
				dumps[from] = strings.Join(lines[start:i], "\n")
				from, start = from+1, i+1
			}
		}
		if err == nil {
			if from != len(files) {
				t.Fatalf("the oracle said something of %d of %d files", from, len(files))
			}
			break
		}
		t.Logf("the oracle fails: %v", err)
		from++
	}
	return dumps
}

// damaged changes a few bytes, mostly in the first KiB where the headers are, or cuts the file.
func damaged(g *rand.Rand, seed []byte, round int) []byte {
	data := bytes.Clone(seed)
	if round == 0 || len(data) == 0 {
		return data
	}
	if round%5 == 0 {
		data = data[:g.IntN(len(data))+1]
	}
	for range 1 + g.IntN(3) {
		at := g.IntN(len(data))
		if g.IntN(4) > 0 {
			at = g.IntN(min(len(data), 1024))
		}
		data[at] = []byte{0, 1, 0xff, 0x7f, 0x80, byte(g.Uint32())}[g.IntN(6)]
	}
	return data
}

// logged are expressions whose value the module console writes.
var logged = strings.Split(strings.TrimSpace(`
pe.imphash()
pe.imports("kernel32.dll")
pe.imports("KERNEL32.dll", "exitprocess")
pe.imports("ws2_32.dll", 3)
pe.imports("ws2_32.dll", 4)
pe.imports("ws2_32.dll", "closesocket")
pe.imports(/kernel32/i, /^(Create|Exit)/)
pe.imports(pe.IMPORT_DELAYED, "user32.dll")
pe.imports(pe.IMPORT_DELAYED, "user32.dll", "MessageBoxA")
pe.imports(pe.IMPORT_ANY, /user32/i, /Box/)
pe.imports(pe.IMPORT_STANDARD, "user32.dll")
pe.exports("start")
pe.exports("other")
pe.exports(/^St/)
pe.exports(6)
pe.exports(1)
pe.exports_index("Start")
pe.exports_index(/art$/)
pe.exports_index(2)
pe.rich_signature.version(1)
pe.rich_signature.version(2)
pe.rich_signature.toolid(1)
pe.rich_signature.toolid(170, 187)
pe.rich_signature.version(187, 170)
pe.calculate_checksum()
pe.section_index(".rsrc")
pe.section_index("nothing")
pe.section_index(1024)
pe.section_index(pe.entry_point)
pe.rva_to_offset(4096)
pe.rva_to_offset(8192)
pe.rva_to_offset(1048576)
pe.locale(1033)
pe.language(9)
pe.language(10)
pe.is_dll()
pe.is_32bit()
pe.is_64bit()
pe.version_info["CompanyName"]
pe.version_info["Nothing"]
pe.sections[1].name
pe.sections[20].name
pe.resources[1].language
pe.import_details[0].library_name
pe.number_of_signatures
elf.machine
elf.number_of_sections
elf.sections[1].name
elf.symtab[1].name
entrypoint
math.entropy(0, filesize)
math.entropy(10, 100)
math.entropy("hello")
math.entropy(filesize, 10)
math.entropy(-1, 10)
math.entropy(0, 0)
math.mean(0, filesize)
math.mean("abc")
math.deviation(0, filesize, 64.0)
math.deviation("abcdef", 98.5)
math.serial_correlation(0, filesize)
math.serial_correlation("abcdefabc")
math.serial_correlation("aaaa")
math.monte_carlo_pi(0, filesize)
math.monte_carlo_pi("abcdefghijkl")
math.monte_carlo_pi("abc")
math.MEAN_BYTES
math.in_range(1.5, 1.0, 2.0)
math.min(3, 5)
math.max(3, 5)
math.min(-1, 5)
math.max(-1, 5)
math.to_number(1 == 1)
math.abs(-5)
math.count(0x00, 0, filesize)
math.count(0x41)
math.count(256)
math.count(-1)
math.percentage(0x00, 0, filesize)
math.percentage(0x41)
math.percentage(0x41, filesize, 1)
math.mode()
math.mode(0, 100)
math.mode(10, 1)
hash.md5(0, filesize)
hash.md5(0, 0)
hash.md5(filesize, 1)
hash.md5(filesize - 1, 100)
hash.md5("abc")
hash.sha1(1, 100)
hash.sha1("abc")
hash.sha256(0, filesize)
hash.sha256("abc")
hash.crc32(0, filesize)
hash.crc32("abc")
hash.checksum32(0, filesize)
hash.checksum32("abc")
filesize
"text \x01\xff"
`), "\n")

// TestOracleFunctions compares what functions of modules give, as the module console writes it.
func TestOracleFunctions(t *testing.T) {
	prog, dir := oracle(t), t.TempDir()
	src := "import \"pe\" import \"elf\" import \"math\" import \"hash\" import \"console\"\n"
	for i, e := range logged {
		src += fmt.Sprintf("rule r%d { condition: console.log(\"%d \", %s) and false }\n", i, i, e)
	}
	src += "rule hex { condition: console.hex(filesize) and console.hex(\"x\", 255) and console.log(1.5) and false }\n"
	rules, data := filepath.Join(dir, "r.yar"), filepath.Join(dir, "data")
	if err := os.WriteFile(rules, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Compile(Options{}, Source{Name: "r", Text: src})
	if err != nil {
		t.Fatal(err)
	}
	files := [][]byte{tinyPE(), tinyELF(), nil, []byte("plain text, AAAA"), bytes.Repeat([]byte{1, 2, 3, 0, 255}, 3333)}
	more := listed(t)
	for i := 0; i < len(more); i += 1 + len(more)/300 { // a process for each
		if b, err := os.ReadFile(more[i]); err == nil {
			files = append(files, b)
		}
	}
	for k, b := range files {
		if err := os.WriteFile(data, b, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(prog, "-w", rules, data).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		want := strings.Split(strings.TrimSpace(string(out)), "\n")
		for _, mem := range []bool{true, false} {
			var got []string
			opt := ScanOptions{Console: func(s string) { got = append(got, s) }}
			if mem {
				_, err = r.Scan(context.Background(), b, opt)
			} else {
				_, err = r.ScanReader(context.Background(), bytes.NewReader(b), int64(len(b)), opt)
			}
			if err != nil {
				t.Fatal(err)
			}
			sort.Strings(want)
			sort.Strings(got)
			for _, d := range difference(want, got) {
				who, text, _ := strings.Cut(d, ": ")
				var i int
				if n, _ := fmt.Sscanf(text, "%d ", &i); n == 1 {
					if logged[i] == "entrypoint" && len(b) > 5 && string(b[1:4]) == "ELF" && b[5] == 2 {
						continue // the oracle reads a big-endian header as a little-endian one here, and not in elf.entry_point
					}
					d = who + ": " + logged[i] + " = " + text
				}
				t.Errorf("file %d: %s", k, d)
			}
		}
	}
}
