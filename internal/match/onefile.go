package match

import (
	"io"
	"io/fs"
)

// OneFile is a directory of which only one file is seen: a single file of rules, for Load. The rest of the directory does not
// exist for it.
func OneFile(dir fs.FS, name string) fs.FS { return single{dir, name} }

type single struct {
	dir  fs.FS
	name string
}

// Open implements fs.FS.
func (s single) Open(name string) (fs.File, error) {
	switch name {
	case ".":
		f, err := s.dir.Open(s.name)
		if err != nil {
			return nil, err
		}
		st, err := f.Stat()
		return &oneDir{f, st}, err
	case s.name:
		return s.dir.Open(name)
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// oneDir is the directory that holds the file alone.
type oneDir struct {
	fs.File
	only fs.FileInfo
}

func (d *oneDir) Stat() (fs.FileInfo, error) { return dirInfo{d.only}, nil }
func (d *oneDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: ".", Err: fs.ErrInvalid}
}

// ReadDir implements fs.ReadDirFile.
func (d *oneDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if d.only == nil {
		if n > 0 {
			return nil, io.EOF
		}
		return nil, nil
	}
	e := fs.FileInfoToDirEntry(d.only)
	d.only = nil
	return []fs.DirEntry{e}, nil
}

type dirInfo struct{ fs.FileInfo }

func (dirInfo) Name() string      { return "." }
func (dirInfo) IsDir() bool       { return true }
func (dirInfo) Mode() fs.FileMode { return fs.ModeDir | 0o555 }
