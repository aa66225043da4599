package incident

import (
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

func TestTrigger(t *testing.T) {
	at := time.Date(2026, 3, 3, 4, 0, 0, 0, time.UTC)
	cron := deminer.Foothold{Mechanism: "cron", Path: "/etc/crontab", Line: "* * * * * root /tmp/.x/up", Trigger: "every minute", Every: time.Minute, Targets: []string{"/tmp/.x/up"}}
	unit := deminer.Foothold{Mechanism: "systemd-unit", Path: "/etc/systemd/system/evil.service", Name: "evil.service", Trigger: "at boot"}
	owned := deminer.Foothold{Mechanism: "systemd-unit", Path: "/lib/systemd/system/cron.service", Name: "cron.service", Trigger: "at boot", Own: deminer.Provenance{State: deminer.Intact}}
	proc := func(pid, ppid int, exe, unit string, argv ...string) deminer.Process {
		return deminer.Process{ID: deminer.ProcID{PID: pid, Start: uint64(pid)}, PPID: ppid, Exe: exe, Unit: unit, Argv: argv, Started: at.Add(time.Duration(pid) * time.Second)}
	}
	procs := []deminer.Process{proc(10, 1, "/usr/sbin/cron", "cron.service"), proc(20, 10, "/bin/sh", "cron.service", "sh", "/tmp/.x/up"), proc(21, 20, "/opt/x", "session-3.scope"),
		proc(30, 1, "/opt/miner", "evil.service"), proc(40, 1, "/opt/lone", ""), proc(25, 50, "/opt/late", ""), proc(50, 1, "/opt/newcomer", "")}
	snap := deminer.Snapshot{Footholds: []deminer.Foothold{cron, unit, owned}, Processes: procs}
	convicted := func(a deminer.Artifact) deminer.Member {
		return deminer.Member{Artifact: a, Grade: deminer.Convicted}
	}
	rep := &deminer.Report{Snapshot: snap, Incidents: []deminer.Incident{{Members: []deminer.Member{convicted(cron.Artifact()), convicted(process(&procs[3]))}}}}
	idle := &deminer.Report{Snapshot: deminer.Snapshot{Footholds: snap.Footholds}, Incidents: []deminer.Incident{{Members: []deminer.Member{convicted(cron.Artifact())}}}}
	cases := []struct {
		name string
		rep  *deminer.Report
		of   deminer.Artifact
		when time.Time
		want string
	}{
		{"program of a cron line", rep, file("/tmp/.x/up"), at, "started by /etc/crontab: * * * * * root /tmp/.x/up (every minute)"},
		{"process of a unit", rep, process(&procs[3]), at, "started by /etc/systemd/system/evil.service (at boot)"},
		{"script of a cron line", rep, process(&procs[1]), at, "started by /etc/crontab"},
		{"child", rep, process(&procs[2]), at, "started by process 20 sh"},
		{"orphan", rep, process(&procs[4]), at, ""},
		{"child of one that has ended, whose number is another's by now", rep, process(&procs[5]), at, ""},
		{"file written while the miner ran", rep, file("/etc/ld.so.preload"), at.Add(time.Hour), "put there by process 30 miner"},
		{"file written before it ran", rep, file("/etc/ld.so.preload"), at, "most likely through /etc/crontab"},
		{"nobody runs", idle, file("/etc/ld.so.preload"), at.Add(time.Hour), "most likely through /etc/crontab: * * * * * root /tmp/.x/up (every minute), which is convicted"},
		{"the line itself", idle, cron.Artifact(), at, ""},
		{"another process by now", rep, deminer.Artifact{Kind: deminer.KindProcess, Proc: deminer.ProcID{PID: 30, Start: 1}}, at, ""},
	}
	for _, c := range cases {
		if got := Trigger(c.rep, c.of, c.when); !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
