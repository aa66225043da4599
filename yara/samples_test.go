package yara

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// image is a file that is put together by offset.
type image []byte

func (b *image) put(at int, vals ...any) int {
	var w bytes.Buffer
	for _, v := range vals {
		if s, ok := v.(string); ok {
			w.WriteString(s)
		} else if err := binary.Write(&w, binary.LittleEndian, v); err != nil {
			panic(err)
		}
	}
	if need := at + w.Len(); need > len(*b) {
		*b = append(*b, make([]byte, need-len(*b))...)
	}
	return at + copy((*b)[at:], w.Bytes())
}

func utf16(s string) string { return widened(s) }

// tinyPE is a PE32 library with two sections, imports by name and number, delayed imports, exports, a resource with version information, a path of
// debug information, a rich signature and an overlay. Section .text lies at 0x400, its address is 0x1000.
func tinyPE() []byte {
	var b image
	u := func(v ...uint32) (out []any) {
		for _, x := range v {
			out = append(out, x)
		}
		return out
	}
	b.put(0, "MZ")
	b.put(60, uint32(0xc0))
	const key = 0x11223344
	b.put(0x80, u(0x536e6144^key, key, key, key, 0x00010002^key, 3^key, 0x00aa00bb^key, 5^key)...)
	b.put(0xa0, "Rich", uint32(key))
	b.put(0xc0, "PE\x00\x00", uint16(0x14c), uint16(2), uint32(0x5f000000), uint32(0), uint32(0), uint16(224), uint16(0x2102))
	b.put(0xd8, uint16(0x10b), uint8(6), uint8(1))
	b.put(0xdc, u(0x1000, 0x200, 0, 0x1010, 0x1000, 0x2000, 0x400000, 0x1000, 0x200)...)
	b.put(0x100, uint16(4), uint16(0), uint16(1), uint16(2), uint16(4), uint16(0))
	b.put(0x10c, u(0, 0x5000, 0x400, 0)...)
	b.put(0x11c, uint16(3), uint16(0x140))
	b.put(0x120, u(0x100000, 0x1000, 0x100000, 0x1000, 0, 16)...)
	dir := func(i int, rva, size uint32) { b.put(0xd8+96+8*i, rva, size) }
	b.put(0x1b8, ".text\x00\x00\x00", uint32(0x1000), uint32(0x1000), uint32(0x1000), uint32(0x400), uint32(0), uint32(0), uint16(0), uint16(0), uint32(0x60000020))
	b.put(0x1e0, ".rsrc\x00\x00\x00", uint32(0x800), uint32(0x2000), uint32(0x800), uint32(0x1400), uint32(0), uint32(0), uint16(0), uint16(0), uint32(0x40000040))
	at := func(rva int) int { return rva - 0x1000 + 0x400 }
	// Imports: KERNEL32.dll by name, WS2_32.dll by number.
	dir(1, 0x1100, 60)
	b.put(at(0x1100), u(0x1180, 0, 0, 0x1200, 0x11a0, 0x11c0, 0, 0, 0x1210, 0x11d0, 0, 0, 0, 0, 0)...)
	b.put(at(0x1180), u(0x1220, 0x1240, 0)...)
	b.put(at(0x11a0), u(0x1220, 0x1240, 0)...)
	b.put(at(0x11c0), u(0x80000003, 0x80000fff, 0)...)
	b.put(at(0x1200), "KERNEL32.dll\x00")
	b.put(at(0x1210), "WS2_32.dll\x00")
	b.put(at(0x1220), uint16(1), "CreateFileA\x00")
	b.put(at(0x1240), uint16(2), "ExitProcess\x00")
	// Delayed imports.
	dir(13, 0x1300, 64)
	b.put(at(0x1300), u(1, 0x1340, 0, 0x1380, 0x13a0, 0, 0, 0)...)
	b.put(at(0x1340), "USER32.dll\x00")
	b.put(at(0x1380), u(0x401000, 0)...)
	b.put(at(0x13a0), u(0x13c0, 0)...)
	b.put(at(0x13c0), uint16(0), "MessageBoxA\x00")
	// Exports: two functions, one of them with a name, and one that points to another library.
	dir(0, 0x1400, 0x100)
	b.put(at(0x1400), u(0, 0x5e000000, 0, 0x1440, 5, 3, 1, 0x1460, 0x1480, 0x1490)...)
	b.put(at(0x1440), "tiny.dll\x00")
	b.put(at(0x1460), u(0x1010, 0x1020, 0x14b0)...)
	b.put(at(0x1480), u(0x14a0)...)
	b.put(at(0x1490), uint16(1), uint16(0), uint16(0))
	b.put(at(0x14a0), "Start\x00")
	b.put(at(0x14b0), "NTDLL.Other\x00")
	// Debug information.
	dir(6, 0x1500, 28)
	b.put(at(0x1500), u(0, 0, 0, 2, 0x40, 0x1540, 0)...)
	b.put(at(0x1540), "RSDS", strings.Repeat("g", 16), uint32(1), `C:\build\tiny.pdb`+"\x00")
	tinyResources(&b, dir)
	b.put(len(b)+8, "overlay data")
	return b
}

// tinyResources puts a version resource and one with a name into .rsrc, which lies at 0x1400 with the address 0x2000.
func tinyResources(b *image, dir func(i int, rva, size uint32)) {
	const base = 0x1400
	dir(2, 0x2000, 0x400)
	list := func(at int, named, ids uint16, pairs ...uint32) {
		n := b.put(base+at, uint32(0), uint32(0x60000000), uint16(1), uint16(2), named, ids)
		for _, p := range pairs {
			n = b.put(n, p)
		}
	}
	list(0, 1, 1, 0x80000300, 0x80000080, 16, 0x80000040)
	list(0x40, 0, 1, 1, 0x80000060)
	list(0x60, 0, 1, 0x409, 0xc0)
	list(0x80, 0, 1, 7, 0x800000a0)
	list(0xa0, 0, 1, 0x407, 0xd0)
	b.put(base+0xc0, uint32(0x2100), uint32(0x180), uint32(0), uint32(0))
	b.put(base+0xd0, uint32(0x2380), uint32(16), uint32(0), uint32(0))
	b.put(base+0x300, uint16(4), utf16("DATA"))
	b.put(base+0x380, "resource content")
	v := base + 0x100
	text := func(at, length int, valueLen uint16, key, val string) int {
		n := b.put(at, uint16(length), valueLen, uint16(1), utf16(key+"\x00"))
		n = at + (n-at+3)&^3
		return b.put(n, utf16(val+"\x00"))
	}
	b.put(v, uint16(0x180), uint16(52), uint16(0), utf16("VS_VERSION_INFO\x00"))
	info := v + 92
	b.put(info, uint16(0xa0), uint16(0), uint16(1), utf16("StringFileInfo\x00"))
	table := info + 36
	b.put(table, uint16(0x78), uint16(0), uint16(1), utf16("040904b0\x00"))
	text(table+24, 48, 5, "CompanyName", "Acme")
	text(table+24+48, 44, 0, "Comments", "x")
}

// tinyELF is a 32-bit big-endian program with two segments and four sections, among them symbols.
func tinyELF() []byte {
	var b bytes.Buffer
	be := func(vals ...any) {
		for _, v := range vals {
			if s, ok := v.(string); ok {
				b.WriteString(s)
			} else if err := binary.Write(&b, binary.BigEndian, v); err != nil {
				panic(err)
			}
		}
	}
	u := func(v ...uint32) {
		for _, x := range v {
			be(x)
		}
	}
	be("\x7fELF\x01\x02\x01", strings.Repeat("\x00", 9), uint16(2), uint16(20))
	u(1, 0x10000100, 52, 256, 0)
	be(uint16(52), uint16(32), uint16(2), uint16(40), uint16(4), uint16(3))
	u(1, 0, 0x10000000, 0x10000000, 0x1000, 0x2000, 5, 0x1000) // segments
	u(2, 200, 0x100000c8, 0x100000c8, 16, 16, 6, 4)
	be(strings.Repeat("\x00", 200-b.Len()))
	u(1, 1, 0, 0) // dynamic
	be("\x00.text\x00.names\x00main\x00", strings.Repeat("\x00", 256-b.Len()-19))
	names := uint32(216)
	u(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	u(1, 1, 6, 0x10000100, 0x100, 0x20, 0, 0, 4, 0)
	u(7, 2, 0, 0, 448, 32, 3, 0, 4, 16)
	u(7, 3, 0, 0, names, 24, 0, 0, 1, 0)
	be(strings.Repeat("\x00", 448-b.Len()))
	u(0, 0, 0, 0, 14, 0x10000100, 8)
	be(uint8(0x12), uint8(0), uint16(1))
	return b.Bytes()
}
