package yara

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"hash/crc32"
)

// hashKey names a hash of a range that was computed in a scan.
type hashKey struct {
	name      string
	off, size int64
}

// sum32 is the sum of all bytes modulo 2^32.
type sum32 struct {
	hash.Hash
	sum uint32
}

func (s *sum32) Write(b []byte) (int, error) {
	for _, c := range b {
		s.sum += uint32(c)
	}
	return len(b), nil
}

func (s *sum32) Sum(b []byte) []byte { return binary.BigEndian.AppendUint32(b, s.sum) }

// hashModule gives md5, sha1 and sha256 as hexadecimal text, crc32 and checksum32 as numbers, of a range of the data or of a string.
func hashModule() *module {
	f := fields{
		"md5":        hashFn("md5", typString, md5.New),
		"sha1":       hashFn("sha1", typString, sha1.New),
		"sha256":     hashFn("sha256", typString, sha256.New),
		"crc32":      hashFn("crc32", typInt, func() hash.Hash { return crc32.NewIEEE() }),
		"checksum32": hashFn("checksum32", typInt, func() hash.Hash { return &sum32{} }),
	}
	return &module{root: structType(f), load: func(*input) *object {
		o := newStruct()
		o.data = map[hashKey]value{}
		return o
	}}
}

func hashFn(name string, result *typ, fresh func() hash.Hash) *typ {
	final := func(h hash.Hash) value {
		sum := h.Sum(nil)
		if result == typInt {
			return intValue(int64(binary.BigEndian.Uint32(sum)))
		}
		return strValue(hex.EncodeToString(sum))
	}
	ranged := func(c *call) value {
		key := hashKey{name, c.args[0].i, c.args[1].i}
		known := c.mod.data.(map[hashKey]value)
		if v, ok := known[key]; ok {
			return v
		}
		h := fresh()
		v := value{}
		if c.eachOf(key.off, key.size, func(b []byte) { h.Write(b) }) {
			v = final(h)
		}
		known[key] = v
		return v
	}
	text := func(c *call) value {
		h := fresh()
		h.Write([]byte(c.args[0].s))
		return final(h)
	}
	return fn(overload{"ii", result, ranged}, overload{"s", result, text})
}

// eachOf hands the bytes of a range over; a range that reaches past the end ends there. It is false for a range that begins outside of the data.
// Work on data counts as steps, one for 16 bytes.
func (c *call) eachOf(off, size int64, piece func([]byte)) bool {
	in := &input{s: c.s, size: c.s.size}
	if off < 0 || size < 0 || off >= in.size {
		return false
	}
	size = min(size, in.size-off)
	c.s.steps += int(size / 16)
	return in.each(off, off+size, piece)
}
