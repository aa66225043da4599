package pkgdb

import (
	"encoding/binary"
	"fmt"
	"io"
)

// ndbMagic begins a Packages.db of rpm's "ndb" backend (rpm's lib/backend/ndb/rpmpkg.c).
const ndbMagic = "RpmP"

// ndb reads that format: pages of 4096 bytes with slots of 16, the first two slots of the file being its header, then
// blobs on 16-byte blocks. All numbers are little endian.
type ndb struct {
	r    io.ReaderAt
	head []byte
	size int64
}

func (n *ndb) each(see func(ref uint64, blob []byte) bool) error {
	le := binary.LittleEndian
	pages := int64(le.Uint32(n.head[12:]))
	if v := le.Uint32(n.head[4:]); v != 0 || pages == 0 || pages*4096 > n.size {
		return fmt.Errorf("%w: ndb version %d with %d slot pages", errDamaged, v, pages)
	}
	page := make([]byte, 4096)
	budget := n.size * 2 // no two packages share bytes in an honest file
	for p := range pages {
		if err := readAt(n.r, page, p*4096); err != nil {
			return err
		}
		for i := 0; i < 4096; i += 16 {
			slot := page[i:]
			if p == 0 && i < 32 || le.Uint32(slot[4:]) == 0 {
				continue
			}
			if string(slot[:4]) != "Slot" {
				return fmt.Errorf("%w: a slot without its mark", errDamaged)
			}
			ref := uint64(le.Uint32(slot[8:]))<<32 | uint64(le.Uint32(slot[4:]))
			blob, err := n.get(ref)
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
	return nil
}

// get implements store; ref is the block and the index of the package.
func (n *ndb) get(ref uint64) ([]byte, error) {
	le := binary.LittleEndian
	off := int64(ref>>32) * 16
	head := make([]byte, 16)
	if err := readAt(n.r, head, off); err != nil {
		return nil, err
	}
	size := int64(le.Uint32(head[12:]))
	if string(head[:4]) != "BlbS" || le.Uint32(head[4:]) != uint32(ref) || size > maxRecord || size > n.size {
		return nil, fmt.Errorf("%w: no package at block %d", errDamaged, ref>>32)
	}
	blob := make([]byte, size)
	return blob, readAt(n.r, blob, off+16)
}
