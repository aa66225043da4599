package detect

import (
	"context"
	"net/netip"
	"regexp"
	"strings"

	"github.com/deminer/deminer"
)

// savedRules are files from which a firewall is loaded at boot.
var savedRules = []string{"/etc/sysconfig/iptables", "/etc/sysconfig/ip6tables", "/etc/iptables/rules.v4", "/etc/iptables/rules.v6", "/etc/iptables.rules", "/etc/nftables.conf", "/etc/sysconfig/nftables.conf", "/etc/ufw/user.rules"}

var addrText = regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b`)

// firewall speaks of rules that let the intruder's traffic through or send traffic to him. Rules that drop traffic to
// pools protect.
func firewall(_ context.Context, p *Pass) error {
	bad := p.badAddresses()
	for _, name := range savedRules {
		lines(p.read("firewall", name, 1<<20), func(no int, l string) {
			if why := p.firewallLine(l, bad); why != "" {
				f := deminer.Finding{
					Topic: deminer.TopicTamper, Tier: deminer.Strong, Class: deminer.ByTamper, Technique: "T1686", Catalogue: "DE-15",
					Title: name + " lets the intruder's traffic through", Why: []string{fmtLine(name, no, l), why},
					Subject: line(name, l, no), Remove: p.cut(name, l, no),
				}
				if a, err := p.FS.Stat(name); err == nil {
					f.Time = a.Mtime
				}
				for _, a := range addrText.FindAllString(l, 8) {
					f.Indicators = append(f.Indicators, deminer.Indicator{Kind: "ip", Value: a})
				}
				p.Report(p.settle(f))
			}
		})
	}
	for _, l := range p.Snapshot.Kernel.Firewall {
		if why := p.firewallLine(l, bad); why != "" {
			p.Report(deminer.Finding{
				Topic: deminer.TopicTamper, Tier: deminer.Weak, Class: deminer.ByTamper, Technique: "T1686", Catalogue: "DE-15",
				Title: "a live firewall rule lets the intruder's traffic through", Why: []string{q(l), why},
				Subject: deminer.Artifact{Kind: deminer.KindSetting, Name: "firewall", Line: deminer.Raw(l)},
				Fix:     "Delete the rule by hand; it is gone after a restart if no saved file holds it.",
			})
		}
	}
	return nil
}

// badAddresses are the far ends named by earlier findings and those that suspects talk to.
func (p *Pass) badAddresses() map[string]string {
	if m := p.memo; m.badAt != len(m.found)+1 {
		m.badBy, m.badAt = p.findBadAddresses(), len(m.found)+1
	}
	return p.memo.badBy
}

func (p *Pass) findBadAddresses() map[string]string {
	out := map[string]string{}
	for _, f := range p.memo.found {
		if f.Tier != deminer.Proof && (f.Tier != deminer.Strong || f.Subject.Kind != deminer.KindProcess) || f.Topic == deminer.TopicDoor {
			continue
		}
		for _, i := range f.Indicators {
			if i.Kind == "ip" || i.Kind == "pool" {
				out[plainHost(i.Value)] = f.Title
			}
		}
		if f.Topic != deminer.TopicMining || f.Subject.Kind != deminer.KindProcess {
			continue
		}
		if pr := p.memo.procs[f.Subject.Proc.PID]; pr != nil && !packaged(pr.Own) {
			for _, s := range p.outward(pr) {
				out[ip(s.Remote)] = f.Title
			}
		}
	}
	return out
}

// firewallLine says why a rule serves the intruder, or "".
func (p *Pass) firewallLine(l string, bad map[string]string) string {
	up := strings.ToUpper(l)
	if strings.HasPrefix(strings.TrimSpace(l), "#") || strings.Contains(up, "DROP") || strings.Contains(up, "REJECT") || !strings.Contains(up, "ACCEPT") && !strings.Contains(up, "DNAT") {
		return ""
	}
	for _, a := range addrText.FindAllString(l, 8) {
		addr, err := netip.ParseAddr(a)
		if err != nil || addr.IsLoopback() || addr.IsUnspecified() {
			continue
		}
		if title, ok := bad[a]; ok {
			return a + " is the address of: " + title
		}
	}
	return ""
}
