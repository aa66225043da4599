package history

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// The kinds of entries that no sensor tells; all others are those of the sensors.
const (
	KindAlert   deminer.EventKind = "alert"   // something was judged; Alert says what
	KindProcess deminer.EventKind = "process" // a process that ran already when it was first heard of
	KindCPU     deminer.EventKind = "cpu"     // processor time that a process used from Time to Last
	KindGap     deminer.EventKind = "gap"     // Count events of the kind in Name were not stored, from Time to Last
)

// Kinds lists all kinds of entries. The answer is the caller's.
func Kinds() []deminer.EventKind {
	return append(append([]deminer.EventKind{}, deminer.EventKinds()...), KindAlert, KindProcess, KindCPU, KindGap)
}

// Entry is one thing of the history. Strings are bytes of the host: print them with deminer.Safe.
//
// Of an event of the sensors everything is kept but the bytes of flows and datagrams, and the arguments beyond 2 KiB. Time is
// kept to the microsecond.
type Entry struct {
	Seq   uint64        `json:"seq"`   // place in the history, from 1; it gives the order, whatever the clock said
	Clock time.Duration `json:"clock"` // how long the history had been kept in all when it came; never runs back
	deminer.Event
	ParentStart uint64        `json:"parent_start,omitempty"` // with Parent names the parent for good; 0: not known
	Count       uint64        `json:"count,omitempty"`        // not 0: so many more like an entry before, from Time to Last, each of which is not kept
	Last        time.Time     `json:"last,omitzero"`
	CPU         time.Duration `json:"cpu,omitempty"`   // of cpu: processor time used from Time to Last
	Addrs       []string      `json:"addrs,omitempty"` // of dns: the addresses that Name has, at most 16
	Alert       *Alert        `json:"alert,omitempty"`
}

// Alert is what was judged of the process or thing of its entry.
type Alert struct {
	ID       string `json:"id"`
	Incident string `json:"incident,omitempty"` // all alerts of one intrusion bear the same
	Rule     string `json:"rule,omitempty"`
	Grade    string `json:"grade,omitempty"`
	Text     string `json:"text"`           // one line
	Done     string `json:"done,omitempty"` // what was done about it
}

// ParentID names the parent; PID 0 where it is not known.
func (e *Entry) ParentID() deminer.ProcID { return deminer.ProcID{PID: e.Parent, Start: e.ParentStart} }

// begins reports an entry that says what program a process is.
func (e *Entry) begins() bool {
	switch e.Kind {
	case deminer.EventExec, deminer.EventFork, KindProcess:
		return e.Count == 0
	}
	return false
}

// Filter says which entries are wanted; what is zero does not matter, the rest must all be so.
type Filter struct {
	Since, Until time.Time           // by the clock of the host; Until itself is out
	PID          int                 // of the process that did it
	Proc         deminer.ProcID      // the same, for good
	Parent       deminer.ProcID      // of its parent
	Exe          string              // its program: the path, or the last name of it
	Path         string              // what happened at this path or below, or was run from there
	Remote       string              // "ip", "ip:port" or a name that was asked for
	Incident     string              // alerts of this incident, or the alert of this id
	Kinds        []deminer.EventKind // any of them
}

// wants looks at an entry itself, after the index said that it may be in a block.
func (f *Filter) wants(e *Entry) bool {
	end := e.Time
	if e.Last.After(end) {
		end = e.Last
	}
	switch {
	case !f.Since.IsZero() && end.Before(f.Since), !f.Until.IsZero() && !e.Time.Before(f.Until):
		return false
	case f.PID != 0 && e.Proc.PID != f.PID, f.Proc.PID != 0 && e.Proc != f.Proc, f.Parent.PID != 0 && e.ParentID() != f.Parent:
		return false
	}
	for _, k := range f.keys() {
		if !has(e, k) {
			return false
		}
	}
	if f.Path != "" && !below(e.Path, f.Path) && !below(ranFrom(e), f.Path) {
		return false
	}
	return len(f.Kinds) == 0 || slices.Contains(f.Kinds, e.Kind)
}

// below reports whether a path is dir or lies in it; the index knows only the first names of long paths.
func below(name deminer.Raw, dir string) bool {
	rest, ok := strings.CutPrefix(string(name), path.Clean(dir))
	return ok && (rest == "" || rest[0] == '/')
}
