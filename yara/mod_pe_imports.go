package yara

import (
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
)

// ordinalNames are the names behind numbers, by library in lower case.
var ordinalNames = sync.OnceValue(func() map[string]map[int64]string {
	out := map[string]map[int64]string{}
	for lib, text := range map[string]string{"ws2_32.dll": ws2Ordinals, "oleaut32.dll": oleautOrdinals} {
		out[lib] = map[int64]string{}
		for name, n := range named64(text) {
			out[lib][n] = name
		}
	}
	out["wsock32.dll"] = out["ws2_32.dll"]
	return out
})

func ordinalName(lib string, n int64) string {
	for have, names := range ordinalNames() {
		if len(lib) >= len(have) && strings.EqualFold(lib[:len(have)], have) {
			if name, ok := names[n]; ok {
				return name
			}
		}
	}
	return fmt.Sprintf("ord%d", n)
}

func validLibrary(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || strings.IndexByte("\"*<>?|", s[i]) >= 0 {
			return false
		}
	}
	return s != ""
}

// readImports lists the libraries. The totals count what could not be read, too, as in libyara.
func (p *peFile) readImports() {
	rva, _, ok := p.directory(1)
	total, libs := 0, 0
	if at := p.offset(uint64(rva)); ok && rva != 0 && at >= 0 {
		for n := 0; n < peMaxImports && p.spend(1); n++ {
			b := p.in.bytes(at+20*int64(n), 20)
			if b == nil || binary.LittleEndian.Uint32(b[12:]) == 0 {
				break
			}
			original, nameAt, first := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[12:]), binary.LittleEndian.Uint32(b[16:])
			name, ok := p.library(uint64(nameAt))
			if ok || p.offset(uint64(nameAt)) < 0 {
				libs++
			}
			if !ok {
				continue
			}
			if l := (peLib{name, p.thunks(name, original, first, &total)}); len(l.funcs) > 0 {
				p.imports = append(p.imports, l)
			}
		}
	}
	p.o.setInt("number_of_imports", int64(libs))
	p.o.setInt("number_of_imported_functions", int64(total))
	p.o.set("import_details", importObjects(p.imports))
}

func (p *peFile) library(rva uint64) (string, bool) {
	at := p.offset(rva)
	if at < 0 {
		return "", false
	}
	name, ok := p.in.cstring(at, peMaxName)
	return name, ok && validLibrary(name) && p.spend(len(name)/64)
}

// thunks reads the functions imported from one library.
func (p *peFile) thunks(lib string, original, first uint32, total *int) (out []peFunc) {
	at := p.offset(uint64(original))
	if at <= 0 {
		at = p.offset(uint64(first))
	}
	if at < 0 {
		return nil
	}
	size := p.pointer()
	for i := int64(0); *total < peMaxImports && p.spend(1); i++ {
		v, ok := p.word(at + i*size)
		if !ok || v == 0 {
			break
		}
		*total++
		f := peFunc{rva: int64(first) + i*size}
		if v>>(size*8-1) == 1 {
			f.hasOrdinal, f.ordinal = true, int64(v&0xffff)
			f.name = ordinalName(lib, f.ordinal)
		} else {
			o := p.offset(v)
			if o < 0 || p.in.bytes(o, 4) == nil {
				continue
			}
			f.name, _ = p.in.cstring(o+2, 512)
		}
		out = append(out, f)
	}
	return out
}

// pointer is the size of an address.
func (p *peFile) pointer() int64 {
	if p.is64 {
		return 8
	}
	return 4
}

// word reads an address.
func (p *peFile) word(at int64) (uint64, bool) {
	if b := p.in.bytes(at, int(p.pointer())); b == nil {
		return 0, false
	} else if p.is64 {
		return binary.LittleEndian.Uint64(b), true
	} else {
		return uint64(binary.LittleEndian.Uint32(b)), true
	}
}

func importObjects(libs []peLib) *object {
	list := &object{}
	for _, l := range libs {
		o, funcs := newStruct(), &object{}
		for _, f := range l.funcs {
			one := newStruct()
			one.setStr("name", f.name)
			one.setInt("rva", f.rva)
			if f.hasOrdinal {
				one.setInt("ordinal", f.ordinal)
			}
			funcs.add(one)
		}
		o.setStr("library_name", l.name)
		o.setInt("number_of_functions", int64(len(l.funcs)))
		o.set("functions", funcs)
		list.add(o)
	}
	return list
}

// readDelayed reads the libraries that are loaded at their first use.
func (p *peFile) readDelayed() {
	rva, _, ok := p.directory(13)
	total := 0
	if at := p.offset(uint64(rva)); ok && rva != 0 && at >= 0 {
		for n := int64(0); p.spend(1); n++ {
			b := p.in.bytes(at+32*n, 32)
			if b == nil || string(b) == strings.Repeat("\x00", 32) {
				break
			}
			var d [8]uint32
			for i := range d {
				d[i] = binary.LittleEndian.Uint32(b[4*i:])
			}
			if !p.delayedLib(d, &total) {
				break
			}
		}
	}
	p.o.setInt("number_of_delayed_imports", int64(len(p.delayed)))
	p.o.setInt("number_of_delayed_imported_functions", int64(total))
	p.o.set("delay_import_details", importObjects(p.delayed))
	p.o.fields["delayed_import_details"] = p.o.fields["delay_import_details"]
}

// delayedLib reads one descriptor; false ends the list.
func (p *peFile) delayedLib(d [8]uint32, total *int) bool {
	attributes, base := d[0], uint64(p.o.fields["image_base"].i)
	if attributes > 1 {
		return false
	}
	relative := func(v uint64) uint64 {
		if v > base {
			return v - base
		}
		return v
	}
	if !p.is64 && attributes == 0 { // the old form holds addresses instead of offsets from the image base
		for i := 1; i < 7; i++ {
			d[i] = uint32(relative(uint64(d[i])))
		}
	}
	image := p.opt32(56)
	if d[4] >= image || d[3] >= image || d[1] < 64 || d[4] < 64 {
		return false
	}
	lib := peLib{}
	var ok bool
	if lib.name, ok = p.library(uint64(d[1])); !ok {
		return true
	}
	size := p.pointer()
	for i := int64(0); *total < peMaxImports && p.spend(1); i++ {
		v, ok1 := p.wordAt(uint64(d[4]) + uint64(i*size))
		f, ok2 := p.wordAt(uint64(d[3]) + uint64(i*size))
		if !ok1 || !ok2 || v == 0 || f == 0 {
			break
		}
		one := peFunc{rva: int64(d[3]) + i*size}
		if v>>(size*8-1) == 1 {
			one.hasOrdinal, one.ordinal = true, int64(v&0xffff)
			one.name = ordinalName(lib.name, one.ordinal)
		} else {
			if attributes == 0 {
				v = relative(v)
			}
			if o := p.offset(v + 2); o >= 0 {
				one.name, _ = p.in.cstring(o, 512)
			}
		}
		lib.funcs = append(lib.funcs, one)
		*total++
	}
	p.delayed = append(p.delayed, lib)
	return true
}

func (p *peFile) wordAt(rva uint64) (uint64, bool) {
	at := p.offset(rva)
	if at < 0 {
		return 0, false
	}
	return p.word(at)
}
