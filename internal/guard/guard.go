// Package guard knows what clean-ups took away and says what of it an event may bring back. It is handed facts and gives verdicts:
// it looks at no host and changes none.
//
// The list is made from the journals (remedy's Removals), which are the only record of what was taken away: what an undo puts
// back is guarded no longer from that moment on, and nothing that was not removed can be on the list.
package guard

import (
	"cmp"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// Keep is for how long what was removed is guarded.
const Keep = 90 * 24 * time.Hour

// List is what is guarded. It is not changed after it was made.
type List struct {
	removed  []deminer.Removed
	paths    map[string][]int // path, or file that a line was cut from
	contents map[string][]int
	pools    map[string][]int // "ip" or "ip:port"
	accounts []int            // what stands in the account files
}

// accountFiles are those that a removed or locked account can come back in.
var accountFiles = []string{"/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/sudoers"}

// New makes the list of what was removed and is to be guarded now: what is older than [Keep] is not.
func New(removed []deminer.Removed, now time.Time) *List {
	l := &List{paths: map[string][]int{}, contents: map[string][]int{}, pools: map[string][]int{}}
	for _, r := range removed {
		if now.Sub(r.At) > Keep {
			continue
		}
		l.add(r)
	}
	return l
}

func (l *List) add(r deminer.Removed) {
	n, t := len(l.removed), r.Action.Target
	l.removed = append(l.removed, r)
	at := func(m map[string][]int, k string) {
		if k != "" && !slices.Contains(m[k], n) {
			m[k] = append(m[k], n)
		}
	}
	switch r.Action.Verb {
	case deminer.VerbRemoveAccount, deminer.VerbLock:
		l.accounts = append(l.accounts, n)
	case deminer.VerbMaskUnit:
		at(l.paths, "/etc/systemd/system/"+t.Name)
	case deminer.VerbBlock:
		if t.Kind == deminer.KindAddress {
			at(l.pools, plainAddress(t.Addr))
		}
	default:
		if t.Path != "" {
			at(l.paths, path.Clean(string(t.Path)))
		}
	}
	for _, f := range r.Files {
		at(l.paths, path.Clean(string(f)))
	}
	for _, c := range r.Contents {
		at(l.contents, c)
	}
}

// plainAddress gives an address one form: IPv4 in IPv6 as IPv4.
func plainAddress(s string) string {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()).String()
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Unmap().String()
	}
	return s
}

// Len is how many things are guarded.
func (l *List) Len() int { return len(l.removed) }

// All lists what is guarded, the latest first. It must not be changed.
func (l *List) All() []deminer.Removed { return l.removed }

// Contents are the SHA-256 that must not run again, sorted.
func (l *List) Contents() []string { return sorted(l.contents) }

// Pools are the addresses, "ip" or "ip:port", that must not be connected to again, sorted.
func (l *List) Pools() []string { return sorted(l.pools) }

// Paths are the names at which a change may bring something back, sorted: what sensors should watch beside their own places.
func (l *List) Paths() []string {
	out := sorted(l.paths)
	if len(l.accounts) > 0 {
		out = append(out, accountFiles...)
		slices.Sort(out)
		out = slices.Compact(out)
	}
	return out
}

func sorted(m map[string][]int) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// Facts are what is known of an event beside itself.
type Facts struct {
	// SHA256 of the content that is to run, or that lies at the event's path now; "": not known.
	SHA256 string
	// Vouched: a package owns that content unchanged. An owner may install what an intruder brought.
	Vouched bool
}

// Touch is something removed that an event may bring back.
type Touch struct {
	Removed deminer.Removed
	// Sure: it is back, by content or address. Else somebody must look: [remedy.Runner.Stands] says whether the removal still stands.
	Sure bool
	Why  string // safe text
}

// Event says what of the removed an event has to do with, the surest first; nil: with nothing. It costs a few look-ups.
func (l *List) Event(e *deminer.Event, f Facts) (out []Touch) {
	if f.Vouched {
		return nil
	}
	add := func(list []int, sure bool, why string) {
		for _, n := range list {
			if !slices.ContainsFunc(out, func(t Touch) bool { return t.Removed.Plan == l.removed[n].Plan && t.Removed.Step == l.removed[n].Step }) {
				out = append(out, Touch{l.removed[n], sure, why})
			}
		}
	}
	switch e.Kind {
	case deminer.EventExec:
		add(l.contents[f.SHA256], true, "runs content that was removed: "+deminer.Cut(e.Exe, 200))
		add(l.paths[path.Clean(string(e.Exe))], false, "runs from where a program was removed: "+deminer.Cut(e.Exe, 200))
	case deminer.EventConnect:
		remote := plainAddress(e.Remote)
		host := remote
		if ap, err := netip.ParseAddrPort(remote); err == nil {
			host = ap.Addr().String()
		}
		add(slices.Concat(l.pools[remote], l.pools[host]), true, "connects to "+deminer.Safe(e.Remote)+", which was blocked")
	case deminer.EventFile:
		if e.Op == deminer.FileRemoved || e.Op == deminer.FileMoved || e.Op == deminer.FileAttr {
			return nil // nothing comes back by that
		}
		name := path.Clean(string(e.Path))
		add(l.contents[f.SHA256], true, "brings content that was removed to "+deminer.Safe(name))
		add(l.paths[name], false, deminer.Safe(name)+" was "+string(e.Op))
		for dir := path.Dir(name); len(dir) > 1; dir = path.Dir(dir) { // a directory that was removed, and is filled again
			add(l.paths[dir], false, deminer.Safe(name)+" was "+string(e.Op))
		}
		if slices.ContainsFunc(accountFiles, func(a string) bool { return name == a || strings.HasPrefix(name, a+".d/") }) {
			add(l.accounts, false, deminer.Safe(name)+" was "+string(e.Op))
		}
	}
	slices.SortStableFunc(out, func(a, b Touch) int { return cmp.Compare(order(a.Sure), order(b.Sure)) })
	return out
}

func order(sure bool) int {
	if sure {
		return 0
	}
	return 1
}
