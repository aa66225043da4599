package yara

// entryPoint gives where a PE or ELF file begins to run, as an offset. The language calls it outdated in favor of pe.entry_point and elf.entry_point.
func (s *scanner) entryPoint() value {
	if s.memory {
		return value{}
	}
	in := &input{s: s, size: s.size}
	if p := openPE(in); p != nil {
		if machine, _ := in.u16(p.nt + 4); machine != 0x14c && machine != 0x8664 { // libyara knows it of two machines only
			return value{}
		}
		p.readSections()
		p.align = min(p.opt32(36), 0x200)
		if at := p.offset(uint64(p.opt32(16))); at >= 0 {
			return intValue(at)
		}
		return value{}
	}
	if e := openELF(in); e != nil {
		if at := e.entry(); at >= 0 {
			return intValue(at)
		}
	}
	return value{}
}
