package deminer

import (
	"io/fs"
	"time"
)

// FileType is what kind of thing a name in a file system is.
type FileType string

// The types of files.
const (
	Regular   FileType = "file"
	Directory FileType = "dir"
	Symlink   FileType = "link"
	Pipe      FileType = "fifo"
	UnixSock  FileType = "socket"
	Device    FileType = "device"
)

// Flags are the inode flags deminer cares about, as FS_IOC_GETFLAGS gives them (linux/fs.h).
type Flags uint32

// The inode flags that matter here.
const (
	Immutable  Flags = 0x10 // FS_IMMUTABLE_FL, chattr +i
	AppendOnly Flags = 0x20 // FS_APPEND_FL, chattr +a
)

// String gives the letters of chattr, or "".
func (f Flags) String() string {
	s := ""
	if f&Immutable != 0 {
		s += "i"
	}
	if f&AppendOnly != 0 {
		s += "a"
	}
	return s
}

// Attr is what a file system says of a name, in portable words. Flags and Xattrs are filled only by a deep look.
type Attr struct {
	Type   FileType          `json:"type"`
	Mode   uint32            `json:"mode"` // permission bits incl. set-uid 04000, set-gid 02000, sticky 01000
	UID    uint32            `json:"uid"`
	GID    uint32            `json:"gid"`
	Size   int64             `json:"size"`             // bytes
	Blocks int64             `json:"blocks,omitempty"` // 512-byte units really used
	Dev    uint64            `json:"dev,omitempty"`
	Ino    uint64            `json:"ino,omitempty"`
	Links  uint64            `json:"links,omitempty"`
	Atime  time.Time         `json:"atime,omitzero"`
	Mtime  time.Time         `json:"mtime,omitzero"`
	Ctime  time.Time         `json:"ctime,omitzero"`
	Btime  time.Time         `json:"btime,omitzero"` // birth; zero where the file system keeps none
	Deep   bool              `json:"deep,omitempty"` // Flags and Xattrs were read
	Flags  Flags             `json:"flags,omitempty"`
	Xattrs map[string][]byte `json:"xattrs,omitempty"` // incl. POSIX ACLs, capabilities, security labels
}

// IsDir, IsRegular and Executable answer the common questions.
func (a Attr) IsDir() bool { return a.Type == Directory }

// IsRegular reports whether it is a regular file.
func (a Attr) IsRegular() bool { return a.Type == Regular }

// Executable reports whether any execute bit is set.
func (a Attr) Executable() bool { return a.Mode&0o111 != 0 }

// SetID reports whether the set-uid or set-gid bit is set.
func (a Attr) SetID() bool { return a.Mode&0o6000 != 0 }

// Perm gives the permission bits without the set-id and sticky bits.
func (a Attr) Perm() fs.FileMode { return fs.FileMode(a.Mode & 0o777) }

// Provenance says which package, if any, a file came with, and whether it still is what the package holds.
type Provenance struct {
	State   ProvState `json:"state,omitempty"`
	Package string    `json:"package,omitempty"`
	Version string    `json:"version,omitempty"`
	Note    string    `json:"note,omitempty"` // for State unknown: why
}

// Trusted reports whether a package owns the file and its content is the packaged one.
func (p Provenance) Trusted() bool { return p.State == Intact }

// String says it in words.
func (p Provenance) String() string {
	switch p.State {
	case Intact:
		return "package " + p.Package + ", unchanged"
	case Modified:
		return "package " + p.Package + ", but its content is not the packaged one"
	case Owned:
		return "package " + p.Package + ", content not checked"
	case Unowned:
		return "no package owns it"
	}
	return "package owner unknown"
}

// ProvState is the state of a file against the package database. The zero value means nobody asked.
type ProvState string

// The provenance states.
const (
	Intact   ProvState = "intact"   // owned, digest equal
	Modified ProvState = "modified" // owned, digest differs
	Owned    ProvState = "owned"    // owned, the database keeps no digest (conffile, link) or none was computed
	Unowned  ProvState = "unowned"  // no package lists it
	Unknown  ProvState = "unknown"  // no usable package database
)
