package yara

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
)

// index finds the grams of all strings. Filters small enough for the caches say where none can begin; what passes is looked up in a table, and every string behind it is
// compared by eight masked bytes before anything else is done.
type index struct {
	all    filter
	lean   filter // the same for the strings of rules without the commonest gate
	slots  []slot // open addressing, a power of two, at most half full
	mask   uint32
	pairs  *[1 << 10]uint64 // one bit for each pair of bytes that is a short gram, or nil
	first  []byte           // what pairs begin with, when that is few different bytes
	pslots []slot
	pmask  uint32
	paired []int32 // the rules that have pairs
	links  []link
}

// filter tells of most places that no gram begins there. It may be wrong the other way.
type filter struct {
	bits  []uint64 // a power of two of words; two bits of one word for each gram
	shift uint     // of the hash, to the word
	// marks is asked at every second byte, and bits only near its marks: it has one for each gram, and one for what stands a byte before or behind it, so that every gram
	// is met whether it begins at an even place or an odd one. It is nil when the grams are too many for it.
	marks     []uint8 // a power of two
	markShift uint    // of the hash, to the mark
}

const (
	maxMarked = 1 << 14 // marks of a filter
	minMarks  = 15      // binary logarithms
	maxMarks  = 18      // of its size
)

type slot struct {
	key  uint32
	link uint32 // of its first link, plus 1; 0 for an empty slot
}

// link is one string behind a gram.
type link struct {
	mask, want uint64 // of the eight bytes that begin back before the gram
	back       int32
	ref        int32 // index into Rules.refs, or its complement in the last link of a gram
}

const hashFactor = 0x9E3779B97F4A7C15

// entry is a gram and a link while the index is built.
type entry struct {
	key  uint32
	link link
}

// newIndex builds the tables; the order of links with one key is that of the entries.
func newIndex(grams, pairs []entry) *index {
	x := &index{links: make([]link, 0, len(grams)+len(pairs))}
	x.slots, x.mask = x.table(grams)
	if len(pairs) > 0 {
		x.pslots, x.pmask = x.table(pairs)
		x.pairs = new([1 << 10]uint64)
		for i := range pairs {
			// The lookup folds, the bitmap does not: a bit for every pair that folds to the key and can be what the link wants.
			l := &pairs[i].link
			for _, k := range [4]uint32{0, 0x20, 0x2000, 0x2020} {
				if p := pairs[i].key&^fold2 | k; (uint64(p)^l.want>>(8*l.back))&(l.mask>>(8*l.back))&0xFFFF == 0 {
					x.pairs[p>>6] |= 1 << (p & 63)
				}
			}
		}
		x.first = firstBytes(x.pairs)
	}
	return x
}

// firstBytes gives the first bytes of pairs, or nil when there are more than can be looked for one after the other.
func firstBytes(pairs *[1 << 10]uint64) []byte {
	var seen [256]bool
	for p := range uint(1 << 16) {
		if pairs[p>>6]&(1<<(p&63)) != 0 {
			seen[p&0xFF] = true
		}
	}
	var list []byte
	for b, is := range seen {
		if is {
			list = append(list, byte(b))
		}
	}
	if len(list) > 4 {
		return nil
	}
	return list
}

// newFilter makes the filter of the grams but those whose links are closed. beside is what stands beside each gram; nil if that is not known.
func newFilter(grams, beside []entry, closed func(*link) bool) filter {
	words := 64
	for words < len(grams)*2/5 && words < 1<<16 {
		words *= 2
	}
	f := filter{bits: make([]uint64, words), shift: uint(64 - bits.Len(uint(words-1)))}
	for i := range grams {
		if !closed(&grams[i].link) {
			h := uint64(grams[i].key) * hashFactor
			f.bits[h>>f.shift] |= 1<<(h>>38&63) | 1<<(h>>32&63)
		}
	}
	if beside == nil {
		return f
	}
	size := min(max(minMarks, bits.Len(uint(64*(len(grams)+len(beside))))), maxMarks)
	f.marks, f.markShift = make([]uint8, 1<<size), uint(32-size)
	for _, list := range [2][]entry{grams, beside} {
		for i := range list {
			if !closed(&list[i].link) {
				f.marks[markHash(list[i].key)>>f.markShift] = 1
			}
		}
	}
	return f
}

func markHash(key uint32) uint32 { return key * 0x9E3779B1 }

func (x *index) table(list []entry) ([]slot, uint32) {
	slices.SortStableFunc(list, func(a, b entry) int { return int(int64(a.key) - int64(b.key)) })
	n := 1
	for i := 1; i < len(list); i++ {
		if list[i].key != list[i-1].key {
			n++
		}
	}
	size := uint32(2)
	for int(size) < 2*n {
		size *= 2
	}
	slots, mask := make([]slot, size), size-1
	for i := range list {
		l := list[i].link
		if i == 0 || list[i].key != list[i-1].key {
			at := slotOf(list[i].key) & mask
			for slots[at].link != 0 {
				at = (at + 1) & mask
			}
			slots[at] = slot{list[i].key, uint32(len(x.links)) + 1}
		}
		if i+1 == len(list) || list[i].key != list[i+1].key {
			l.ref = ^l.ref
		}
		x.links = append(x.links, l)
	}
	return slots, mask
}

func slotOf(key uint32) uint32 { return key * 0x9E3779B1 >> 7 }

// find gives the links of a gram, as an index into links, or -1.
func find(slots []slot, mask, key uint32) int {
	at := slotOf(key) & mask
	for slots[at].link != 0 {
		if slots[at].key == key {
			return int(slots[at].link) - 1
		}
		at = (at + 1) & mask
	}
	return -1
}

// passes tells whether a folded gram may be in the index.
func passes(filter []uint64, shift uint, w uint32) bool {
	h := uint64(w) * hashFactor
	word := filter[h>>shift&uint64(len(filter)-1)]
	return word>>(h>>38&63)&(word>>(h>>32&63))&1 != 0
}

const fold8 = 0x2020202020202020

// sweep looks for grams that begin anywhere in the view.
func (s *scanner) sweep(v view) {
	f := &s.r.index.all
	if s.r.lean >= 0 && !s.gate(s.r.lean) {
		f = &s.r.index.lean
	}
	from := 0
	if f.marks != nil {
		from = s.marked(v, f)
	}
	s.everywhere(v, f.bits, f.shift, from)
}

// everywhere asks the filter at every byte from offset i on.
func (s *scanner) everywhere(v view, filter []uint64, shift uint, i int) {
	buf := v.buf
	for ; i+8 <= len(buf); i += 4 {
		w := binary.LittleEndian.Uint64(buf[i:]) | fold8
		if passes(filter, shift, uint32(w)) {
			s.gram(v, i, uint32(w))
		}
		if passes(filter, shift, uint32(w>>8)) {
			s.gram(v, i+1, uint32(w>>8))
		}
		if passes(filter, shift, uint32(w>>16)) {
			s.gram(v, i+2, uint32(w>>16))
		}
		if passes(filter, shift, uint32(w>>24)) {
			s.gram(v, i+3, uint32(w>>24))
		}
	}
	var tail [16]byte
	n := copy(tail[:], buf[min(i, len(buf)):])
	for k := 0; k < n; k++ {
		s.gram(v, i+k, binary.LittleEndian.Uint32(tail[k:])|fold4)
	}
}

// marked looks for grams where marks allow them, eight bytes at a time, and gives the offset from which on it did not look.
func (s *scanner) marked(v view, f *filter) int {
	buf, marks, shift := v.buf, f.marks, f.markShift
	i, done := 0, 0 // the grams that begin before done were looked for
	for ; i+16 <= len(buf); i += 8 {
		w := binary.LittleEndian.Uint64(buf[i:]) | fold8
		last := uint32(binary.LittleEndian.Uint64(buf[i+6:])) | fold4
		if marks[markHash(uint32(w))>>shift]|marks[markHash(uint32(w>>16))>>shift]|marks[markHash(uint32(w>>32))>>shift]|marks[markHash(last)>>shift] == 0 {
			continue
		}
		for done = max(done, i-1); done < i+8; done++ {
			if w := binary.LittleEndian.Uint32(buf[done:]) | fold4; passes(f.bits, f.shift, w) {
				s.gram(v, done, w)
			}
		}
	}
	return max(done, i-1, 0)
}

// sweepPairs does the same for pairs, unless the gates of all rules that have some are closed.
func (s *scanner) sweepPairs(v view) {
	if !slices.ContainsFunc(s.r.index.paired, s.open) {
		return
	}
	pairs := s.r.index.pairs
	buf := v.buf
	if first := s.r.index.first; first != nil {
		s.pairsFrom(v, first)
		return
	}
	i := 0
	for ; i+8 <= len(buf); i += 4 {
		w := binary.LittleEndian.Uint64(buf[i:])
		if hasPair(pairs, w) {
			s.pair(v, i, w)
		}
		if hasPair(pairs, w>>8) {
			s.pair(v, i+1, w>>8)
		}
		if hasPair(pairs, w>>16) {
			s.pair(v, i+2, w>>16)
		}
		if hasPair(pairs, w>>24) {
			s.pair(v, i+3, w>>24)
		}
	}
	var tail [16]byte
	n := copy(tail[:], buf[min(i, len(buf)):])
	for k := 0; k < n; k++ {
		if w := uint64(binary.LittleEndian.Uint16(tail[k:])); hasPair(pairs, w) {
			s.pair(v, i+k, w)
		}
	}
}

// pairsFrom looks for pairs that begin with one of at most four bytes, in the order of the data: a string with many starts
// for one gram counts on it.
func (s *scanner) pairsFrom(v view, first []byte) {
	pairs := s.r.index.pairs
	var next [4]int // of each byte, the place where it stands next
	for k, b := range first {
		next[k] = after(v.buf, 0, b)
	}
	for {
		k := 0
		for j := range first {
			if next[j] < next[k] {
				k = j
			}
		}
		i := next[k]
		if i >= len(v.buf) {
			return
		}
		w := uint64(first[k])
		if i+1 < len(v.buf) {
			w |= uint64(v.buf[i+1]) << 8
		}
		if hasPair(pairs, w) {
			s.pair(v, i, w)
		}
		next[k] = after(v.buf, i+1, first[k])
	}
}

// after gives the first place of b from i on, or the length of buf.
func after(buf []byte, i int, b byte) int {
	if k := bytes.IndexByte(buf[i:], b); k >= 0 {
		return i + k
	}
	return len(buf)
}

func hasPair(pairs *[1 << 10]uint64, w uint64) bool {
	return pairs[w&0xFFFF>>6]&(1<<(w&63)) != 0
}

func (s *scanner) gram(v view, i int, key uint32) {
	x := s.r.index
	if k := find(x.slots, x.mask, key); k >= 0 {
		s.follow(v, i, k)
	}
}

func (s *scanner) pair(v view, i int, w uint64) {
	x := s.r.index
	if k := find(x.pslots, x.pmask, uint32(w&0xFFFF)|fold2); k >= 0 {
		s.follow(v, i, k)
	}
}

// follow compares what stands behind a gram at offset i of the view.
func (s *scanner) follow(v view, i, k int) {
	links := s.r.index.links
	for ; ; k++ {
		l := &links[k]
		ref := l.ref
		last := ref < 0
		if last {
			ref = ^ref
		}
		at := i - int(l.back)
		if at >= 0 && (at+8 > len(v.buf) || binary.LittleEndian.Uint64(v.buf[at:])&l.mask == l.want) {
			s.candidate(v, &s.r.refs[ref], i)
		}
		if last {
			return
		}
	}
}
