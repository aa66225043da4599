package yara

import "encoding/binary"

// entryPoint gives where a PE or ELF file begins to run, as an offset. The language calls it outdated in favor of pe.entry_point and elf.entry_point, which look closer: of a
// file whose entry lies in nothing it names, this is a number as well, as in libyara.
func (s *scanner) entryPoint() value {
	if s.memory {
		return value{}
	}
	in := &input{s: s, size: s.size}
	if nt := entryPE(in); nt > 0 {
		return intValue(throughPE(in, nt))
	}
	if e := entryELF(in); e != nil {
		return intValue(e.through())
	}
	return value{}
}

// entryPE gives the place of the header of a PE file, or -1. libyara knows entry points of two machines only.
func entryPE(in *input) int64 {
	dos := in.bytes(0, 64)
	if dos == nil || string(dos[:2]) != "MZ" {
		return -1
	}
	nt := int64(int32(binary.LittleEndian.Uint32(dos[60:])))
	h := in.bytes(nt, 24+224+1)
	if h == nil || string(h[:4]) != "PE\x00\x00" {
		return -1
	}
	if machine := binary.LittleEndian.Uint16(h[4:]); machine != 0x14c && machine != 0x8664 {
		return -1
	}
	return nt
}

// throughPE counts from the last section that begins at or before the entry point, whether or not it goes so far; 0 when the sections are not all there.
func throughPE(in *input, nt int64) int64 {
	h := in.bytes(nt, 44)
	n, optional, rva := binary.LittleEndian.Uint16(h[6:]), binary.LittleEndian.Uint16(h[20:]), binary.LittleEndian.Uint32(h[40:])
	var from, raw uint32
	for i := range min(int64(n), 60) {
		b := in.bytes(nt+24+int64(optional)+i*40, 40+1)
		if b == nil {
			return 0
		}
		if addr := binary.LittleEndian.Uint32(b[12:]); rva >= addr && from <= addr {
			from, raw = addr, binary.LittleEndian.Uint32(b[20:])
		}
	}
	return int64(raw) + int64(rva) - int64(from)
}

// entryELF reads the header of an ELF file with fewer questions than openELF: what is not marked as big-endian is little-endian.
func entryELF(in *input) *elfFile {
	h := in.bytes(0, 52)
	if h == nil || string(h[:4]) != "\x7fELF" || h[4] < 1 || h[4] > 2 {
		return nil
	}
	e := &elfFile{in: in, order: binary.LittleEndian, wide: h[4] == 2}
	if h[5] == 2 {
		e.order = binary.BigEndian
	}
	if in.bytes(0, e.pick(52, 64)) == nil {
		return nil
	}
	return e
}

// through finds the entry point in the segments of a program and in the sections of anything else; 0 when it is in none.
func (e *elfFile) through() int64 {
	h, tail := e.in.bytes(0, e.pick(52, 64)), e.pick(42, 54)
	rva := e.word(h, 24, 24)
	table, n, size := e.word(h, 32, 40), e.u16(h, tail+6), e.pick(40, 64)
	program := e.u16(h, 16) == 2
	if program {
		table, n, size = e.word(h, 28, 32), e.u16(h, tail+2), e.pick(32, 56)
	}
	if table == 0 || table > uint64(e.in.size) {
		return 0
	}
	for b := e.in.bytes(int64(table), int(n)*size); len(b) >= size; b = b[size:] {
		var addr, length, off uint64
		if program {
			addr, length, off = e.word(b, 8, 16), e.word(b, 20, 40), e.word(b, 4, 8)
		} else if s := e.section(b); s.kind != 0 && s.kind != 8 {
			addr, length, off = s.addr, s.length, s.off
		}
		end := addr + length
		if !e.wide {
			end = uint64(uint32(end)) // wraps around, as in libyara
		}
		if rva >= addr && rva < end {
			return int64(off + rva - addr)
		}
	}
	return 0
}
