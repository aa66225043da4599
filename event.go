package deminer

import (
	"slices"
	"time"
)

// EventKind says what happened.
type EventKind string

// The kinds of events. What a process asks the kernel for is told when it asks; where that is not the same as its happening,
// the kind says so.
const (
	EventExec     EventKind = "exec"           // a process became another program; Memfd and Deleted say if that has no name
	EventFork     EventKind = "fork"           // a process began; Parent is who made it
	EventExit     EventKind = "exit"           // the last thread of a process ended; Code is its wait status
	EventConnect  EventKind = "connect"        // asked to connect a TCP or UDP socket to Remote
	EventBind     EventKind = "bind"           // asked to bind a TCP or UDP socket to Local
	EventFlow     EventKind = "flow"           // one of the first pieces of a TCP connection, in Data
	EventDNS      EventKind = "dns"            // a datagram from port 53 came for a socket here, in Data
	EventFile     EventKind = "file"           // something happened to a watched place; Op says what
	EventFlags    EventKind = "file-flags"     // asked to set inode flags (immutable ...) of an open file; Code holds them
	EventAnonExec EventKind = "anonymous-code" // asked for executable memory that is of no file, or made memory executable; once for each program
	EventModule   EventKind = "module"         // a kernel module was loaded; Name
	EventBPF      EventKind = "bpf"            // asked to load an eBPF program; Name, Code is its type
	EventMount    EventKind = "proc-mount"     // asked to mount something over /proc or below it
	EventPtrace   EventKind = "ptrace"         // asked to trace Target or to change its registers; Code is the request
	EventMemWrite EventKind = "memory-write"   // asked to write to the memory of Target, or opened it for writing
	EventUID      EventKind = "uid"            // asked to become another user: ToUID, ToEUID
	EventSignal   EventKind = "signal"         // somebody sent the watching process the signal Code
)

// EventKinds lists all kinds, in the order of the constants. The list must not be changed.
func EventKinds() []EventKind { return eventKinds }

var eventKinds = []EventKind{EventExec, EventFork, EventExit, EventConnect, EventBind, EventFlow, EventDNS, EventFile, EventFlags,
	EventAnonExec, EventModule, EventBPF, EventMount, EventPtrace, EventMemWrite, EventUID, EventSignal}

// Known reports whether it is one of [EventKinds].
func (k EventKind) Known() bool { return slices.Contains(eventKinds, k) }

// Sensor is a way of the kernel to tell what happens.
type Sensor string

// The sensors, the best first.
const (
	SensorBPF       Sensor = "ebpf"           // programs in the kernel, at the moment it happens
	SensorFanotify  Sensor = "fanotify"       // the kernel's file notification
	SensorConnector Sensor = "proc-connector" // the kernel's process notification over netlink
	SensorSockDiag  Sensor = "sock-diag"      // the table of sockets, looked at again and again
	SensorPoll      Sensor = "polling"        // /proc, looked at again and again
	SensorNone      Sensor = ""               // nobody watches
)

// FileOp says what happened to a file.
type FileOp string

// What can happen to a file of a watched place.
const (
	FileCreated FileOp = "created"
	FileWritten FileOp = "written" // content or length changed
	FileRenamed FileOp = "renamed" // Path is the new name
	FileMoved   FileOp = "moved-away"
	FileRemoved FileOp = "removed"
	FileAttr    FileOp = "attributes" // owner, mode, times, extended attributes, or number of names
)

// Limits of what one event holds.
const (
	MaxEventData = 1024 // bytes of Data
	MaxEventArgv = 4096 // bytes of Argv in all; ArgvCut where there were more
	MaxEventPath = 4096 // bytes of Exe and of Path
)

// Event is one thing that happened on a host, as one sensor saw it. It says where to look; it proves nothing. Strings are
// bytes of the host, chosen by whoever it is about: print them with [Safe].
type Event struct {
	Kind   EventKind `json:"kind"`
	Time   time.Time `json:"time"`
	Sensor Sensor    `json:"sensor"`

	// Proc is the process that did it. PID 0: not known. Start 0: it had ended before it could be asked.
	Proc    ProcID `json:"proc,omitzero"`
	Parent  int    `json:"parent,omitempty"`   // pid of the process that made it
	Exe     Raw    `json:"exe,omitempty"`      // in the view of the process: its root and its mounts
	ExeCut  bool   `json:"exe_cut,omitempty"`  // Exe is longer, or its beginning is not known
	Deleted bool   `json:"deleted,omitempty"`  // the program's file has no name left
	Memfd   bool   `json:"memfd,omitempty"`    // the program is a file in memory
	Argv    []Raw  `json:"argv,omitempty"`     // of exec only
	ArgvCut bool   `json:"argv_cut,omitempty"` // there were more
	Comm    Raw    `json:"comm,omitempty"`
	UID     uint32 `json:"uid"`
	EUID    uint32 `json:"euid"`

	Unit      string `json:"unit,omitempty"`      // systemd unit of its control group
	Container string `json:"container,omitempty"` // container id of its control group; "" on the host

	Proto   string `json:"proto,omitempty"` // "tcp", "udp"
	Local   string `json:"local,omitempty"` // "ip:port", IPv6 in brackets; "" where not known yet
	Remote  string `json:"remote,omitempty"`
	Sent    bool   `json:"sent,omitempty"`     // of a flow: Data went out from this host
	Inbound bool   `json:"inbound,omitempty"`  // of a flow: the other side opened it, or it was open before anybody watched
	Piece   int    `json:"piece,omitempty"`    // of a flow: which piece in its direction, from 0
	Data    Raw    `json:"data,omitempty"`     // bytes that went over the wire
	DataCut bool   `json:"data_cut,omitempty"` // there were more in this piece

	Op     FileOp `json:"op,omitempty"`
	Path   Raw    `json:"path,omitempty"`    // of file: in the view of the host; of file-flags, proc-mount, memory-write: in that of the process; of a refused exec: what was to be run
	Target int    `json:"target,omitempty"`  // pid of the other process, as the doer named it: in its own PID namespace
	Name   Raw    `json:"name,omitempty"`    // of a module or eBPF program
	Code   int64  `json:"code,omitempty"`    // see the kinds
	ToUID  uint32 `json:"to_uid,omitempty"`  // user that it asks to become
	ToEUID uint32 `json:"to_euid,omitempty"` // effective user that it asks to become

	File FileID `json:"-"` // of exec: the program's file; zero where the sensor cannot tell

	Denied bool `json:"denied,omitempty"` // the sensor let the kernel refuse it
}

// FileID names the content of a file on a disk of the host for as long as nobody writes to it. Only IDs from the same sensor can be
// compared, and only if the file was not changed within the second before: a second write in the same tick of the clock does
// not show.
type FileID struct {
	Dev, Ino uint64
	Size     int64
	Changed  int64 // nanoseconds since 1970
}

// Sense says how one kind of events is seen on a host.
type Sense struct {
	Kind   EventKind `json:"kind"`
	Sensor Sensor    `json:"sensor,omitempty"` // in force; "" = none
	How    string    `json:"how,omitempty"`    // the hook, in words
	// Why tells of each better sensor why it is not in force; text may come from the host, print with [Safe].
	Why []string `json:"why,omitempty"`
	// Lost says what this sensor cannot see of the kind; "" = nothing that is known.
	Lost string `json:"lost,omitempty"`
}
