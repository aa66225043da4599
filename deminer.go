// Package deminer holds the words of deminer: what was seen on a host, what it means, and what may be done about it.
//
// Everything that passes from one part of deminer to the next is plain data from this package, so it can be saved,
// shown, compared, signed, replayed and tested:
//
//   - eyes fill a [Snapshot]: processes, sockets, footholds, accounts, kernel state, and the [Gap]s that could not be looked at;
//   - detectors turn it into [Finding]s, each with evidence in words and a [Tier];
//   - findings are joined into [Incident]s, whose [Member]s carry a verdict;
//   - a [Report] is all of that; a [Plan] is the graph of [Step]s that would end the incidents;
//   - hands run a plan and write [Record]s, which are enough to take every change back.
//
// The package imports only the standard library and touches no host.
package deminer

import "time"

// Marker is the first line of the file that marks a lab host, see [HostInfo.Lab].
const Marker = "deminer lab host, harmless imitations only"

// HostInfo says which host was looked at, and how.
type HostInfo struct {
	ID      string    `json:"id"`               // machine-id, else a hash of name and root; stable across runs
	Name    string    `json:"name"`             // host name
	OS      string    `json:"os"`               // "linux" or "windows"
	Distro  string    `json:"distro,omitempty"` // PRETTY_NAME of os-release
	Like    []string  `json:"like,omitempty"`   // ID and ID_LIKE of os-release
	Kernel  string    `json:"kernel,omitempty"`
	Arch    string    `json:"arch,omitempty"`
	Boot    time.Time `json:"boot,omitzero"`
	Source  string    `json:"source"` // "live", or "root:DIR" for a mounted root
	CPUs    int       `json:"cpus,omitempty"`
	Memory  uint64    `json:"memory,omitempty"` // bytes
	Systemd bool      `json:"systemd,omitempty"`
	Root    bool      `json:"root"` // deminer ran with all the rights it wants
	Lab     bool      `json:"lab,omitempty"`
	// Self is deminer's own process and its ancestors up to PID 1: the operator's session, never to be touched.
	Self []ProcID `json:"self,omitempty"`
	// Zone is the host's time zone name; log times without a zone are read in it.
	Zone string `json:"zone,omitempty"`
}

// Asleep reports whether the host is not running: a mounted root or an image, without processes or sockets.
func (h HostInfo) Asleep() bool { return h.Source != "live" }

// Gap is something that was not, or not wholly, looked at. Not looked is not clean.
type Gap struct {
	Part  string   `json:"part"`            // "persist/cron", "detect/memory-shape", "files", "view/cgroup" ...
	State GapState `json:"state"`           // how much is missing
	What  string   `json:"what,omitempty"`  // the place: a path, a pid; may be hostile text, print with [Safe]
	Why   string   `json:"why"`             // in words
	Count int      `json:"count,omitempty"` // how many like it were folded into this one; 0 means 1
}

// GapState says how much of a part was not looked at.
type GapState string

// The states of a gap. A part without a gap was looked at in full.
const (
	Skipped GapState = "skipped" // not tried: not asked for, or a facet the host does not have
	Partial GapState = "partial" // looked at up to a limit
	Failed  GapState = "failed"  // tried and failed
)
