package state

import (
	"errors"
	"os"
)

// Replace puts a file of mode 0600 with this content in place of one of that name, or of none: after a crash there is the old
// content or the new one. It is on disk when Replace returns. Two at a time for one name must be kept apart by the caller.
func Replace(dir *os.Root, name string, content []byte) (err error) {
	const ending = ".new"
	f, err := dir.OpenFile(name+ending, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync()); err != nil {
		return errors.Join(err, f.Close(), dir.Remove(name+ending))
	}
	if err := f.Close(); err != nil {
		return errors.Join(err, dir.Remove(name+ending))
	}
	if err := dir.Rename(name+ending, name); err != nil {
		return errors.Join(err, dir.Remove(name+ending))
	}
	d, err := dir.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
