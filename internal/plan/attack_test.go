package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

// TestNothingThatHoldsOthersGoesWhole: whoever gets a directory convicted must not have the owner's files moved with it.
func TestNothingThatHoldsOthersGoesWhole(t *testing.T) {
	for _, name := range []string{"/etc/cron.d", "/etc/cron.d/", "/etc/systemd/system", "/home/alice", "/home", "/var/www", "/opt/app", "/opt/app/bin", "/var/lib", "/var/lib/postgresql",
		"/var/lib/mysql", "/usr/bin/bash", "/usr/sbin/init", "/bin/bash", "/usr/local/bin", "/var/run/lock", "/lib/systemd/system", "/var/spool/cron/crontabs", "/etc/ssh", "/dev/shm", "/usr/lib/postgresql",
		"/bin/passwd-tool", "/", "//", "/..", "/../etc", "/opt/../etc/cron.d", "/opt/jdk/bin/java", "etc/cron.d", "/var/lib/deminer"} {
		r := report(member(file(name), deminer.VerbQuarantine))
		s := &r.Snapshot
		s.Accounts = append(s.Accounts, deminer.Account{Name: "alice", UID: 1000, Home: "/home/alice"})
		s.Processes = append(s.Processes, deminer.Process{ID: deminer.ProcID{PID: 70, Start: 70}, PPID: 1, Exe: "/opt/app/bin/server", Own: deminer.Provenance{State: deminer.Unowned}},
			deminer.Process{ID: deminer.ProcID{PID: 71, Start: 71}, PPID: 1, Exe: "/opt/jdk/bin/java", Own: deminer.Provenance{State: deminer.Unowned}},
			deminer.Process{ID: deminer.ProcID{PID: 72, Start: 72}, PPID: 1, Exe: "/usr/bin/passwd-tool", Own: deminer.Provenance{State: deminer.Intact}})
		if p := Make(r, Options{}, now); len(p.Steps) != 0 || len(p.Refused) == 0 {
			t.Errorf("%s: planned %+v", name, p.Steps)
		}
	}
	// What an intruder brings still goes, from the same places.
	for _, name := range []string{"/etc/cron.d/x", "/home/alice/.x", "/opt/app/.hidden/miner", "/var/www/html/shell.php", "/usr/bin/sysetmd", "/tmp/.y", "/var/tmp/.ICE-unix", "/home/mallory"} {
		r := report(member(file(name), deminer.VerbQuarantine))
		r.Snapshot.Accounts = append(r.Snapshot.Accounts, deminer.Account{Name: "alice", UID: 1000, Home: "/home/alice"}, deminer.Account{Name: "mallory", UID: 1001, Home: "/home/mallory"})
		r.Incidents[0].Members = append(r.Incidents[0].Members, member(deminer.Artifact{Kind: deminer.KindAccount, Name: "mallory"}, deminer.VerbRemoveAccount))
		if p := Make(r, Options{}, now); len(p.Steps) != 2 {
			t.Errorf("%s: not planned: %+v", name, p.Refused)
		}
	}
}

// TestSharedInterpreterIsNoTwin: a miner in node must not take the owner's node services with it.
func TestSharedInterpreterIsNoTwin(t *testing.T) {
	node := func(pid int, findings ...int) (deminer.Process, deminer.Member) {
		id := deminer.ProcID{PID: pid, Start: uint64(pid)}
		m := member(proc(pid), deminer.VerbFreeze, deminer.VerbKill)
		m.Findings = findings
		if len(findings) == 0 {
			m.Why = []string{"tied: /opt/node/bin/node runs the program it"}
		}
		return deminer.Process{ID: id, PPID: 1, Exe: "/opt/node/bin/node", Own: deminer.Provenance{State: deminer.Unowned}}, m
	}
	bad, badMember := node(80, 0)
	good, goodMember := node(81)
	r := report(badMember, goodMember, member(file("/opt/node/bin/node"), deminer.VerbQuarantine))
	r.Snapshot.Processes = append(r.Snapshot.Processes, bad, good)
	p := Make(r, Options{}, now)
	for _, s := range p.Steps {
		if s.Action.Target.Proc.PID != 80 || s.Action.Args["same-program"] != "" {
			t.Errorf("planned %s of %s with %v", s.Action.Verb, s.Action.Target, s.Action.Args)
		}
	}
	if len(p.Steps) != 2 || len(p.Refused) < 2 {
		t.Errorf("%d steps, refused %+v", len(p.Steps), p.Refused)
	}
	for exe, want := range map[string]bool{"/usr/bin/python3.11": true, "/opt/x/java": true, "/usr/bin/perl5.36.0": true, "/lib64/ld-linux-x86-64.so.2": true, "/bin/busybox": true, "/tmp/kswapd0": false, "/usr/bin/bashd": false} {
		if deminer.Interprets(exe) != want {
			t.Errorf("%s: interpreter %v", exe, !want)
		}
	}
}

// TestTwinsOfAMiner: what no package owns is looked for by content; a program of an owner's size turns that to names.
func TestTwinsOfAMiner(t *testing.T) {
	find := func(p deminer.Plan) map[string]deminer.Raw { return p.Steps[0].Action.Args }
	r := report(member(proc(66), deminer.VerbFreeze, deminer.VerbKill))
	r.Snapshot.Processes[6].ExeAttr.Size = 4711
	if args := find(Make(r, Options{}, now)); args["same-program"] != "yes" || args["after"] != "66" {
		t.Errorf("args %v", args)
	}
	// The intruder linked or copied the owner's program and loads his miner into it.
	r.Snapshot.Processes = append(r.Snapshot.Processes, deminer.Process{ID: deminer.ProcID{PID: 90, Start: 90}, PPID: 1, Exe: "/opt/app/server", ExeAttr: deminer.Attr{Size: 4711}, Own: deminer.Provenance{State: deminer.Unowned}})
	if args := find(Make(r, Options{}, now)); args["same-program"] != "yes" || args["after"] != "" {
		t.Errorf("args %v, want names only", args)
	}
	// One of several containers of an owner's image was broken into.
	r.Snapshot.Processes[len(r.Snapshot.Processes)-1].Exe = r.Snapshot.Processes[6].Exe
	r.Snapshot.Processes[6].MntNS, r.Snapshot.Processes[len(r.Snapshot.Processes)-1].MntNS = 4026532001, 4026532002
	p := Make(r, Options{}, now)
	if args := p.Steps[0].Action.Args; args["same-program"] != "yes" || args["after"] != "" || p.Steps[0].Expect.MntNS != 4026532001 {
		t.Errorf("args %v, expect %+v, want names of one mount namespace only", args, p.Steps[0].Expect)
	}
	// Under the name of an owner's interpreter in a hidden place it is a disguise, in a package it is not looked for at all.
	r.Snapshot.Processes[6].Exe = "/tmp/.x/python3"
	if args := find(Make(r, Options{}, now)); args["same-program"] != "yes" {
		t.Errorf("args %v", args)
	}
	r.Snapshot.Processes[6].Own.State = deminer.Intact
	if args := find(Make(r, Options{}, now)); args["same-program"] != "" {
		t.Errorf("args %v: a packaged program was looked for", args)
	}
}

// TestDatabaseUnderAMinerIsSpared: an intruder may start the owner's database from his own process.
func TestDatabaseUnderAMinerIsSpared(t *testing.T) {
	r := report(member(proc(66), deminer.VerbFreeze, deminer.VerbKill))
	r.Snapshot.Processes[5].PPID = 67
	r.Snapshot.Processes = append(r.Snapshot.Processes, deminer.Process{ID: deminer.ProcID{PID: 67, Start: 67}, PPID: 66, Exe: "/bin/dash", Own: deminer.Provenance{State: deminer.Intact}},
		deminer.Process{ID: deminer.ProcID{PID: 68, Start: 68}, PPID: 66, Exe: "/usr/sbin/nginx", Unit: "nginx.service", Own: deminer.Provenance{State: deminer.Intact}})
	for _, s := range Make(r, Options{}, now).Steps {
		if got := s.Action.Args["spare"]; got != "60@60 68@68" {
			t.Errorf("%s spares %q", s.Action.Verb, got)
		}
		if !strings.Contains(s.Risk, "60@60") {
			t.Errorf("the risk does not say so: %q", s.Risk)
		}
	}
}

func TestUnmountAndContainerdAndBlocks(t *testing.T) {
	mount := deminer.Artifact{Kind: deminer.KindMount, Path: "/proc/66"}
	box := deminer.Artifact{Kind: deminer.KindContainer, Name: "c1"}
	boxed := member(box)
	boxed.Remove = []deminer.Action{{Verb: deminer.VerbStopContainer, Target: box, Args: map[string]deminer.Raw{"engine": "containerd"}}}
	odd := member(deminer.Artifact{Kind: deminer.KindContainer, Name: "c2"})
	odd.Remove = []deminer.Action{{Verb: deminer.VerbStopContainer, Target: odd.Artifact, Args: map[string]deminer.Raw{"engine": "lxd"}}}
	r := report(member(mount, deminer.VerbUnmount), boxed, odd, member(deminer.Artifact{Kind: deminer.KindAddress, Addr: "203.0.113.7:3333"}, deminer.VerbBlock))
	r.Snapshot.Containers = []deminer.Container{{ID: "c1", Engine: "containerd", Labels: []string{"io.kubernetes.cri.sandbox-name=evil\x1b", "io.kubernetes.cri.sandbox-namespace=default"}}}
	p := Make(r, Options{BlockFor: 72 * time.Hour, KeepBlocks: true}, now)
	if len(p.Steps) != 3 || p.Steps[1].Undo || p.Steps[1].NoUndo == "" || p.Steps[2].Action.Verb != deminer.VerbStopContainer {
		t.Errorf("steps %+v", p.Steps)
	}
	if args := p.Steps[0].Action.Args; args["for"] != "72h0m0s" || args["keep"] != "yes" {
		t.Errorf("block args %v", args)
	}
	if !slices.ContainsFunc(p.Refused, func(r deminer.Refusal) bool { return strings.Contains(r.Why, "lxd") && r.Advice != "" }) {
		t.Errorf("nothing is said of the other engine's container: %+v", p.Refused)
	}
	if !slices.ContainsFunc(p.Advice, func(a string) bool { return strings.Contains(a, "pod evil\\x1b in namespace default") }) {
		t.Errorf("nothing is said of the pod: %q", p.Advice)
	}
}

// TestCheckRefusesForgedPlans: a plan that deminer made passes, one that was written to do harm does not.
func TestCheckRefusesForgedPlans(t *testing.T) {
	host := deminer.HostInfo{Source: "live", Self: []deminer.ProcID{{PID: 50, Start: 50}}}
	of := func(a deminer.Artifact, v deminer.Verb) deminer.Plan {
		return deminer.Plan{Host: host, Steps: []deminer.Step{{ID: "s01", Action: deminer.Action{Verb: v, Target: a}}}}
	}
	for name, p := range map[string]deminer.Plan{
		"passwd": of(file("/etc/passwd"), deminer.VerbQuarantine), "root": of(file("/"), deminer.VerbQuarantine), "cron.d": of(file("/etc/cron.d"), deminer.VerbDropFile),
		"init": of(proc(1), deminer.VerbKill), "self": of(proc(50), deminer.VerbFreeze), "root account": of(deminer.Artifact{Kind: deminer.KindAccount, Name: "root"}, deminer.VerbLock),
		"loopback": of(deminer.Artifact{Kind: deminer.KindAddress, Addr: "127.0.0.1"}, deminer.VerbBlock), "module": of(deminer.Artifact{Kind: deminer.KindModule, Name: "ext4"}, deminer.VerbUnload),
		"database": of(file("/var/lib/mysql"), deminer.VerbQuarantine), "shell": of(file("/usr/bin/bash"), deminer.VerbDropFile),
	} {
		if err := Check(p); err == nil || strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := Make(report(member(proc(66), deminer.VerbFreeze, deminer.VerbKill), member(file("/tmp/.x/kswapd0"), deminer.VerbQuarantine), member(file("/etc/cron.d/x"), deminer.VerbDropFile)), Options{}, now)
	if err := Check(p); err != nil || len(p.Steps) != 4 {
		t.Errorf("a true plan of %d steps: %v", len(p.Steps), err)
	}
	// The directory that a killed program ran from goes, too.
	p = Make(report(member(proc(66), deminer.VerbFreeze, deminer.VerbKill), member(file("/tmp/.x"), deminer.VerbQuarantine)), Options{}, now)
	if err := Check(p); err != nil || len(p.Steps) != 3 {
		t.Errorf("a true plan of %d steps: %v", len(p.Steps), err)
	}
}

// TestProgramIsPinned: the file of a process goes only if it still is that file.
func TestProgramIsPinned(t *testing.T) {
	r := report(member(file("/tmp/.x/kswapd0"), deminer.VerbQuarantine))
	p := &r.Snapshot.Processes[6]
	p.SHA256, p.ExeAttr = strings.Repeat("ab", 32), deminer.Attr{Dev: 7, Ino: 8}
	if e := Make(r, Options{}, now).Steps[0].Expect; e.SHA256 != p.SHA256 || e.Dev != 7 || e.Ino != 8 {
		t.Errorf("expects %+v", e)
	}
}
