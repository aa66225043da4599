package detect

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/deminer/deminer"
)

// hugeUsers are programs for which owners set huge pages.
var hugeUsers = []string{"postgres", "mysqld", "mariadbd", "oracle", "java", "qemu", "kvm", "dpdk", "vpp", "ovs-vswitchd", "hdbindexserver", "ceph-osd", "spdk_tgt", "mongod", "clickhouse"}

// tuning speaks of kernel settings that mining set-ups change: huge pages, the watchdog, the model-specific registers.
func tuning(_ context.Context, p *Pass) error {
	p.hugePages()
	p.msr()
	for _, name := range p.sysctlFiles() {
		own := p.owner(name)
		if own.State == deminer.Intact {
			continue
		}
		lines(p.read("tuning", name, 1<<20), func(no int, l string) { p.sysctlLine(name, l, no) })
	}
	return nil
}

func (p *Pass) sysctlFiles() []string {
	out := []string{"/etc/sysctl.conf"}
	list, err := p.FS.ReadDir("/etc/sysctl.d")
	if err != nil {
		return out
	}
	for _, e := range list[:min(len(list), 1000)] {
		if strings.HasSuffix(e.Name, ".conf") && e.Type != deminer.Symlink {
			out = append(out, path.Join("/etc/sysctl.d", e.Name))
		}
	}
	return out
}

func (p *Pass) hugePages() {
	n, err := strconv.ParseUint(p.Snapshot.Kernel.Sysctl["vm.nr_hugepages"], 10, 64)
	if err != nil || n == 0 {
		return
	}
	who := ""
	for _, pr := range p.subjects() {
		for _, h := range hugeUsers {
			if strings.HasPrefix(pr.Name(), h) {
				who = pr.Name()
			}
		}
	}
	f := deminer.Finding{
		Topic: deminer.TopicTamper, Tier: deminer.Weak, Class: deminer.ByTamper, Technique: "T1496.001", Catalogue: "RH-03",
		Title:   fmt.Sprintf("%d huge pages are reserved", n),
		Why:     []string{"vm.nr_hugepages = " + fmt.Sprint(n)},
		Subject: deminer.Artifact{Kind: deminer.KindSetting, Name: "vm.nr_hugepages", Line: deminer.Raw(fmt.Sprint(n))},
		Remove:  []deminer.Action{p.setSysctl("vm.nr_hugepages", fmt.Sprint(n), "0")},
	}
	if who != "" {
		f.Cleared = []string{"a data base, a JVM or a guest that uses them runs here: " + deminer.Safe(who)}
		p.Report(f)
		return
	}
	for _, pr := range p.subjects() {
		if s := shapeOf(pr); pr.Hugetlb > 0 && !packaged(pr.Own) && (s.like(pr) || s.dataset || p.provenProcess(pr)) {
			f.Tier = deminer.Strong
			f.Why = append(f.Why, fmt.Sprintf("process %s uses %d MiB of them", pr.ID, pr.Hugetlb/mib))
			f.Also = []deminer.Artifact{process(pr)}
			break
		}
	}
	if f.Tier == deminer.Weak && p.provenMining() {
		f.Tier = deminer.Strong
		f.Why = append(f.Why, "nothing on this host that usually asks for huge pages runs")
	}
	p.Report(p.settle(f))
}

func (p *Pass) setSysctl(name, now, to string) deminer.Action {
	return deminer.Action{Verb: deminer.VerbSysctl, Target: deminer.Artifact{Kind: deminer.KindSetting, Name: name, Line: deminer.Raw(now)}, Args: map[string]deminer.Raw{"value": deminer.Raw(to)}}
}

// provenProcess reports an earlier proof about the process.
func (p *Pass) provenProcess(pr *deminer.Process) bool {
	for _, f := range p.memo.found {
		if f.Tier == deminer.Proof && f.Subject.Ref() == process(pr).Ref() {
			return true
		}
	}
	return false
}

// provenMining reports an earlier proof, or a conviction, about mining.
func (p *Pass) provenMining() bool {
	if p.proven() == "" {
		return false
	}
	for _, f := range p.memo.found {
		if f.Topic == deminer.TopicMining && (f.Tier == deminer.Proof || f.Tier == deminer.Strong) {
			return true
		}
	}
	return false
}

// msrPreset are the register values that RandomX miners write (XMRig's tables); anything else is the owner's tuning.
var msrPreset = map[string][]string{
	"0x1a4":      {"0xf"},
	"0xc0011020": {"0x4480000000000", "0x0"},
	"0xc0011021": {"0x1c000200000040", "0x40"},
	"0xc0011022": {"0xc000000401570000", "0xc000000401500000"},
	"0xc001102b": {"0x2000cc14", "0x2000cc10"},
}

func (p *Pass) msr() {
	var why []string
	for _, reg := range sortedKeys(p.Snapshot.Kernel.MSR) {
		v := strings.ToLower(p.Snapshot.Kernel.MSR[reg])
		if reg = strings.ToLower(reg); inList(msrPreset[reg], v) && v != "0x0" && v != "0x40" {
			why = append(why, "register "+reg+" holds "+v+", the value mining set-ups write to turn the prefetchers off")
		}
	}
	if len(why) == 0 {
		return
	}
	f := deminer.Finding{
		Topic: deminer.TopicTamper, Tier: deminer.Weak, Class: deminer.ByTamper, Technique: "T1496.001", Catalogue: "RH-04",
		Title: "the processor's prefetchers were switched off", Why: why,
		Subject: deminer.Artifact{Kind: deminer.KindSetting, Name: "msr", Line: deminer.Raw(strings.Join(why, "; "))},
		Fix:     "A restart of the host puts the registers back.",
	}
	if p.provenMining() {
		f.Tier = deminer.Strong
	}
	p.Report(f)
}

// sysctlLine judges one line of a settings file that no package holds unchanged.
func (p *Pass) sysctlLine(name, l string, no int) {
	key, value, ok := strings.Cut(l, "=")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	if !ok || strings.HasPrefix(key, "#") || strings.HasPrefix(key, ";") {
		return
	}
	why := ""
	switch strings.ReplaceAll(key, "/", ".") {
	case "vm.nr_hugepages":
		if value != "0" {
			why = "it reserves huge pages at every boot, as mining set-ups do"
		}
	case "kernel.nmi_watchdog":
		if value == "0" {
			why = "it switches the kernel's watchdog off, as mining set-ups do"
		}
	}
	if why == "" || !p.provenMining() {
		return
	}
	f := deminer.Finding{
		Topic: deminer.TopicTamper, Tier: deminer.Weak, Class: deminer.ByTamper, Technique: "T1496.001", Catalogue: "RH-03",
		Title:   name + " tunes the kernel for mining",
		Why:     []string{fmt.Sprintf("%s line %d: %s; %s", deminer.Safe(name), no, q(l), why)},
		Subject: line(name, l, no), Remove: p.cut(name, l, no),
	}
	if a, err := p.FS.Stat(name); err == nil {
		f.Time = a.Mtime
		if p.noHugeUser() {
			f.Tier = deminer.Strong
			if f = p.settle(f); f.Tier == deminer.Strong {
				f.Tier = deminer.Weak
			}
		}
	}
	p.Report(f)
}

func (p *Pass) noHugeUser() bool {
	for _, pr := range p.subjects() {
		for _, h := range hugeUsers {
			if strings.HasPrefix(pr.Name(), h) {
				return false
			}
		}
	}
	return true
}
