package yara

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// randomELF makes a file of a header and a table of segments or sections, with places that sometimes fit. It is not marked as big-endian: there libyara is known to differ
// (docs/yara.md).
func randomELF(g generator) []byte {
	class, le := 1+g.IntN(2), binary.LittleEndian
	one := func(v ...uint32) uint32 { return v[g.IntN(len(v))] }
	addr := func() uint32 {
		return one(0, 0, 1, 0x40, 0x100, 0x1000, 0x1010, 0x8000_0000, 0xffff_ff00, 0xffff_ffff, uint32(g.IntN(0x2000)))
	}
	b := make([]byte, 64+g.IntN(600))
	copy(b, "\x7fELF")
	b[4], b[5] = byte(class), byte(one(0, 1, 1, 1, 3, 255))
	le.PutUint16(b[16:], uint16(one(0, 1, 2, 2, 3, 3, 4, 0x200)))
	table, size, tail := one(64, 64, 64, 64, 70, 52, 10, 0, uint32(len(b)), 1<<31), []int{0, 32, 56}[class], []int{0, 44, 56}[class]
	n := uint16(one(1, 2, 2, 3, 3, 3, 0, 9, 0xffff))
	word := func(at32, at64 int, v uint32) {
		at := at32
		if class == 2 {
			at = at64
			if v >= 1<<31 && at64+8 <= len(b) {
				le.PutUint32(b[at64+4:], one(0, 0, 0xffff_ffff))
			}
		}
		if at+4 <= len(b) {
			le.PutUint32(b[at:], v)
		}
	}
	entry := addr()
	word(24, 24, entry)
	word(28, 32, table) // segments
	word(32, 40, table) // sections
	le.PutUint16(b[tail:], n)
	le.PutUint16(b[tail+4:], n)
	if g.IntN(3) > 0 {
		size = []int{0, 40, 64}[class]
	}
	for at := int(table); table >= 52 && at < len(b); at += size {
		for k := 4; k < 64; k += 4 {
			word(at+k, at+2*k, one(addr(), entry, entry-uint32(g.IntN(20)), 0x2000))
		}
		word(at+4, at+4, one(1, 1, 8, addr())) // kind of a section
	}
	return b
}

// randomPE makes a file of the headers and a table of sections.
func randomPE(g generator) []byte {
	le := binary.LittleEndian
	one := func(v ...uint32) uint32 { return v[g.IntN(len(v))] }
	addr := func() uint32 {
		return one(0, 1, 0x200, 0x400, 0x1000, 0x1fff, 0x2000, 0x8000_0000, 0xffff_ffff, uint32(g.IntN(0x3000)))
	}
	b := make([]byte, 64+24+224+g.IntN(300))
	copy(b, "MZ")
	nt := int(one(64, 64, 64, 65, 100))
	le.PutUint32(b[60:], uint32(nt))
	copy(b[nt:], "PE\x00\x00")
	le.PutUint16(b[nt+4:], uint16(one(0x14c, 0x14c, 0x8664, 0x1c0)))
	le.PutUint16(b[nt+6:], uint16(one(0, 1, 2, 3, 4, 9, 61)))
	optional := one(224, 224, 224, 240, 0, 0xffff)
	le.PutUint16(b[nt+20:], uint16(optional))
	le.PutUint16(b[nt+24:], uint16(one(0x10b, 0x20b, 0)))
	le.PutUint32(b[nt+40:], addr())
	for at := nt + 24 + int(optional); at+40 <= len(b); at += 40 {
		for _, k := range []int{8, 12, 16, 20} {
			le.PutUint32(b[at+k:], addr())
		}
	}
	return b
}

// TestOracleEntry compares entrypoint on random files, in one process of the oracle for each: in one process it would keep what it found in the first file.
func TestOracleEntry(t *testing.T) {
	prog, g, dir := oracle(t), generator{Rand: rand.New(rand.NewPCG(uint64(asked("SEED", 1)), 6))}, t.TempDir()
	const src = "import \"console\" rule r { condition: console.log(entrypoint) and false }"
	rules, file := filepath.Join(dir, "r.yar"), filepath.Join(dir, "data")
	if err := os.WriteFile(rules, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Compile(Options{}, Source{Name: "r", Text: src})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for i := range 40 * asked("ROUNDS", 4) {
		data := randomELF(g)
		if i%3 == 0 {
			data = randomPE(g)
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		want, err := execOutput(prog, "-w", rules, file)
		if err != nil {
			t.Fatalf("%v: %s", err, want)
		}
		got := ""
		if _, err := r.Scan(context.Background(), data, ScanOptions{Console: func(s string) { got = s + "\n" }}); err != nil {
			t.Fatal(err)
		}
		if found[want]++; got != want {
			t.Errorf("file %d: the oracle: %q, the engine: %q: %x", i, want, got, data)
		}
	}
	if len(found) < 10 || found[""] == 0 || found["0\n"] == 0 {
		t.Errorf("the files are too alike: %v", found)
	}
	t.Logf("%d different entry points", len(found))
}
