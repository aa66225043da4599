package history

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// ErrDamaged: something of the history is not what was written. The text names the segment and the block.
var ErrDamaged = errors.New("history is damaged")

// Sizes of what is on disk.
const (
	sealAt     = 512 << 10 // bytes of entries that make a block
	maxRaw     = 4 << 20   // bytes of entries in a block, at most
	maxIndex   = 4 << 20
	headerSize = 4 + 8 + 8 + 4 + 4 + 4 + 4 + 8 + 8 + 8 + 4*sha256.Size
	sumAt      = headerSize - sha256.Size
)

var blockMagic = [4]byte{'D', 'M', 'B', '1'}

type sum [sha256.Size]byte

// header stands before each block. Its Sum is over the rest of it, which holds the sums of index and packed entries: so the chain
// can be followed from header to header, and whoever reads a part of a block can tell whether it is right. Prev is the Sum of the
// block before.
type header struct {
	Magic         [4]byte
	Number        uint64 // of the block, from 1
	First         uint64 // Seq of the first entry
	Count         uint32 // entries
	Raw           uint32 // bytes of the entries
	Packed        uint32 // the same, compressed
	Index         uint32 // bytes
	Clock         int64  // of the last entry, milliseconds
	Begins, Until int64  // times of the entries, the earliest and the latest, microseconds
	IndexSum      sum
	PackedSum     sum
	Prev, Sum     sum
}

func (h *header) bytes() []byte {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, h) // a buffer takes all
	return b.Bytes()
}

func readHeader(b []byte) (h header, err error) {
	if _, err := binary.Decode(b, binary.LittleEndian, &h); err != nil {
		return h, err
	}
	if h.Magic != blockMagic || h.Raw > maxRaw || h.Packed > maxRaw || h.Index > maxIndex || h.Count > h.Raw {
		return h, errors.New("no block begins here")
	}
	if h.Sum != sha256.Sum256(b[:sumAt]) {
		return h, errors.New("its beginning was changed")
	}
	return h, nil
}

// size is how many bytes the block takes.
func (h *header) size() int64 { return headerSize + int64(h.Index) + int64(h.Packed) }

// packer compresses blocks; one is kept for the life of a store.
type packer struct{ z *zstd.Encoder }

func newPacker() (packer, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(sealAt), zstd.WithEncoderLevel(zstd.SpeedDefault))
	return packer{z}, err
}

// seal makes a block of entries that were written by a coder from its beginning.
func (p packer) seal(raw []byte, number, first uint64, prev sum) (block []byte, h header, err error) {
	h = header{Magic: blockMagic, Number: number, First: first, Raw: uint32(len(raw)), Prev: prev}
	keys := map[key]struct{}{}
	err = entries(raw, first, func(e *Entry) bool {
		at, until := e.Time.UnixMicro(), e.Time.UnixMicro()
		if e.Last.After(e.Time) {
			until = e.Last.UnixMicro()
		}
		if h.Count++; h.Count == 1 {
			h.Begins, h.Until = at, until
		}
		h.Begins, h.Until, h.Clock = min(h.Begins, at), max(h.Until, until), e.Clock.Milliseconds()
		keysOf(e, func(k key) { keys[k] = struct{}{} })
		return true
	})
	if err != nil {
		return nil, h, fmt.Errorf("seal block %d: %w", number, err)
	}
	index := bloom(keys)
	packed := p.z.EncodeAll(raw, nil)
	h.Index, h.Packed = uint32(len(index)), uint32(len(packed))
	h.IndexSum, h.PackedSum = sha256.Sum256(index), sha256.Sum256(packed)
	h.Sum = sha256.Sum256(h.bytes()[:sumAt])
	return slices.Concat(h.bytes(), index, packed), h, nil
}

// entries gives the entries of a block one after the other, until see has enough.
func entries(raw []byte, first uint64, see func(*Entry) bool) error {
	var c coder
	for seq := first; len(raw) > 0; seq++ {
		e := &Entry{}
		var err error
		if raw, err = c.next(raw, e); err != nil {
			return fmt.Errorf("entry %d: %w", seq, err)
		}
		e.Seq = seq
		if !see(e) {
			return nil
		}
	}
	return nil
}

// unzip is shared: a decoder costs memory, and blocks are small.
var unzip = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxRaw), zstd.WithDecoderMaxWindow(maxRaw))
})

// unpack gives the entries of a block.
func (h *header) unpack(packed []byte) ([]byte, error) {
	if sha256.Sum256(packed) != h.PackedSum {
		return nil, errors.New("its entries were changed")
	}
	z, err := unzip()
	if err != nil {
		return nil, err
	}
	raw, err := z.DecodeAll(packed, make([]byte, 0, h.Raw))
	if err == nil && len(raw) != int(h.Raw) {
		err = fmt.Errorf("%d bytes where %d should be", len(raw), h.Raw)
	}
	return raw, err
}
