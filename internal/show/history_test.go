package show

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/history"
)

// TestHostileHistory: root can write a history anew. Whatever is in it, nothing of it reaches the terminal raw, and what is
// missing from an entry stops nothing.
func TestHostileHistory(t *testing.T) {
	const bad = "x\x1b]0;owned\a\n"
	kinds := append(history.Kinds(), deminer.EventKind(bad))
	for _, kind := range kinds {
		e := history.Entry{Event: deminer.Event{Kind: kind, Proc: deminer.ProcID{PID: 7}, Exe: bad, Comm: bad, Argv: []deminer.Raw{bad}, Unit: bad, Container: bad,
			Proto: bad, Local: bad, Remote: bad, Op: bad, Path: bad, Name: bad, Data: bad}, Addrs: []string{bad}, Count: 3, Last: time.Unix(9, 0)}
		full := e
		full.Alert = &history.Alert{ID: bad, Incident: bad, Rule: bad, Grade: bad, Text: bad, Done: bad}
		for _, one := range []history.Entry{e, full} {
			var out bytes.Buffer
			page := Page{W: &out}
			page.Past(&one)
			page.Descent([]*history.Node{{Entry: one, CameIn: "ssh login", Children: []*history.Node{{Entry: one}}}})
			if i := strings.IndexFunc(out.String(), func(r rune) bool { return r < ' ' && r != '\n' }); i >= 0 || strings.Count(out.String(), "\n") != 3 {
				t.Errorf("%q: raw bytes, or lines that nobody wrote: %q", kind, out.String())
			}
		}
	}
}

// TestPastOfKernelThread: a process without a command line ends its line with no colon that nothing follows.
func TestPastOfKernelThread(t *testing.T) {
	for _, c := range []struct {
		argv []deminer.Raw
		want string
	}{{nil, "7 kthreadd uid 0  runs already\n"}, {[]deminer.Raw{"/sbin/init", "-z"}, "7 kthreadd uid 0  runs already: /sbin/init -z\n"}} {
		var out bytes.Buffer
		Page{W: &out}.Past(&history.Entry{Event: deminer.Event{Kind: history.KindProcess, Proc: deminer.ProcID{PID: 7}, Comm: "kthreadd", Argv: c.argv}})
		if !strings.HasSuffix(out.String(), c.want) {
			t.Errorf("%q, want an end of %q", out.String(), c.want)
		}
	}
}
