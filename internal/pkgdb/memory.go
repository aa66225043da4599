package pkgdb

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/deminer/deminer"
)

// Memory remembers from scan to scan which comparisons came out well, so that a file nobody wrote to is not read again.
// It must be safe for many callers at a time.
type Memory interface {
	// Same reports whether the key was kept before.
	Same(key [32]byte) bool
	Keep(key [32]byte)
}

// Remember gives the database a memory. Only Check uses it, and only files found intact are kept in it.
func (db *DB) Remember(m Memory) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.memory = m
}

// settled is how long ago a file must have been changed to be remembered. Time stamps of file systems go in steps of up
// to two seconds (FAT); two writes within one step leave the same stamp.
const settled = 3 * time.Second

// comparison names one comparison: the file as long as nobody wrote to it, and what the database expects of it. The
// change time cannot be set back by a program, and a changed database expects something else.
func comparison(a deminer.Attr, want []item) [32]byte {
	var b []byte
	for _, v := range []int64{int64(a.Dev), int64(a.Ino), a.Size, a.Mtime.UnixNano(), a.Ctime.UnixNano()} {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	for _, w := range want {
		b = append(b, byte(w.algo), byte(len(w.sum)))
		b = append(b, w.sum...)
	}
	return sha256.Sum256(b)
}

// same reports whether two looks at a file saw the same inode in the same state.
func same(a, b deminer.Attr) bool {
	return a.Dev == b.Dev && a.Ino == b.Ino && a.Size == b.Size && a.Mtime.Equal(b.Mtime) && a.Ctime.Equal(b.Ctime)
}
