package deminer

import "time"

// Account is one line of passwd with what belongs to it.
type Account struct {
	Name    string   `json:"name"`
	UID     uint32   `json:"uid"`
	GID     uint32   `json:"gid"`
	Home    string   `json:"home"`
	Shell   string   `json:"shell"`
	Gecos   string   `json:"gecos,omitempty"`
	Groups  []string `json:"groups,omitempty"`
	Line    Raw      `json:"line,omitempty"`    // the passwd line, raw
	Secret  string   `json:"secret,omitempty"`  // "locked", "set", "empty", "none" (no shadow line), "unknown"; never the hash
	Changed int      `json:"changed,omitempty"` // day of the last password change since 1970-01-01
	Login   bool     `json:"login,omitempty"`   // the shell lets a person in
}

// Login is one login, failed login, boot or similar record.
type Login struct {
	Time   time.Time `json:"time"`
	Kind   string    `json:"kind"` // "login", "failed", "logout", "boot", "sudo", "su"
	User   string    `json:"user,omitempty"`
	From   string    `json:"from,omitempty"` // address
	TTY    string    `json:"tty,omitempty"`
	Method string    `json:"method,omitempty"` // "password", "publickey"
	Key    string    `json:"key,omitempty"`    // fingerprint
	Source string    `json:"source"`           // file it was read from
	Count  int       `json:"count,omitempty"`  // folded repeats of a failed login; 0 means 1
}

// Module is one kernel module, as the views of the kernel show it.
type Module struct {
	Name  string     `json:"name"`
	Size  uint64     `json:"size,omitempty"`
	Taint string     `json:"taint,omitempty"` // letters as in /sys/module/NAME/taint
	File  string     `json:"file,omitempty"`  // its .ko where found
	Own   Provenance `json:"own,omitzero"`
	Views []string   `json:"views,omitempty"` // where it is seen: "proc/modules", "sys/module", "kallsyms"
}

// Mount is one line of mountinfo of PID 1's namespace.
type Mount struct {
	ID     int    `json:"id"`
	Root   string `json:"root"`
	Point  string `json:"point"`
	Type   string `json:"type"`
	Source string `json:"source"`
	Opts   string `json:"opts,omitempty"`
}

// BPF is one loaded eBPF program.
type BPF struct {
	ID     uint32    `json:"id"`
	Type   string    `json:"type"`
	Name   string    `json:"name,omitempty"`
	Tag    string    `json:"tag,omitempty"`
	UID    uint32    `json:"uid"`
	Loaded time.Time `json:"loaded,omitzero"`
}

// Container is one container found through its engine's socket or on disk.
type Container struct {
	ID         string    `json:"id"`
	Engine     string    `json:"engine"` // "docker", "containerd", "podman"
	Name       string    `json:"name,omitempty"`
	Image      string    `json:"image,omitempty"`
	Command    []string  `json:"command,omitempty"`
	Running    bool      `json:"running,omitempty"`
	Restart    string    `json:"restart,omitempty"` // restart policy
	Privileged bool      `json:"privileged,omitempty"`
	PidMode    string    `json:"pid_mode,omitempty"`
	NetMode    string    `json:"net_mode,omitempty"`
	Binds      []string  `json:"binds,omitempty"`
	CapAdd     []string  `json:"cap_add,omitempty"`
	Labels     []string  `json:"labels,omitempty"`
	Created    time.Time `json:"created,omitzero"`
	Path       Raw       `json:"path,omitempty"` // directory of its state on disk
	RootFS     Raw       `json:"rootfs,omitempty"`
}

// Unit is one systemd unit as PID 1 holds it, which may differ from what lies on disk.
type Unit struct {
	Name     string `json:"name"`
	Load     string `json:"load"`   // "loaded", "not-found", "masked" ...
	Active   string `json:"active"` // "active", "failed" ...
	Fragment string `json:"fragment,omitempty"`
	MainPID  int    `json:"main_pid,omitempty"`
}

// Kernel is the state of the running kernel that malware likes to change.
type Kernel struct {
	Modules  []Module          `json:"modules,omitempty"`
	Mounts   []Mount           `json:"mounts,omitempty"`
	BPF      []BPF             `json:"bpf,omitempty"`
	Taint    uint64            `json:"taint,omitempty"`
	Cmdline  string            `json:"cmdline,omitempty"`
	Sysctl   map[string]string `json:"sysctl,omitempty"`   // the settings deminer judges, by dotted name
	MSR      map[string]string `json:"msr,omitempty"`      // register -> value, both hex; prefetch control only
	Firewall []string          `json:"firewall,omitempty"` // live rules as text, one a line
}

// CPUViews are counters of CPU use over the window, from sources that are hard to fake together; cores.
type CPUViews struct {
	Stat      float64 `json:"stat"`      // /proc/stat busy
	Processes float64 `json:"processes"` // sum over all processes seen
	Cgroup    float64 `json:"cgroup"`    // root cgroup cpu.stat; 0 where there is none
	Missing   float64 `json:"missing"`   // busy cores no visible process accounts for; never negative
}

// Snapshot is what was there at one moment. It is plain data; parts that could not be had are empty and named in Gaps.
type Snapshot struct {
	Host       HostInfo      `json:"host"`
	Taken      time.Time     `json:"taken"`
	Window     time.Duration `json:"window,omitempty"` // CPU sampling window
	Processes  []Process     `json:"processes,omitempty"`
	Sockets    []Socket      `json:"sockets,omitempty"`
	Footholds  []Foothold    `json:"footholds,omitempty"`
	Shared     []Shared      `json:"shared,omitempty"` // what holds several commands, for those among them that are not the owner's
	Accounts   []Account     `json:"accounts,omitempty"`
	Logins     []Login       `json:"logins,omitempty"`
	Containers []Container   `json:"containers,omitempty"`
	Units      []Unit        `json:"units,omitempty"`
	Kernel     Kernel        `json:"kernel,omitzero"`
	CPU        CPUViews      `json:"cpu,omitzero"`
	Gaps       []Gap         `json:"gaps,omitempty"`
	// Written are the files that deminer itself changed here, and when: their times say nothing of an intruder.
	Written []Written `json:"written,omitempty"`
	// Seen are the events that led to a look around them; what they say of a process is evidence only while that process is
	// among Processes.
	Seen []Event `json:"seen,omitempty"`
}

// Written is one change of a file's content by deminer.
type Written struct {
	Path Raw       `json:"path"`
	From time.Time `json:"from"` // it was written between these times
	To   time.Time `json:"to"`
}

// Parent finds the process that started another one, or nil.
func (s *Snapshot) Parent(p *Process) *Process {
	if up := s.Proc(p.PPID); up != nil && p.ChildOf(up) {
		return up
	}
	return nil
}

// Proc finds a process by PID, or nil.
func (s *Snapshot) Proc(pid int) *Process {
	for i := range s.Processes {
		if s.Processes[i].ID.PID == pid {
			return &s.Processes[i]
		}
	}
	return nil
}
