package yara

import (
	"bytes"
	"encoding/binary"
)

// peResource is where the walk through the resources stands: each level leaves its number or its name.
type peResource struct {
	id   [3]int64
	name [3]*string
}

func (p *peFile) readResources() {
	list, info, infos := &object{}, newStruct(), &object{}
	p.o.set("resources", list)
	p.o.set("version_info", info)
	p.o.set("version_info_list", infos)
	rva, _, ok := p.directory(2)
	at := p.offset(uint64(rva))
	if b := p.in.bytes(at, 16); ok && rva != 0 && at >= 0 && b != nil {
		p.o.setInt("resource_timestamp", int64(binary.LittleEndian.Uint32(b[4:])))
		p.o.set("resource_version", versionOf(int64(binary.LittleEndian.Uint16(b[8:])), int64(binary.LittleEndian.Uint16(b[10:]))))
		p.resourceLevel(at, at, 0, &peResource{id: [3]int64{-1, -1, -1}})
	}
	p.o.setInt("number_of_resources", int64(len(list.items)))
	p.o.setInt("number_of_version_infos", int64(len(infos.items)))
}

// resourceLevel walks one directory; there are three levels. It is false when the walk has to end.
func (p *peFile) resourceLevel(root, dir int64, level int, r *peResource) bool {
	b := p.in.bytes(dir, 16)
	if b == nil {
		return false
	}
	byName, byID := binary.LittleEndian.Uint16(b[12:]), binary.LittleEndian.Uint16(b[14:])
	if binary.LittleEndian.Uint32(b) != 0 || byName > 32768 || byID > 32768 {
		return true
	}
	for i := int64(0); i < int64(byName)+int64(byID); i++ {
		e := p.in.bytes(dir+16+8*i, 8)
		if e == nil || !p.spend(1) {
			return false
		}
		id, to := binary.LittleEndian.Uint32(e), binary.LittleEndian.Uint32(e[4:])
		r.id[level], r.name[level] = int64(int32(id)), p.resourceName(root, id)
		next := root + int64(to&0x7fffffff)
		if to>>31 == 1 && level < 2 {
			if !p.resourceLevel(root, next, level+1, r) {
				return false
			}
			for k := level + 1; k < 3; k++ {
				r.name[k] = nil
			}
			continue
		}
		if !p.resource(next, r) {
			return false
		}
	}
	return true
}

// resourceName reads a name in UTF-16, as bytes, or gives nil for a number.
func (p *peFile) resourceName(root int64, id uint32) *string {
	if id>>31 == 0 {
		return nil
	}
	at := root + int64(id&0x7fffffff)
	n, ok := p.in.u16(at)
	b := p.in.bytes(at+2, 2*int(n))
	if !ok || b == nil {
		return nil
	}
	s := string(b)
	return &s
}

func (p *peFile) resource(at int64, r *peResource) bool {
	b := p.in.bytes(at, 16)
	if b == nil {
		return false
	}
	list := p.o.fields["resources"].obj
	if len(list.items) > peMaxResources {
		return true
	}
	rva := binary.LittleEndian.Uint32(b)
	o := newStruct()
	o.setInts(map[string]int64{"rva": int64(rva), "length": int64(binary.LittleEndian.Uint32(b[4:]))})
	off := p.offset(uint64(rva))
	if off >= 0 {
		o.setInt("offset", off)
	}
	for i, names := range [3][2]string{{"type", "type_string"}, {"id", "name_string"}, {"language", "language_string"}} {
		if r.name[i] != nil {
			o.setStr(names[1], *r.name[i])
		} else {
			o.setInt(names[0], r.id[i])
		}
	}
	if r.id[0] == 16 && off >= 0 {
		p.versionInfo(off)
	}
	list.add(o)
	return true
}

// block is one node of the version information: its length, that of its value and its key follow each other.
func (p *peFile) block(at int64) (length, valueLen int64, ok bool) {
	b := p.in.bytes(at, 6)
	if b == nil {
		return 0, 0, false
	}
	return int64(binary.LittleEndian.Uint16(b)), int64(binary.LittleEndian.Uint16(b[2:])), true
}

func (p *peFile) keyIs(at int64, key string) bool {
	b := p.in.bytes(at+6, 2*len(key)+2)
	return b != nil && string(b) == widened(key+"\x00")
}

func align4(n int64) int64 { return (n + 3) &^ 3 }

// versionInfo reads the keys and values of all string tables.
func (p *peFile) versionInfo(at int64) {
	if _, _, ok := p.block(at); !ok || !p.keyIs(at, "VS_VERSION_INFO") {
		return
	}
	at += align4(6 + 86)
	for p.keyIs(at, "VarFileInfo") && p.spend(1) {
		n, _, _ := p.block(at)
		if n == 0 {
			break
		}
		at += align4(n)
	}
	for p.keyIs(at, "StringFileInfo") && p.spend(1) {
		n, _, _ := p.block(at)
		if n == 0 {
			break
		}
		end := at + align4(n)
		for table := at + align4(6+30); table < end && p.spend(1); {
			n, _, ok := p.block(table)
			key, wide := p.wide(table + 6)
			if !ok || !wide || n == 0 {
				break
			}
			p.versionStrings(table+align4(6+int64(len(key))+2), table+align4(n))
			table += align4(n)
		}
		at = end
	}
}

func (p *peFile) versionStrings(at, end int64) {
	info, list := p.o.fields["version_info"].obj, p.o.fields["version_info_list"].obj
	for at < end && p.spend(1) {
		n, valueLen, ok := p.block(at)
		key, wide := p.wide(at + 6)
		if !ok || !wide || n == 0 {
			return
		}
		if val, ok := p.wide(at + align4(6+int64(len(key))+2)); ok {
			k, v := narrow(key, 63), narrow(val, 255)
			if valueLen == 0 {
				v = ""
			}
			info.setStr(k, v)
			one := newStruct()
			one.setStr("key", k)
			one.setStr("value", v)
			list.add(one)
		}
		at += align4(n)
	}
}

// wide gives the bytes of a UTF-16 string up to its zero, of which there must be one within 64 KiB.
func (p *peFile) wide(at int64) ([]byte, bool) {
	for _, limit := range [...]int{512, 64 << 10} {
		b := p.in.upTo(at, limit)
		for i := 0; i+2 <= len(b); i += 2 {
			if b[i] == 0 && b[i+1] == 0 {
				return b[:i:i], true
			}
		}
	}
	return nil, false
}

// narrow keeps the low byte of every character, up to a zero.
func narrow(b []byte, limit int) string {
	out := make([]byte, 0, min(len(b)/2, limit))
	for i := 0; i+2 <= len(b) && len(out) < limit; i += 2 {
		out = append(out, b[i])
	}
	if z := bytes.IndexByte(out, 0); z >= 0 {
		out = out[:z]
	}
	return string(out)
}
