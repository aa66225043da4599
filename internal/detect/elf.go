package detect

import (
	"debug/elf"
	"fmt"

	"github.com/deminer/deminer/internal/host"
)

// elfLimit is the size in bytes of the largest library whose symbols are read.
const elfLimit = 64 << 20

// exports gives the functions a shared library defines for others, at most 65536. The parser meets hostile bytes, so a
// fault in it is an error like any other.
func exports(fsys host.FS, name string) (out map[string]bool, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	a, err := f.Attr()
	if err != nil {
		return nil, err
	}
	if a.Size > elfLimit {
		return nil, fmt.Errorf("read symbols of %q: %w", name, host.ErrTooLarge)
	}
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, fmt.Errorf("read symbols of %q: malformed ELF: %v", name, p)
		}
	}()
	e, err := elf.NewFile(f)
	if err != nil {
		return nil, fmt.Errorf("read symbols of %q: %w", name, err)
	}
	syms, err := e.DynamicSymbols()
	if err != nil {
		return nil, fmt.Errorf("read symbols of %q: %w", name, err)
	}
	out = map[string]bool{}
	for _, s := range syms[:min(len(syms), 65536)] {
		if s.Section != elf.SHN_UNDEF && elf.ST_TYPE(s.Info) == elf.STT_FUNC {
			out[s.Name] = true
		}
	}
	return out, nil
}

// hiders are functions a library redefines to hide files, processes and connections, or to read passwords. Allocators,
// loggers of programs started (execve), proxies (connect) and time machines redefine others.
var hiders = []string{"readdir", "readdir64", "readdir_r", "readdir64_r", "getdents", "getdents64", "scandir", "scandir64", "pcap_loop",
	"pcap_next_ex", "pam_authenticate", "pam_get_item", "accept", "accept4", "fopen", "fopen64"}

// hidesWith lists the hiders among the exports; fopen and accept alone do not hide anything.
func hidesWith(have map[string]bool) []string {
	var out []string
	sure := false
	for i, h := range hiders {
		if have[h] {
			out = append(out, h)
			sure = sure || i < len(hiders)-4
		}
	}
	if !sure && len(out) < 2 {
		return nil
	}
	return out
}
