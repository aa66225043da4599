package sense

import (
	"bytes"
	"encoding/binary"

	"github.com/deminer/deminer"
)

// Numbers of linux/fanotify.h.
const (
	fanMetadata  = 24
	fanVersion   = 3
	fanModify    = 0x2
	fanAttrib    = 0x4
	fanMovedFrom = 0x40
	fanMovedTo   = 0x80
	fanCreate    = 0x100
	fanDelete    = 0x200
	fanOverflow  = 0x4000
	fanOnDir     = 0x40000000
	fanDirName   = 2 // FAN_EVENT_INFO_TYPE_DFID_NAME
)

// fanOps says what a bit means, in the order in which it can have happened to one name.
var fanOps = []struct {
	bit uint64
	op  deminer.FileOp
}{{fanCreate, deminer.FileCreated}, {fanMovedTo, deminer.FileRenamed}, {fanModify, deminer.FileWritten}, {fanAttrib, deminer.FileAttr},
	{fanMovedFrom, deminer.FileMoved}, {fanDelete, deminer.FileRemoved}}

// change is one event of fanotify.
type change struct {
	mask uint64
	pid  int
	dir  string // file system and handle of the directory, as bytes that are only compared
	name string // in the directory; "." is the directory itself
}

// parseFanotify reads the events of one read. Names are whatever somebody called a file. Damage ends the reading.
func parseFanotify(b []byte, see func(change)) {
	for len(b) >= fanMetadata {
		size, head := int(binary.NativeEndian.Uint32(b)), int(binary.NativeEndian.Uint16(b[6:]))
		if size < fanMetadata || size > len(b) || head < fanMetadata || head > size || b[4] != fanVersion {
			return
		}
		c := change{mask: binary.NativeEndian.Uint64(b[8:]), pid: int(int32(binary.NativeEndian.Uint32(b[20:])))}
		for info := b[head:size]; len(info) >= 4; {
			n := int(binary.NativeEndian.Uint16(info[2:]))
			if n < 4 || n > len(info) {
				break
			}
			if info[0] == fanDirName {
				c.dir, c.name = parseDirName(info[4:n])
			}
			info = info[n:]
		}
		see(c)
		b = b[size:]
	}
}

// parseDirName reads a file system's id, a file handle and the name that follows it.
func parseDirName(b []byte) (dir, name string) {
	if len(b) < 16 {
		return "", ""
	}
	size := int(binary.NativeEndian.Uint32(b[8:]))
	if size < 0 || size > 128 || size > len(b)-16 {
		return "", ""
	}
	text, _, _ := bytes.Cut(b[16+size:], []byte{0})
	return string(b[:16+size]), string(text)
}
