package selfwatch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

func self() *Self {
	return &Self{ID: deminer.ProcID{PID: 100, Start: 1}, Unit: "deminer-agent.service", Program: "/usr/local/sbin/deminer", Files: []string{"/usr/local/sbin/deminer", "/etc/systemd/system/deminer-agent.service"},
		Dirs: []string{"/var/lib/deminer"}, Friends: []deminer.ProcID{{PID: 50, Start: 5}}}
}

func TestJudge(t *testing.T) {
	other := deminer.ProcID{PID: 66, Start: 9}
	for name, c := range map[string]struct {
		e    deminer.Event
		want string // in title and evidence; "": none
	}{
		"kill -9":               {deminer.Event{Kind: deminer.EventSignal, Code: 9, Proc: other, Exe: "/bin/\x1bkill", UID: 1000}, "somebody ends the agent: process 66"},
		"kill -STOP":            {deminer.Event{Kind: deminer.EventSignal, Code: 19, Proc: other, Comm: "bash"}, "somebody stops the agent: process 66 bash of user 0 sent it SIGSTOP"},
		"systemctl stop":        {deminer.Event{Kind: deminer.EventSignal, Code: 15, Proc: deminer.ProcID{PID: 1}}, ""},
		"systemd's watchdog":    {deminer.Event{Kind: deminer.EventSignal, Code: 6, Proc: deminer.ProcID{PID: 1}}, "SIGABRT"},
		"a window's size":       {deminer.Event{Kind: deminer.EventSignal, Code: 28, Proc: other}, ""},
		"gdb":                   {deminer.Event{Kind: deminer.EventPtrace, Target: 100, Code: 16, Proc: other, Exe: "/usr/bin/gdb"}, "somebody debugs the agent: process 66 /usr/bin/gdb"},
		"gdb of another":        {deminer.Event{Kind: deminer.EventPtrace, Target: 101, Proc: other}, ""},
		"its memory":            {deminer.Event{Kind: deminer.EventMemWrite, Target: 100, Proc: other, Path: "/proc/100/mem"}, "writes to the agent's memory"},
		"its program":           {deminer.Event{Kind: deminer.EventFile, Op: deminer.FileWritten, Path: "/usr/local/sbin/deminer", Proc: other}, "/usr/local/sbin/deminer was written"},
		"its journal":           {deminer.Event{Kind: deminer.EventFile, Op: deminer.FileRemoved, Path: "/var/lib/deminer/journal/x", Proc: other}, "was removed"},
		"its neighbour":         {deminer.Event{Kind: deminer.EventFile, Op: deminer.FileWritten, Path: "/var/lib/deminer2/x", Proc: other}, ""},
		"chattr +i":             {deminer.Event{Kind: deminer.EventFlags, Path: "/var/lib/deminer/guesses.json", Code: 0x10, Proc: other}, "flags 0x10"},
		"itself":                {deminer.Event{Kind: deminer.EventFile, Op: deminer.FileWritten, Path: "/var/lib/deminer/x", Proc: deminer.ProcID{PID: 100, Start: 1}}, ""},
		"deminer undo":          {deminer.Event{Kind: deminer.EventFile, Op: deminer.FileWritten, Path: "/var/lib/deminer/journal/x", Exe: "/usr/local/sbin/deminer", Proc: other}, ""},
		"deminer, replaced":     {deminer.Event{Kind: deminer.EventFile, Op: deminer.FileWritten, Path: "/var/lib/deminer/journal/x", Exe: "/usr/local/sbin/deminer", Deleted: true, Proc: other}, "was written"},
		"one in a container":    {deminer.Event{Kind: deminer.EventFile, Op: deminer.FileWritten, Path: "/var/lib/deminer/journal/x", Exe: "/usr/local/sbin/deminer", Container: "c0ffee", Proc: other}, "in container c0ffee"},
		"deminer install":       {deminer.Event{Kind: deminer.EventFile, Op: deminer.FileCreated, Path: "/usr/local/sbin/deminer", Exe: "/usr/local/sbin/deminer", Proc: other}, "was created"},
		"a friend":              {deminer.Event{Kind: deminer.EventFile, Op: deminer.FileWritten, Path: "/var/lib/deminer/x", Proc: deminer.ProcID{PID: 50, Start: 5}}, ""},
		"a later friend":        {deminer.Event{Kind: deminer.EventFile, Op: deminer.FileWritten, Path: "/var/lib/deminer/x", Proc: deminer.ProcID{PID: 50, Start: 6}}, "was written"},
		"nobody known":          {deminer.Event{Kind: deminer.EventFile, Op: deminer.FileMoved, Path: "/usr/local/sbin/deminer"}, "a process that is not known /usr/local/sbin/deminer was moved away"},
		"journal, nobody known": {deminer.Event{Kind: deminer.EventFile, Op: deminer.FileWritten, Path: "/var/lib/deminer/journal/x"}, ""},
		"refused":               {deminer.Event{Kind: deminer.EventPtrace, Target: 100, Proc: other, Denied: true}, "the kernel refused it"},
	} {
		f, ok := self().Judge(&c.e)
		text := f.Title + ": " + strings.Join(f.Why, "; ")
		if ok != (c.want != "") || !strings.Contains(text, c.want) || strings.Contains(text, "\x1b") {
			t.Errorf("%s: %v %q, want %q", name, ok, text, c.want)
		}
		if ok && (f.Detector == "" || f.Subject.Ref() == "" || c.e.Proc == other && len(f.Also) != 1) {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestWatched(t *testing.T) {
	files, dirs := self().Watched()
	if got := fmt.Sprint(files, dirs); got != "[/usr/local/sbin/deminer /etc/systemd/system/deminer-agent.service] [/etc/systemd/system /usr/local/sbin /var/lib/deminer]" {
		t.Error(got)
	}
}

func TestAbsent(t *testing.T) {
	at := time.Date(2026, 3, 3, 4, 0, 0, 0, time.UTC)
	gap := func(span time.Duration, clean, upgrade, rebooted bool) Gap {
		return Gap{From: at, To: at.Add(span), PID: 7, Span: span, Clean: clean, Upgrade: upgrade, Rebooted: rebooted, Killer: "process 9 sent it"}
	}
	for name, c := range map[string]struct {
		g    Gap
		want string
		tier deminer.Tier
	}{
		"killed":          {gap(time.Second, false, false, false), "killed, or it crashed", deminer.Strong},
		"stopped an hour": {gap(time.Hour, true, false, false), "stopped for a while", deminer.Weak},
		"restarted":       {gap(time.Second, true, false, false), "", ""},
		"upgraded":        {gap(time.Hour, true, true, false), "", ""},
		"rebooted":        {gap(time.Hour, true, false, true), "", ""},
		"power cut":       {gap(time.Hour, false, false, true), "went down", deminer.Weak},
	} {
		f, ok := self().Absent(c.g)
		if ok != (c.want != "") || ok && (!strings.Contains(f.Title, c.want) || f.Tier != c.tier || !strings.Contains(strings.Join(f.Why, "; "), "from 2026-03-03T04:00:00Z to")) {
			t.Errorf("%s: %v %+v", name, ok, f)
		}
	}
}
