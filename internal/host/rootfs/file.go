//go:build linux

package rootfs

import (
	"io"
	"io/fs"
	"sync/atomic"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// file is an open regular file. It is read with plain system calls: the poller of package os has no part in it.
type file struct {
	fd     int
	name   string
	closed atomic.Bool
}

// Read implements io.Reader.
func (f *file) Read(p []byte) (int, error) {
	n, err := retry(func() (int, error) { return unix.Read(f.fd, p) })
	return f.answer(n, len(p), err)
}

// ReadAt implements io.ReaderAt.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	for done := 0; ; {
		n, err := retry(func() (int, error) { return unix.Pread(f.fd, p[done:], off+int64(done)) })
		if n, err = f.answer(n, len(p)-done, err); err != nil {
			return done, err
		}
		if done += n; done == len(p) {
			return done, nil
		}
	}
}

// answer turns what a read of size bytes gave into the answer of an io.Reader.
func (f *file) answer(n, size int, err error) (int, error) {
	switch {
	case err != nil:
		return 0, &fs.PathError{Op: "read", Path: f.name, Err: err}
	case n == 0 && size > 0:
		return 0, io.EOF
	}
	return n, nil
}

// Attr implements host.File.
func (f *file) Attr() (deminer.Attr, error) {
	a, _, err := attrOf(f.fd)
	return a, err
}

// Close implements host.File; a second call gives fs.ErrClosed.
func (f *file) Close() error {
	if f.closed.Swap(true) {
		return fs.ErrClosed
	}
	return unix.Close(f.fd)
}
