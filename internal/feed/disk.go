package feed

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"github.com/deminer/deminer/internal/state"
)

// tmpMark begins the names of files that are being written; so many random bytes follow, in hexadecimal.
const (
	tmpMark  = ".tmp-"
	tmpBytes = 8
)

func (s *Store) step(what string) {
	if s.Step != nil {
		s.Step(what)
	}
}

// read reads a file of the store of at most limit bytes.
func (s *Store) read(name string, limit int64) ([]byte, error) {
	text, err := state.Read(s.Dir, name, limit)
	if errors.Is(err, state.ErrOdd) {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return text, err
}

// The modes of what is written: nobody else reads the store, and everybody may read what is handed on.
const (
	ownMode    = 0o600
	publicMode = 0o644
)

// write puts a file on disk, whole or not at all; when it answers, it is there to stay.
func (s *Store) write(name string, text []byte, mode fs.FileMode) (err error) {
	var salt [tmpBytes]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	tmp := path.Join(path.Dir(name), tmpMark+hex.EncodeToString(salt[:]))
	s.step("create " + name)
	f, err := s.Dir.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	s.step("write " + name)
	_, err = f.Write(text)
	s.step("sync " + name)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		s.step("rename " + name)
		err = s.Dir.Rename(tmp, name)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, errors.Join(err, s.Dir.Remove(tmp)))
	}
	return s.sync(path.Dir(name))
}

// sync puts the names of a directory on disk.
func (s *Store) sync(dir string) error {
	s.step("sync " + dir)
	d, err := s.Dir.Open(dir)
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	err = d.Sync()
	if errors.Is(err, fs.ErrPermission) { // Windows has no such thing, and says so with this
		err = nil
	}
	if err := errors.Join(err, d.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}

func (s *Store) mkdir(name string) error {
	s.step("mkdir " + name)
	if err := s.Dir.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make %s: %w", name, err)
	}
	return s.sync(path.Dir(name))
}

func (s *Store) remove(name string) error {
	s.step("remove " + name)
	if err := s.Dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return s.sync(path.Dir(name))
}
