package pkgdb

import (
	"encoding/binary"
	"fmt"
	"io"
)

// cellList is the head of a b-tree page.
type cellList struct {
	kind  byte
	head  int // where it begins: after the file's own head on page 1
	first int // where the offsets of cells begin
	n     int
}

func cells(page []byte, no uint32) cellList {
	l := cellList{}
	if no == 1 {
		l.head = 100
	}
	l.kind = page[l.head]
	l.n = int(binary.BigEndian.Uint16(page[l.head+3:]))
	l.first = l.head + 8
	if l.kind == sqliteInterior {
		l.first += 4
	}
	l.n = min(l.n, (len(page)-l.first)/2)
	return l
}

// at gives where cell i begins, or 0.
func (l cellList) at(page []byte, i int) int {
	if i < 0 || i >= l.n {
		return 0
	}
	return int(binary.BigEndian.Uint16(page[l.first+2*i:]))
}

// row gives the record of a leaf cell, overflow pages joined.
func (s *sqlite) row(page []byte, l cellList, i int) ([]byte, error) {
	at := l.at(page, i)
	if l.kind != sqliteLeaf || at == 0 || at >= int(s.usable) {
		return nil, fmt.Errorf("%w: no such row", errDamaged)
	}
	cell := page[at:s.usable]
	size, n1 := varint(cell)
	_, n2 := varint(cell[n1:])
	cell = cell[n1+n2:]
	if n1 == 0 || n2 == 0 || size > maxRecord || int64(size) > s.size+int64(len(s.frames))*s.page {
		return nil, fmt.Errorf("%w: a row of %d bytes", errDamaged, size)
	}
	if s.budget -= int64(size); s.budget < 0 {
		return nil, fmt.Errorf("%w: rows overlap", errDamaged)
	}
	local := s.local(int64(size))
	if local > int64(len(cell)) || local < int64(size) && local+4 > int64(len(cell)) {
		return nil, fmt.Errorf("%w: a row that leaves its page", errDamaged)
	}
	out := append(make([]byte, 0, size), cell[:local]...)
	if local == int64(size) {
		return out, nil
	}
	for next := binary.BigEndian.Uint32(cell[local:]); uint64(len(out)) < size; {
		more, err := s.read(next)
		if err != nil {
			return nil, err
		}
		out = append(out, more[4:4+min(s.usable-4, int64(size)-int64(len(out)))]...)
		next = binary.BigEndian.Uint32(more)
	}
	return out, nil
}

// local gives how much of a record lies on its leaf (fileformat2, section 1.6).
func (s *sqlite) local(size int64) int64 {
	u := s.usable
	if size <= u-35 {
		return size
	}
	m := (u-12)*32/255 - 23
	if k := m + (size-m)%(u-4); k <= u-35 {
		return k
	}
	return m
}

// varint reads a number of one to nine bytes, big end first; n is 0 where the bytes end.
func varint(b []byte) (v uint64, n int) {
	for i := 0; i < len(b) && i < 9; i++ {
		if i == 8 {
			return v<<8 | uint64(b[i]), 9
		}
		v = v<<7 | uint64(b[i]&0x7f)
		if b[i] < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}

// columns gives the first n columns of a record as their bytes; nil where the record makes no sense.
func columns(row []byte, n int) [][]byte {
	size, at := varint(row)
	if at == 0 || size > uint64(len(row)) {
		return nil
	}
	head, body := row[at:max(int(size), at)], row[size:]
	var out [][]byte
	for len(out) < n && len(head) > 0 {
		kind, k := varint(head)
		if k == 0 {
			return nil
		}
		head = head[k:]
		width := columnWidth(kind)
		if width > uint64(len(body)) {
			return nil
		}
		out = append(out, body[:width])
		body = body[width:]
	}
	return out
}

// columnWidth gives the bytes of a value by its serial type (fileformat2, section 2.1).
func columnWidth(kind uint64) uint64 {
	switch {
	case kind <= 4:
		return kind
	case kind == 5:
		return 6
	case kind == 6 || kind == 7:
		return 8
	case kind < 12:
		return 0
	}
	return (kind - 12) / 2
}

// walFrames finds the newest committed copy of each page in a write-ahead log (fileformat2, section 4). Frames of an
// older run of the log have other salts and end it. Check sums are not compared: a frame that was cut off is not
// followed by a commit.
func walFrames(r io.ReaderAt, page int64) map[uint32]int64 {
	const maxFrames = 1 << 18
	be := binary.BigEndian
	head := make([]byte, 32)
	if readAt(r, head, 0) != nil || be.Uint32(head)&^1 != 0x377f0682 || int64(be.Uint32(head[8:])) != page {
		return nil
	}
	done, open := map[uint32]int64{}, map[uint32]int64{}
	frame := make([]byte, 24)
	for i := range int64(maxFrames) {
		off := 32 + i*(24+page)
		if readAt(r, frame, off) != nil || string(frame[8:16]) != string(head[16:24]) {
			break
		}
		open[be.Uint32(frame)] = off + 24
		if be.Uint32(frame[4:]) != 0 { // a commit
			for no, at := range open {
				done[no] = at
			}
			clear(open)
		}
	}
	return done
}
