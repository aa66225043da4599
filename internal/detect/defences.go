package detect

import (
	"context"
	"path"
	"strings"

	"github.com/deminer/deminer"
)

// guard is a security agent: a directory it leaves behind, and the program without which it does not work.
type guard struct{ name, dir, program, unit string }

var guards = []guard{
	{"Alibaba Cloud Security (Aegis)", "/usr/local/aegis", "/usr/local/aegis/aegis_client", "aegis.service"},
	{"Alibaba CloudMonitor", "/usr/local/cloudmonitor", "/usr/local/cloudmonitor/bin", "cloudmonitor.service"},
	{"Tencent Cloud Security (YunJing)", "/usr/local/qcloud/YunJing", "/usr/local/qcloud/YunJing/YDEyes", "YDService.service"},
	{"Huawei Host Security", "/usr/local/hostguard", "/usr/local/hostguard/bin/hostguard", "hostguard.service"},
	{"CrowdStrike Falcon", "/opt/CrowdStrike", "/opt/CrowdStrike/falcond", "falcon-sensor.service"},
	{"Wazuh", "/var/ossec", "/var/ossec/bin/wazuh-agentd", "wazuh-agent.service"},
	{"auditd", "/etc/audit", "/sbin/auditd", "auditd.service"},
	{"fail2ban", "/etc/fail2ban", "/usr/bin/fail2ban-server", "fail2ban.service"},
	{"ClamAV", "/etc/clamav", "/usr/sbin/clamd", "clamav-daemon.service"},
}

// defences speaks of protection that was switched off. Owners do that too, so it weighs little until an intrusion is
// proven; it is then listed for repair, by hand.
func defences(_ context.Context, p *Pass) error {
	for _, g := range guards {
		p.guard(g)
	}
	p.selinux()
	p.wrappers()
	return nil
}

func (p *Pass) guard(g guard) {
	a, err := p.FS.Stat(g.dir)
	if err != nil {
		return
	}
	f := deminer.Finding{
		Topic: deminer.TopicTamper, Tier: deminer.Note, Class: deminer.ByTamper, Technique: "T1685", Catalogue: "DE-13",
		Subject: file(g.dir), Time: a.Mtime, Fix: "Install or start " + g.name + " again.",
	}
	if link, err := p.FS.ReadLink("/etc/systemd/system/" + g.unit); err == nil && path.Clean(link) == "/dev/null" {
		f.Title, f.Why = g.name+" is masked", []string{"/etc/systemd/system/" + g.unit + " is a link to /dev/null, so systemd will not start it"}
		f.Subject = file("/etc/systemd/system/" + g.unit)
	} else if _, err := p.FS.Stat(g.program); missingOr(err) && (underAny(g.program, "/usr/local", "/opt", "/var/ossec") || p.owner(g.program).State == deminer.Owned) {
		f.Title, f.Why = g.name+" lost its program", []string{q(g.dir) + " is there, but " + q(g.program) + " is not"}
	} else {
		return
	}
	if p.proven() != "" {
		f.Tier = deminer.Weak
		f.Why = append(f.Why, "on this host an intrusion is proven: "+p.proven())
	}
	p.Report(f)
}

func missingOr(err error) bool { return err != nil && missing(err) }

// selinux notes that mandatory access control is off where the distribution ships it on.
func (p *Pass) selinux() {
	const name = "/etc/selinux/config"
	lines(p.read("defences", name, 64<<10), func(no int, l string) {
		v, ok := strings.CutPrefix(strings.TrimSpace(l), "SELINUX=")
		if !ok || v != "disabled" && v != "permissive" {
			return
		}
		f := deminer.Finding{
			Topic: deminer.TopicTamper, Tier: deminer.Note, Class: deminer.ByTamper, Technique: "T1685", Catalogue: "DE-14",
			Title: "SELinux is " + v, Why: []string{name + ": " + q(l)}, Subject: line(name, l, no),
			Cleared: []string{"a common choice of owners and panels: says nothing alone"},
			Fix:     "Set SELINUX=enforcing; if it was disabled, create /.autorelabel and restart in a quiet hour.",
		}
		a, err := p.FS.Stat(name)
		if err != nil {
			return
		}
		f.Time = a.Mtime
		g, ok := p.near(a.Mtime, minutes, name)
		why, doubt := p.nobodyElse(change{path: name, at: a.Mtime})
		switch {
		case !ok || p.proven() == "":
		case doubt != "":
			f.Tier = deminer.Weak
			f.Cleared = append(f.Cleared, "the file was last written within "+minutes.String()+" of: "+g.Title+"; not held against it: "+doubt)
		default:
			f.Tier = deminer.Proof
			f.Why = append(f.Why, "the file was last written within "+minutes.String()+" of: "+g.Title+", and "+why, "on this host an intrusion is proven: "+p.proven())
			f.Remove = []deminer.Action{{Verb: deminer.VerbEditLine, Target: f.Subject, Args: map[string]deminer.Raw{"new": deminer.Raw(strings.Replace(l, v, "enforcing", 1))}}}
			if v == "disabled" {
				// Enforcing on files that were never labeled locks the owner out; permissive labels them first.
				f.Remove[0].Args["new"] = deminer.Raw(strings.Replace(l, v, "permissive", 1))
			}
		}
		p.Report(f)
	})
}

// wrappers speaks of hosts.allow and hosts.deny lines that keep others out of ssh.
func (p *Pass) wrappers() {
	bad := p.badAddresses()
	invited := false // a line lets the intruder's own address in
	for _, name := range []string{"/etc/hosts.allow", "/etc/hosts.deny"} {
		lines(p.read("defences", name, 256<<10), func(no int, l string) {
			t := strings.ToLower(strings.TrimSpace(l))
			if strings.HasPrefix(t, "#") || t == "" {
				return
			}
			spawn := strings.Contains(t, "spawn") || strings.Contains(t, "twist")
			if !spawn && !strings.HasPrefix(t, "sshd") && !strings.HasPrefix(t, "all") {
				return
			}
			f := deminer.Finding{
				Topic: deminer.TopicTamper, Tier: deminer.Weak, Class: deminer.ByTamper, Technique: "T1531", Catalogue: "DE-18",
				Title:   name + " decides who may log in",
				Why:     []string{fmtLine(name, no, l)},
				Subject: line(name, l, no), Remove: p.cut(name, l, no),
				Fix: "If it is not yours: take it out before you close your session, or you may not get in again.",
			}
			if a, err := p.FS.Stat(name); err == nil {
				f.Time = a.Mtime
			}
			for _, addr := range addrText.FindAllString(l, 8) {
				if title, ok := bad[addr]; ok {
					f.Tier, invited = deminer.Strong, invited || strings.HasSuffix(name, "allow")
					f.Why = append(f.Why, addr+" is the address of: "+title)
					f.Indicators = append(f.Indicators, deminer.Indicator{Kind: "ip", Value: addr})
				}
			}
			if strings.HasSuffix(name, "deny") && invited && strings.Contains(t, "all") {
				f.Tier = deminer.Strong
				f.Why = append(f.Why, "it keeps everybody out while /etc/hosts.allow lets the intruder's address in")
			}
			if spawn && len(cradlesIn(l)) > 0 {
				f.Tier = deminer.Strong
			}
			p.Report(p.settle(f))
		})
	}
}
