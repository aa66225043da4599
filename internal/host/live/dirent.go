package live

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// Limits on what one look takes in.
const (
	maxProcesses = 1 << 18
	maxThreads   = 1024  // of one process, see deminer.Process
	allThreads   = 20000 // of all processes together
)

var errTooMany = errors.New("more than deminer looks at")

// appendPIDs takes the numeric names out of a buffer that getdents64(2) filled: inode and offset of 8 bytes each, record
// length of 2, type of 1, name up to a NUL.
func appendPIDs(out []int, b []byte) []int {
	for len(b) >= 19 {
		size := int(binary.NativeEndian.Uint16(b[16:]))
		if size < 19 || size > len(b) {
			return out
		}
		n, digits := 0, 0
		for _, c := range b[19:size] {
			if c < '0' || c > '9' || digits > 9 {
				if c != 0 {
					digits = 0
				}
				break
			}
			n, digits = n*10+int(c-'0'), digits+1
		}
		if digits > 0 && n > 0 {
			out = append(out, n)
		}
		b = b[size:]
	}
	return out
}

// dirent is one name in a directory; kind is a DT_ value of dirent.h.
type dirent struct {
	name string
	kind byte
}

// parseDirents takes all names out of a buffer that getdents64(2) filled.
func parseDirents(b []byte) []dirent {
	var out []dirent
	for len(b) >= 19 {
		size := int(binary.NativeEndian.Uint16(b[16:]))
		if size < 19 || size > len(b) {
			return out
		}
		name, _, _ := bytes.Cut(b[19:size], []byte{0})
		out = append(out, dirent{string(name), b[18]})
		b = b[size:]
	}
	return out
}
