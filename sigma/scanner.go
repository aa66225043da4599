package sigma

import "sort"

// minLiteral is the length in bytes from which on a text is found by the scanner; a shorter one is looked for when it is asked for.
const minLiteral = 2

// literal is a folded text that tests of one field look for.
type literal struct {
	text   string
	groups uint64 // groups that ask for it, by groupBit
	uses   []use
}

// use is one test that holds when the literal is found at the right place.
type use struct {
	begin, end bool
	test       int32
}

// unknown is the slot of a field that no rule names; only keywords look into it.
const unknown = 0

// scanner finds all literals of one field, and of keywords, in a text in one pass. Each literal is entered with one window: four bytes of it, or two if it is shorter than four; of its windows, the one that occurs in the fewest literals.
// At each byte of the text the window that ends there is looked up in a bitmap, and only if its bit is set in a table of entries, which are compared in full.
type scanner struct {
	literals []literal
	wide     table
	narrow   table
}

// table maps a window to its entries.
type table struct {
	shift   uint32   // 32 less the bits of the hash
	bits    []uint64 // one bit for each bucket
	heads   []int32  // entries of bucket h: heads[h] to heads[h+1]
	entries []windowEntry
}

// windowEntry is a literal and where in it its window begins. The groups of the literal stand here, too, so that most entries are passed over without a look at it.
type windowEntry struct {
	groups          uint64
	window          uint32
	literal, offset int32
}

func (t *table) hash(w uint32) uint32 { return w * golden >> t.shift }

// golden is 2^32 divided by the golden ratio, the factor of multiplicative hashing.
const golden = 0x9E3779B1

// The size of a table: about 32 buckets an entry, so that few windows of a text meet one by chance, but no more than what stays in the fastest cache (32 KiB of bits).
const minTableBits, maxTableBits = 6, 18

func newTable(entries []windowEntry) table {
	bits := minTableBits
	for bits < maxTableBits && 1<<bits < 32*len(entries) {
		bits++
	}
	t := table{shift: uint32(32 - bits), bits: make([]uint64, 1<<bits/64), heads: make([]int32, 1<<bits+1), entries: entries}
	sort.SliceStable(entries, func(i, k int) bool { return t.hash(entries[i].window) < t.hash(entries[k].window) })
	for _, e := range entries {
		k := t.hash(e.window)
		t.bits[k>>6] |= 1 << (k & 63)
		t.heads[k+1]++
	}
	for k := 1; k < len(t.heads); k++ {
		t.heads[k] += t.heads[k-1]
	}
	return t
}

func window(s string, at int) uint32 {
	return uint32(s[at])<<24 | uint32(s[at+1])<<16 | uint32(s[at+2])<<8 | uint32(s[at+3])
}

func pair(s string, at int) uint32 { return uint32(s[at])<<8 | uint32(s[at+1]) }

func newScanner(list []literal) *scanner {
	s := &scanner{literals: list}
	common := map[uint32]int{} // pairs stand below 1<<16, windows with a first byte of 0 are as good as none
	for _, l := range list {
		for i := 0; i+2 <= len(l.text); i++ {
			common[pair(l.text, i)]++
		}
		for i := 0; i+4 <= len(l.text); i++ {
			common[window(l.text, i)]++
		}
	}
	var wide, narrow []windowEntry
	for id, l := range list {
		size, at, to := 4, window, &wide
		if len(l.text) < 4 {
			size, at, to = 2, pair, &narrow
		}
		best := 0
		for i := 1; i+size <= len(l.text); i++ {
			if common[at(l.text, i)] < common[at(l.text, best)] {
				best = i
			}
		}
		*to = append(*to, windowEntry{l.groups, at(l.text, best), int32(id), int32(best)})
	}
	s.wide, s.narrow = newTable(wide), newTable(narrow)
	return s
}

// find tells m of every literal in b, the folded value of a field.
func (s *scanner) find(b []byte, m *Matcher) {
	if len(b) < minLiteral {
		return
	}
	narrow, wide, narrowShift, wideShift := s.narrow.bits, s.wide.bits, s.narrow.shift&31, s.wide.shift&31
	w := uint32(b[0])
	for i := 1; i < len(b); i++ {
		w = w<<8 | uint32(b[i])
		if k := w & 0xFFFF * golden >> narrowShift; narrow[k>>6]&(1<<(k&63)) != 0 {
			s.check(&s.narrow, k, w&0xFFFF, i-1, b, m)
		}
		if k := w * golden >> wideShift; wide[k>>6]&(1<<(k&63)) != 0 && i >= 3 {
			s.check(&s.wide, k, w, i-3, b, m)
		}
	}
}

// check compares the literals whose window may begin at a place.
func (s *scanner) check(t *table, k, w uint32, at int, b []byte, m *Matcher) {
	entries := t.entries[t.heads[k]:t.heads[k+1]]
	for i := range entries {
		e := &entries[i]
		if e.window != w || e.groups&m.groups == 0 {
			continue
		}
		l := &s.literals[e.literal]
		begin := at - int(e.offset)
		end := begin + len(l.text)
		if begin < 0 || end > len(b) || string(b[begin:end]) != l.text {
			continue
		}
		for _, u := range l.uses {
			if (!u.begin || begin == 0) && (!u.end || end == len(b)) {
				m.found(u.test)
			}
		}
	}
}
