package yara

import (
	"math"
	"math/bits"
)

const (
	gramLength = 4   // bytes of a gram
	pairLength = 2   // bytes of a gram where four cannot be had
	gramKeys   = 256 // values that one gram may stand for
	pairKeys   = 4096
	besideKeys = 1024
	fold4      = 0x20202020 // a key has bit 5 of every byte set: letters of either case have one key
	fold2      = 0x2020
	fineBits   = 40 // half bits: a gram found once in a million bytes needs no better one
)

// cell is one byte of a fixed row: b&m == v, and b is in set where there is one.
type cell struct {
	v, m byte
	set  *byteSet
}

// cellOf gives the cell of a set; v and m are the bits that all its members share.
func cellOf(s *byteSet) cell {
	and, or, n := byte(0xFF), byte(0), 0
	for w, word := range s {
		for ; word != 0; word &= word - 1 {
			b := byte(w<<6 | bits.TrailingZeros64(word))
			and, or = and&b, or|b
			n++
		}
	}
	c := cell{m: ^(and ^ or), v: and}
	if n != 1<<(8-bits.OnesCount8(c.m)) {
		c.set = s
	}
	c.v &= c.m
	return c
}

// bytes gives the set of a cell.
func (c cell) bytes() byteSet {
	var s byteSet
	if c.m == 0xFF {
		s.add(c.v)
		return s
	}
	for b := 0; b < 256; b++ {
		if byte(b)&c.m == c.v && (c.set == nil || c.set.has(byte(b))) {
			s.add(byte(b))
		}
	}
	return s
}

// single tells whether the cell has one value after folding.
func (c cell) single() bool { return c.m|0x20 == 0xFF }

// folded gives the values of the cell after folding.
func (c cell) folded(dst []byte) []byte {
	if c.single() {
		return append(dst, c.v|0x20)
	}
	var seen byteSet
	for b := 0; b < 256; b++ {
		if byte(b)&c.m == c.v && (c.set == nil || c.set.has(byte(b))) && !seen.has(byte(b)|0x20) {
			seen.add(byte(b) | 0x20)
			dst = append(dst, byte(b)|0x20)
		}
	}
	return dst
}

// gram is a place in a row that is worth looking for.
type gram struct {
	at   int     // offset in the row
	n    int     // gramLength or pairLength; 0 when there is none
	prob float64 // estimate of how often it is found at a byte of data
}

// bestGram chooses the rarest gram of a row. A row shorter than a gram is taken to go on with any bytes.
func bestGram(row []cell) gram {
	best, cost := -1, -1
	run := 0
	for i, c := range row {
		if !c.single() {
			run = 0
			continue
		}
		if run++; run < gramLength {
			continue
		}
		if k := rowBits(row[i-3 : i+1]); k > cost {
			best, cost = i-3, k
		}
	}
	g := gram{at: best, n: gramLength, prob: math.Exp2(-float64(cost) / 2)}
	if best < 0 {
		g = gram{prob: math.Inf(1)}
	}
	if cost < fineBits {
		g = expanded(row, gramLength, gramKeys, g)
	}
	if g.n == 0 {
		g = expanded(row, pairLength, pairKeys, g)
	}
	return g
}

func rowBits(row []cell) int {
	n := bitsOf(row[0].v)
	for i := 1; i < len(row); i++ {
		n += bitsAfter(row[i-1].v, row[i].v)
	}
	return n
}

// expanded tries grams that stand for several values.
func expanded(row []cell, n, limit int, best gram) gram {
	last := max(len(row)-n, 0)
	var buf [256]byte
	for i := 0; i <= last; i++ {
		total := 1
		p := 1.0
		var before []byte
		for k := 0; k < n && total <= limit; k++ {
			if i+k >= len(row) {
				total *= 128
				continue
			}
			values := row[i+k].folded(buf[k%2*128 : k%2*128])
			total *= len(values)
			p *= chance(before, values)
			before = values
		}
		if total <= limit && p < best.prob {
			best = gram{i, n, p}
		}
	}
	return best
}

// chance estimates how often one of values stands behind one of before.
func chance(before, values []byte) float64 {
	p := 0.0
	if len(before) == 0 || len(before) > 16 || len(values) > 16 {
		for _, v := range values {
			p += math.Exp2(-float64(bitsOf(v)) / 2)
		}
		return min(p, 1)
	}
	for _, b := range before {
		for _, v := range values {
			p += math.Exp2(-float64(bitsAfter(b, v)) / 2)
		}
	}
	return min(p/float64(len(before)), 1)
}

// keys calls add for every value of the gram, folded, first byte lowest.
func (g gram) keys(row []cell, add func(key uint32)) {
	var values [gramLength][]byte
	for k := range values[:g.n] {
		values[k] = cellAt(row, g.at+k).folded(nil)
	}
	for k := g.n; k < gramLength; k++ {
		values[k] = []byte{0}
	}
	for _, a := range values[0] {
		for _, b := range values[1] {
			for _, c := range values[2] {
				for _, d := range values[3] {
					add(uint32(a) | uint32(b)<<8 | uint32(c)<<16 | uint32(d)<<24)
				}
			}
		}
	}
}

// cellAt gives a cell of a row; what is before it and behind it may be any byte.
func cellAt(row []cell, i int) cell {
	if i < 0 || i >= len(row) {
		return cell{}
	}
	return row[i]
}

// beside gives the four bytes that begin one byte before or behind a gram of four, the rarer ones, as a gram of their own. It
// is false when they stand for too many values.
func (g gram) beside(row []cell) (gram, bool) {
	best := gram{prob: math.Inf(1)}
	for _, at := range [2]int{g.at + 1, g.at - 1} {
		total, p := 1, 1.0
		var before []byte
		for k := range gramLength {
			values := cellAt(row, at+k).folded(nil)
			total *= len(values)
			p *= chance(before, values)
			before = values
		}
		if total <= besideKeys && p < best.prob {
			best = gram{at, gramLength, p}
		}
	}
	return best, best.n > 0
}

// masked gives eight bytes of the row around a gram for one comparison, and where they begin in the row.
func masked(row []cell, g gram) (at int, mask, want uint64) {
	at = g.at
	if at+8 > len(row) {
		at = max(0, len(row)-8)
	}
	for k := 0; k < 8 && at+k < len(row); k++ {
		mask |= uint64(row[at+k].m) << (8 * k)
		want |= uint64(row[at+k].v) << (8 * k)
	}
	return at, mask, want
}
