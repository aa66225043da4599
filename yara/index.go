package yara

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
)

// index finds the grams of all strings. A filter of two bits a gram, small enough for the caches, is asked at every byte; what passes is looked up in a table, and
// every string behind it is compared by eight masked bytes before anything else is done.
type index struct {
	filter []uint64 // a power of two of words
	lean   []uint64 // the same for the strings of rules without the commonest gate, or nil
	shift  uint     // of the hash, to the word
	slots  []slot   // open addressing, a power of two, at most half full
	mask   uint32
	pairs  *[1 << 10]uint64 // one bit for each pair of bytes that is a short gram, or nil
	first  []byte           // what pairs begin with, when that is few different bytes
	pslots []slot
	pmask  uint32
	links  []link
}

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
	words := 64
	for words < len(grams)*2/5 && words < 1<<16 {
		words *= 2
	}
	x.filter, x.shift = make([]uint64, words), uint(64-bits.Len(uint(words-1)))
	for i := range grams {
		enter(x.filter, x.shift, grams[i].key)
	}
	if len(pairs) > 0 {
		x.pslots, x.pmask = x.table(pairs)
		x.pairs = new([1 << 10]uint64)
		for i := range pairs {
			// The lookup folds, the bitmap does not: a bit for every pair that folds to the key.
			for _, k := range [4]uint32{0, 0x20, 0x2000, 0x2020} {
				p := pairs[i].key&^fold2 | k
				x.pairs[p>>6] |= 1 << (p & 63)
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

func enter(filter []uint64, shift uint, key uint32) {
	h := uint64(key) * hashFactor
	filter[h>>shift] |= 1<<(h>>38&63) | 1<<(h>>32&63)
}

// leaner makes the filter without the links that are closed.
func (x *index) leaner(grams []entry, closed func(*link) bool) {
	x.lean = make([]uint64, len(x.filter))
	for i := range grams {
		if !closed(&grams[i].link) {
			enter(x.lean, x.shift, grams[i].key)
		}
	}
}

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
	x := s.r.index
	buf := v.buf
	filter, shift := x.filter, x.shift
	if s.r.lean >= 0 && !s.gate(s.r.lean) {
		filter = x.lean
	}
	i := 0
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

// sweepPairs does the same for pairs.
func (s *scanner) sweepPairs(v view) {
	pairs := s.r.index.pairs
	buf := v.buf
	if first := s.r.index.first; first != nil {
		for _, b := range first {
			s.pairsFrom(v, b)
		}
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

// pairsFrom looks for pairs that begin with b.
func (s *scanner) pairsFrom(v view, b byte) {
	pairs := s.r.index.pairs
	for i := 0; ; i++ {
		k := bytes.IndexByte(v.buf[i:], b)
		if k < 0 {
			return
		}
		i += k
		w := uint64(b)
		if i+1 < len(v.buf) {
			w |= uint64(v.buf[i+1]) << 8
		}
		if hasPair(pairs, w) {
			s.pair(v, i, w)
		}
	}
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
