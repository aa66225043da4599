package deminer

import (
	"fmt"
	"path"
	"time"
)

// ProcID names one process for good: a PID alone is reused.
type ProcID struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks since boot, field 22 of /proc/PID/stat
}

// String gives "pid@start".
func (p ProcID) String() string { return fmt.Sprintf("%d@%d", p.PID, p.Start) }

// Process is one process as the kernel showed it. Strings are raw bytes of the host: print them with [Safe].
type Process struct {
	ID         ProcID        `json:"id"`
	PPID       int           `json:"ppid"`
	Session    int           `json:"session,omitempty"`
	TTY        bool          `json:"tty,omitempty"`
	Comm       string        `json:"comm"`
	Argv       []string      `json:"argv,omitempty"` // at most 64 KiB in all
	Env        []string      `json:"-"`              // at most 64 KiB; secrets live here, so it is never written out
	Exe        string        `json:"exe,omitempty"`  // link target without " (deleted)"; "" when it has none (kernel thread) or it could not be read
	Deleted    bool          `json:"deleted,omitempty"`
	Memfd      bool          `json:"memfd,omitempty"`
	ExeErr     string        `json:"exe_err,omitempty"` // why Exe is unknown
	ExeAttr    Attr          `json:"exe_attr,omitzero"` // of the running content, through /proc/PID/exe
	Own        Provenance    `json:"own,omitzero"`      // of the running content; filled by gather
	SHA256     string        `json:"sha256,omitempty"`  // of the running content; filled for suspects only
	Cwd        string        `json:"cwd,omitempty"`
	Root       string        `json:"root,omitempty"` // "/" unless chrooted
	UID        uint32        `json:"uid"`
	EUID       uint32        `json:"euid"`
	GID        uint32        `json:"gid"`
	LoginUID   int64         `json:"login_uid"` // -1: no login
	CapEff     uint64        `json:"cap_eff,omitempty"`
	Started    time.Time     `json:"started"`
	State      string        `json:"state"`             // one letter
	Kernel     bool          `json:"kernel,omitempty"`  // a true kernel thread: PF_KTHREAD set
	Threads    []Thread      `json:"threads,omitempty"` // those with CPU time in the window or CPU-heavy overall; at most 1024
	NThreads   int           `json:"nthreads"`
	CPUTime    time.Duration `json:"cpu_time"` // user + system since start
	CPU        float64       `json:"cpu"`      // cores used over the sampling window
	Nice       int           `json:"nice,omitempty"`
	Policy     int           `json:"policy,omitempty"`     // SCHED_*: 0 other, 3 batch, 5 idle
	RSS        uint64        `json:"rss"`                  // bytes
	Hugetlb    uint64        `json:"hugetlb,omitempty"`    // bytes
	ReadBytes  uint64        `json:"read_bytes,omitempty"` // storage I/O, /proc/PID/io
	WriteBytes uint64        `json:"write_bytes,omitempty"`
	RChar      uint64        `json:"rchar,omitempty"` // bytes through read(2)
	WChar      uint64        `json:"wchar,omitempty"`
	Voluntary  uint64        `json:"voluntary,omitempty"` // voluntary context switches, all threads
	Cgroup     string        `json:"cgroup,omitempty"`    // path in the unified (or the systemd) hierarchy
	Unit       string        `json:"unit,omitempty"`      // systemd unit from the cgroup
	Container  string        `json:"container,omitempty"` // container id from the cgroup; "" on the host
	PidNS      uint64        `json:"pid_ns,omitempty"`    // inode numbers of the namespaces
	MntNS      uint64        `json:"mnt_ns,omitempty"`
	NetNS      uint64        `json:"net_ns,omitempty"`
	Memory     *Memory       `json:"memory,omitempty"` // nil where maps were not read
	Hidden     []string      `json:"hidden,omitempty"` // views that do not show it though it lives: "readdir", "cgroup.procs" ...
	Gone       bool          `json:"gone,omitempty"`   // ended while it was looked at; the rest is what was had by then
}

// ChildOf reports whether up is the process that started p. The number of its parent alone may be that of a newcomer by now, who got it
// when the parent had ended; nobody starts before who started him.
func (p *Process) ChildOf(up *Process) bool {
	return up.ID.PID == p.PPID && up.ID != p.ID && (up.ID.Start <= p.ID.Start || p.ID.Start == 0)
}

// Thread is one thread of a process.
type Thread struct {
	TID       int           `json:"tid"`
	Comm      string        `json:"comm,omitempty"`
	CPUTime   time.Duration `json:"cpu_time"`
	CPU       float64       `json:"cpu"`       // cores over the sampling window
	Voluntary uint64        `json:"voluntary"` // voluntary context switches
}

// Region is one mapping, or a run of equal neighbouring mappings, of a process.
type Region struct {
	Start uint64 `json:"start"`
	Size  uint64 `json:"size"` // bytes
	Perms string `json:"perms"`
	Path  string `json:"path,omitempty"`
	Rss   uint64 `json:"rss,omitempty"`
	Huge  bool   `json:"huge,omitempty"` // backed by hugetlb pages
}

// Memory is the shape of a process's memory: what is needed to know RandomX when it is seen, and which libraries are in.
type Memory struct {
	// Large are the anonymous mappings of 64 MiB and more, at most 256.
	Large []Region `json:"large,omitempty"`
	// Scratch2M counts the anonymous writable mappings of exactly 2 MiB (RandomX scratchpad), or of 2 MiB times the
	// thread count when allocated as one.
	Scratch2M int `json:"scratch_2m,omitempty"`
	// AnonExec counts the anonymous executable mappings (JIT code), AnonExecBytes their size.
	AnonExec      int      `json:"anon_exec,omitempty"`
	AnonExecBytes uint64   `json:"anon_exec_bytes,omitempty"`
	Mappings      int      `json:"mappings,omitempty"`
	FileBytes     uint64   `json:"file_bytes,omitempty"` // size of all file-backed mappings
	Libs          []string `json:"libs,omitempty"`       // executable file mappings other than the program, at most 512
}

// Name is how a person would call the process: the base name of its program, else its comm.
func (p *Process) Name() string {
	if p.Exe != "" {
		return path.Base(p.Exe)
	}
	return p.Comm
}

// Socket is one socket, with its owner where it could be found.
type Socket struct {
	Proto  string        `json:"proto"` // "tcp", "udp", "raw", "packet"; v4 and v6 alike
	State  string        `json:"state"` // "listen", "established", ...
	Local  string        `json:"local"` // "ip:port", IPv6 in brackets
	Remote string        `json:"remote,omitempty"`
	Inode  uint64        `json:"inode,omitempty"`
	UID    uint32        `json:"uid"`
	Owners []ProcID      `json:"owners,omitempty"` // processes that hold it
	NetNS  uint64        `json:"net_ns,omitempty"`
	Sent   uint64        `json:"sent,omitempty"` // bytes acknowledged by the peer, tcp_info
	Recv   uint64        `json:"recv,omitempty"` // bytes received, tcp_info
	Age    time.Duration `json:"age,omitempty"`  // since the last data in either direction
	// Reach says who can reach a listener: "world", "private", "loopback".
	Reach string `json:"reach,omitempty"`
}

// Listening reports whether somebody can connect to it.
func (s Socket) Listening() bool { return s.State == "listen" }
