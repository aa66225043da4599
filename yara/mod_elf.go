package yara

import (
	"bytes"
	"encoding/binary"
)

// Limits of the ELF reader; what goes past them is left out.
const (
	elfMaxSymbols = 1 << 18
	elfMaxEntries = 1 << 16 // of the dynamic section
	elfMaxTable   = 16 << 20
)

type elfSection struct {
	name, kind, link         uint32
	flags, addr, off, length uint64
}

type elfFile struct {
	in       *input
	o        *object
	order    binary.ByteOrder
	wide     bool // 64 bit
	sections []elfSection
}

func elfModule() *module {
	f := fields{}.constants(named64(elfConstants))
	f.allOf(typInt, `type machine entry_point number_of_sections number_of_segments sh_offset sh_entry_size ph_offset ph_entry_size
		symtab_entries dynsym_entries dynamic_section_entries`)
	symbols := arrayType(structType(fields{}.allOf(typString, "name").allOf(typInt, "value size type bind shndx")))
	f["symtab"], f["dynsym"] = symbols, symbols
	f["sections"] = arrayType(structType(fields{}.allOf(typString, "name").allOf(typInt, "type flags address size offset")))
	f["segments"] = arrayType(structType(fields{}.allOf(typInt, "type flags offset virtual_address physical_address file_size memory_size alignment")))
	f["dynamic"] = arrayType(structType(fields{}.allOf(typInt, "type val")))
	return &module{root: structType(f), load: loadELF, file: true}
}

func openELF(in *input) *elfFile {
	h := in.bytes(0, 52)
	if h == nil || string(h[:4]) != "\x7fELF" || h[4] < 1 || h[4] > 2 || h[5] < 1 || h[5] > 2 {
		return nil
	}
	e := &elfFile{in: in, o: newStruct(), order: binary.LittleEndian, wide: h[4] == 2}
	if h[5] == 2 {
		e.order = binary.BigEndian
	}
	if e.wide && in.bytes(0, 64) == nil {
		return nil
	}
	return e
}

func loadELF(in *input) *object {
	e := openELF(in)
	if e == nil {
		return newStruct()
	}
	e.o.data = e
	e.header()
	return e.o
}

func (e *elfFile) u16(b []byte, at int) int64  { return int64(e.order.Uint16(b[at:])) }
func (e *elfFile) u32(b []byte, at int) uint32 { return e.order.Uint32(b[at:]) }

// word reads an address at one of two places: in the 32-bit and in the 64-bit form.
func (e *elfFile) word(b []byte, at32, at64 int) uint64 {
	if e.wide {
		return e.order.Uint64(b[at64:])
	}
	return uint64(e.order.Uint32(b[at32:]))
}

// pick gives a number for the 32-bit or the 64-bit form.
func (e *elfFile) pick(n32, n64 int) int {
	if e.wide {
		return n64
	}
	return n32
}

func (e *elfFile) header() {
	h := append([]byte(nil), e.in.bytes(0, e.pick(52, 64))...)
	phoff, shoff := e.word(h, 28, 32), e.word(h, 32, 40)
	tail := e.pick(42, 54) // sizes and counts
	phnum, shnum, strndx := e.u16(h, tail+2), e.u16(h, tail+6), e.u16(h, tail+8)
	e.o.setInts(map[string]int64{"type": e.u16(h, 16), "machine": e.u16(h, 18), "sh_offset": int64(shoff), "ph_offset": int64(phoff),
		"ph_entry_size": e.u16(h, tail), "number_of_segments": phnum, "sh_entry_size": e.u16(h, tail+4), "number_of_sections": shnum})
	shsize, phsize := e.pick(40, 64), e.pick(32, 56)
	if at := e.entry(); at >= 0 {
		e.o.setInt("entry_point", at)
	}
	if shnum < 0xff00 && strndx < shnum && shoff < uint64(e.in.size) {
		if b := e.in.bytes(int64(shoff), int(shnum)*shsize); b != nil {
			e.readSections(append([]byte(nil), b...), int(strndx), shsize)
		}
	}
	if phnum > 0 && phnum < 0xffff && phoff < uint64(e.in.size) {
		if b := e.in.bytes(int64(phoff), int(phnum)*phsize); b != nil {
			e.readSegments(append([]byte(nil), b...), phsize)
		}
	}
}

// entry gives the place of the entry point in the file, or -1.
func (e *elfFile) entry() int64 {
	h := e.in.bytes(0, e.pick(52, 64))
	tail := e.pick(42, 54)
	rva := e.word(h, 24, 24)
	if rva == 0 {
		return -1
	}
	if e.u16(h, 16) == 2 {
		return e.throughSegments(rva, e.word(h, 28, 32), e.u16(h, tail+2), e.pick(32, 56))
	}
	return e.throughSections(rva, e.word(h, 32, 40), e.u16(h, tail+6), e.pick(40, 64))
}

func (e *elfFile) section(b []byte) elfSection {
	return elfSection{name: e.u32(b, 0), kind: e.u32(b, 4), link: e.u32(b, e.pick(24, 40)), flags: e.word(b, 8, 8), addr: e.word(b, 12, 16),
		off: e.word(b, 16, 24), length: e.word(b, 20, 32)}
}

func (e *elfFile) throughSegments(rva, phoff uint64, n int64, size int) int64 {
	if n == 0 || phoff == 0 || phoff > uint64(e.in.size) {
		return -1
	}
	b := e.in.bytes(int64(phoff), int(n)*size)
	for ; len(b) >= size; b = b[size:] {
		addr, mem, off := e.word(b, 8, 16), e.word(b, 20, 40), e.word(b, 4, 8)
		if rva >= addr && rva < addr+mem {
			return int64(off + rva - addr)
		}
	}
	return -1
}

func (e *elfFile) throughSections(rva, shoff uint64, n int64, size int) int64 {
	if n == 0 || shoff == 0 || shoff > uint64(e.in.size) {
		return -1
	}
	b := e.in.bytes(int64(shoff), int(n)*size)
	for ; len(b) >= size; b = b[size:] {
		s := e.section(b)
		if s.kind != 0 && s.kind != 8 && rva >= s.addr && rva < s.addr+s.length {
			return int64(s.off + rva - s.addr)
		}
	}
	return -1
}

// table gives a part of the file named by a section, or nil.
func (e *elfFile) table(s elfSection) []byte {
	if s.off > uint64(e.in.size) || s.length > elfMaxTable {
		return nil
	}
	return e.in.bytes(int64(s.off), int(s.length))
}

// str reads a string of a table; the first byte of a table is zero.
func str(table []byte, at uint32) (string, bool) {
	if len(table) == 0 || table[0] != 0 || uint64(at) >= uint64(len(table)) {
		return "", false
	}
	end := bytes.IndexByte(table[at:min(len(table), int(at)+4096)], 0)
	if end < 0 {
		return "", false
	}
	return string(table[at : int(at)+end]), true
}

func (e *elfFile) readSections(b []byte, strndx, size int) {
	list := &object{}
	e.o.set("sections", list)
	for ; len(b) >= size; b = b[size:] {
		e.sections = append(e.sections, e.section(b))
	}
	names := e.sections[strndx].off
	var tables [2]*elfSection
	for i := range e.sections {
		s := &e.sections[i]
		o := newStruct()
		o.setInts(map[string]int64{"type": int64(s.kind), "flags": int64(s.flags), "address": int64(s.addr), "size": int64(s.length), "offset": int64(s.off)})
		if names > 0 && names < uint64(e.in.size) {
			if first, ok := e.in.u8(int64(names)); ok && first == 0 {
				if name, ok := e.in.cstring(int64(names)+int64(s.name), 4096); ok && int64(s.name) < e.in.size {
					o.setStr("name", name)
				}
			}
		}
		list.add(o)
		if (s.kind == 2 || s.kind == 11) && int(s.link) < len(e.sections) && e.sections[s.link].kind == 3 {
			tables[s.kind/11] = s
		}
	}
	for i, name := range [...]string{"symtab", "dynsym"} {
		if s := tables[i]; s != nil {
			e.readSymbols(*s, e.sections[s.link], name)
		}
	}
}

func (e *elfFile) readSymbols(s, strs elfSection, name string) {
	names, b, size := e.table(strs), e.table(s), e.pick(16, 24)
	if names == nil || b == nil {
		return
	}
	list := &object{}
	for ; len(b) >= size && len(list.items) < elfMaxSymbols; b = b[size:] {
		o := newStruct()
		info, shndx := b[e.pick(12, 4)], e.u16(b, e.pick(14, 6))
		if n, ok := str(names, e.u32(b, 0)); ok {
			o.setStr("name", n)
		}
		o.setInts(map[string]int64{"bind": int64(info >> 4), "type": int64(info & 15), "shndx": shndx, "value": int64(e.word(b, 4, 8)), "size": int64(e.word(b, 8, 16))})
		list.add(o)
	}
	e.o.set(name, list)
	e.o.setInt(name+"_entries", int64(len(list.items)))
}

func (e *elfFile) readSegments(b []byte, size int) {
	list := &object{}
	e.o.set("segments", list)
	for ; len(b) >= size; b = b[size:] {
		o := newStruct()
		kind, off := e.u32(b, 0), e.word(b, 4, 8)
		o.setInts(map[string]int64{"type": int64(kind), "flags": int64(e.u32(b, e.pick(24, 4))), "offset": int64(off), "virtual_address": int64(e.word(b, 8, 16)),
			"physical_address": int64(e.word(b, 12, 24)), "file_size": int64(e.word(b, 16, 32)), "memory_size": int64(e.word(b, 20, 40)), "alignment": int64(e.word(b, 28, 48))})
		list.add(o)
		if kind == 2 {
			e.readDynamic(int64(off))
		}
	}
}

func (e *elfFile) readDynamic(off int64) {
	list, size := &object{}, e.pick(8, 16)
	for len(list.items) < elfMaxEntries {
		b := e.in.bytes(off, size)
		if b == nil {
			break
		}
		tag := e.word(b, 0, 0)
		o := newStruct()
		o.setInts(map[string]int64{"type": int64(tag), "val": int64(e.word(b, 4, 8))})
		list.add(o)
		off += int64(size)
		if tag == 0 {
			break
		}
	}
	e.o.set("dynamic", list)
	e.o.setInt("dynamic_section_entries", int64(len(list.items)))
}
