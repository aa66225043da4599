package pkgdb

import (
	"encoding/binary"
	"fmt"
	"io"
)

// sqliteMagic begins an SQLite 3 database (the file format is described on sqlite.org/fileformat2.html).
const sqliteMagic = "SQLite format 3\x00"

const (
	sqliteInterior = 5  // table b-tree page types
	sqliteLeaf     = 13 // holds rows
)

// sqlite reads the rows of one table of an SQLite database: enough for rpm, whose table Packages has the columns hnum
// (the row's number) and blob (a header).
type sqlite struct {
	r      io.ReaderAt
	size   int64
	wal    io.ReaderAt // write-ahead log or nil
	page   int64
	usable int64
	frames map[uint32]int64 // page -> offset of its newest committed copy in the log
	budget int64            // bytes of rows that may still be read: no two rows share pages in an honest file
}

func (s *sqlite) open(head []byte) error {
	s.page = int64(binary.BigEndian.Uint16(head[16:]))
	if s.page == 1 {
		s.page = 64 << 10
	}
	s.usable = s.page - int64(head[20])
	if s.page < 512 || s.page&(s.page-1) != 0 || s.usable < 480 {
		return fmt.Errorf("%w: page size %d", errDamaged, s.page)
	}
	if s.wal != nil {
		s.frames = walFrames(s.wal, s.page)
	}
	s.budget = 2 * (s.size + int64(len(s.frames))*s.page)
	return nil
}

func (s *sqlite) read(no uint32) ([]byte, error) {
	buf := make([]byte, s.page)
	if off, ok := s.frames[no]; ok {
		return buf, readAt(s.wal, buf, off)
	}
	if no == 0 {
		return nil, fmt.Errorf("%w: page 0", errDamaged)
	}
	return buf, readAt(s.r, buf, int64(no-1)*s.page)
}

// each implements store.
func (s *sqlite) each(see func(ref uint64, blob []byte) bool) error {
	var root int64
	err := s.rows(1, func(_ uint64, row []byte) bool {
		c := columns(row, 4) // type, name, tbl_name, rootpage
		if len(c) == 4 && string(c[0]) == "table" && string(c[1]) == "Packages" {
			for _, b := range c[3] {
				root = root<<8 | int64(b)
			}
		}
		return root == 0
	})
	if err != nil {
		return err
	}
	if root <= 0 || root > 1<<31 {
		return fmt.Errorf("%w: no table Packages", errDamaged)
	}
	return s.rows(uint32(root), func(ref uint64, row []byte) bool {
		c := columns(row, 2)
		return len(c) != 2 || see(ref, c[1])
	})
}

// get implements store; ref is the leaf page and the number of the cell on it.
func (s *sqlite) get(ref uint64) ([]byte, error) {
	page, err := s.read(uint32(ref >> 16))
	if err != nil {
		return nil, err
	}
	row, err := s.row(page, cells(page, uint32(ref>>16)), int(ref&0xffff))
	if err != nil {
		return nil, err
	}
	c := columns(row, 2)
	if len(c) != 2 {
		return nil, fmt.Errorf("%w: a row without a header", errDamaged)
	}
	return c[1], nil
}

// rows walks a table without recursion; a page is visited once.
func (s *sqlite) rows(root uint32, see func(ref uint64, row []byte) bool) error {
	seen := map[uint32]bool{}
	for todo := []uint32{root}; len(todo) > 0; {
		no := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[no] {
			return fmt.Errorf("%w: page %d is in the table twice", errDamaged, no)
		}
		seen[no] = true
		page, err := s.read(no)
		if err != nil {
			return err
		}
		list := cells(page, no)
		if list.kind == sqliteInterior {
			for i := range list.n {
				if p := list.at(page, i); p > 0 && p+4 <= len(page) {
					todo = append(todo, binary.BigEndian.Uint32(page[p:]))
				}
			}
			todo = append(todo, binary.BigEndian.Uint32(page[list.head+8:]))
			continue
		}
		if list.kind != sqliteLeaf {
			return fmt.Errorf("%w: page %d is of kind %d", errDamaged, no, list.kind)
		}
		for i := range list.n {
			row, err := s.row(page, list, i)
			if err != nil {
				return err
			}
			if !see(uint64(no)<<16|uint64(i), row) {
				return nil
			}
		}
	}
	return nil
}
