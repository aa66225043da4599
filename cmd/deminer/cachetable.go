package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"sort"
)

// recordSize is one file in the table: 16 bytes of a hash that names its state, and one that says what was found.
const recordSize = 17

// table is what was found of each file, as it lies on disk: records sorted by their hash. A million files are 17 MB, and
// reading them back is reading that.
type table struct {
	old  []byte       // records
	used []uint64     // bit for each of old: it was asked for
	hits int          // bits set
	add  map[key]byte // what is new
}

type key [16]byte

var errTable = errors.New("not a table of files")

// parseTable takes records; they must be sorted, so that a damaged file is not believed.
func parseTable(b []byte) (*table, error) {
	if len(b)%recordSize != 0 {
		return nil, errTable
	}
	for i := recordSize; i < len(b); i += recordSize {
		if bytes.Compare(b[i-recordSize:i-1], b[i:i+recordSize-1]) >= 0 {
			return nil, errTable
		}
	}
	return &table{old: b, used: make([]uint64, len(b)/recordSize/64+1), add: map[key]byte{}}, nil
}

func (t *table) len() int { return len(t.old) / recordSize }

func (t *table) at(i int) []byte { return t.old[i*recordSize : (i+1)*recordSize] }

// find gives the place of a key, or of the first one above it. Hashes are spread evenly, so a guess by their first bytes
// lands near.
func (t *table) find(k key) (int, bool) {
	n := t.len()
	guess := int(uint64(binary.BigEndian.Uint32(k[:])) * uint64(n) >> 32)
	lo, hi := 0, n
	for step := 64; ; step *= 4 {
		a, b := max(0, guess-step), min(n, guess+step)
		below := a == 0 || bytes.Compare(t.at(a)[:16], k[:]) <= 0
		above := b == n || bytes.Compare(t.at(b)[:16], k[:]) > 0
		if below && above {
			lo, hi = a, b
			break
		}
	}
	i := lo + sort.Search(hi-lo, func(i int) bool { return bytes.Compare(t.at(lo + i)[:16], k[:]) >= 0 })
	return i, i < n && bytes.Equal(t.at(i)[:16], k[:])
}

// get gives what was found of a file, and notes that it is still there.
func (t *table) get(k key) (byte, bool) {
	if v, ok := t.add[k]; ok {
		return v, true
	}
	i, ok := t.find(k)
	if !ok {
		return 0, false
	}
	if t.used[i/64]&(1<<(i%64)) == 0 {
		t.used[i/64] |= 1 << (i % 64)
		t.hits++
	}
	return t.at(i)[16], true
}

func (t *table) put(k key, v byte) { t.add[k] = v }

// changed reports whether there is something to write: files that are new, or with prune, that were not asked for.
func (t *table) changed(prune bool) bool { return len(t.add) > 0 || prune && t.hits < t.len() }

// bytes gives the records, sorted; with prune, without those that were not asked for.
func (t *table) bytes(prune bool) []byte {
	fresh := make([]key, 0, len(t.add))
	for k := range t.add {
		fresh = append(fresh, k)
	}
	slices.SortFunc(fresh, func(a, b key) int { return bytes.Compare(a[:], b[:]) })
	out := make([]byte, 0, len(t.old)+len(fresh)*recordSize)
	i := 0
	upTo := func(k *key) {
		for ; i < t.len(); i++ {
			if k != nil {
				if c := bytes.Compare(t.at(i)[:16], k[:]); c == 0 { // the new one stands
					continue
				} else if c > 0 {
					return
				}
			}
			if !prune || t.used[i/64]&(1<<(i%64)) != 0 {
				out = append(out, t.at(i)...)
			}
		}
	}
	for _, k := range fresh {
		upTo(&k)
		out = append(append(out, k[:]...), t.add[k])
	}
	upTo(nil)
	return out
}
