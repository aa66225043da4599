package detect

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// memo holds look-up tables over one snapshot, and what was read once for several detectors.
type memo struct {
	procs  map[int]*deminer.Process
	socks  map[int][]*deminer.Socket      // by owner PID
	starts map[string][]*deminer.Foothold // by target path
	self   map[deminer.ProcID]bool
	// subjects are what Pass.subjects gives, and runs the first of them, outside containers, by program and by script.
	subjects []*deminer.Process
	runs     map[string]*deminer.Process

	found  []deminer.Finding // what earlier detectors reported
	memory []*inMemory
	looked bool // memory was read
	// What was last derived of found, and for how much of it.
	provenBy  string
	provenAt  int
	anchorsBy []deminer.Finding
	anchorsAt [2]int
	shared    map[string]*shared // by ref of the whole, see shared.go
	told      map[string]bool    // what was found of its commands, see toldAs
	keys      *keyring           // see keys.go; nil: not listed yet
	proofs    map[string]bool    // files that a proof speaks of
	proofsAt  int                // for how much of found proofs is
	raised    map[string]bool    // refs that closeness in time made proof: no anchors for others
	guiltyBy  map[string]bool
	filesBy   map[string]string // the intruder's files
	filesAt   int
	badBy     map[string]string // addresses of the intruder's
	badAt     int
	guiltyAt  int               // for how much of found guiltyBy is, and one
	texts     map[string]string // of the intruder's files, as script gives them
	weighed   int               // how many findings were weighed by their time
	keeper    *string           // what on this host changes it without a login, "" for none; nil: not looked for yet
}

func newMemo(s *deminer.Snapshot) *memo {
	m := &memo{
		procs: map[int]*deminer.Process{}, socks: map[int][]*deminer.Socket{}, starts: map[string][]*deminer.Foothold{},
		self: map[deminer.ProcID]bool{}, raised: map[string]bool{}, texts: map[string]string{}, told: map[string]bool{}, proofs: map[string]bool{},
	}
	for i := range s.Processes {
		m.procs[s.Processes[i].ID.PID] = &s.Processes[i]
	}
	for i := range s.Sockets {
		for _, o := range s.Sockets[i].Owners {
			m.socks[o.PID] = append(m.socks[o.PID], &s.Sockets[i])
		}
	}
	for i := range s.Footholds {
		for _, t := range s.Footholds[i].Targets {
			m.starts[t] = append(m.starts[t], &s.Footholds[i])
		}
	}
	for _, id := range s.Host.Self {
		m.self[id] = true
	}
	return m
}

// listSubjects fills in subjects and runs, once it is known which processes are deminer's own.
func (m *memo) listSubjects(s *deminer.Snapshot) {
	m.runs = map[string]*deminer.Process{}
	for i := range s.Processes {
		pr := &s.Processes[i]
		if pr.Kernel || pr.Gone || m.self[pr.ID] {
			continue
		}
		m.subjects = append(m.subjects, pr)
		if pr.Container != "" || pr.Deleted {
			continue
		}
		for _, name := range [...]string{pr.Exe, pr.Script()} {
			if m.runs[name] == nil {
				m.runs[name] = pr
			}
		}
	}
}

// subjects are the processes a detector may speak of: not deminer and the session it runs in, not true kernel threads,
// not what ended meanwhile.
func (p *Pass) subjects() []*deminer.Process { return p.memo.subjects }

// ancestors lists the parents up to PID 1, nearest first, at most 32.
func (p *Pass) ancestors(pr *deminer.Process) []*deminer.Process {
	var out []*deminer.Process
	for up := p.parent(pr); up != nil && len(out) < 32 && !slices.Contains(out, up); up = p.parent(up) {
		out = append(out, up)
	}
	return out
}

// parent is who started a process; nil where that is not known.
func (p *Pass) parent(pr *deminer.Process) *deminer.Process {
	if up := p.memo.procs[pr.PPID]; up != nil && pr.ChildOf(up) {
		return up
	}
	return nil
}

// life is how long the process has run; 0 where it is not known.
func (p *Pass) life(pr *deminer.Process) time.Duration {
	if pr.Started.IsZero() || p.Snapshot.Taken.Before(pr.Started) {
		return 0
	}
	return p.Snapshot.Taken.Sub(pr.Started)
}

// cores is the larger of the cores used over the sampling window and since the start: a miner that pauses while
// somebody looks still shows in the second.
func (p *Pass) cores(pr *deminer.Process) float64 {
	since := 0.0
	if l := p.life(pr); l > time.Minute {
		since = pr.CPUTime.Seconds() / l.Seconds()
	}
	return max(pr.CPU, since)
}

// outward lists the connections the process made to others: established, and not accepted by a listener of its own.
func (p *Pass) outward(pr *deminer.Process) []*deminer.Socket {
	listens := map[string]bool{}
	for _, s := range p.memo.socks[pr.ID.PID] {
		if s.Listening() {
			listens[port(s.Local)] = true
		}
	}
	var out []*deminer.Socket
	for _, s := range p.memo.socks[pr.ID.PID] {
		if s.Proto == "tcp" && s.Remote != "" && (s.State == "established" || s.State == "syn-sent") && !listens[port(s.Local)] {
			out = append(out, s)
		}
	}
	return out
}

// peers counts the different remote addresses of a process.
func (p *Pass) peers(pr *deminer.Process) int {
	seen := map[string]bool{}
	for _, s := range p.memo.socks[pr.ID.PID] {
		if s.Remote != "" {
			seen[ip(s.Remote)] = true
		}
	}
	return len(seen)
}

// read gives at most limit bytes of a file; nil where there is none. What cannot be read becomes a gap; of a file
// larger than the limit the head is judged and the rest is a gap.
func (p *Pass) read(part, name string, limit int64) []byte {
	b, err := host.ReadFile(p.FS, name, limit)
	switch {
	case err == nil:
		return b
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, host.ErrTooLarge):
		p.Gap(deminer.Gap{Part: "detect/" + part, State: deminer.Partial, What: name, Why: "only the first part was read: " + err.Error()})
		return b
	}
	p.Gap(deminer.Gap{Part: "detect/" + part, State: deminer.Failed, What: name, Why: err.Error()})
	return nil
}

// owner says what package a path came with, without reading the file.
func (p *Pass) owner(name string) deminer.Provenance {
	if p.Packages == nil {
		return deminer.Provenance{State: deminer.Unknown, Note: "no package database"}
	}
	return p.Packages.Owner(name)
}

// packaged reports whether a package brought the file and nothing says that it was changed.
func packaged(o deminer.Provenance) bool {
	return o.State == deminer.Intact || o.State == deminer.Owned
}

// process, file and line make the artifacts findings speak of.
func process(pr *deminer.Process) deminer.Artifact {
	return deminer.Artifact{Kind: deminer.KindProcess, Proc: pr.ID, Path: deminer.Raw(pr.Exe), Name: pr.Name()}
}

func file(name string) deminer.Artifact {
	return deminer.Artifact{Kind: deminer.KindFile, Path: deminer.Raw(name), Name: path.Base(name)}
}

func line(name, text string, no int) deminer.Artifact {
	return deminer.Artifact{Kind: deminer.KindLine, Path: deminer.Raw(name), Line: deminer.Raw(text), LineNo: no}
}

// q quotes hostile text for a Why line: safe and at most 160 characters.
func q[S ~string](s S) string { return `"` + deminer.Cut(s, 160) + `"` }

func port(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

func ip(addr string) string {
	if i := strings.LastIndexByte(addr, ':'); i >= 0 {
		addr = addr[:i]
	}
	return strings.Trim(addr, "[]")
}
