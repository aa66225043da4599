package yara

import (
	"encoding/binary"
	"strings"
)

// readSections sets the sections and the overlay: what follows the section that ends last.
func (p *peFile) readSections() {
	n, _ := p.in.u16(p.nt + 6)
	optSize, _ := p.in.u16(p.nt + 20)
	at := p.nt + 24 + int64(optSize)
	list := &object{}
	p.o.set("sections", list)
	var end uint64
	p.whole = true
	for i := 0; i < min(int(n), peMaxSections); i++ {
		b := p.in.bytes(at+40*int64(i), 40)
		if b == nil {
			p.whole = false
			break
		}
		u := func(at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
		s := peSection{name: strings.TrimRight(string(b[:8]), "\x00"), vsize: u(8), vaddr: u(12), rawLen: u(16), raw: u(20)}
		o := newStruct()
		o.setInts(map[string]int64{"virtual_size": int64(s.vsize), "virtual_address": int64(s.vaddr), "raw_data_size": int64(s.rawLen), "raw_data_offset": int64(s.raw),
			"pointer_to_relocations": int64(u(24)), "pointer_to_line_numbers": int64(u(28)), "characteristics": int64(u(36)),
			"number_of_relocations": int64(binary.LittleEndian.Uint16(b[32:])), "number_of_line_numbers": int64(binary.LittleEndian.Uint16(b[34:]))})
		o.setStr("name", s.name)
		if full, ok := p.fullName(s.name); ok {
			o.setStr("full_name", full)
		}
		list.add(o)
		p.sections = append(p.sections, s)
		if e := uint64(s.raw + s.rawLen); e > end { // the sum wraps as in libyara
			end = uint64(s.raw) + uint64(s.rawLen)
		}
	}
	over := newStruct()
	over.setInts(map[string]int64{"offset": 0, "size": 0})
	if end > 0 && p.in.size > int64(end) {
		over.setInts(map[string]int64{"offset": int64(end), "size": p.in.size - int64(end)})
	}
	p.o.set("overlay", over)
}

// fullName follows "/123" into the table of strings behind the symbols.
func (p *peFile) fullName(name string) (string, bool) {
	symbols, _ := p.in.u32(p.nt + 12)
	count, _ := p.in.u32(p.nt + 16)
	if symbols == 0 || !strings.HasPrefix(name, "/") {
		return name, true
	}
	index := int64(0)
	for i := 1; i < len(name) && name[i] >= '0' && name[i] <= '9'; i++ {
		index = index*10 + int64(name[i]-'0')
	}
	s, ok := p.in.cstring(int64(symbols)+18*int64(count)+index, peMaxName)
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] > 0x7e {
			return "", false
		}
	}
	return s, ok
}

// offset gives the place of a virtual address in the file, or -1.
func (p *peFile) offset(rva uint64) int64 {
	if !p.whole {
		return -1
	}
	lowest := uint32(0xffffffff)
	var from, raw, size uint32
	for _, s := range p.sections {
		lowest = min(lowest, s.vaddr)
		if rva >= uint64(s.vaddr) && rva-uint64(s.vaddr) < uint64(s.vsize) && from <= s.vaddr {
			from, raw, size = s.vaddr, s.raw, s.rawLen
			if p.align > 0 {
				raw -= raw % p.align
			}
		}
	}
	if rva < uint64(lowest) {
		from, raw, size = 0, 0, uint32(p.in.size)
	}
	if rva-uint64(from) >= uint64(size) {
		return -1
	}
	if at := int64(raw) + int64(rva-uint64(from)); at < p.in.size {
		return at
	}
	return -1
}
