package yara

import (
	"encoding/binary"
)

// richSignature reads what Microsoft's linker leaves between the DOS stub and the headers. It is looked for backwards from the headers, at most 1 MiB.
func (p *peFile) richSignature() {
	o := newStruct()
	o.data = p
	p.o.set("rich_signature", o)
	lo := max(64, p.nt-(1<<20))
	lo += (p.nt - lo) & 3
	if lo >= p.nt {
		return
	}
	b := p.in.bytes(lo, int(p.nt-lo)+4) // the key may stand right in front of the headers
	if b == nil {
		return
	}
	u := func(at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
	end := int(p.nt-lo) - 4
	for end >= 0 && string(b[end:end+4]) != "Rich" {
		end -= 4
	}
	if end < 0 || u(end+4) == 0 {
		return
	}
	key := u(end + 4)
	const dans = 0x536e6144
	at := end - 4
	for at >= 0 && u(at)^key != dans {
		at -= 4
	}
	if at < 0 || at+16 > end+4 || u(at+4) != u(at+8) || u(at+8) != u(at+12) || u(at)^u(at+4) != dans {
		return
	}
	raw := append([]byte(nil), b[at:end]...)
	clear := make([]byte, len(raw))
	for i := 0; i+4 <= len(raw); i += 4 {
		binary.LittleEndian.PutUint32(clear[i:], binary.LittleEndian.Uint32(raw[i:])^u(at+4))
	}
	o.setInts(map[string]int64{"offset": lo + int64(at), "length": int64(len(raw)), "key": int64(u(at + 4))})
	o.setStr("raw_data", string(raw))
	o.setStr("clear_data", string(clear))
	var versions []byte
	for i := 16; i+8 <= len(clear); i += 8 {
		versions = append(versions, clear[i:i+4]...)
	}
	o.setStr("version_data", string(versions))
}

// peRichFunctions adds version(v), version(v, tool), toolid(t) and toolid(t, v): how many objects were made with it.
func peRichFunctions(f fields) fields {
	count := func(version, tool int) func(*call) value {
		return func(c *call) value {
			clear := c.mod.fields["clear_data"]
			if clear.kind != vString {
				return value{}
			}
			n := int64(0)
			for i := 16; i+8 <= len(clear.s); i += 8 {
				id := binary.LittleEndian.Uint32([]byte(clear.s[i : i+4]))
				times := binary.LittleEndian.Uint32([]byte(clear.s[i+4 : i+8]))
				if (version < 0 || c.args[version].i == int64(id&0xffff)) && (tool < 0 || c.args[tool].i == int64(id>>16)) {
					n += int64(times)
				}
			}
			return intValue(n)
		}
	}
	f["version"] = fn(overload{"i", typInt, count(0, -1)}, overload{"ii", typInt, count(0, 1)})
	f["toolid"] = fn(overload{"i", typInt, count(-1, 0)}, overload{"ii", typInt, count(1, 0)})
	return f
}

// debug finds the path of the program database in the debug directory.
func (p *peFile) debug() {
	rva, size, ok := p.directory(6)
	at := p.offset(uint64(rva))
	if !ok || rva == 0 || size == 0 || size%28 != 0 || at < 0 {
		return
	}
	for i := int64(0); i < int64(size/28) && p.spend(1); i++ {
		b := p.in.bytes(at+28*i, 28)
		if b == nil {
			return
		}
		kind, virtual, raw := binary.LittleEndian.Uint32(b[12:]), binary.LittleEndian.Uint32(b[20:]), binary.LittleEndian.Uint32(b[24:])
		if kind != 2 {
			continue
		}
		info := int64(0)
		if virtual != 0 {
			info = p.offset(uint64(virtual))
		}
		if info <= 0 {
			info = int64(raw)
		}
		if info <= 0 {
			continue
		}
		if path := p.pdbPath(info); path != "" {
			p.o.setStr("pdb_path", path)
			return
		}
	}
}

// pdbPath reads the CodeView record at off: its name follows a head whose length depends on the kind.
func (p *peFile) pdbPath(off int64) string {
	h := p.in.bytes(off, 8)
	if h == nil {
		return ""
	}
	head := map[string][2]int{"NB10": {16, 20}, "RSDS": {24, 28}, "MTOC": {20, 24}}[string(h[:4])]
	if head[0] == 0 || p.in.bytes(off, head[1]) == nil {
		return ""
	}
	const maxPath = 260
	s, _ := p.in.cstring(off+int64(head[0]), maxPath)
	if len(s) >= maxPath {
		return ""
	}
	return s
}
