package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"
	"sort"
	"sync/atomic"
)

// recordSize is one file in the table: 16 bytes of a hash that names its state, and one that says what was found.
const recordSize = 17

// table is what was found of each file, as it lies on disk: records sorted by their hash. A million files are 17 MB, and
// reading them back is reading that. Many may get at a time while nobody puts.
type table struct {
	old   []byte          // records
	first []uint32        // by the first bits of a hash, the first record that is not below them; one more at the end
	shift int             // what is left of the first 32 bits of a hash when those bits are taken
	used  []atomic.Uint64 // bit for each of old: it was asked for
	add   map[key]byte    // what is new
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
	t := &table{old: b, used: make([]atomic.Uint64, len(b)/recordSize/64+1), add: map[key]byte{}}
	t.index()
	return t, nil
}

// perBucket is about how many records share an entry of table.first: they lie in a few cache lines.
const perBucket = 8

// index notes where records begin, by the first bits of their hash. Hashes are spread evenly.
func (t *table) index() {
	lead := 0
	for t.len()>>lead > perBucket && lead < 24 {
		lead++
	}
	t.shift = 32 - lead
	t.first = make([]uint32, 1<<lead+1)
	at := 0
	for i := range t.first {
		for at < t.len() && t.bucket(t.at(at)) < i {
			at++
		}
		t.first[i] = uint32(at)
	}
}

func (t *table) bucket(hash []byte) int { return int(binary.BigEndian.Uint32(hash) >> t.shift) }

func (t *table) len() int { return len(t.old) / recordSize }

func (t *table) at(i int) []byte { return t.old[i*recordSize : (i+1)*recordSize] }

// find gives the place of a key.
func (t *table) find(k key) (int, bool) {
	if t.len() == 0 {
		return 0, false
	}
	b := t.bucket(k[:])
	lo, hi := int(t.first[b]), int(t.first[b+1])
	i := lo + sort.Search(hi-lo, func(i int) bool { return bytes.Compare(t.at(lo + i)[:16], k[:]) >= 0 })
	return i, i < hi && bytes.Equal(t.at(i)[:16], k[:])
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
	if bit := uint64(1) << (i % 64); t.used[i/64].Load()&bit == 0 {
		t.used[i/64].Or(bit)
	}
	return t.at(i)[16], true
}

func (t *table) put(k key, v byte) { t.add[k] = v }

// changed reports whether there is something to write: files that are new, or with prune, that were not asked for.
func (t *table) changed(prune bool) bool { return len(t.add) > 0 || prune && t.hits() < t.len() }

// hits counts the records that were asked for.
func (t *table) hits() (n int) {
	for i := range t.used {
		n += bits.OnesCount64(t.used[i].Load())
	}
	return n
}

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
			if !prune || t.used[i/64].Load()&(1<<(i%64)) != 0 {
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
