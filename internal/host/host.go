// Package host says what a machine looks like to those who look at it: a [Host] with facets.
//
// Nobody who looks may know whether he looks at a live machine, a mounted root or a text file in a test. A facet that
// cannot be had is nil, and what needed it is reported as a gap. Eyes (this file) and hands (hands.go) are different
// values: detectors get eyes, only remedy gets hands.
package host

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/deminer/deminer"
)

// Host is one machine as it can be looked at.
type Host struct {
	Info     deminer.HostInfo
	FS       FS       // never nil
	Live     Live     // nil where the host sleeps
	Inside   Inside   // nil where the host sleeps
	Packages Packages // nil where no package database can be used
	Near     Near     // nil: who wants some processes lists all
}

// Facet names a part of a Host that a plugin needs.
type Facet string

// The facets.
const (
	NeedFS       Facet = "files"
	NeedLive     Facet = "a running system"
	NeedPackages Facet = "a package database"
)

// Has reports whether the host has the facet.
func (h *Host) Has(f Facet) bool {
	switch f {
	case NeedLive:
		return h.Live != nil
	case NeedPackages:
		return h.Packages != nil
	}
	return h.FS != nil
}

// Limits of reading that every FS keeps.
var (
	// ErrNotRegular: a file that is not regular (FIFO, device, socket, directory) is never opened for reading.
	ErrNotRegular = errors.New("not a regular file")
	// ErrTooLarge: the file is larger than the limit that was asked for.
	ErrTooLarge = errors.New("file is larger than the limit")
	// ErrLoop: too many symbolic links.
	ErrLoop = errors.New("too many symbolic links")
)

// FS is a file system seen from its root. Paths are absolute, slash-separated and may hold any byte but NUL. Symbolic
// links, absolute ones too, resolve inside the root and never leave it. Nothing blocks: FIFOs and devices are not opened.
type FS interface {
	// Open opens a regular file, following links; ErrNotRegular otherwise.
	Open(path string) (File, error)
	// ReadDir lists a directory, sorted by name, without "." and "..".
	ReadDir(path string) ([]Entry, error)
	// Lstat does not follow a link in the last element; Stat does.
	Lstat(path string) (deminer.Attr, error)
	Stat(path string) (deminer.Attr, error)
	// ReadLink gives the target as written.
	ReadLink(path string) (string, error)
	// Deep is Lstat with inode flags and extended attributes.
	Deep(path string) (deminer.Attr, error)
}

// Entry is one name in a directory. Type may be "" where the file system does not say: ask Lstat.
type Entry struct {
	Name string
	Type deminer.FileType
}

// File is an open regular file.
type File interface {
	io.Reader
	io.ReaderAt
	io.Closer
	// Attr is of the open file, not of the name.
	Attr() (deminer.Attr, error)
}

// Live is what only a running system shows. Each call returns what it could get together with the gaps.
type Live interface {
	// Processes samples twice, window apart, so that CPU figures are over the window.
	Processes(ctx context.Context, window time.Duration) ([]deminer.Process, deminer.CPUViews, []deminer.Gap)
	// Newcomers lists the processes that began since known were listed. There is no window: the CPU figure is that of their
	// whole life.
	Newcomers(ctx context.Context, known []deminer.Process) ([]deminer.Process, []deminer.Gap)
	// Sockets lists the sockets of every network namespace that a process lives in, with owners.
	Sockets(ctx context.Context, procs []deminer.Process) ([]deminer.Socket, []deminer.Gap)
	Kernel(ctx context.Context) (deminer.Kernel, []deminer.Gap)
	// Units asks PID 1 over D-Bus; empty where systemd does not run.
	Units(ctx context.Context) ([]deminer.Unit, []deminer.Gap)
	// Containers asks the local engines over their sockets.
	Containers(ctx context.Context) ([]deminer.Container, []deminer.Gap)
}

// Near looks at few processes, at little cost. Nothing hidden is searched for.
type Near interface {
	// Some describes these processes and their kin, see [Kin], with CPU figures over the window.
	Some(ctx context.Context, pids []int, window time.Duration) ([]deminer.Process, []deminer.Gap)
}

// Inside looks into one process.
type Inside interface {
	// Exe opens the running content of a process, even if its file is deleted or a memfd.
	Exe(id deminer.ProcID) (File, error)
	// Memory hands out readable private memory of the process, region by region in pieces of at most 4 MiB, until see
	// returns false or limit bytes were read. buf is reused between calls.
	Memory(ctx context.Context, id deminer.ProcID, limit int64, see func(r deminer.Region, off uint64, buf []byte) bool) error
}

// Packages is the host's package database (dpkg, rpm, apk). Paths may be given with or without usr-merge links resolved.
type Packages interface {
	// Owner says which package lists the path, without reading the file: Owned, Unowned or Unknown.
	Owner(path string) deminer.Provenance
	// Check also compares the file's content with the packaged digest: Intact or Modified where a digest is kept.
	Check(ctx context.Context, path string) deminer.Provenance
	// CheckContent compares this content with the packaged digest of path.
	CheckContent(path string, r io.Reader) deminer.Provenance
	// Each calls see for every listed regular file with a digest until see returns false; for a full check.
	Each(see func(path, pkg string) bool)
	// Installed calls see for every installed package until see returns false.
	Installed(see func(name, version string) bool)
	// Age is when the package of the path was installed or last upgraded; zero if not known.
	Age(pkg string) time.Time
}

// Sensors tells what happens on a running system while it happens. What it tells says where to look and proves nothing.
type Sensors interface {
	// Watch calls see for each event until ctx ends, from one goroutine at a time, and then returns nil. see must be quick:
	// what comes meanwhile waits in bounded buffers, and what has no room there is counted. An error means that a sensor
	// broke; the others have ended too.
	Watch(ctx context.Context, see func(deminer.Event)) error
	// Facets says for each kind how it is seen, in the order of deminer.EventKinds.
	Facets() []deminer.Sense
	// Drops counts by kind what was seen and had no room since the beginning; kinds without loss are not in it. The kind ""
	// counts those whose kind is not known.
	Drops() map[deminer.EventKind]uint64
	// Close ends what the kernel does for it.
	Close() error
}
