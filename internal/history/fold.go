package history

import (
	"hash/maphash"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// rule says how many entries that are alike are kept in how long a time; the rest are counted.
type rule struct {
	alike int           // the very same
	kin   int           // of the same program, whatever else they say; 0: any number
	span  time.Duration // from the first of them on
}

// rules of the kinds; what is not named is kept by other. Forks and exits have none: a fork is kept when its process does
// something that is kept, an exit if the beginning was.
var (
	rules = map[deminer.EventKind]rule{
		deminer.EventExec:    {3, 60, 10 * time.Minute},
		deminer.EventConnect: {1, 60, 10 * time.Minute},
		deminer.EventDNS:     {1, 60, 30 * time.Minute},
		deminer.EventFile:    {3, 120, 10 * time.Minute},
		deminer.EventBind:    {1, 30, 10 * time.Minute},
		deminer.EventFlow:    {3, 30, 10 * time.Minute},
	}
	other  = rule{3, 60, 10 * time.Minute}
	denied = rule{10, 120, 10 * time.Minute}
)

func ruleOf(e *Entry) rule {
	if e.Denied {
		return denied
	}
	if r, ok := rules[e.Kind]; ok {
		return r
	}
	return other
}

// run counts entries that are alike.
type run struct {
	count, more int
	until       time.Duration
	sample      *Entry // the first that was not kept; Last and Count tell of all such
}

// maxRuns bounds the table of what is counted: beyond it all counts are written down and begun anew.
const maxRuns = 4096

// folder counts what comes again and again.
type folder struct {
	seed maphash.Seed
	runs map[uint64]*run
}

func newFolder() folder { return folder{maphash.MakeSeed(), map[uint64]*run{}} }

// keeps reports whether an entry is to be kept; else it was counted. parent is the program of the parent.
func (f *folder) keeps(e *Entry, parent deminer.Raw) bool {
	r := ruleOf(e)
	if kin := f.of(e, r, f.kin(e, parent)); r.kin > 0 && kin.count > r.kin {
		kin.add(e)
		return false
	}
	if same := f.of(e, r, f.same(e, parent)); same.count > r.alike {
		same.add(e)
		return false
	}
	return true
}

// of finds the run and counts the entry in it.
func (f *folder) of(e *Entry, r rule, at uint64) *run {
	one := f.runs[at]
	if one == nil {
		one = &run{until: e.Clock + r.span}
		f.runs[at] = one
	}
	one.count++
	return one
}

func (r *run) add(e *Entry) {
	if r.more++; r.sample == nil {
		some := sparse(e)
		r.sample = &some
	}
	r.sample.Count, r.sample.Last = uint64(r.more), e.Time
}

// over gives what was counted in runs that are over, or in all, and forgets it.
func (f *folder) over(clock time.Duration, all bool) (out []*Entry) {
	all = all || len(f.runs) >= maxRuns
	for at, r := range f.runs {
		if !all && r.until > clock {
			continue
		}
		if r.sample != nil {
			out = append(out, r.sample)
		}
		delete(f.runs, at)
	}
	return out
}

func (f *folder) kin(e *Entry, parent deminer.Raw) uint64 {
	var h maphash.Hash
	h.SetSeed(f.seed)
	words(&h, "kin", string(e.Kind), string(parent), string(e.Exe), e.Container, string(e.Op), yes(e.Denied, e.Memfd || e.Deleted))
	maphash.WriteComparable(&h, e.UID)
	return h.Sum64()
}

func (f *folder) same(e *Entry, parent deminer.Raw) uint64 {
	var h maphash.Hash
	h.SetSeed(f.seed)
	remote := e.Remote
	if e.Inbound { // everybody comes from another port
		remote = addressOf(remote)
	}
	words(&h, string(e.Kind), string(parent), string(e.Exe), e.Container, e.Unit, e.Proto, remote, string(e.Op), string(e.Path), string(e.Name), yes(e.Denied, e.Memfd || e.Deleted))
	if e.Kind == deminer.EventBind && !ephemeral(e.Local) {
		words(&h, e.Local)
	}
	for _, a := range e.Argv {
		words(&h, string(a))
	}
	words(&h, e.Addrs...)
	maphash.WriteComparable(&h, [3]int64{int64(e.UID), int64(e.ToUID), e.Code})
	return h.Sum64()
}

// ephemeral reports a local address that the kernel is to choose.
func ephemeral(local string) bool { return strings.HasSuffix(local, ":0") }

func yes(flags ...bool) string {
	var b [8]byte
	for i, f := range flags {
		if f {
			b[i] = 1
		}
	}
	return string(b[:])
}

func words(h *maphash.Hash, list ...string) {
	for _, w := range list {
		_, _ = h.WriteString(w) // never fails
		_ = h.WriteByte(0)
	}
}
