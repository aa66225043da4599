package detect

import (
	"context"
	"path"
	"strings"

	"github.com/deminer/deminer"
)

// agent is a cloud or security agent whose name malware borrows, and where the real one lives.
type agent struct {
	vendor string
	names  []string
	dirs   []string
}

// agents: real names and directories as their vendors install them.
var agents = []agent{
	{"Alibaba Cloud Security", []string{"AliYunDun", "AliYunDunMonitor", "AliYunDunUpdate", "AliSecGuard", "AliDetect", "AliNet", "AliHips", "AliSecureCheckAdvanced"}, []string{"/usr/local/aegis", "/usr/local/share/aegis"}},
	{"Alibaba Cloud Assistant", []string{"aliyun-service", "aliyun_assist_service", "assist_daemon", "aliyun_assist_update"}, []string{"/usr/local/share", "/usr/sbin", "/opt/local/share"}},
	{"Alibaba CloudMonitor", []string{"argusagent", "CmsGoAgent"}, []string{"/usr/local/cloudmonitor"}},
	{"Tencent Cloud Security", []string{"YDService", "YDLive", "YDEdr", "YDFlame", "YDUtils"}, []string{"/usr/local/qcloud"}},
	{"Tencent Cloud Monitor", []string{"barad_agent", "sgagent", "tat_agent"}, []string{"/usr/local/qcloud"}},
	{"Huawei Host Security", []string{"hostguard", "hostwatch", "uniagent", "telescope"}, []string{"/usr/local/hostguard", "/usr/local/uniagentd", "/usr/local/telescope", "/usr/local/uniagent"}},
	{"Baidu Cloud", []string{"bcm-agent", "hosteye"}, []string{"/opt", "/home/opt", "/usr/local"}},
	{"AWS", []string{"amazon-ssm-agent", "ssm-agent-worker", "amazon-cloudwatch-agent"}, []string{"/usr/bin", "/snap/amazon-ssm-agent", "/opt/aws", "/usr/sbin"}},
	{"Google Cloud", []string{"google_guest_agent", "google_osconfig_agent"}, []string{"/usr/bin", "/usr/sbin"}},
	{"CrowdStrike", []string{"falcon-sensor", "falcond"}, []string{"/opt/CrowdStrike"}},
}

// vendorForgery speaks of programs that bear a vendor agent's name outside its directory, or one letter off it.
func vendorForgery(_ context.Context, p *Pass) error {
	for _, pr := range p.subjects() {
		if pr.Exe == "" || packaged(pr.Own) || pr.Container != "" {
			continue
		}
		if v, real, how := forged(path.Base(pr.Exe), pr.Exe); how != "" {
			p.Report(forgery(process(pr), pr.Exe, v, real, how, pr))
		}
	}
	for i := range p.Snapshot.Footholds {
		f := &p.Snapshot.Footholds[i]
		for j, t := range f.Targets {
			if j < len(f.TargetOwn) && packaged(f.TargetOwn[j]) || deminer.RunsScripts(path.Base(t)) {
				continue
			}
			if v, real, how := forged(path.Base(t), t); how != "" {
				p.Report(forgery(f.Artifact(), t, v, real, how, nil))
			}
		}
	}
	return nil
}

func forgery(subject deminer.Artifact, name string, v agent, real, how string, pr *deminer.Process) deminer.Finding {
	f := deminer.Finding{
		Topic: deminer.TopicMining, Tier: deminer.Strong, Class: deminer.ByIdentity, Technique: "T1036.005", Catalogue: "DE-13",
		Title:   q(path.Base(name)) + " imitates the agent of " + v.vendor,
		Why:     []string{q(name) + " " + how + " " + q(real), "the real agent lies below " + strings.Join(v.dirs, " or ")},
		Cleared: []string{"the vendor's own program: the path is not the vendor's, and no package owns it"},
		Subject: subject, Also: []deminer.Artifact{file(name)},
	}
	if pr != nil {
		f.Time = pr.Started
	}
	return f
}

// forged compares a base name with the agents'. Case differences and one edit count as an imitation for names of seven
// letters and more.
func forged(base, full string) (agent, string, string) {
	for _, a := range agents {
		if underAny(full, a.dirs...) {
			continue
		}
		for _, n := range a.names {
			switch {
			case base == n:
				return a, n, "bears the name of"
			case len(n) >= 7 && base != n && distance(strings.ToLower(base), strings.ToLower(n)) <= 1 && !known(base):
				return a, n, "differs by a letter, or by case, from"
			}
		}
	}
	return agent{}, "", ""
}

func known(base string) bool {
	for _, a := range agents {
		for _, n := range a.names {
			if n == base {
				return true
			}
		}
	}
	return false
}

// distance is the edit distance with swaps of neighbors (optimal string alignment), up to 3; longer names are cut at 64.
func distance(a, b string) int {
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	if len(a)-len(b) > 2 || len(b)-len(a) > 2 {
		return 3
	}
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
