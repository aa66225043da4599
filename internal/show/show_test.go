package show

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

func TestFold(t *testing.T) {
	red := "\x1b[31;1mred text over lines\x1b[0m end"
	for _, l := range fold(red, 9) {
		if visible(l) > 9 {
			t.Errorf("%q is wider than 9", l)
		}
		if strings.Count(l, "\x1b[31") > 0 && !strings.HasSuffix(l, "\x1b[0m") && !strings.Contains(l, "\x1b[0m") {
			t.Errorf("%q leaves the color on", l)
		}
	}
	if got := strings.Join(fold("aaaaaaaaaaaaaaaaaaaaaaaa bb", 10), "|"); got != "aaaaaaaaaa|aaaaaaaaaa|aaaa bb" {
		t.Errorf("long word: %s", got)
	}
}

func hostile() *deminer.Report {
	bad := "evil\x1b]0;title\x07\nname\u202e"
	r := &deminer.Report{Mode: "quick", Verdict: deminer.VerdictMining}
	r.Snapshot.Host = deminer.HostInfo{Name: bad, Source: "live", CPUs: 4}
	r.Snapshot.Taken = time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC)
	r.Snapshot.Gaps = []deminer.Gap{{Part: "files", State: deminer.Failed, What: bad, Why: "unreadable"}}
	a := deminer.Artifact{Kind: deminer.KindLine, Path: deminer.Raw("/etc/" + bad), Line: deminer.Raw(bad)}
	r.Incidents = []deminer.Incident{{ID: "7F3A", Since: r.Snapshot.Taken.Add(-50 * time.Hour), Cores: 3.8,
		Members: []deminer.Member{{Artifact: a, Role: deminer.RoleReturns, Grade: deminer.Convicted, Why: []string{"proof: x"}}},
		Secrets: []deminer.Secret{{Path: deminer.Raw(bad), Kind: "key", Do: "rotate"}}}}
	return r
}

// Nothing a host says may reach the terminal raw.
func TestNothingHostileIsWritten(t *testing.T) {
	for _, verbose := range []bool{false, true} {
		var b bytes.Buffer
		p := Page{W: &b, Width: 140}
		r := hostile()
		p.Report(r, verbose, false)
		pl := deminer.Plan{ID: "x", Host: r.Snapshot.Host, Steps: []deminer.Step{{ID: "s01", Phase: deminer.PhaseUproot, Undo: true,
			Action: deminer.Action{Verb: deminer.VerbCutLine, Target: r.Incidents[0].Members[0].Artifact}}}, Advice: []string{"evil\x1b[2J"}}
		p.Plan(&pl, func(_, l deminer.Raw) (before, after []string) { return []string{string(l)}, nil })
		for _, c := range b.String() {
			if c != '\n' && (c < 0x20 || c == 0x7f || c == 0x202e) {
				t.Fatalf("verbose %v: character %U was written:\n%q", verbose, c, b.String())
			}
		}
		for _, want := range []string{"THIS HOST IS MINING", "incident 7F3A", "(2 d 2 h)", "about 3.8 of 4 cores", "deminer plan"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("verbose %v: %q is missing in\n%s", verbose, want, b.String())
			}
		}
	}
}

// What a line says is not said again, a key is told by its end and its comment, and argv does not repeat the program.
func TestMembersAreSaidOnce(t *testing.T) {
	key := "AAAAC3NzaC1lZDI1NTE5AAAAIEv1lK3yv1lK3yv1lK3yv1lK3yv1lK3yv1lK3yv1lK3y"
	for _, one := range []struct {
		member deminer.Member
		want   string
	}{
		{deminer.Member{Artifact: deminer.Artifact{Kind: deminer.KindLine, Path: "/etc/crontab", Line: "*/5 * * * * root curl x | sh"}, Detail: "every 5 minutes  curl x | sh"},
			"/etc/crontab: */5 * * * * root curl x | sh · every 5 minutes"},
		{deminer.Member{Artifact: deminer.Artifact{Kind: deminer.KindLine, Path: "/k", Line: deminer.Raw("ssh-ed25519 " + key + " root@kali")}, Detail: "login of root"},
			"/k: ssh-ed25519 AAAA…3yv1lK3y root@kali · login of root"},
		{deminer.Member{Artifact: deminer.Artifact{Kind: deminer.KindProcess, Proc: deminer.ProcID{PID: 7}, Name: "x"}, Detail: "/opt/x  /opt/x -o pool  0.0 cores"},
			"process 7 x · /opt/x -o pool"},
		{deminer.Member{Artifact: deminer.Artifact{Kind: deminer.KindProcess, Proc: deminer.ProcID{PID: 7}, Name: "x"}, Detail: "/opt/x  x  3.8 cores"},
			"process 7 x · /opt/x · 3.8 cores"},
	} {
		var b bytes.Buffer
		one.member.Role, one.member.Grade = deminer.RoleReturns, deminer.Convicted
		Page{W: &b, Width: 200}.members(&deminer.Incident{Members: []deminer.Member{one.member}}, deminer.RoleReturns, "Returns", false)
		if got := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(b.String()), "Returns")); got != one.want {
			t.Errorf("got  %s\nwant %s", got, one.want)
		}
	}
}

// Who looks without root has not seen enough for a calm answer, and is told so.
func TestWithoutRoot(t *testing.T) {
	for _, one := range []struct {
		host       deminer.HostInfo
		scan, plan string
	}{
		{deminer.HostInfo{Source: "live", Root: true}, "Nothing found in what was looked at", "nothing is proven"},
		{deminer.HostInfo{Source: "live"}, "without root", "without root"},
		{deminer.HostInfo{Source: "root:/mnt"}, "Nothing found in what was looked at", "deminer scan -v --root /mnt"},
	} {
		var scan, plan bytes.Buffer
		Page{W: &scan}.Report(&deminer.Report{Verdict: deminer.VerdictClean, Snapshot: deminer.Snapshot{Host: one.host}}, false, false)
		Page{W: &plan}.Plan(&deminer.Plan{Host: one.host}, nil)
		if !strings.Contains(scan.String(), one.scan) || !strings.Contains(plan.String(), one.plan) || strings.Contains(scan.String(), "sudo") == (one.host.Root || one.host.Asleep()) {
			t.Errorf("%+v:\n%s\n%s", one.host, scan.String(), plan.String())
		}
	}
}

// What was looked at is counted in words, and the next step stands last, also below the whole list of gaps.
func TestWhatWasLookedAt(t *testing.T) {
	for _, one := range []struct{ source, mode, want string }{
		{"live", "quick", "Looked at 2 processes, 1 socket, 0 footholds, 1 file (0.0 MB) with 1 rule in 0.0 s, a quick scan of this host."},
		{"root:/mnt", "full", "a full scan of the system at /mnt."},
		{"live", "paths", "a scan of the paths given, on this host."},
	} {
		r := &deminer.Report{Verdict: deminer.VerdictClean, Mode: one.mode, Looked: deminer.Looked{Processes: 2, Sockets: 1, Files: 1, Rules: 1},
			Snapshot: deminer.Snapshot{Host: deminer.HostInfo{Source: one.source, Root: true}, Gaps: []deminer.Gap{{Part: "files", What: "/x", Why: "unreadable"}}}}
		var b bytes.Buffer
		Page{W: &b, Width: 140}.Report(r, false, true)
		if got := strings.Join(strings.Fields(b.String()), " "); !strings.Contains(got, one.want) {
			t.Errorf("got\n%s\nwant %s", b.String(), one.want)
		}
		before, _, ok := strings.Cut(b.String(), "Looked at")
		if !ok || !strings.Contains(before, "- files /x: unreadable") || strings.Contains(b.String(), "--gaps") {
			t.Errorf("the gaps are not all named before the sum:\n%s", b.String())
		}
	}
}

// Parts left out for one reason share a line; a place keeps its own.
func TestGapsAreGrouped(t *testing.T) {
	var b bytes.Buffer
	Page{W: &b, Width: 200}.Gaps([]deminer.Gap{
		{Part: "detect/a", State: deminer.Skipped, Why: "needs a running system"}, {Part: "files", What: "/x", Why: "unreadable"},
		{Part: "detect/b", State: deminer.Skipped, Why: "needs a running system"}}, true)
	if want := "    - a, b: needs a running system\n    - files /x: unreadable\n"; !strings.HasSuffix(b.String(), want) {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}
