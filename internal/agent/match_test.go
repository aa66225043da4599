package agent

import (
	"bytes"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// content is a program with the attributes that it is given.
type content struct {
	*bytes.Reader
	attr deminer.Attr
}

func (c content) Attr() (deminer.Attr, error) { return c.attr, nil }
func (content) Close() error                  { return nil }

// TestKnownProgramsAreNotOpened: what an event names is read once; what changed a moment ago, or is named as something else, each time.
func TestKnownProgramsAreNotOpened(t *testing.T) {
	now := time.Now()
	old, young := now.Add(-time.Hour), now.Add(-time.Millisecond)
	named := func(ino uint64, changed time.Time) deminer.FileID {
		return deminer.FileID{Dev: 1, Ino: ino, Size: 3, Changed: changed.UnixNano()}
	}
	for what, c := range map[string]struct {
		file deminer.FileID
		attr deminer.Attr
		want int // times that it is opened, of three
	}{
		"old":        {named(7, old), deminer.Attr{Ino: 7, Size: 3, Ctime: old}, 1},
		"just made":  {named(7, young), deminer.Attr{Ino: 7, Size: 3, Ctime: young}, 3},
		"another":    {named(7, old), deminer.Attr{Ino: 8, Size: 3, Ctime: old}, 3},
		"written to": {named(7, old), deminer.Attr{Ino: 7, Size: 3, Ctime: young}, 3},
		"not named":  {deminer.FileID{}, deminer.Attr{Ino: 7, Size: 3, Ctime: old}, 3},
	} {
		a, opened := newWorld(t).agent(t), 0
		a.opt.Program = func(deminer.ProcID) (host.File, error) {
			opened++
			return content{bytes.NewReader([]byte("abc")), c.attr}, nil
		}
		for range 3 {
			if why := a.content(t.Context(), &deminer.Event{Kind: deminer.EventExec, Time: now, File: c.file}); why != "" {
				t.Errorf("%s: %s", what, why)
			}
		}
		if opened != c.want {
			t.Errorf("%s: opened %d times, want %d", what, opened, c.want)
		}
	}
}

// TestLostEventsAreMadeUpFor: when events that prove something had no room the whole host is looked at, once for all that were lost
// before, and not again soon.
func TestLostEventsAreMadeUpFor(t *testing.T) {
	w := newWorld(t)
	running(t, w, func(a *Agent) {
		lose := func() {
			w.mu.Lock()
			w.drops++
			w.mu.Unlock()
		}
		for _, step := range []struct {
			lose bool
			wait time.Duration
			want uint64 // looks at the whole host so far
		}{{false, time.Hour, 1}, {true, 2 * time.Minute, 2}, {true, 5 * time.Minute, 2}, {false, 10 * time.Minute, 3}, {false, time.Hour, 3}} {
			if step.lose {
				lose()
			}
			time.Sleep(step.wait)
			if c := a.Counts(); c.Whole != step.want {
				t.Errorf("%+v: %d looks at the whole host", step, c.Whole)
			}
		}
	})
}

// TestWhatWasJudgedIsNotAskedAgain: a program whose content and command line were judged goes by; with another parent, line, path or
// content it is asked about again, and so is what is bad.
func TestWhatWasJudgedIsNotAskedAgain(t *testing.T) {
	now := time.Now()
	old := now.Add(-time.Hour)
	file := func(ino uint64) deminer.FileID {
		return deminer.FileID{Dev: 1, Ino: ino, Size: 3, Changed: old.UnixNano()}
	}
	first := deminer.Event{Kind: deminer.EventExec, Time: now, Proc: deminer.ProcID{PID: 20, Start: 1}, Parent: 10, Exe: "/bin/cat", Argv: []deminer.Raw{"cat", "a"}, File: file(7)}
	a := newWorld(t).agent(t)
	a.heard.programs[10], a.heard.programs[11] = "bash", "nginx"
	asked := func(change func(*deminer.Event)) bool {
		e := first
		change(&e)
		a.see(e)
		select {
		case one := <-a.execs:
			a.opt.Program = func(deminer.ProcID) (host.File, error) {
				return content{bytes.NewReader([]byte("abc")), deminer.Attr{Ino: one.File.Ino, Size: 3, Ctime: old}}, nil
			}
			a.suspect(t.Context(), one)
			return true
		default:
			return false
		}
	}
	for _, c := range []struct {
		what   string
		change func(*deminer.Event)
		want   bool
	}{
		{"the first", func(*deminer.Event) {}, true},
		{"the same", func(*deminer.Event) {}, false},
		{"of another parent", func(e *deminer.Event) { e.Parent = 11 }, true},
		{"of that again", func(e *deminer.Event) { e.Parent = 11 }, false},
		{"another line", func(e *deminer.Event) { e.Argv = []deminer.Raw{"cata"} }, true},
		{"another path", func(e *deminer.Event) { e.Exe = "/bin/dog" }, true},
		{"another content", func(e *deminer.Event) { e.File = file(8) }, true},
		{"no name for its content", func(e *deminer.Event) { e.File = deminer.FileID{} }, true},
		{"that again", func(e *deminer.Event) { e.File = deminer.FileID{} }, true},
		{"a miner", func(e *deminer.Event) {
			e.Argv = []deminer.Raw{"x", "-o", "stratum+tcp://pool.minexmr.com:4444", "-u", "wallet", "-p", "x"}
		}, true},
		{"that miner again", func(e *deminer.Event) {
			e.Argv = []deminer.Raw{"x", "-o", "stratum+tcp://pool.minexmr.com:4444", "-u", "wallet", "-p", "x"}
		}, true},
	} {
		if got := asked(c.change); got != c.want {
			t.Errorf("%s: asked %v", c.what, got)
		}
	}
}
