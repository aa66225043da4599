package yara

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// Limits of the PE reader. The first four are libyara's; the others bound what a hostile file can make it do.
const (
	peMaxSections  = 96
	peMaxImports   = 16384 // imported functions, and imported libraries
	peMaxExports   = 8192
	peMaxResources = 65536
	peMaxName      = 64 << 10 // bytes of the name of a library
	peMaxWork      = 1 << 20  // entries of directories looked at
)

type peSection struct {
	name                      string
	vaddr, vsize, raw, rawLen uint32
}

type peFunc struct {
	name       string
	ordinal    int64
	hasOrdinal bool
	rva        int64
}

type peLib struct {
	name  string
	funcs []peFunc
}

// peFile is what the functions of the module work with.
type peFile struct {
	in       *input
	o        *object
	nt       int64 // offset of the signature PE\0\0
	is64     bool
	dirs     int64 // offset of the data directories
	sections []peSection
	whole    bool // all section headers are there
	align    uint32
	imports  []peLib
	delayed  []peLib
	exports  []peFunc
	work     int
}

// spend counts looked-at entries of a file's own tables; it is false once there were too many.
func (p *peFile) spend(n int) bool {
	p.work += n
	return p.work <= peMaxWork
}

// named reads "NAME=1 OTHER=2".
func named64(text string) map[string]int64 {
	out := map[string]int64{}
	for _, f := range strings.Fields(text) {
		name, v, _ := strings.Cut(f, "=")
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			panic("yara: bad constant " + f) // the tables are part of the program
		}
		out[name] = n
	}
	return out
}

func peModule() *module {
	fn := structType(fields{}.allOf(typString, "name").allOf(typInt, "ordinal rva"))
	lib := func() *typ {
		return arrayType(structType(fields{"functions": arrayType(fn)}.allOf(typString, "library_name").allOf(typInt, "number_of_functions")))
	}
	version := structType(fields{}.allOf(typInt, "major minor"))
	f := fields{}.constants(named64(peConstants))
	f.allOf(typInt, `is_pe machine number_of_sections timestamp pointer_to_symbol_table number_of_symbols size_of_optional_header characteristics
		entry_point entry_point_raw image_base number_of_rva_and_sizes number_of_version_infos opthdr_magic size_of_code size_of_initialized_data
		size_of_uninitialized_data base_of_code base_of_data section_alignment file_alignment win32_version_value size_of_image size_of_headers checksum
		subsystem dll_characteristics size_of_stack_reserve size_of_stack_commit size_of_heap_reserve size_of_heap_commit loader_flags
		number_of_resources resource_timestamp number_of_imports number_of_imported_functions number_of_delayed_imports
		number_of_delayed_imported_functions number_of_exports export_timestamp number_of_signatures is_signed`)
	f.allOf(typString, "dll_name pdb_path")
	f.allOf(version, "linker_version os_version image_version subsystem_version resource_version")
	f["data_directories"] = arrayType(structType(fields{}.allOf(typInt, "virtual_address size")))
	f["sections"] = arrayType(structType(fields{}.allOf(typString, "name full_name").allOf(typInt, `characteristics virtual_address virtual_size
		raw_data_offset raw_data_size pointer_to_relocations pointer_to_line_numbers number_of_relocations number_of_line_numbers`)))
	f["overlay"] = structType(fields{}.allOf(typInt, "offset size"))
	f["version_info"] = dictType(typString)
	f["version_info_list"] = arrayType(structType(fields{}.allOf(typString, "key value")))
	f["resources"] = arrayType(structType(fields{}.allOf(typInt, "rva offset length type id language").allOf(typString, "type_string name_string language_string")))
	f["import_details"], f["delay_import_details"] = lib(), lib()
	f["delayed_import_details"] = f["delay_import_details"]
	f["export_details"] = arrayType(structType(fields{}.allOf(typInt, "offset ordinal rva").allOf(typString, "name forward_name")))
	f["signatures"] = arrayType(structType(fields{"valid_on": fn1("i", peValidOn)}.
		allOf(typString, "thumbprint issuer subject algorithm algorithm_oid serial").allOf(typInt, "version not_before not_after")))
	f["rich_signature"] = structType(peRichFunctions(fields{}.allOf(typInt, "offset length key").allOf(typString, "raw_data clear_data version_data")))
	return &module{root: structType(peFunctions(f)), load: loadPE, file: true}
}

// fn1 is a function of one form that gives an integer.
func fn1(args string, f func(*call) value) *typ { return fn(overload{args, typInt, f}) }

// openPE finds the headers, or gives nil if this is no PE file.
func openPE(in *input) *peFile {
	dos := in.bytes(0, 64)
	if dos == nil || dos[0] != 'M' || dos[1] != 'Z' {
		return nil
	}
	nt := int64(int32(binary.LittleEndian.Uint32(dos[60:])))
	h := in.bytes(nt, 24+224)
	if nt < 0 || h == nil || string(h[:4]) != "PE\x00\x00" {
		return nil
	}
	p := &peFile{in: in, o: newStruct(), nt: nt, dirs: nt + 24 + 96}
	if binary.LittleEndian.Uint16(h[24:]) == 0x20b {
		if in.bytes(nt, 24+240) == nil {
			return nil
		}
		p.is64, p.dirs = true, nt+24+112
	}
	return p
}

func loadPE(in *input) *object {
	p := openPE(in)
	if p == nil {
		o := newStruct()
		o.setInt("is_pe", 0)
		return o
	}
	p.o.data = p
	p.header()
	p.readSections()
	if ep := p.opt32(16); true {
		p.o.setInt("entry_point", p.offset(uint64(ep)))
	}
	p.directories()
	p.readResources()
	p.richSignature()
	p.debug()
	p.readSignatures()
	p.readImports()
	p.readDelayed()
	p.readExports()
	return p.o
}

func (p *peFile) opt32(at int64) uint32 { v, _ := p.in.u32(p.nt + 24 + at); return v }
func (p *peFile) opt16(at int64) uint16 { v, _ := p.in.u16(p.nt + 24 + at); return v }

// header sets the fields of the file header and the optional header.
func (p *peFile) header() {
	o := p.o
	o.setInt("is_pe", 1)
	for name, at := range map[string]int64{"machine": 4, "number_of_sections": 6, "size_of_optional_header": 20, "characteristics": 22, "opthdr_magic": 24,
		"subsystem": 92, "dll_characteristics": 94} {
		v, _ := p.in.u16(p.nt + at)
		o.setInt(name, int64(v))
	}
	for name, at := range map[string]int64{"timestamp": 8, "pointer_to_symbol_table": 12, "number_of_symbols": 16} {
		v, _ := p.in.u32(p.nt + at)
		o.setInt(name, int64(v))
	}
	for name, at := range map[string]int64{"size_of_code": 4, "size_of_initialized_data": 8, "size_of_uninitialized_data": 12, "entry_point_raw": 16,
		"base_of_code": 20, "section_alignment": 32, "file_alignment": 36, "win32_version_value": 52, "size_of_image": 56, "size_of_headers": 60, "checksum": 64} {
		o.setInt(name, int64(p.opt32(at)))
	}
	p.align = min(p.opt32(36), 0x200)
	for name, at := range map[string]int64{"os_version": 40, "image_version": 44, "subsystem_version": 48} {
		o.set(name, versionOf(int64(p.opt16(at)), int64(p.opt16(at+2))))
	}
	l := p.opt16(2)
	o.set("linker_version", versionOf(int64(l&0xff), int64(l>>8)))
	word := func(at32, at64 int64) int64 {
		if p.is64 {
			b := p.in.bytes(p.nt+24+at64, 8)
			if b == nil {
				return 0
			}
			return int64(binary.LittleEndian.Uint64(b))
		}
		return int64(p.opt32(at32))
	}
	o.setInt("image_base", word(28, 24))
	o.setInt("size_of_stack_reserve", word(72, 72))
	o.setInt("size_of_stack_commit", word(76, 80))
	o.setInt("size_of_heap_reserve", word(80, 88))
	o.setInt("size_of_heap_commit", word(84, 96))
	tail := p.dirs - (p.nt + 24) - 8
	o.setInt("loader_flags", int64(p.opt32(tail)))
	o.setInt("number_of_rva_and_sizes", int64(p.opt32(tail+4)))
	if !p.is64 {
		o.setInt("base_of_data", int64(p.opt32(24)))
	}
}

func versionOf(major, minor int64) *object {
	o := newStruct()
	o.setInt("major", major)
	o.setInt("minor", minor)
	return o
}

func (p *peFile) directories() {
	list := &object{}
	n := min(p.opt32(p.dirs-(p.nt+24)-4), 16)
	if p.opt32(p.dirs-(p.nt+24)-4) > 1<<31-1 {
		n = 0 // a negative number for libyara
	}
	for i := int64(0); i < int64(n); i++ {
		b := p.in.bytes(p.dirs+8*i, 8)
		if b == nil {
			break
		}
		d := newStruct()
		d.setInt("virtual_address", int64(binary.LittleEndian.Uint32(b)))
		d.setInt("size", int64(binary.LittleEndian.Uint32(b[4:])))
		list.add(d)
	}
	p.o.set("data_directories", list)
}

// directory gives a data directory, if the number of directories and the size of the optional header leave room for it.
func (p *peFile) directory(i int64) (rva, size uint32, ok bool) {
	optSize, _ := p.in.u16(p.nt + 20)
	if p.dirs+8*i > p.nt+24+int64(optSize) || uint32(i) >= p.opt32(p.dirs-(p.nt+24)-4) {
		return 0, 0, false
	}
	b := p.in.bytes(p.dirs+8*i, 8)
	if b == nil {
		return 0, 0, false
	}
	return binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), true
}
