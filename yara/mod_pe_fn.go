package yara

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// onPE makes a function that is undefined where the data is no PE file.
func onPE(f func(p *peFile, a []value) value) func(*call) value {
	return func(c *call) value {
		p, ok := c.mod.data.(*peFile)
		if !ok {
			return value{}
		}
		return f(p, c.args)
	}
}

// peFunctions adds the functions of the module.
func peFunctions(f fields) fields {
	f["is_dll"] = fn1("", onPE(func(p *peFile, _ []value) value { return intValue(p.o.fields["characteristics"].i & 0x2000) }))
	f["is_32bit"] = fn1("", onPE(func(p *peFile, _ []value) value { return boolInt(!p.is64) }))
	f["is_64bit"] = fn1("", onPE(func(p *peFile, _ []value) value { return boolInt(p.is64) }))
	f["imphash"] = fn(overload{"", typString, onPE(func(p *peFile, _ []value) value { return strValue(p.imphash()) })})
	f["calculate_checksum"] = fn1("", onPE(func(p *peFile, _ []value) value { return p.sum() }))
	f["rva_to_offset"] = fn1("i", onPE(func(p *peFile, a []value) value {
		if at := p.offset(uint64(a[0].i)); at >= 0 {
			return intValue(at)
		}
		return value{}
	}))
	f["section_index"] = fn(overload{"s", typInt, onPE(sectionByName)}, overload{"i", typInt, onPE(sectionByOffset)})
	f["locale"] = fn1("i", onPE(func(p *peFile, a []value) value { return p.hasLanguage(a[0].i, 0xffff) }))
	f["language"] = fn1("i", onPE(func(p *peFile, a []value) value { return p.hasLanguage(a[0].i, 0xff) }))
	exports, index := []overload{}, []overload{}
	for args, test := range map[string]func(e peFunc, v value) bool{
		"s": func(e peFunc, v value) bool { return e.hasOrdinal && strings.EqualFold(e.name, v.s) },
		"r": func(e peFunc, v value) bool { return e.hasOrdinal && v.obj.re.search(e.name) },
		"i": func(e peFunc, v value) bool { return e.ordinal == v.i },
	} {
		find := func(p *peFile, v value) int {
			if args == "i" && (v.i == 0 || v.i > int64(len(p.exports))) {
				return -1
			}
			for i, e := range p.exports {
				if test(e, v) {
					return i
				}
			}
			return -1
		}
		exports = append(exports, overload{args, typInt, onPE(func(p *peFile, a []value) value { return boolInt(find(p, a[0]) >= 0) })})
		index = append(index, overload{args, typInt, onPE(func(p *peFile, a []value) value {
			if i := find(p, a[0]); i >= 0 {
				return intValue(int64(i))
			}
			return value{}
		})})
	}
	f["exports"], f["exports_index"] = fn(exports...), fn(index...)
	f["imports"] = fn(importForms()...)
	f["import_rva"], f["delayed_import_rva"] = rvaForms(false), rvaForms(true)
	return f
}

func sectionByName(p *peFile, a []value) value {
	for i, s := range p.sections {
		if s.name == a[0].s {
			return intValue(int64(i))
		}
	}
	return value{}
}

func sectionByOffset(p *peFile, a []value) value {
	for i, s := range p.sections {
		if a[0].i >= int64(s.raw) && a[0].i < int64(s.raw)+int64(s.rawLen) {
			return intValue(int64(i))
		}
	}
	return value{}
}

func (p *peFile) hasLanguage(want, mask int64) value {
	for _, r := range p.o.fields["resources"].obj.items {
		if l := r.obj.fields["language"]; l.kind == vInt && l.i&mask == want {
			return intValue(1)
		}
	}
	return intValue(0)
}

// importForms are imports([flags,] library [, function, ordinal or expression]); flags tell ordinary (1) from delayed (2) imports.
func importForms() (out []overload) {
	for args, match := range map[string]func(l peLib, f peFunc, a []value) bool{
		"s": func(l peLib, _ peFunc, a []value) bool { return strings.EqualFold(l.name, a[0].s) },
		"ss": func(l peLib, f peFunc, a []value) bool {
			return strings.EqualFold(l.name, a[0].s) && strings.EqualFold(f.name, a[1].s)
		},
		"si": func(l peLib, f peFunc, a []value) bool {
			return strings.EqualFold(l.name, a[0].s) && f.hasOrdinal && f.ordinal == a[1].i
		},
		"rr": func(l peLib, f peFunc, a []value) bool {
			return a[0].obj.re.search(l.name) && a[1].obj.re.search(f.name)
		},
	} {
		count := func(libs []peLib, a []value) (n int64) {
			for _, l := range libs {
				for _, f := range l.funcs {
					if match(l, f, a) {
						n++
					}
				}
			}
			if args == "ss" || args == "si" {
				n = min(n, 1)
			}
			return n
		}
		out = append(out, overload{args, typInt, onPE(func(p *peFile, a []value) value { return intValue(count(p.imports, a)) })},
			overload{"i" + args, typInt, onPE(func(p *peFile, a []value) value {
				n := int64(0)
				if a[0].i&1 != 0 {
					n += count(p.imports, a[1:])
				}
				if a[0].i&2 != 0 {
					n += count(p.delayed, a[1:])
				}
				if args == "ss" || args == "si" {
					n = min(n, 1)
				}
				return intValue(n)
			})})
	}
	return out
}

func rvaForms(delayed bool) *typ {
	find := func(p *peFile, a []value) value {
		libs := p.imports
		if delayed {
			libs = p.delayed
		}
		for _, l := range libs {
			for _, f := range l.funcs {
				if strings.EqualFold(l.name, a[0].s) && (a[1].kind == vString && strings.EqualFold(f.name, a[1].s) || a[1].kind == vInt && f.hasOrdinal && f.ordinal == a[1].i) {
					return intValue(f.rva)
				}
			}
		}
		return value{}
	}
	return fn(overload{"ss", typInt, onPE(find)}, overload{"si", typInt, onPE(find)})
}

// imphash is the MD5 of "library.function" of all imports in lower case, joined by commas; the endings ocx, sys and dll of libraries do not count.
func (p *peFile) imphash() string {
	h := md5.New()
	sep := ""
	for _, l := range p.imports {
		name := l.name
		if i := strings.IndexByte(name, '.'); i >= 0 && len(name) >= i+4 {
			switch lowerASCII(name[i+1 : i+4]) {
			case "ocx", "sys", "dll":
				name = name[:i]
			}
		}
		for _, f := range l.funcs {
			h.Write([]byte(sep + lowerASCII(name+"."+f.name)))
			sep = ","
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

func lowerASCII(s string) string { return foldString(s) }

// sum computes the checksum of the image; the field of the header counts as zero.
func (p *peFile) sum() value {
	field := p.nt + 24 + 64
	at, sum := int64(0), uint64(0)
	add := func(v uint32) {
		if at != field {
			sum += uint64(v)
			sum = sum&0xffffffff + sum>>32
		}
		at += 4
	}
	var rest []byte
	p.in.s.steps += int(p.in.size / 16)
	ok := p.in.each(0, p.in.size, func(b []byte) {
		if len(rest) > 0 {
			b = append(rest, b...)
		}
		for ; len(b) >= 4; b = b[4:] {
			add(binary.LittleEndian.Uint32(b))
		}
		rest = append([]byte(nil), b...)
	})
	if !ok {
		return value{}
	}
	var last [4]byte
	copy(last[:], rest)
	add(binary.LittleEndian.Uint32(last[:]))
	sum = sum&0xffff + sum>>16
	sum += sum >> 16
	return intValue(int64(sum&0xffff) + p.in.size)
}
