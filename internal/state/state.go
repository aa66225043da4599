// Package state reads files of deminer's own state directory, which may be one that somebody else prepared (a mounted
// root): only regular files are opened, as a FIFO would be waited for, and none is read beyond its limit.
package state

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// ErrOdd: a file is not one that deminer wrote.
var ErrOdd = errors.New("not a file of deminer's")

// Regular refuses what is not a regular file of at most limit bytes; fs.ErrNotExist where there is nothing.
func Regular(dir *os.Root, name string, limit int64) error {
	st, err := dir.Lstat(name)
	switch {
	case err != nil:
		return err
	case !st.Mode().IsRegular():
		return fmt.Errorf("%w: %q is not a regular file", ErrOdd, name)
	case st.Size() > limit:
		return fmt.Errorf("%w: %q has %d bytes, over the limit of %d", ErrOdd, name, st.Size(), limit)
	}
	return nil
}

// Open opens a regular file for reading.
func Open(dir *os.Root, name string, limit int64) (*os.File, error) {
	if err := Regular(dir, name, limit); err != nil {
		return nil, err
	}
	return dir.Open(name)
}

// Read reads a regular file as a whole, also one that grows meanwhile, if it has at most limit bytes.
func Read(dir *os.Root, name string, limit int64) ([]byte, error) {
	f, err := Open(dir, name, limit)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		return nil, fmt.Errorf("%w: %q has more than %d bytes", ErrOdd, name, limit)
	}
	return text, err
}
