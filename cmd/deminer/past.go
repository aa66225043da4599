package main

import (
	"os"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/history"
	"github.com/deminer/deminer/internal/scan"
)

// before answers scan's questions about the past from a history. What of it is damaged is told by doctor.
type before struct{ dir *os.Root }

var _ scan.Past = before{}

// openPast gives the past of the host; nil where no history is kept.
func openPast(f *flags) (scan.Past, func()) {
	dir, err := openHistory(f)
	if err != nil {
		return nil, func() {}
	}
	return before{dir}, func() { _ = dir.Close() }
}

// Lineage implements scan.Past.
func (b before) Lineage(id deminer.ProcID) (out []deminer.Ancestor) {
	up, _ := history.Read(b.dir).Lineage(id)
	at, way := history.CameIn(up)
	for i, e := range up {
		words := make([]string, len(e.Argv))
		for i, a := range e.Argv {
			words[i] = string(a)
		}
		out = append(out, deminer.Ancestor{Proc: e.Proc, Exe: e.Exe, Line: deminer.Raw(strings.Join(words, " ")), Unit: e.Unit, At: e.Time})
		if i == at {
			out[i].Way = way
		}
	}
	return out
}

// Writer implements scan.Past.
func (b before) Writer(path string) (id deminer.ProcID, at time.Time) {
	_ = history.Read(b.dir).Query(history.Filter{Path: path, Kinds: []deminer.EventKind{deminer.EventFile}}, func(e history.Entry) bool {
		wrote := e.Op == deminer.FileCreated || e.Op == deminer.FileWritten || e.Op == deminer.FileRenamed
		if wrote && string(e.Path) == path && e.Proc.PID != 0 {
			id, at = e.Proc, e.Time
		}
		return true
	})
	return id, at
}

// maxWork bounds what is judged of the past.
const maxWork = 50_000

// Work implements scan.Past.
func (b before) Work(since time.Time) (out []deminer.Work) {
	_ = history.Read(b.dir).Query(history.Filter{Since: since, Kinds: []deminer.EventKind{history.KindCPU}}, func(e history.Entry) bool {
		if long := e.Last.Sub(e.Time).Seconds(); long > 0 {
			out = append(out, deminer.Work{Proc: e.Proc, Exe: e.Exe, From: e.Time, To: e.Last, Cores: e.CPU.Seconds() / long})
		}
		return len(out) < maxWork
	})
	return out
}
