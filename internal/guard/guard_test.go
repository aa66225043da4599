package guard

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/history"
)

var now = time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)

func removals() []deminer.Removed {
	file := deminer.Artifact{Kind: deminer.KindFile, Path: "/opt/m"}
	return []deminer.Removed{
		{Plan: "p1", Step: "s01", At: now, Action: deminer.Action{Verb: deminer.VerbQuarantine, Target: file}, Contents: []string{"aa"}},
		{Plan: "p1", Step: "s02", At: now, Action: deminer.Action{Verb: deminer.VerbCutLine, Target: deminer.Artifact{Kind: deminer.KindLine, Path: "/etc/crontab", Line: "* * * * * root /opt/m"}}},
		{Plan: "p1", Step: "s03", At: now, Action: deminer.Action{Verb: deminer.VerbBlock, Target: deminer.Artifact{Kind: deminer.KindAddress, Addr: "192.0.2.7:3333"}}},
		{Plan: "p1", Step: "s04", At: now, Action: deminer.Action{Verb: deminer.VerbRemoveAccount, Target: deminer.Artifact{Kind: deminer.KindAccount, Name: "x"}}},
		{Plan: "p1", Step: "s05", At: now, Action: deminer.Action{Verb: deminer.VerbDropFile, Target: deminer.Artifact{Kind: deminer.KindFile, Path: "/var/tmp/.d"}}},
		{Plan: "p0", Step: "s01", At: now.Add(-Keep - time.Hour), Action: deminer.Action{Verb: deminer.VerbQuarantine, Target: deminer.Artifact{Kind: deminer.KindFile, Path: "/opt/old"}}, Contents: []string{"bb"}},
	}
}

func TestEvent(t *testing.T) {
	l := New(removals(), now)
	if l.Len() != 5 {
		t.Errorf("%d guarded", l.Len())
	}
	for _, one := range []struct {
		e    deminer.Event
		f    Facts
		want string
	}{
		{deminer.Event{Kind: deminer.EventExec, Exe: "/tmp/other"}, Facts{SHA256: "aa"}, "s01!"},
		{deminer.Event{Kind: deminer.EventExec, Exe: "/tmp/other"}, Facts{SHA256: "aa", Vouched: true}, ""},
		{deminer.Event{Kind: deminer.EventExec, Exe: "/opt/m"}, Facts{}, "s01"},
		{deminer.Event{Kind: deminer.EventExec, Exe: "/opt/m2"}, Facts{SHA256: "cc"}, ""},
		{deminer.Event{Kind: deminer.EventExec, Exe: "/opt/old"}, Facts{SHA256: "bb"}, ""},
		{deminer.Event{Kind: deminer.EventConnect, Remote: "192.0.2.7:3333"}, Facts{}, "s03!"},
		{deminer.Event{Kind: deminer.EventConnect, Remote: "[::ffff:192.0.2.7]:3333"}, Facts{}, "s03!"},
		{deminer.Event{Kind: deminer.EventConnect, Remote: "192.0.2.7:443"}, Facts{}, ""},
		{deminer.Event{Kind: deminer.EventFile, Op: deminer.FileWritten, Path: "/etc/crontab"}, Facts{}, "s02"},
		{deminer.Event{Kind: deminer.EventFile, Op: deminer.FileRenamed, Path: "/opt/m"}, Facts{SHA256: "aa"}, "s01!"},
		{deminer.Event{Kind: deminer.EventFile, Op: deminer.FileRemoved, Path: "/etc/crontab"}, Facts{}, ""},
		{deminer.Event{Kind: deminer.EventFile, Op: deminer.FileCreated, Path: "/var/tmp/.d/a/b"}, Facts{}, "s05"},
		{deminer.Event{Kind: deminer.EventFile, Op: deminer.FileCreated, Path: "/var/tmp/.dd"}, Facts{}, ""},
		{deminer.Event{Kind: deminer.EventFile, Op: deminer.FileWritten, Path: "/etc/passwd"}, Facts{}, "s04"},
		{deminer.Event{Kind: deminer.EventFile, Op: deminer.FileWritten, Path: "/etc/hosts"}, Facts{}, ""},
		{deminer.Event{Kind: deminer.EventFork, Exe: "/opt/m"}, Facts{SHA256: "aa"}, ""},
	} {
		var got []string
		for _, touch := range l.Event(&one.e, one.f) {
			got = append(got, touch.Removed.Step+map[bool]string{true: "!"}[touch.Sure])
		}
		if s := strings.Join(got, " "); s != one.want {
			t.Errorf("%s %s %s%s: %q, want %q", one.e.Kind, one.e.Exe, one.e.Path, one.e.Remote, s, one.want)
		}
	}
}

func TestTriggerAndPlan(t *testing.T) {
	l := New(removals(), now)
	e := deminer.Event{Kind: deminer.EventExec, Time: now, Exe: "/tmp/\x1b[2J", Proc: deminer.ProcID{PID: 9, Start: 9}}
	entry := func(pid int, exe deminer.Raw) history.Entry {
		return history.Entry{Event: deminer.Event{Kind: deminer.EventExec, Proc: deminer.ProcID{PID: pid}, Exe: exe}}
	}
	up := []history.Entry{entry(9, "/tmp/\x1b[2J"), entry(8, "/bin/sh"), entry(7, "/usr/sbin/nginx"), entry(1, "/sbin/init")}
	f := Facts{SHA256: "aa"}
	touched := l.Event(&e, f)
	a := NewAttempt(&e, touched, up)
	if want := `by nginx 7 > sh 8 > \x1b[2J 9 (web server)`; a.Trigger != want {
		t.Errorf("trigger %q, want %q", a.Trigger, want)
	}
	p := Again("g1", deminer.HostInfo{}, &e, f, touched, now)
	var got []string
	for _, s := range p.Steps {
		got = append(got, fmt.Sprint(s.ID, s.Phase, s.Action.Verb, s.Expect.SHA256))
	}
	if s := strings.Join(got, "; "); s != "s01freezefreezeaa; s02quarantinequarantineaa" || p.Purpose != deminer.ForGuard {
		t.Errorf("plan %s", s)
	}
	if text := a.Alert("x").Alert.Text; !strings.HasPrefix(text, "came back: ") || strings.Contains(text, "\x1b") {
		t.Errorf("%q", text)
	}
}
