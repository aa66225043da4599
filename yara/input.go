package yara

import (
	"bytes"
	"encoding/binary"
)

// input is the data of a scan as modules read it: any place in any order, never past its end, never more than maxPiece at once.
type input struct {
	s    *scanner
	size int64
	// block is the piece that was read last, at offset at.
	block []byte
	at    int64
}

const (
	maxPiece  = 16 << 20 // bytes a module may ask for at once
	blockSize = 64 << 10
)

// bytes gives n bytes at off, or nil if they are not all there. What it gives must not be changed or kept.
func (in *input) bytes(off int64, n int) []byte {
	if off < 0 || n < 0 || n > maxPiece || off > in.size-int64(n) {
		return nil
	}
	if in.s.mem != nil {
		return in.s.mem[off : off+int64(n)]
	}
	if n > blockSize {
		b := in.s.read(off, n)
		if len(b) < n {
			return nil
		}
		return b
	}
	if off < in.at || off+int64(n) > in.at+int64(len(in.block)) {
		in.block, in.at = in.s.read(off, blockSize), off
	}
	if len(in.block) < n {
		return nil
	}
	return in.block[off-in.at:][:n:n]
}

// upTo gives at most n bytes at off: fewer at the end of the data.
func (in *input) upTo(off int64, n int) []byte {
	if off < 0 || off >= in.size {
		return nil
	}
	return in.bytes(off, int(min(int64(n), in.size-off)))
}

func (in *input) u8(off int64) (v uint8, ok bool) {
	if b := in.bytes(off, 1); b != nil {
		return b[0], true
	}
	return 0, false
}

func (in *input) u16(off int64) (uint16, bool) {
	if b := in.bytes(off, 2); b != nil {
		return binary.LittleEndian.Uint16(b), true
	}
	return 0, false
}

func (in *input) u32(off int64) (uint32, bool) {
	if b := in.bytes(off, 4); b != nil {
		return binary.LittleEndian.Uint32(b), true
	}
	return 0, false
}

// cstring gives the bytes up to a zero byte, at most limit of them; ok tells whether the zero byte was seen.
func (in *input) cstring(off int64, limit int) (s string, ok bool) {
	b := in.upTo(off, limit+1)
	i := bytes.IndexByte(b, 0)
	if i < 0 {
		return string(b[:min(limit, len(b))]), false
	}
	return string(b[:i]), true
}

// each hands the bytes from off to end over piece by piece; it stops early when the scan's context ends, and then ok is false.
func (in *input) each(off, end int64, piece func([]byte)) (ok bool) {
	for off < end {
		if err := in.s.ctx.Err(); err != nil {
			in.s.stopped = err
			return false
		}
		n := min(end-off, 1<<20)
		b := in.s.mem
		if b != nil {
			b = b[off : off+n]
		} else if b = in.s.read(off, int(n)); len(b) == 0 {
			return false
		}
		piece(b)
		off += int64(len(b))
	}
	return true
}
