//go:build linux

package hands

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// place is a name in an open directory: what stands under the name may change, the directory may not.
type place struct {
	dir  int // O_PATH descriptor of the directory
	name string
	path string // for messages
}

func (p place) close() { unix.Close(p.dir) }

// fail says what was tried with the place.
func (p place) fail(op string, err error) error {
	if errors.Is(err, unix.EROFS) {
		err = fmt.Errorf("%w: the file system is read-only", err)
	}
	return &fs.PathError{Op: op, Path: p.path, Err: err}
}

// beneath opens name inside root: links, absolute ones too, stay inside, and magic links of /proc are not followed.
func beneath(root int, name string, flags uint64) (int, error) {
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	for try := 0; ; try++ {
		fd, err := unix.Openat2(root, path.Clean("/"+name), &how)
		// EAGAIN: something was renamed meanwhile (openat2(2)).
		if err == unix.EINTR || err == unix.EAGAIN && try < 100 {
			continue
		}
		return fd, err
	}
}

// at opens the directory of a path.
func (f *files) at(name string) (place, error) {
	clean := path.Clean("/" + name)
	p := place{name: path.Base(clean), path: name}
	if clean == "/" {
		return p, p.fail("find", deminer.ErrProtected)
	}
	dir, err := beneath(f.root, path.Dir(clean), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return p, p.fail("find the directory of", err)
	}
	p.dir = dir
	return p, nil
}

// same checks that a name still is the inode that was meant; a zero was checks nothing.
func same(a, was deminer.Attr) error {
	if was.Ino != 0 && (a.Ino != was.Ino || a.Dev != was.Dev) || was.Type != "" && a.Type != was.Type {
		return deminer.ErrChanged
	}
	return nil
}

// temp names what Put writes beside a name: always the same, so that what an interrupted Put left can be found.
func temp(name string) string {
	sum := sha256.Sum256([]byte(name))
	return ".deminer-" + hex.EncodeToString(sum[:8])
}

func self(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }
