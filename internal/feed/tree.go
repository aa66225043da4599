package feed

import (
	"bytes"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// tree is a read-only file system of files in memory. Their paths are valid, and none is a directory of another.
type tree struct {
	files map[string][]byte
	dirs  map[string][]fs.DirEntry
}

func newTree(files map[string][]byte) *tree {
	t := &tree{files, map[string][]fs.DirEntry{".": nil}}
	for name, data := range files {
		var entry fs.DirEntry = info{path.Base(name), int64(len(data)), 0o444}
		for dir := path.Dir(name); ; dir = path.Dir(dir) {
			_, known := t.dirs[dir]
			t.dirs[dir] = append(t.dirs[dir], entry)
			if known || dir == "." {
				break
			}
			entry = info{path.Base(dir), 0, fs.ModeDir | 0o555}
		}
	}
	for _, list := range t.dirs {
		slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	}
	return t
}

// Open implements fs.FS.
func (t *tree) Open(name string) (fs.File, error) {
	if data, ok := t.files[name]; ok {
		return &openFile{info{path.Base(name), int64(len(data)), 0o444}, bytes.NewReader(data)}, nil
	}
	if list, ok := t.dirs[name]; ok {
		return &openDir{info{path.Base(name), 0, fs.ModeDir | 0o555}, list}, nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// info is a file's or a directory's own description, and its entry in the directory above.
type info struct {
	name string
	size int64
	mode fs.FileMode
}

func (i info) Name() string               { return i.name }
func (i info) Size() int64                { return i.size }
func (i info) Mode() fs.FileMode          { return i.mode }
func (i info) Type() fs.FileMode          { return i.mode.Type() }
func (i info) ModTime() time.Time         { return time.Time{} }
func (i info) IsDir() bool                { return i.mode.IsDir() }
func (i info) Sys() any                   { return nil }
func (i info) Info() (fs.FileInfo, error) { return i, nil }

type openFile struct {
	info
	*bytes.Reader
}

// Size and the rest of the description are those of the file, not of its reader.
func (f *openFile) Size() int64                { return f.info.size }
func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }

type openDir struct {
	info
	rest []fs.DirEntry
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }
func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.name, Err: fs.ErrInvalid}
}

// ReadDir implements fs.ReadDirFile.
func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		n = len(d.rest)
	} else if len(d.rest) == 0 {
		return nil, io.EOF
	}
	out := slices.Clone(d.rest[:min(n, len(d.rest))])
	d.rest = d.rest[len(out):]
	return out, nil
}
