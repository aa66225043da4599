package yara

import "encoding/binary"

// starts tells quickly where none of a set of literals can begin: literals of four bytes and more by a hash of the first
// four, shorter ones by the first two. It may be wrong the other way. Letter case is never told apart.
type starts struct {
	long  [1 << 11]uint64 // 17-bit hash of four bytes
	short [1 << 10]uint64 // two bytes
}

// startLength is how many bytes of a literal starts looks at.
const startLength = 4

// foldMask is set in bytes of data and of literals alike: it makes letters of both cases one.
const foldMask = 0x20202020

func startHash(x uint32) uint32 { return x * 0x9E3779B1 >> (32 - 17) }

// newStarts gives nil where the literals are so many that nearly every place could be a beginning.
func newStarts(list []string) *starts {
	s := &starts{}
	long := 0
	for _, lit := range list {
		switch n := len(lit); {
		case n >= startLength:
			h := startHash(binary.LittleEndian.Uint32([]byte(lit)) | foldMask)
			s.long[h>>6] |= 1 << (h & 63)
			long++
		case n >= 2:
			s.pair(lit[0], lit[1])
		case n == 1:
			for b := range 256 {
				s.pair(lit[0], byte(b))
			}
		}
	}
	if long > 1<<15 { // a quarter of the bits
		return nil
	}
	return s
}

func (s *starts) pair(a, b byte) {
	p := uint32(a) | uint32(b)<<8 | foldMask&0xFFFF
	s.short[p>>6] |= 1 << (p & 63)
}

// next gives the first place from i on where a literal may begin; the last three bytes count as such.
func (s *starts) next(data []byte, i int) int {
	for ; i+8 <= len(data); i += 4 { // four places at a time
		v := binary.LittleEndian.Uint64(data[i : i+8])
		if (s.may(uint32(v))|s.may(uint32(v>>8))|s.may(uint32(v>>16))|s.may(uint32(v>>24)))&1 != 0 {
			break
		}
	}
	for ; i+startLength <= len(data); i++ {
		if s.may(binary.LittleEndian.Uint32(data[i:i+startLength]))&1 != 0 {
			return i
		}
	}
	return min(i, len(data))
}

// may has its lowest bit set where a literal may begin with these four bytes, little end first.
func (s *starts) may(x uint32) uint64 {
	x |= foldMask
	h, p := startHash(x), x&0xFFFF
	return s.long[h>>6]>>(h&63) | s.short[p>>6]>>(p&63)
}
