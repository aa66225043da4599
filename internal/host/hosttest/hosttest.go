// Package hosttest makes a host from one text file, for tests: files with content and attributes, and the parts of a
// snapshot that only a running system has.
//
// The text is a txtar archive. A section named by an absolute path is a regular file (mode 0644, root, mtime 2026-01-01)
// ending with a newline unless @attr says "chomp". Special sections:
//
//	@attr       lines "PATH key=value ..." with keys mode (octal), uid, gid, mtime (RFC 3339), ctime, btime, flags (ia),
//	            size, link (makes a symbolic link to the value), type (dir, fifo, device, socket), chomp=yes,
//	            hex=yes (content is hex), owner=intact|modified|unowned (package state), xattr.NAME=value, xhex.NAME=hex value,
//	            original=PATH (the file that holds what the package brought under this name), gone=yes (packaged, but not there)
//	@host       JSON of deminer.HostInfo, merged over the default live Linux host
//	@snapshot   JSON of deminer.Snapshot, merged over the empty one: processes, sockets ...
//
// Other sections that begin with @ (such as @want) are handed to the test in Extra.
package hosttest

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"golang.org/x/tools/txtar"
)

// Host is a host made from text.
type Host struct {
	host.Host
	Snapshot deminer.Snapshot
	Extra    map[string]string // other @ sections
	FS       *FS
}

// Parse makes a host from a txtar text.
func Parse(text []byte) (*Host, error) {
	ar := txtar.Parse(text)
	h := &Host{Extra: map[string]string{}, FS: &FS{nodes: map[string]*node{}, owner: map[string]deminer.ProvState{}, original: map[string]string{}}}
	h.Info = deminer.HostInfo{ID: "test", Name: "test", OS: "linux", Source: "live", CPUs: 4, Systemd: true, Root: true}
	h.FS.dir("/")
	var attrs string
	for _, f := range ar.Files {
		switch {
		case strings.HasPrefix(f.Name, "/"):
			h.FS.Put(f.Name, f.Data)
		case f.Name == "@attr":
			attrs = string(f.Data)
		case f.Name == "@host":
			if err := json.Unmarshal(f.Data, &h.Info); err != nil {
				return nil, fmt.Errorf("read @host: %w", err)
			}
		case f.Name == "@snapshot":
			if err := json.Unmarshal(f.Data, &h.Snapshot); err != nil {
				return nil, fmt.Errorf("read @snapshot: %w", err)
			}
		case strings.HasPrefix(f.Name, "@"):
			h.Extra[f.Name] = string(f.Data)
		default:
			return nil, fmt.Errorf("section %q is neither an absolute path nor @name", f.Name)
		}
	}
	if err := h.FS.attrs(attrs); err != nil {
		return nil, err
	}
	h.Snapshot.Host = h.Info
	h.Host.FS = h.FS
	h.Packages = packages{h.FS}
	return h, nil
}

// FS is a file system in memory.
type FS struct {
	nodes map[string]*node
	owner map[string]deminer.ProvState
	// original names the file that holds a packaged file's own content.
	original map[string]string
}

type node struct {
	attr deminer.Attr
	data []byte
	link string
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Put makes a regular file and the directories above it.
func (f *FS) Put(name string, data []byte) {
	name = path.Clean(name)
	f.dir(path.Dir(name))
	f.nodes[name] = &node{data: data, attr: deminer.Attr{Type: deminer.Regular, Mode: 0o644, Size: int64(len(data)),
		Links: 1, Ino: uint64(len(f.nodes) + 1), Mtime: epoch, Ctime: epoch, Blocks: int64(len(data)+511) / 512}}
}

func (f *FS) dir(name string) {
	for ; ; name = path.Dir(name) {
		if f.nodes[name] == nil {
			f.nodes[name] = &node{attr: deminer.Attr{Type: deminer.Directory, Mode: 0o755, Mtime: epoch, Ctime: epoch, Ino: uint64(len(f.nodes) + 1)}}
		}
		if name == "/" {
			return
		}
	}
}

func (f *FS) attrs(text string) error {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		name := fields[0]
		if f.nodes[name] == nil {
			f.Put(name, nil)
		}
		for _, kv := range fields[1:] {
			key, value, _ := strings.Cut(kv, "=")
			if err := f.set(name, key, value); err != nil {
				return fmt.Errorf("@attr %s %s: %w", name, kv, err)
			}
		}
	}
	return nil
}

func (f *FS) set(name, key, value string) (err error) {
	n := f.nodes[name]
	a := &n.attr
	switch key {
	case "mode":
		err = number(value, 8, func(v uint64) { a.Mode = uint32(v) })
	case "uid":
		err = number(value, 10, func(v uint64) { a.UID = uint32(v) })
	case "gid":
		err = number(value, 10, func(v uint64) { a.GID = uint32(v) })
	case "size":
		err = number(value, 10, func(v uint64) { a.Size = int64(v) })
	case "mtime":
		a.Mtime, err = time.Parse(time.RFC3339, value)
	case "ctime":
		a.Ctime, err = time.Parse(time.RFC3339, value)
	case "btime":
		a.Btime, err = time.Parse(time.RFC3339, value)
	case "flags":
		if strings.Contains(value, "i") {
			a.Flags |= deminer.Immutable
		}
		if strings.Contains(value, "a") {
			a.Flags |= deminer.AppendOnly
		}
	case "link":
		n.link, a.Type, n.data, a.Size = value, deminer.Symlink, nil, int64(len(value))
	case "type":
		a.Type = deminer.FileType(value)
	case "chomp":
		n.data = bytes.TrimSuffix(n.data, []byte("\n"))
		a.Size = int64(len(n.data))
	case "hex":
		n.data, err = hex.DecodeString(strings.Join(strings.Fields(string(n.data)), ""))
		a.Size = int64(len(n.data))
	case "original":
		f.original[name] = value
	case "gone":
		delete(f.nodes, name)
	case "owner":
		f.owner[name] = deminer.ProvState(value)
	default:
		if x, ok := strings.CutPrefix(key, "xattr."); ok {
			if a.Xattrs == nil {
				a.Xattrs = map[string][]byte{}
			}
			a.Xattrs[x] = []byte(value)
			return nil
		}
		if x, ok := strings.CutPrefix(key, "xhex."); ok {
			if a.Xattrs == nil {
				a.Xattrs = map[string][]byte{}
			}
			a.Xattrs[x], err = hex.DecodeString(value)
			return err
		}
		return fmt.Errorf("unknown key %q", key)
	}
	return err
}

func number(s string, base int, set func(uint64)) error {
	v, err := strconv.ParseUint(s, base, 64)
	if err == nil {
		set(v)
	}
	return err
}

func (f *FS) find(op, name string, follow bool) (*node, error) {
	if follow {
		real, err := host.Resolve(f, name)
		if err != nil {
			return nil, err
		}
		name = real
	} else if dir := path.Dir(path.Clean(name)); dir != "/" {
		if real, err := host.Resolve(f, dir); err == nil {
			name = path.Join(real, path.Base(name))
		}
	}
	if n := f.nodes[path.Clean(name)]; n != nil {
		return n, nil
	}
	return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
}

// Open implements host.FS.
func (f *FS) Open(name string) (host.File, error) {
	n, err := f.find("open", name, true)
	if err != nil {
		return nil, err
	}
	if n.attr.Type != deminer.Regular {
		return nil, &fs.PathError{Op: "open", Path: name, Err: host.ErrNotRegular}
	}
	return &file{bytes.NewReader(n.data), n.attr}, nil
}

// ReadDir implements host.FS.
func (f *FS) ReadDir(name string) ([]host.Entry, error) {
	real, err := host.Resolve(f, name)
	if err != nil {
		return nil, err
	}
	if f.nodes[real].attr.Type != deminer.Directory {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	var out []host.Entry
	for p, n := range f.nodes {
		if p != "/" && path.Dir(p) == real {
			out = append(out, host.Entry{Name: path.Base(p), Type: n.attr.Type})
		}
	}
	slices.SortFunc(out, func(a, b host.Entry) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Lstat implements host.FS.
func (f *FS) Lstat(name string) (deminer.Attr, error) {
	// Resolve asks Lstat of every prefix, so the plain map answers here.
	if n := f.nodes[path.Clean(name)]; n != nil {
		a := n.attr
		a.Flags, a.Xattrs = 0, nil
		return a, nil
	}
	n, err := f.find("lstat", name, false)
	if err != nil {
		return deminer.Attr{}, err
	}
	return n.attr, nil
}

// Stat implements host.FS.
func (f *FS) Stat(name string) (deminer.Attr, error) {
	n, err := f.find("stat", name, true)
	if err != nil {
		return deminer.Attr{}, err
	}
	return n.attr, nil
}

// ReadLink implements host.FS.
func (f *FS) ReadLink(name string) (string, error) {
	n, err := f.find("readlink", name, false)
	if err != nil {
		return "", err
	}
	if n.attr.Type != deminer.Symlink {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	return n.link, nil
}

// Deep implements host.FS.
func (f *FS) Deep(name string) (deminer.Attr, error) {
	n, err := f.find("deep", name, false)
	if err != nil {
		return deminer.Attr{}, err
	}
	a := n.attr
	a.Deep = true
	return a, nil
}

type file struct {
	*bytes.Reader
	attr deminer.Attr
}

func (f *file) Close() error                { return nil }
func (f *file) Attr() (deminer.Attr, error) { return f.attr, nil }

type packages struct{ f *FS }

func (p packages) state(name string) deminer.Provenance {
	if real, err := host.Resolve(p.f, name); err == nil {
		name = real
	}
	if s, ok := p.f.owner[name]; ok {
		return deminer.Provenance{State: s, Package: "testpkg"}
	}
	return deminer.Provenance{State: deminer.Unowned}
}

func (p packages) Owner(name string) deminer.Provenance {
	s := p.state(name)
	if s.State == deminer.Intact || s.State == deminer.Modified {
		s.State = deminer.Owned
	}
	return s
}

// CheckContent implements host.Packages.
func (p packages) CheckContent(name string, r io.Reader) deminer.Provenance {
	s := p.state(name)
	if n := p.f.nodes[p.f.original[name]]; n != nil {
		s.State = deminer.Modified
		if b, err := io.ReadAll(r); err == nil && bytes.Equal(b, n.data) {
			s.State = deminer.Intact
		}
	}
	return s
}

func (p packages) Each(see func(path, pkg string) bool) {
	for name := range p.f.owner {
		if !see(name, "testpkg") {
			return
		}
	}
}
func (p packages) Installed(see func(name, version string) bool) { see("testpkg", "1") }
func (p packages) Age(string) time.Time                          { return epoch }

func (p packages) Check(_ context.Context, name string) deminer.Provenance { return p.state(name) }
