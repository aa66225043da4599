package detect

import (
	"context"
	"path"
	"strings"

	"github.com/deminer/deminer"
)

// realUnits are names malware bends by a letter. Short names are left out: too many honest ones lie a letter away.
var realUnits = []string{
	"systemd", "systemd-resolved", "systemd-resolve", "systemd-journald", "systemd-logind", "systemd-networkd", "systemd-udevd", "systemd-timesyncd",
	"systemd-agent", "systemctl", "dbus-daemon", "rsyslog", "network-manager", "networkmanager", "polkitd", "polkit", "display-manager", "mysqld",
	"postgresql", "containerd", "dockerd", "firewalld", "irqbalance", "crond", "auditd", "chronyd", "accounts-daemon", "getty", "udisks2", "snapd",
	"cloud-init", "multipathd", "modemmanager", "apparmor", "kubelet", "nginx", "apache2", "mysql", "redis-server", "unattended-upgrades",
}

// lookalike speaks of units and started programs whose name differs by a letter or two swapped ones from a system name.
func lookalike(_ context.Context, p *Pass) error {
	have := map[string]bool{}
	for i := range p.Snapshot.Footholds {
		if f := &p.Snapshot.Footholds[i]; packaged(f.Own) {
			have[stem(path.Base(string(f.Path)))] = true
		}
	}
	for _, f := range p.footholds() {
		if packaged(f.Own) || f.Line != "" && f.ID != "PL-01" {
			continue
		}
		foreign := p.foreignTargets(f)
		if len(foreign) == 0 {
			continue
		}
		names := []string{stem(path.Base(string(f.Path)))}
		if f.Line != "" {
			names = nil
		}
		for _, t := range foreign {
			names = append(names, path.Base(t))
		}
		for _, n := range names {
			if have[n] {
				continue
			}
			if real := bent(n); real != "" {
				g := about(f, deminer.Strong, deminer.ByIdentity, q(n)+" imitates the system name "+q(real),
					where(f)+": the name "+q(n)+" is almost, but not, "+q(real), "it starts "+q(foreign[0])+", which no package owns")
				g.Technique = "T1036.004"
				g.Cleared = []string{"a packaged unit of that name: no package owns it"}
				g.Also = []deminer.Artifact{file(foreign[0])}
				p.Report(g)
				break
			}
		}
	}
	for _, pr := range p.subjects() {
		if pr.Exe == "" || pr.Own.State != deminer.Unowned || pr.Container != "" {
			continue
		}
		if real := bent(path.Base(pr.Exe)); real != "" {
			p.Report(deminer.Finding{
				Topic: deminer.TopicMining, Tier: deminer.Strong, Class: deminer.ByIdentity, Technique: "T1036.005", Catalogue: "DE-05",
				Title:   q(path.Base(pr.Exe)) + " imitates the system name " + q(real),
				Why:     []string{"the process runs " + q(pr.Exe) + ", which no package owns; its name is almost, but not, " + q(real)},
				Cleared: []string{"a packaged program of that name: no package owns it"},
				Subject: process(pr), Also: []deminer.Artifact{file(pr.Exe)}, Time: pr.Started,
			})
		}
	}
	return nil
}

// stem takes the unit type and "@instance" off a file name.
func stem(base string) string {
	if i := strings.LastIndexByte(base, '.'); i > 0 {
		switch base[i+1:] {
		case "service", "timer", "socket", "path", "mount", "target", "sh", "conf":
			base = base[:i]
		}
	}
	s, _, _ := strings.Cut(base, "@")
	return s
}

// bent gives the real name that the name imitates, or "". A name that is itself real imitates nothing. Look-alike
// characters (1 for l, 0 for o, I for l) count as one edit.
func bent(name string) string {
	low := strings.ToLower(name)
	for _, r := range realUnits {
		if low == r && name == low || name == r+"d" && strings.HasSuffix(r, "sql") {
			return ""
		}
	}
	if honestNear[low] {
		return ""
	}
	for _, r := range realUnits {
		if low == r && name != low && strings.ContainsAny(name, "Il") && strings.ReplaceAll(strings.ReplaceAll(name, "I", "l"), "0", "o") == r {
			return r
		}
		if len(r) < 6 || r == low {
			if len(r) == 5 && name != low && strings.ReplaceAll(name, "I", "l") == r {
				return r
			}
			continue
		}
		if d := distance(low, r); d == 1 || d == 2 && strings.HasPrefix(r, "systemd") && (strings.HasPrefix(low, "sys") && sameLetters(low, r)) {
			return r
		}
	}
	return ""
}

// honestNear are honest names that lie an edit away from a real one.
var honestNear = set("polkit", "polkitd", "systemd", "systemd1", "dbus-daemons", "rsyslogd", "kubelets", "network-managers", "mysqlx", "firewall", "snapd",
	"containers", "container", "postgresql1", "containerd2", "systemd-resolve", "systemd-resolved", "display-manager", "dockerd", "docker", "docker2", "chrony", "chronyc", "postgresqld")

// sameLetters reports whether b is a rearranged.
func sameLetters(a, b string) bool {
	var n [256]int
	for i := range len(a) {
		n[a[i]]++
	}
	for i := range len(b) {
		n[b[i]]--
	}
	return n == [256]int{}
}
