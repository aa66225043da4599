package deny

import "encoding/binary"

// Numbers of linux/fanotify.h.
const (
	fanMetadata = 24
	fanVersion  = 3
)

// question is one event of fanotify: somebody wants to run a file, or has written to one that is known.
type question struct {
	mask uint64
	fd   int // -1: none
	pid  int
}

// parseQuestions reads the events of one read. Damage ends the reading.
func parseQuestions(b []byte, see func(question)) {
	for len(b) >= fanMetadata {
		size := int(binary.NativeEndian.Uint32(b))
		if size < fanMetadata || size > len(b) || b[4] != fanVersion {
			return
		}
		see(question{binary.NativeEndian.Uint64(b[8:]), int(int32(binary.NativeEndian.Uint32(b[16:]))), int(int32(binary.NativeEndian.Uint32(b[20:])))})
		b = b[size:]
	}
}

// answer is what the kernel reads: struct fanotify_response.
func answer(fd int, response uint32) []byte {
	return binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, uint32(fd)), response)
}
