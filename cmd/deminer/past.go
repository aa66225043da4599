package main

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/history"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/scan"
)

// before answers scan's questions about the past from a history; what cannot be answered is a gap.
type before struct {
	dir   *os.Root // nil: there is none, or it cannot be opened
	fault error    // the first
}

var _ scan.Past = (*before)(nil)

// openPast opens the history of the host.
func openPast(f *flags) *before {
	dir, err := openHistory(f)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, host.ErrUnsupported) {
		err = nil // none is kept here
	}
	return &before{dir: dir, fault: err}
}

// past is what a scan asks; nil where there is none.
func (b *before) past() scan.Past {
	if b.dir == nil {
		return nil
	}
	return b
}

func (b *before) close() {
	if b.dir != nil {
		_ = b.dir.Close()
	}
}

// gaps says what of the past was not looked at.
func (b *before) gaps() []deminer.Gap {
	if b.fault == nil {
		return nil
	}
	state := deminer.Failed
	if b.dir != nil {
		state = deminer.Partial
	}
	return []deminer.Gap{{Part: "history", State: state, Why: "what the agent kept cannot all be read, so incidents may not reach back as far as they could: " + deminer.Cut(b.fault.Error(), 400)}}
}

func (b *before) failed(err error) {
	if b.fault == nil {
		b.fault = err
	}
}

// Lineage implements scan.Past.
func (b *before) Lineage(id deminer.ProcID) (out []deminer.Ancestor) {
	up, err := history.Read(b.dir).Lineage(id)
	b.failed(err)
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
func (b *before) Writer(path string) (id deminer.ProcID, at time.Time) {
	b.failed(history.Read(b.dir).Query(history.Filter{Path: path, Kinds: []deminer.EventKind{deminer.EventFile}}, func(e history.Entry) bool {
		wrote := e.Op == deminer.FileCreated || e.Op == deminer.FileWritten || e.Op == deminer.FileRenamed
		if wrote && string(e.Path) == path && e.Proc.PID != 0 {
			id, at = e.Proc, e.Time
		}
		return true
	}))
	return id, at
}

// maxWork bounds what is judged of the past.
const maxWork = 50_000

// Work implements scan.Past.
func (b *before) Work(since time.Time) (out []deminer.Work) {
	b.failed(history.Read(b.dir).Query(history.Filter{Since: since, Kinds: []deminer.EventKind{history.KindCPU}}, func(e history.Entry) bool {
		if long := e.Last.Sub(e.Time).Seconds(); long > 0 {
			out = append(out, deminer.Work{Proc: e.Proc, Exe: e.Exe, From: e.Time, To: e.Last, Cores: e.CPU.Seconds() / long})
		}
		return len(out) < maxWork
	}))
	return out
}
