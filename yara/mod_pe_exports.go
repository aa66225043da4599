package yara

import "encoding/binary"

// readExports lists what the file offers to others, in the order of the table of addresses.
func (p *peFile) readExports() {
	p.o.setInt("number_of_exports", 0)
	list := &object{}
	p.o.set("export_details", list)
	rva, size, ok := p.directory(0)
	start := p.offset(uint64(rva))
	if !ok || rva == 0 || start < 0 {
		return
	}
	b := p.in.bytes(start, 40)
	if b == nil {
		return
	}
	u := func(at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
	stamp, nameAt, base, funcs, names := u(4), u(12), u(16), u(20), u(24)
	funcsAt, namesAt, ordinalsAt := p.offset(uint64(u(28))), p.offset(uint64(u(32))), p.offset(uint64(u(36)))
	p.o.setInt("export_timestamp", int64(stamp))
	at := p.offset(uint64(nameAt))
	if at > 0 {
		name, _ := p.in.cstring(at, peMaxName)
		p.o.setStr("dll_name", name)
	}
	n := int64(min(funcs, peMaxExports))
	if n*4 > p.in.size-at || names > 0 && (namesAt < 0 || int64(names)*4 > p.in.size-namesAt) {
		return
	}
	addresses, ordinals := p.in.bytes(funcsAt, int(n*4)), p.in.bytes(ordinalsAt, int(n*2))
	if ordinalsAt < 0 || funcsAt < 0 || ordinals == nil || addresses == nil {
		return
	}
	named := map[int64]int64{} // index of an address to that of its name
	ordinals, addresses = append([]byte(nil), ordinals...), append([]byte(nil), addresses...)
	for j := int64(0); j < min(int64(names), n); j++ {
		i := int64(binary.LittleEndian.Uint16(ordinals[2*j:]))
		if _, dup := named[i]; !dup {
			named[i] = j
		}
	}
	for i := int64(0); i < n; i++ {
		f := peFunc{ordinal: int64(base + uint32(i)), rva: int64(binary.LittleEndian.Uint32(addresses[4*i:]))}
		o := newStruct()
		o.setInts(map[string]int64{"ordinal": f.ordinal, "rva": f.rva})
		if at := p.offset(uint64(f.rva)); at > start && at < start+int64(size) {
			forward, _ := p.in.cstring(at, 512)
			o.setStr("forward_name", forward)
		} else if at >= 0 {
			o.setInt("offset", at)
		}
		if j, ok := named[i]; ok && names > 0 {
			v, _ := p.in.u32(namesAt + 4*j)
			if at := p.offset(uint64(v)); at > 0 {
				f.name, _ = p.in.cstring(at, 512)
				f.hasOrdinal = true // here: it has a name
				o.setStr("name", f.name)
			}
		}
		p.exports = append(p.exports, f)
		list.add(o)
	}
	p.o.setInt("number_of_exports", n)
}
