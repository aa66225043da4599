package pkgdb

import (
	"encoding/binary"
	"fmt"
	"path"
	"strings"
	"time"
)

// Tags of rpm headers (rpmtag.h).
const (
	tagName        = 1000
	tagVersion     = 1001
	tagRelease     = 1002
	tagEpoch       = 1003
	tagInstallTime = 1008
	tagOldNames    = 1027
	tagStates      = 1029
	tagDigests     = 1035
	tagFlags       = 1037
	tagDirIndexes  = 1116
	tagBaseNames   = 1117
	tagDirNames    = 1118
	tagAlgo        = 5011
)

// Types of tag values.
const (
	typeInt8        = 2
	typeInt16       = 3
	typeInt32       = 4
	typeString      = 6
	typeStringArray = 8
	typeI18N        = 9
)

// header is one rpm header as databases keep it: number of entries, size of data, entries of 16 bytes, data. All
// numbers are big endian.
type header struct {
	entries map[uint32]tagEntry
	data    string
}

type tagEntry struct{ typ, off, count uint32 }

func parseHeader(blob []byte) (*header, error) {
	if len(blob) < 8 {
		return nil, fmt.Errorf("%w: a header of %d bytes", errDamaged, len(blob))
	}
	be := binary.BigEndian
	il, dl := int64(be.Uint32(blob)), int64(be.Uint32(blob[4:]))
	if il > 1<<16 || 8+16*il+dl > int64(len(blob)) {
		return nil, fmt.Errorf("%w: a header with %d entries and %d bytes of data in %d bytes", errDamaged, il, dl, len(blob))
	}
	h := &header{entries: make(map[uint32]tagEntry, 32), data: string(blob[8+16*il : 8+16*il+dl])}
	for i := range il {
		e := blob[8+16*i:]
		t := tagEntry{be.Uint32(e[4:]), be.Uint32(e[8:]), be.Uint32(e[12:])}
		if tag := be.Uint32(e); wanted(tag) && int64(t.off) < dl && int64(t.count) <= dl {
			h.entries[tag] = t
		}
	}
	if h.text(tagName) == "" {
		return nil, fmt.Errorf("%w: a header without a name", errDamaged)
	}
	return h, nil
}

func wanted(tag uint32) bool {
	return tag >= tagName && tag <= tagDirNames || tag == tagAlgo
}

// text gives a string, or the first of an array; "" where there is none.
func (h *header) text(tag uint32) string {
	e, ok := h.entries[tag]
	if !ok || e.typ != typeString && e.typ != typeStringArray && e.typ != typeI18N {
		return ""
	}
	s, _, _ := strings.Cut(h.data[e.off:], "\x00")
	return strings.Clone(s)
}

// texts gives an array of strings that share the header's memory.
func (h *header) texts(tag uint32) []string {
	e, ok := h.entries[tag]
	if !ok || e.typ != typeStringArray || e.count > maxFiles {
		return nil
	}
	out := make([]string, 0, e.count)
	for rest := h.data[e.off:]; len(out) < int(e.count); {
		s, tail, ok := strings.Cut(rest, "\x00")
		if !ok {
			return nil
		}
		out, rest = append(out, s), tail
	}
	return out
}

// ints gives an array of numbers of 8, 16 or 32 bits.
func (h *header) ints(tag uint32) []uint32 {
	e, ok := h.entries[tag]
	size := map[uint32]int{typeInt8: 1, typeInt16: 2, typeInt32: 4}[e.typ]
	if !ok || size == 0 || e.count > maxFiles || int(e.off)+int(e.count)*size > len(h.data) {
		return nil
	}
	out := make([]uint32, e.count)
	for i := range out {
		for j := range size {
			out[i] = out[i]<<8 | uint32(h.data[int(e.off)+i*size+j])
		}
	}
	return out
}

func (h *header) version() string {
	v := h.text(tagVersion) + "-" + h.text(tagRelease)
	if e := h.ints(tagEpoch); len(e) == 1 {
		v = fmt.Sprintf("%d:%s", e[0], v)
	}
	return v
}

func (h *header) installed() time.Time {
	if t := h.ints(tagInstallTime); len(t) > 0 && t[0] > 0 {
		return time.Unix(int64(t[0]), 0).UTC()
	}
	return time.Time{}
}

// names gives the paths of the package's files.
func (h *header) names() []string {
	bases, dirs, which := h.texts(tagBaseNames), h.texts(tagDirNames), h.ints(tagDirIndexes)
	if len(bases) == 0 {
		return h.texts(tagOldNames) // headers before rpm 4
	}
	if len(which) != len(bases) {
		return nil
	}
	out := make([]string, 0, len(bases))
	total := 0
	for i, b := range bases {
		if int(which[i]) >= len(dirs) {
			return out
		}
		if total += len(b) + len(dirs[which[i]]); total > maxRecord { // a long directory used by many short names
			return out
		}
		out = append(out, path.Join("/", dirs[which[i]], b))
	}
	return out
}

// files gives each file, with its digest where one is kept and the file is this package's own on this host.
func (h *header) files(see func(item) bool) {
	const stateNormal, flagConfig, flagGhost = 0, 1 << 0, 1 << 6
	digests, flags, states := h.texts(tagDigests), h.ints(tagFlags), h.ints(tagStates)
	a := algoMD5
	if v := h.ints(tagAlgo); len(v) == 1 {
		a = algo(min(v[0], 255))
	}
	for i, name := range h.names() {
		it := item{path: name, algo: a}
		if i < len(flags) {
			it.config = flags[i]&flagConfig != 0
		}
		ghost := i < len(flags) && flags[i]&flagGhost != 0
		if i < len(digests) && !ghost && (i >= len(states) || states[i] == stateNormal) {
			it.sum = sumOf(digests[i], a)
		}
		if !see(it) {
			return
		}
	}
}
