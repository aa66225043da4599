package logins

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
)

// unpack gives at most maxPayload bytes of a payload, which journald packs when it is long.
func unpack(flags byte, b []byte) ([]byte, error) {
	switch {
	case flags&packedZstd != 0:
		z, err := zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20))
		if err != nil {
			return nil, fmt.Errorf("%w: %v", errJournal, err)
		}
		defer z.Close()
		return some(z)
	case flags&packedLZ4 != 0:
		return unpackLZ4(b)
	case flags&packedXZ != 0:
		z, err := xz.ReaderConfig{DictCap: 1 << 20, SingleStream: true}.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, fmt.Errorf("%w: %v", errJournal, err)
		}
		return some(z)
	}
	return b[:min(len(b), maxPayload)], nil
}

// some reads what can be had up to the limit; the packed bytes themselves may have been cut.
func some(r io.Reader) ([]byte, error) {
	out, err := io.ReadAll(io.LimitReader(r, maxPayload))
	if len(out) == 0 && err != nil {
		return nil, fmt.Errorf("%w: %v", errJournal, err)
	}
	return out, nil
}

// unpackLZ4 reads the size of the content, eight bytes, and one LZ4 block. One larger than a few times the limit is not
// worth its memory: it is no message of the programs read here.
func unpackLZ4(b []byte) ([]byte, error) {
	if len(b) < 8 {
		return nil, fmt.Errorf("%w: a packed field of %d bytes", errJournal, len(b))
	}
	size := binary.LittleEndian.Uint64(b)
	if size > 8*maxPayload {
		return nil, nil
	}
	out := make([]byte, size)
	n, err := lz4.UncompressBlock(b[8:], out)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", errJournal, err)
	}
	return out[:min(n, maxPayload)], nil
}
