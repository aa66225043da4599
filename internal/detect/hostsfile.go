package detect

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// vendors are hosts that intruders make unreachable: security and cloud agents, package mirrors, registries. A suffix
// matches on a label boundary.
var vendors = []string{"aegis.aliyun.com", "aegis.aliyuncs.com", "jsrv.aegis.aliyun.com", "update.aegis.aliyun.com", "aliyundunupdate.oss-cn-hangzhou.aliyuncs.com", "aliyuncs.com", "alicdn.com", "mirrors.aliyun.com",
	"mirrors.tencent.com", "mirrors.tencentyun.com", "tencentyun.com", "qcloud.com", "myhuaweicloud.com", "virustotal.com", "clamav.net", "kaspersky.com", "drweb.com", "eset.com", "sophos.com",
	"crowdstrike.com", "sentinelone.net", "trendmicro.com", "malwarebytes.com", "microsoft.com", "ubuntu.com", "debian.org", "centos.org", "fedoraproject.org",
	"redhat.com", "docker.io", "docker.com", "quay.io", "k8s.io", "github.com", "githubusercontent.com", "amazonaws.com", "cloudflare.com", "wazuh.com", "imunify360.com", "configserver.com"}

// hostsFile speaks of lines of /etc/hosts that cut the host off from those who protect it, or send names of pools
// elsewhere. A block list that sends thousands of names nowhere protects.
func hostsFile(_ context.Context, p *Pass) error {
	const name = "/etc/hosts"
	text := p.read("hosts-file", name, 4<<20)
	nulled, count := 0, map[string]bool{}
	lines(text, func(_ int, l string) {
		if f := strings.Fields(l); len(f) > 1 && nowhere(f[0]) && !strings.HasPrefix(f[0], "#") {
			nulled++
			count[strings.ToLower(f[1])] = true
		}
	})
	var found []deminer.Finding
	lines(text, func(no int, l string) {
		body, _, _ := strings.Cut(l, "#")
		f := strings.Fields(body)
		if len(f) < 2 {
			return
		}
		for _, h := range f[1:] {
			v := vendorOf(h)
			if v == "" || !nowhere(f[0]) && !p.strange(f[0]) {
				continue
			}
			g := deminer.Finding{
				Topic: deminer.TopicTamper, Tier: deminer.Strong, Class: deminer.ByTamper, Technique: "T1565.001", Catalogue: "DE-16",
				Title:   "/etc/hosts cuts this host off from " + deminer.Safe(h),
				Why:     []string{fmt.Sprintf("line %d sends %s to %s", no, q(h), q(f[0]))},
				Subject: line(name, l, no),
				Remove:  p.cut(name, l, no),
			}
			if nulled > 500 {
				g.Tier = deminer.Weak
				g.Cleared = []string{fmt.Sprintf("%d names are sent nowhere: a block list of the owner", nulled)}
			}
			if a, err := p.FS.Stat(name); err == nil && nulled <= 500 {
				g.Time = a.Mtime
			}
			found = append(found, g)
			return
		}
	})
	for _, g := range slices.Backward(found) { // the last first: what is accused below a line tells its age
		p.Report(p.settleBy(g, p.noOwner))
	}
	return nil
}

// cut takes one line out of a file; when the file was made unchangeable, that goes too.
func (p *Pass) cut(name, l string, no int) []deminer.Action {
	return append([]deminer.Action{{Verb: deminer.VerbCutLine, Target: line(name, l, no)}}, p.clearFlags(name)...)
}

func nowhere(addr string) bool {
	a, err := netip.ParseAddr(addr)
	return err == nil && (a.IsLoopback() || a.IsUnspecified())
}

// strange reports an address for a vendor's name that earlier findings tie to the intrusion.
func (p *Pass) strange(addr string) bool {
	for _, f := range p.memo.found {
		for _, i := range f.Indicators {
			if i.Kind == "ip" && i.Value == addr {
				return true
			}
		}
	}
	return false
}

func vendorOf(h string) string {
	h = strings.TrimSuffix(strings.ToLower(h), ".")
	for _, v := range vendors {
		if rest, ok := strings.CutSuffix(h, v); ok && (rest == "" || rest[len(rest)-1] == '.') {
			return v
		}
	}
	return ""
}

// unchangeable speaks of system files made unchangeable. The flag alone is an owner's choice as often as not.
func unchangeable(_ context.Context, p *Pass) error {
	for _, name := range []string{"/etc/resolv.conf", "/etc/hosts", "/etc/crontab", "/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/sudoers", "/etc/ssh/sshd_config", preloadFile,
		"/var/spool/cron", "/var/spool/cron/crontabs", "/etc/cron.d", "/root/.ssh", "/etc/profile", "/etc/rc.local", "/tmp", "/var/tmp", "/usr/bin", "/etc/systemd/system"} {
		fl := p.flagged(name)
		if fl == 0 {
			continue
		}
		f := deminer.Finding{
			Topic: deminer.TopicTamper, Tier: deminer.Weak, Class: deminer.ByTamper, Technique: "T1222.002", Catalogue: "DE-01",
			Title:   deminer.Safe(name) + " was made unchangeable",
			Why:     []string{"inode flags: " + fl.String() + " (chattr +" + fl.String() + ")"},
			Cleared: []string{"hardening guides and panels do this too: alone it says nothing"},
			Subject: file(name), Remove: p.clearFlags(name),
		}
		a, err := p.FS.Stat(name)
		if err == nil {
			f.Time = a.Ctime
		}
		// The change of a flag sets the change time, so it tells when this was done.
		tie, doubt := p.tie(f, p.nobodyElse)
		if keeps := p.keepsAccount(name); keeps != "" {
			tie = keeps
		}
		switch {
		case p.proven() == "":
		case tie != "":
			f.Tier, f.Cleared = deminer.Proof, nil
			f.Why = append(f.Why, tie, "on this host an intrusion is proven: "+p.proven())
		case doubt != "":
			f.Cleared = append(f.Cleared, doubt)
		}
		p.Report(f)
	}
	return nil
}

// keepsAccount says that a file of accounts holds one of the intruder's, or "".
func (p *Pass) keepsAccount(name string) string {
	if name != "/etc/passwd" && name != "/etc/shadow" && name != "/etc/group" && name != "/etc/gshadow" {
		return ""
	}
	mine := p.guilty()
	for i := range p.Snapshot.Accounts {
		if a := p.Snapshot.Accounts[i].Name; mine["account:"+a] {
			return "it keeps the intruder's account " + q(a) + " there"
		}
	}
	return ""
}
