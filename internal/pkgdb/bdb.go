package pkgdb

import (
	"encoding/binary"
	"fmt"
	"io"
)

// bdb reads the Berkeley DB hash file that rpm used until 4.15 (Berkeley DB's src/dbinc/db_page.h). Headers of packages
// lie in chains of overflow pages that entries of hash pages refer to.
type bdb struct {
	r     io.ReaderAt
	size  int64
	order binary.ByteOrder
	page  int64
}

const (
	bdbMagic      = 0x061561
	bdbHead       = 26 // bytes before the content of a page
	bdbUnsorted   = 2  // page types
	bdbOverflow   = 7
	bdbMeta       = 8
	bdbHash       = 13
	bdbOffPage    = 3 // kind of an entry: its content lies in overflow pages
	bdbOffPageLen = 12
)

func (b *bdb) open(head []byte) error {
	b.order = binary.LittleEndian
	if b.order.Uint32(head[12:]) != bdbMagic {
		b.order = binary.BigEndian
	}
	if b.order.Uint32(head[12:]) != bdbMagic || head[25] != bdbMeta {
		return fmt.Errorf("%w: not a known rpm format", errDamaged)
	}
	b.page = int64(b.order.Uint32(head[20:]))
	if head[24] != 0 || b.page < 512 || b.page > 64<<10 || b.page&(b.page-1) != 0 {
		return fmt.Errorf("%w: page size %d, encryption %d", errDamaged, b.page, head[24])
	}
	return nil
}

func (b *bdb) each(see func(ref uint64, blob []byte) bool) error {
	budget := b.size * 2 // no two packages share pages in an honest file
	page := make([]byte, b.page)
	for off := b.page; off+b.page <= b.size; off += b.page {
		if err := readAt(b.r, page, off); err != nil {
			return err
		}
		if page[25] != bdbHash && page[25] != bdbUnsorted {
			continue
		}
		for i := range int(b.order.Uint16(page[20:])) / 2 {
			at := bdbHead + 4*i + 2 // offsets of keys and values take turns
			if at+2 > len(page) {
				return fmt.Errorf("%w: a hash page with too many entries", errDamaged)
			}
			v := int(b.order.Uint16(page[at:]))
			if v+bdbOffPageLen > len(page) || page[v] != bdbOffPage {
				continue // small values are the database's own counters
			}
			ref := uint64(b.order.Uint32(page[v+4:]))<<32 | uint64(b.order.Uint32(page[v+8:]))
			blob, err := b.get(ref)
			if err != nil {
				return err
			}
			if budget -= int64(len(blob)); budget < 0 {
				return fmt.Errorf("%w: packages overlap", errDamaged)
			}
			if !see(ref, blob) {
				return nil
			}
		}
	}
	if b.size%b.page != 0 {
		return fmt.Errorf("%w: it ends in the middle of a page", errDamaged)
	}
	return nil
}

// get implements store; ref is the first overflow page and the size of the content.
func (b *bdb) get(ref uint64) ([]byte, error) {
	want := int64(ref & 0xffffffff)
	if want > maxRecord || want > b.size {
		return nil, fmt.Errorf("%w: a package of %d bytes", errDamaged, want)
	}
	out := make([]byte, 0, want)
	page := make([]byte, b.page)
	for no := ref >> 32; int64(len(out)) < want; {
		if no == 0 {
			return nil, fmt.Errorf("%w: a package that ends early", errDamaged)
		}
		if err := readAt(b.r, page, int64(no)*b.page); err != nil {
			return nil, err
		}
		n := int64(b.order.Uint16(page[22:])) // bytes used on this page
		if page[25] != bdbOverflow || n == 0 || bdbHead+n > b.page {
			return nil, fmt.Errorf("%w: page %d is not the rest of a package", errDamaged, no)
		}
		out = append(out, page[bdbHead:bdbHead+min(n, want-int64(len(out)))]...)
		no = uint64(b.order.Uint32(page[16:]))
	}
	return out, nil
}
