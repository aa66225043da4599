package live

import (
	"bytes"
	"encoding/binary"
	"iter"
	"slices"
	"strings"
)

// readable picks the mappings whose memory is worth reading: readable, private to the process (or shared memory without a
// real file), no device. Small ones come first: configuration lies in heaps and stacks, not in gigabytes of a dataset.
func readable(maps []byte) []mapping {
	var out []mapping
	for line := range bytes.Lines(maps) {
		m, ok := parseMapping(line)
		if !ok || m.perms[0] != 'r' || strings.HasPrefix(m.path, "[v") || strings.HasPrefix(m.path, "/dev/") && !m.anonymous() {
			continue
		}
		if m.anonymous() || m.path == "[stack]" || m.perms[3] == 'p' && m.perms[1] == 'w' {
			out = append(out, m)
		}
	}
	slices.SortStableFunc(out, func(a, b mapping) int {
		switch {
		case a.size() < b.size():
			return -1
		case a.size() > b.size():
			return 1
		}
		return 0
	})
	return out
}

// paged reports a mapping whose page map tells which pages were touched; that of huge pages does too, but only where they
// are present.
func (m mapping) paged() bool { return m.perms != "---p" }

// Bits of an entry of /proc/PID/pagemap, see the kernel's admin-guide/mm/pagemap.
const (
	pagePresent = 1 << 63
	pageSwapped = 1 << 62
	pageFile    = 1 << 61 // a page of a file, or shared
)

// runs finds the runs of pages that hold something: from and to count pages. With filed, pages of the mapped file itself
// are left out, so only what the process wrote remains.
func runs(entries []byte, filed bool) iter.Seq2[uint64, uint64] {
	return func(yield func(uint64, uint64) bool) {
		n, start := uint64(len(entries)/8), uint64(0)
		in := false
		for i := uint64(0); i < n; i++ {
			e := binary.NativeEndian.Uint64(entries[i*8:])
			has := e&(pagePresent|pageSwapped) != 0 && !(filed && e&pageFile != 0)
			switch {
			case has && !in:
				start, in = i, true
			case !has && in:
				in = false
				if !yield(start, i) {
					return
				}
			}
		}
		if in {
			yield(start, n)
		}
	}
}
