package incident

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

var at = time.Date(2026, 3, 3, 3, 12, 0, 0, time.UTC)

// guideHost is the guide's own example: a miner, its respawner in a unit, a rogue account; and a business beside them.
func guideHost() *deminer.Snapshot {
	unowned := deminer.Provenance{State: deminer.Unowned}
	intact := deminer.Provenance{State: deminer.Intact, Package: "p"}
	return &deminer.Snapshot{
		Host: deminer.HostInfo{Source: "live", CPUs: 4, Self: []deminer.ProcID{{PID: 900, Start: 9}}},
		Processes: []deminer.Process{
			{ID: deminer.ProcID{PID: 1, Start: 1}, Comm: "systemd", Exe: "/usr/lib/systemd/systemd", Own: intact},
			{ID: deminer.ProcID{PID: 100, Start: 5}, PPID: 1, Comm: "sysetmd", Exe: "/opt/sysetmd", Own: unowned, Unit: "sysetmd.service", Started: at},
			{ID: deminer.ProcID{PID: 101, Start: 6}, PPID: 100, Comm: "xmrig", Exe: "/root/x/xmrig", Own: unowned, Unit: "sysetmd.service", CPU: 3.8, Started: at.Add(time.Second)},
			{ID: deminer.ProcID{PID: 200, Start: 2}, PPID: 1, Comm: "shop", Exe: "/opt/shop/shopd", Own: unowned, Unit: "shop.service", CPU: 1},
			{ID: deminer.ProcID{PID: 201, Start: 3}, PPID: 1, Comm: "redis-server", Exe: "/usr/bin/redis-server", Own: intact, Unit: "redis.service"},
			{ID: deminer.ProcID{PID: 202, Start: 4}, PPID: 201, Comm: "sh", Exe: "/usr/bin/dash", Own: intact, Unit: "redis.service"},
		},
		Sockets: []deminer.Socket{
			{Proto: "tcp", State: "established", Local: "10.0.0.5:40000", Remote: "203.0.113.7:3333", Owners: []deminer.ProcID{{PID: 101, Start: 6}}},
			{Proto: "tcp", State: "established", Local: "10.0.0.5:40001", Remote: "203.0.113.8:443", Owners: []deminer.ProcID{{PID: 200, Start: 2}}},
		},
		Footholds: []deminer.Foothold{
			{Mechanism: "systemd-unit", ID: "PL-06", Path: "/etc/systemd/system/sysetmd.service", Name: "sysetmd.service", Command: "/opt/sysetmd", Targets: []string{"/opt/sysetmd"}, Own: unowned, TargetOwn: []deminer.Provenance{unowned}, Attr: deminer.Attr{Mtime: at}},
			{Mechanism: "systemd-unit", ID: "PL-06", Path: "/etc/systemd/system/shop.service", Name: "shop.service", Targets: []string{"/opt/shop/shopd"}, Own: unowned, TargetOwn: []deminer.Provenance{unowned}},
			{Mechanism: "systemd-unit", ID: "PL-06", Path: "/usr/lib/systemd/system/redis.service", Name: "redis.service", Targets: []string{"/usr/bin/redis-server"}, Own: intact, TargetOwn: []deminer.Provenance{intact}},
		},
		Accounts: []deminer.Account{{Name: "shaojiang99", UID: 1005, Home: "/home/shaojiang99"}},
	}
}

func proc(pid int, start uint64) deminer.Artifact {
	return deminer.Artifact{Kind: deminer.KindProcess, Proc: deminer.ProcID{PID: pid, Start: start}}
}

func grades(inc deminer.Incident) map[string]deminer.Grade {
	out := map[string]deminer.Grade{}
	for _, m := range inc.Members {
		out[m.Artifact.Ref()] = m.Grade
	}
	return out
}

func TestProofSpreadsToProgramAndUnitNotToBusiness(t *testing.T) {
	snap := guideHost()
	found := []deminer.Finding{
		{Detector: "stratum", Topic: deminer.TopicMining, Tier: deminer.Proof, Class: deminer.ByNetwork, Title: "speaks Stratum", Subject: proc(101, 6)},
		{Detector: "unpackaged", Topic: deminer.TopicReturns, Tier: deminer.Strong, Class: deminer.ByPersist, Title: "unit starts an unpackaged file", Subject: deminer.Artifact{Kind: deminer.KindFile, Path: "/etc/systemd/system/sysetmd.service"}},
		{Detector: "fake", Topic: deminer.TopicReturns, Tier: deminer.Strong, Class: deminer.ByIdentity, Title: "a name of a family", Subject: deminer.Artifact{Kind: deminer.KindFile, Path: "/opt/sysetmd"}},
		{Detector: "account", Topic: deminer.TopicBackdoor, Tier: deminer.Proof, Class: deminer.ByIdentity, Title: "a known account", Subject: deminer.Artifact{Kind: deminer.KindAccount, Name: "shaojiang99"}, Time: at.Add(-time.Minute)},
	}
	got := Join(snap, found)
	if len(got) != 1 {
		t.Fatalf("%d incidents, want all of it in one", len(got))
	}
	g := grades(got[0])
	for _, ref := range []string{"process:101@6", "process:100@5", "file:/root/x/xmrig", "file:/opt/sysetmd", "file:/etc/systemd/system/sysetmd.service", "address:203.0.113.7:3333", "account:shaojiang99"} {
		if g[ref] != deminer.Convicted {
			t.Errorf("%s is %q, want convicted", ref, g[ref])
		}
	}
	for ref, grade := range g {
		if grade == deminer.Convicted && (ref == "process:200@2" || ref == "process:201@3" || ref == "process:1@1" || ref == "address:203.0.113.8:443" || ref == "file:/opt/shop/shopd") {
			t.Errorf("%s was convicted: it is the business", ref)
		}
	}
	if Verdict(got, found) != deminer.VerdictMining {
		t.Errorf("verdict %s", Verdict(got, found))
	}
}

func TestOneStrongSignConvictsNobody(t *testing.T) {
	for _, same := range []bool{true, false} {
		second := deminer.ByCompute
		if !same {
			second = deminer.ByProvenance
		}
		found := []deminer.Finding{
			{Detector: "a", Topic: deminer.TopicMining, Tier: deminer.Strong, Class: deminer.ByCompute, Title: "one", Subject: proc(200, 2)},
			{Detector: "b", Topic: deminer.TopicMining, Tier: deminer.Strong, Class: second, Title: "two", Subject: proc(200, 2)},
			{Detector: "c", Topic: deminer.TopicMining, Tier: deminer.Weak, Class: deminer.ByAccess, Title: "three", Subject: proc(200, 2)},
		}
		got := Join(guideHost(), found)
		if same && len(got) != 0 {
			t.Errorf("two signs of one class convicted: %v", grades(got[0]))
		}
		if !same && (len(got) != 1 || grades(got[0])["process:200@2"] != deminer.Convicted) {
			t.Errorf("two independent strong signs did not convict")
		}
	}
}

// A miner that an exploited Redis started must not drag Redis down with it, nor PID 1, nor deminer.
func TestConvictionDoesNotClimbIntoTheBusiness(t *testing.T) {
	snap := guideHost()
	snap.Processes[2].PPID = 202 // xmrig <- sh <- redis-server
	snap.Processes[2].Unit = "redis.service"
	snap.Processes = append(snap.Processes, deminer.Process{ID: deminer.ProcID{PID: 900, Start: 9}, PPID: 101, Exe: "/root/deminer", Own: deminer.Provenance{State: deminer.Unowned}})
	found := []deminer.Finding{{Detector: "stratum", Topic: deminer.TopicMining, Tier: deminer.Proof, Class: deminer.ByNetwork, Title: "speaks Stratum", Subject: proc(101, 6)}}
	got := Join(snap, found)
	g := grades(got[0])
	for _, ref := range []string{"process:201@3", "process:202@4", "process:1@1", "process:900@9", "file:/usr/lib/systemd/system/redis.service"} {
		if g[ref] == deminer.Convicted {
			t.Errorf("%s was convicted", ref)
		}
	}
}

func TestTrustedThingsAreOnlySuspected(t *testing.T) {
	found := []deminer.Finding{
		{Detector: "x", Topic: deminer.TopicMining, Tier: deminer.Proof, Class: deminer.ByIdentity, Title: "a bad name", Subject: proc(201, 3)},
	}
	if got := Join(guideHost(), found); len(got) != 0 {
		t.Errorf("a name convicted an intact packaged program: %v", grades(got[0]))
	}
	found[0].Class = deminer.ByNetwork
	if got := Join(guideHost(), found); len(got) != 1 {
		t.Errorf("a packaged program that mines by itself was not convicted")
	}
}

func TestOpenDoorIsAnEntryNotAMember(t *testing.T) {
	found := []deminer.Finding{
		{Detector: "stratum", Topic: deminer.TopicMining, Tier: deminer.Proof, Class: deminer.ByNetwork, Title: "speaks Stratum", Subject: proc(101, 6)},
		{Detector: "redis", Topic: deminer.TopicDoor, Tier: deminer.Note, Title: "Redis open to the world", Subject: deminer.Artifact{Kind: deminer.KindListener, Addr: "0.0.0.0:6379"}, Fix: "bind it", Time: at.Add(-5 * time.Minute)},
	}
	got := Join(guideHost(), found)
	if len(got) != 1 || len(got[0].Entries) != 1 || got[0].Entries[0].Belief != "likely" || !slices.Equal(got[0].Entries[0].Close, []string{"bind it"}) {
		t.Fatalf("entries = %+v", got)
	}
	if got = Join(guideHost(), found[1:]); len(got) != 0 {
		t.Errorf("an open door alone made an incident")
	}
}

// A firewall line that lets the miner's pool in is the intruder's; one that lets the office in is not.
func TestLineThatNamesTheConvictedAddress(t *testing.T) {
	rule := func(text, ip string) deminer.Finding {
		return deminer.Finding{Detector: "firewall", Topic: deminer.TopicTamper, Tier: deminer.Weak, Class: deminer.ByTamper, Title: "accepts " + ip,
			Subject: deminer.Artifact{Kind: deminer.KindLine, Path: "/etc/iptables/rules.v4", Line: deminer.Raw(text)}, Indicators: []deminer.Indicator{{Kind: "ip", Value: ip}}}
	}
	found := []deminer.Finding{
		{Detector: "stratum", Topic: deminer.TopicMining, Tier: deminer.Proof, Class: deminer.ByNetwork, Title: "speaks Stratum", Subject: proc(101, 6)},
		rule("-A INPUT -s 203.0.113.7/32 -j ACCEPT", "203.0.113.7"), rule("-A INPUT -s 192.0.2.1/32 -j ACCEPT", "192.0.2.1"),
	}
	g := grades(Join(guideHost(), found)[0])
	if g["line:/etc/iptables/rules.v4:-A INPUT -s 203.0.113.7/32 -j ACCEPT"] != deminer.Convicted {
		t.Errorf("the pool's line stays: %v", g)
	}
	if g["line:/etc/iptables/rules.v4:-A INPUT -s 192.0.2.1/32 -j ACCEPT"] == deminer.Convicted {
		t.Errorf("the office's line was convicted")
	}
}

func TestLoginBeforeTheFirstTraceIsTheLikelyEntry(t *testing.T) {
	snap := guideHost()
	snap.Logins = []deminer.Login{
		{Kind: "login", User: "bob", From: "10.0.0.9", Time: at.Add(-2 * time.Hour), Source: "auth.log"},
		{Kind: "failed", User: "root", From: "198.51.100.66", Time: at.Add(-time.Minute)},
		{Kind: "login", User: "root", From: "198.51.100.9", Method: "password", Time: at.Add(-20 * time.Second), Source: "auth.log"},
	}
	found := []deminer.Finding{{Detector: "stratum", Topic: deminer.TopicMining, Tier: deminer.Proof, Class: deminer.ByNetwork, Title: "speaks Stratum", Subject: proc(101, 6)}}
	got := Join(snap, found)[0].Entries
	if len(got) != 1 || got[0].Belief != "likely" || got[0].What != "root logged in from 198.51.100.9 by password just before the first trace" {
		t.Errorf("entries %+v", got)
	}
}

// An interpreter that no package owns runs the miner's script and the owner's: only the miner's is convicted.
func TestSharedInterpreterIsNotConvicted(t *testing.T) {
	snap := guideHost()
	node := func(pid int, script string) deminer.Process {
		return deminer.Process{ID: deminer.ProcID{PID: pid, Start: uint64(pid)}, PPID: 1, Exe: "/opt/node/bin/node", Argv: []string{"node", script}, Own: deminer.Provenance{State: deminer.Unowned}}
	}
	snap.Processes = append(snap.Processes, node(300, "/tmp/.x/m.js"), node(301, "/srv/shop/app.js"))
	found := []deminer.Finding{{Detector: "stratum", Topic: deminer.TopicMining, Tier: deminer.Proof, Class: deminer.ByNetwork, Title: "speaks Stratum", Subject: proc(300, 300)}}
	g := grades(Join(snap, found)[0])
	if g["process:300@300"] != deminer.Convicted || g["process:301@301"] == deminer.Convicted || g["file:/opt/node/bin/node"] == deminer.Convicted {
		t.Errorf("%v", g)
	}
}

// The intruder wrote his program into the owner's cron line and unit: the owner's programs, and what the unit runs, stay.
func TestOwnersEntryWithAnInjectedCommand(t *testing.T) {
	snap := guideHost()
	unowned := deminer.Provenance{State: deminer.Unowned}
	both := []deminer.Provenance{unowned, unowned}
	snap.Footholds = append(snap.Footholds,
		deminer.Foothold{Mechanism: "cron", ID: "PL-01", Path: "/etc/cron.d/own", Line: "0 3 * * * root /opt/backup.sh; /root/x/xmrig", Targets: []string{"/opt/backup.sh", "/root/x/xmrig"}, TargetOwn: both})
	snap.Footholds[1].Targets, snap.Footholds[1].TargetOwn = []string{"/opt/shop/shopd", "/root/x/xmrig"}, both
	found := []deminer.Finding{
		{Detector: "stratum", Topic: deminer.TopicMining, Tier: deminer.Proof, Class: deminer.ByNetwork, Title: "speaks Stratum", Subject: proc(101, 6)},
		{Detector: "target", Topic: deminer.TopicReturns, Tier: deminer.Strong, Class: deminer.ByPersist, Title: "starts a program in an odd place", Subject: deminer.Artifact{Kind: deminer.KindFile, Path: "/etc/systemd/system/shop.service"}},
	}
	g := grades(Join(snap, found)[0])
	for _, ref := range []string{"file:/opt/backup.sh", "file:/opt/shop/shopd", "process:200@2", "file:/etc/systemd/system/shop.service", "line:/etc/cron.d/own:0 3 * * * root /opt/backup.sh; /root/x/xmrig"} {
		if g[ref] == deminer.Convicted {
			t.Errorf("%s was convicted", ref)
		}
	}
	if g["file:/root/x/xmrig"] != deminer.Convicted {
		t.Errorf("the miner's program was not convicted: %v", g)
	}
}

// A key sprayed into the home of the owner's account must not cost what that account runs.
func TestAccountLetInToKeepsItsOwn(t *testing.T) {
	snap := guideHost()
	snap.Accounts = append(snap.Accounts, deminer.Account{Name: "deploy", UID: 1001, Home: "/home/deploy"})
	snap.Processes[3].UID = 1001
	snap.Footholds = append(snap.Footholds, deminer.Foothold{Mechanism: "cron", ID: "PL-01", Path: "/var/spool/cron/crontabs/deploy", Line: "0 3 * * * /srv/backup", User: "deploy"})
	acc := deminer.Artifact{Kind: deminer.KindAccount, Name: "deploy"}
	found := []deminer.Finding{
		{Detector: "rogue-account", Topic: deminer.TopicBackdoor, Tier: deminer.Strong, Class: deminer.ByAccess, Title: "lets somebody in", Subject: acc},
		{Detector: "rogue-account", Topic: deminer.TopicBackdoor, Tier: deminer.Strong, Class: deminer.ByProvenance, Title: "came then", Subject: acc},
	}
	g := grades(Join(snap, found)[0])
	if g["account:deploy"] != deminer.Convicted || g["process:200@2"] == deminer.Convicted || g["line:/var/spool/cron/crontabs/deploy:0 3 * * * /srv/backup"] == deminer.Convicted {
		t.Errorf("%v", g)
	}
}

func TestSameReportTwice(t *testing.T) {
	found := []deminer.Finding{{Detector: "stratum", Topic: deminer.TopicMining, Tier: deminer.Proof, Class: deminer.ByNetwork, Title: "speaks Stratum", Subject: proc(101, 6)}}
	a, b := Join(guideHost(), found), Join(guideHost(), found)
	if a[0].ID != b[0].ID || len(a[0].Members) != len(b[0].Members) {
		t.Errorf("two looks at one host differ: %s %s", a[0].ID, b[0].ID)
	}
}

func BenchmarkJoinManySuspects(b *testing.B) {
	snap := guideHost()
	var found []deminer.Finding
	for i := range 10000 {
		pid := 10000 + i
		snap.Processes = append(snap.Processes, deminer.Process{ID: deminer.ProcID{PID: pid, Start: uint64(pid)}, PPID: 1, Exe: "/tmp/x", Own: deminer.Provenance{State: deminer.Unowned}, Started: at.Add(time.Duration(i) * time.Second)})
		found = append(found, deminer.Finding{Detector: "a", Topic: deminer.TopicMining, Tier: deminer.Strong, Class: deminer.ByProvenance, Title: "one", Subject: proc(pid, uint64(pid))})
	}
	for b.Loop() {
		Join(snap, found)
	}
}

// One worker of an unpackaged pool that mines convicts itself and what it started, not its master, its siblings, its program or
// the unit.
func TestAWorkerOfAPoolStandsAlone(t *testing.T) {
	unowned := deminer.Provenance{State: deminer.Unowned}
	for _, exe := range []string{"/www/server/php/74/sbin/php-fpm", "/opt/stack/bin/gunicorn", "/opt/uwsgi/uwsgi", "/opt/node/bin/node", "/opt/jdk-21/bin/java"} {
		snap := guideHost()
		pool := func(pid, ppid int) deminer.Process {
			return deminer.Process{ID: deminer.ProcID{PID: pid, Start: 9}, PPID: ppid, Comm: "pool", Exe: exe, Argv: []string{"pool: worker"}, Own: unowned, Unit: "pool.service", Started: at}
		}
		snap.Processes = append(snap.Processes, pool(300, 1), pool(301, 300), pool(302, 300), pool(303, 300),
			deminer.Process{ID: deminer.ProcID{PID: 304, Start: 9}, PPID: 302, Comm: "m", Exe: "/srv/m", Own: unowned, Unit: "pool.service", Started: at})
		snap.Footholds = append(snap.Footholds, deminer.Foothold{Mechanism: "systemd-unit", ID: "PL-06", Path: "/etc/systemd/system/pool.service", Name: "pool.service",
			Command: deminer.Raw(exe), Targets: []string{exe}, Own: unowned, TargetOwn: []deminer.Provenance{unowned}})
		found := []deminer.Finding{{Detector: "stratum", Topic: deminer.TopicMining, Tier: deminer.Proof, Class: deminer.ByNetwork, Title: "speaks Stratum", Subject: proc(302, 9)}}
		got := Join(snap, found)
		if len(got) != 1 {
			t.Fatalf("%s: %d incidents", exe, len(got))
		}
		g := grades(got[0])
		for ref, want := range map[string]bool{"process:302@9": true, "process:304@9": true, "file:/srv/m": true, "process:300@9": false, "process:301@9": false, "process:303@9": false,
			"file:" + exe: false, "file:/etc/systemd/system/pool.service": false} {
			if (g[ref] == deminer.Convicted) != want {
				t.Errorf("%s: %s is %q", exe, ref, g[ref])
			}
		}
		for _, m := range got[0].Members {
			if m.Artifact.Ref() == "process:302@9" && !slices.ContainsFunc(m.Why, func(w string) bool { return strings.Contains(w, "only this process") }) {
				t.Errorf("%s: it is not said why: %q", exe, m.Why)
			}
		}
	}
}

// What a convicted process started in which other systems run is the owner's to look into: neither it nor what runs in it is
// convicted by descent, while what else it started is.
func TestOtherSystemsAreNotConvicted(t *testing.T) {
	for _, exe := range []string{"/usr/bin/systemd-nspawn", "/usr/bin/qemu-system-x86_64"} {
		for state, spared := range map[deminer.ProvState]bool{deminer.Intact: true, deminer.Unowned: false} {
			snap := guideHost()
			snap.Processes = append(snap.Processes,
				deminer.Process{ID: deminer.ProcID{PID: 201, Start: 9}, PPID: 101, Exe: exe, Comm: "guest", Own: deminer.Provenance{State: state}},
				deminer.Process{ID: deminer.ProcID{PID: 202, Start: 9}, PPID: 201, Exe: "/sbin/init", Comm: "init", Own: deminer.Provenance{State: deminer.Unowned}},
				deminer.Process{ID: deminer.ProcID{PID: 203, Start: 9}, PPID: 202, Exe: "/srv/shop/app", Comm: "app", Own: deminer.Provenance{State: deminer.Unowned}},
				deminer.Process{ID: deminer.ProcID{PID: 204, Start: 9}, PPID: 101, Exe: "/usr/bin/curl", Comm: "curl", Own: deminer.Provenance{State: deminer.Intact}})
			got := Join(snap, []deminer.Finding{{Detector: "stratum", Topic: deminer.TopicMining, Tier: deminer.Proof, Class: deminer.ByNetwork, Title: "speaks Stratum", Subject: proc(101, 6)}})
			g := grades(got[0])
			for ref, want := range map[string]bool{"process:101@6": true, "process:204@9": true, "process:201@9": !spared, "process:202@9": !spared, "process:203@9": !spared} {
				if (g[ref] == deminer.Convicted) != want {
					t.Errorf("%s, %s: %s is %q", exe, state, ref, g[ref])
				}
			}
			if spared && g["process:201@9"] != deminer.Suspected {
				t.Errorf("%s is %q: the owner is not told", exe, g["process:201@9"])
			}
		}
	}
}

// What an owner and an intruder wrote together is not convicted as a whole, and neither is what else it starts.
func TestOnlyTheBadCommandIsConvicted(t *testing.T) {
	unowned := deminer.Provenance{State: deminer.Unowned}
	snap := guideHost()
	line := deminer.Raw("1 2 * * * root /usr/local/bin/own; /root/x/xmrig -B")
	whole := deminer.Foothold{Mechanism: "cron", ID: "PL-01", Path: "/etc/cron.d/own", Line: line, Command: "/usr/local/bin/own; /root/x/xmrig -B", Targets: []string{"/usr/local/bin/own", "/root/x/xmrig"},
		Own: unowned, TargetOwn: []deminer.Provenance{unowned, unowned}}
	own, bad := whole, whole
	own.Part, own.Targets, own.TargetOwn = "command 1", whole.Targets[:1], whole.TargetOwn[:1]
	bad.Part, bad.Targets, bad.TargetOwn = "command 2", whole.Targets[1:], whole.TargetOwn[1:]
	bad.Remove = []deminer.Action{{Verb: deminer.VerbEditLine, Target: whole.Artifact(), Args: map[string]deminer.Raw{"new": "1 2 * * * root /usr/local/bin/own"}}}
	snap.Footholds = append(snap.Footholds, whole)
	snap.Shared = []deminer.Shared{{Whole: whole.Artifact(), Parts: []deminer.Foothold{own, bad}}}
	found := []deminer.Finding{
		{Detector: "stratum", Topic: deminer.TopicMining, Tier: deminer.Proof, Class: deminer.ByNetwork, Title: "speaks Stratum", Subject: proc(101, 6)},
		{Detector: "shared-entry", Topic: deminer.TopicReturns, Tier: deminer.Strong, Class: deminer.ByContent, Title: "not the owner's", Subject: bad.Artifact(), Remove: bad.Remove},
	}
	got := Join(snap, found)
	g := grades(got[0])
	for ref, want := range map[string]bool{bad.Artifact().Ref(): true, whole.Artifact().Ref(): false, own.Artifact().Ref(): false, "file:/usr/local/bin/own": false, "file:/root/x/xmrig": true} {
		if (g[ref] == deminer.Convicted) != want {
			t.Errorf("%s is %q", ref, g[ref])
		}
	}
}
