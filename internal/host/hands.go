package host

import (
	"errors"
	"io"
	"net/netip"
	"time"

	"github.com/deminer/deminer"
)

// Hands are what can be changed on a machine. Only remedy gets them. A facet that cannot be had is nil: a sleeping host
// (a mounted root) has Files and Writer only.
type Hands struct {
	Files      Files
	Writer     Writer
	Procs      Procs
	Net        Net
	Units      Units
	Kernel     Kernel
	Containers Containers
}

// Node is a name in a directory as it is at one moment: enough to make it again.
type Node struct {
	Attr deminer.Attr `json:"attr"`           // deep: with inode flags and extended attributes
	Link deminer.Raw  `json:"link,omitempty"` // target of a symbolic link
	Dir  deminer.Attr `json:"dir"`            // its directory: device, inode, times, flags
	// Mounted: something is mounted on the name, so that what is seen is not what lies there.
	Mounted bool `json:"-"`
}

// Files looks at files strictly beneath the root, without changing their access times. Links in directories of the path
// are followed inside the root; a link in the last element is never followed.
type Files interface {
	// Look describes a name. A missing name gives an error that is fs.ErrNotExist, with Dir filled where the directory exists.
	Look(path string) (Node, error)
	// Open opens a regular file; ErrNotRegular otherwise.
	Open(path string) (File, error)
	// List names what is in a directory, sorted; more than limit names are an error.
	List(path string, limit int) ([]string, error)
	// Room refuses, with a reason, when the file system of path is read-only or has not size bytes to spare.
	Room(path string, size int64) error
}

// Writer changes files strictly beneath the root. Every call identifies what it acts on by device and inode (was) through
// a descriptor of its directory and answers deminer.ErrChanged when it is another one. Inode flags +i and +a, on the
// name and on its directory, are cleared for as long as the change needs and the directory's are put back.
type Writer interface {
	// Put makes path what n says, in one step that is whole or not at all: the content is written beside it with n's
	// owner, mode, extended attributes and, unless zero, times, then takes the name. was is what holds the name
	// now; the zero Attr means that nothing may. content is read for regular files only. n.Dir, unless zero, is the
	// directory that must hold the name.
	Put(path string, n Node, content io.Reader, was deminer.Attr) error
	// Remove takes the name away, out of the directory was.Dir unless that is zero; a directory must be empty.
	Remove(path string, was Node) error
	// Set gives owner, mode, extended attributes, flags and, unless zero, times.
	Set(path string, was, to deminer.Attr) error
	// Rename moves to a name of the same file system that must not exist.
	Rename(from string, was deminer.Attr, to string) error
	// Settle clears away what an interrupted Put of path left beside it, and gives the directory dir's flags and, when
	// times is set, its times. A directory that is another one by now keeps its flags.
	Settle(path string, dir deminer.Attr, times bool) error
}

// Proc is one process as the hands see it.
type Proc struct {
	ID     deminer.ProcID
	PPID   int
	State  byte   // letter of /proc/PID/stat
	Kernel bool   // a kernel thread
	Exe    string // without " (deleted)"
	Size   int64  // bytes of the running content; 0 where it could not be asked
	Dev    uint64 // where the running content lies, whatever its name is by now; 0 where it could not be asked
	Ino    uint64
	Links  uint64 // names that the running content has on its file system; 0: they are gone
	Space  uint64 // inode of its mount namespace: names mean something else in another one
	Cgroup string // path in the unified hierarchy
}

// Launch says how a process was started: what an owner needs to start it again.
type Launch struct {
	Argv   []deminer.Raw `json:"argv,omitempty"`
	Exe    deminer.Raw   `json:"exe,omitempty"`
	Cwd    deminer.Raw   `json:"cwd,omitempty"`
	UID    uint32        `json:"uid"`
	Cgroup string        `json:"cgroup,omitempty"`
}

// Sign is what a process can be told.
type Sign int

// The signs.
const (
	SignStop Sign = iota + 1
	SignContinue
	SignKill
)

// Procs stops, continues and ends processes. PID 1, deminer itself, its ancestors and kernel threads are refused with
// deminer.ErrProtected; a PID that is another process by now with deminer.ErrChanged; one that has ended with fs.ErrNotExist.
type Procs interface {
	// Look describes one process and how it was started.
	Look(id deminer.ProcID) (Proc, Launch, error)
	// List lists all processes, hidden ones too as far as PIDs can be probed.
	List() ([]Proc, error)
	Signal(id deminer.ProcID, s Sign) error
	// Digest gives the SHA-256 of the running content, even if its file is deleted or a memfd; ErrTooLarge over 256 MiB.
	Digest(id deminer.ProcID) (string, error)
	// Freeze stops or thaws a whole cgroup by the version 2 freezer, only if members are exactly its processes;
	// done is false where it was not possible, and nothing changed.
	Freeze(cgroup string, members []deminer.ProcID, on bool) (done bool, err error)
	// Frozen reports whether the version 2 freezer holds a cgroup; false where there is none.
	Frozen(cgroup string) (bool, error)
}

// Block is one blocked destination, one source from which nothing comes in, or one control group that may send nothing. Port 0
// means every port.
type Block struct {
	Addr   netip.AddrPort `json:"addr,omitzero"`
	From   netip.Prefix   `json:"from,omitzero"`    // of deminer.SourceOf: an address, or an IPv6 network of 64 bits
	Cgroup string         `json:"cgroup,omitempty"` // path in the unified hierarchy
	Until  time.Time      `json:"until"`
}

// Same reports whether two blocks are of the same thing, whatever their times.
func (b Block) Same(o Block) bool {
	return b.Addr == o.Addr && b.From == o.From && b.Cgroup == o.Cgroup
}

// String names what is blocked. It is safe to show.
func (b Block) String() string {
	switch {
	case b.Cgroup != "":
		return "cgroup " + deminer.Safe(b.Cgroup)
	case b.From.IsValid() && b.From.IsSingleIP():
		return "from " + b.From.Addr().String()
	case b.From.IsValid():
		return "from " + b.From.String()
	case b.Addr.Port() == 0:
		return b.Addr.Addr().String()
	}
	return b.Addr.String()
}

// ErrUnsupported: the kernel of this host cannot do that, or does not allow it.
var ErrUnsupported = errors.New("not possible on this host")

// Net blocks traffic to addresses and from sources in tables of deminer's own, and of control groups by programs of deminer's
// own; no other table or program is touched.
type Net interface {
	// Block adds or renews a block. ErrUnsupported where a control group cannot be blocked, fs.ErrNotExist where it is gone.
	Block(b Block) error
	// Lift takes it away; lifting what is not there is no error. The time does not count.
	Lift(b Block) error
	// List gives the blocks in force; with ErrUnsupported, those of addresses and as many of control groups as could be seen.
	List() ([]Block, error)
}

// Units talks to the service manager.
type Units interface {
	// Running reports whether there is a service manager to talk to.
	Running() bool
	// Reload makes it read its files again.
	Reload() error
	// ResetFailed forgets the failed state of a unit; an unknown unit is no error.
	ResetFailed(unit string) error
	// ReloadUsers makes the managers of all users that have one read their files again and forget the failed units, and
	// says how many did; the error names those that did not answer.
	ReloadUsers(units []string) (int, error)
	// Job starts, stops or restarts a unit and waits until systemd is done with it; it fails when the unit does.
	Job(unit string, job UnitJob) error
	// State tells of one unit. An unknown one has Load "not-found".
	State(unit string) (deminer.Unit, error)
}

// UnitJob is what systemd can be asked to do with a unit.
type UnitJob string

// The jobs.
const (
	UnitStart   UnitJob = "StartUnit"
	UnitStop    UnitJob = "StopUnit"
	UnitRestart UnitJob = "TryRestartUnit" // only if it runs
)

// Kernel changes mounts of PID 1's namespace and kernel settings.
type Kernel interface {
	// Mounted lists what is mounted exactly at the point, topmost last.
	Mounted(point string) ([]deminer.Mount, error)
	// Unmount detaches the topmost mount at the point, if it has this id.
	Unmount(point string, id int) error
	// Setting reads a sysctl by dotted name.
	Setting(name string) (string, error)
	SetSetting(name, value string) error
}

// Container is the state of one container that its engine can be asked to restore.
type Container struct {
	ID      string `json:"id"`
	Running bool   `json:"running"`
	Paused  bool   `json:"paused"`
	Restart string `json:"restart"` // restart policy: "no", "always", "on-failure", "unless-stopped"
	Retries int    `json:"retries,omitempty"`
	// Manager starts it by itself: "kubelet" or "docker" behind containerd; "" where nobody but the engine does.
	Manager string `json:"manager,omitempty"`
}

// Containers talks to the container engines over their local sockets. A container that is gone gives fs.ErrNotExist.
type Containers interface {
	Look(engine, id string) (Container, error)
	// Restart sets the restart policy.
	Restart(engine, id, policy string, retries int) error
	Pause(engine, id string, on bool) error
	Stop(engine, id string) error
	Start(engine, id string) error
}
