package detect

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/deminer/deminer"
)

// hiddenProcess speaks of processes that live but that at least one view of the kernel does not show.
func hiddenProcess(_ context.Context, p *Pass) error {
	for i := range p.Snapshot.Processes {
		pr := &p.Snapshot.Processes[i]
		if len(pr.Hidden) == 0 || pr.Gone || p.memo.self[pr.ID] {
			continue
		}
		p.Report(deminer.Finding{
			Topic: deminer.TopicRootkit, Tier: deminer.Strong, Class: deminer.ByHiding, Technique: "T1014", Catalogue: "DE-08",
			Title:   fmt.Sprintf("%s is hidden from %s", called(pr), strings.Join(pr.Hidden, ", ")),
			Why:     []string{fmt.Sprintf("process %d (%s, program %s) answers when asked for directly, but %s does not list it", pr.ID.PID, q(pr.Comm), q(pr.Exe), strings.Join(pr.Hidden, ", "))},
			Cleared: []string{"a process that ended meanwhile: it still answered at the end", "a thread, which answers like a process: it is a thread-group leader"},
			Subject: process(pr), Time: pr.Started,
		})
	}
	return nil
}

// unaccountedCPU speaks of busy cores that no process admits to.
func unaccountedCPU(_ context.Context, p *Pass) error {
	c := p.Snapshot.CPU
	if c.Missing < 0.3 || p.Snapshot.Window.Seconds() < 0.4 {
		return nil
	}
	f := deminer.Finding{
		Topic: deminer.TopicCompute, Tier: deminer.Weak, Class: deminer.ByHiding, Technique: "T1014", Catalogue: "RH-09",
		Title:   fmt.Sprintf("%.1f busy cores belong to no visible process", c.Missing),
		Why:     []string{fmt.Sprintf("over %s the kernel counted %.2f busy cores, all processes together %.2f, the root cgroup %.2f", p.Snapshot.Window, c.Stat, c.Processes, c.Cgroup)},
		Cleared: []string{"many short-lived processes (a build) look the same in one short sample: look again, or for longer"},
		Subject: deminer.Artifact{Kind: deminer.KindHost},
	}
	for i := range p.Snapshot.Processes {
		if len(p.Snapshot.Processes[i].Hidden) > 0 {
			f.Tier = deminer.Strong
			f.Why = append(f.Why, "at least one process is hidden, see there")
			break
		}
	}
	p.Report(f)
	return nil
}

var procMount = regexp.MustCompile(`^/proc/([1-9][0-9]*)$`)

// procCover speaks of mounts over /proc/PID, which take a process out of ps and top. The mount point must be exactly the
// directory of a process: lxcfs and containers mount over other files of /proc.
func procCover(_ context.Context, p *Pass) error {
	for _, m := range p.Snapshot.Kernel.Mounts {
		hit := procMount.FindStringSubmatch(m.Point)
		if hit == nil {
			continue
		}
		pid, err := strconv.Atoi(hit[1])
		if err != nil || p.memo.self[deminer.ProcID{PID: pid}] {
			continue
		}
		f := deminer.Finding{
			Topic: deminer.TopicRootkit, Tier: deminer.Proof, Class: deminer.ByHiding, Technique: "T1564.013", Catalogue: "DE-09",
			Title:   "something is mounted over " + m.Point + " to hide that process",
			Why:     []string{fmt.Sprintf("mountinfo: %s is covered by %s (%s) %s", m.Point, q(m.Source), q(m.Type), q(m.Root))},
			Cleared: []string{"lxcfs and container run-times: they cover other names in /proc, never a process directory"},
			Subject: deminer.Artifact{Kind: deminer.KindMount, Path: deminer.Raw(m.Point)},
		}
		if pr := p.memo.procs[pid]; pr != nil {
			p.Report(deminer.Finding{
				Topic: deminer.TopicRootkit, Tier: deminer.Strong, Class: deminer.ByHiding, Technique: "T1564.013", Catalogue: "DE-09",
				Title:   called(pr) + " is covered by a mount",
				Why:     append([]string{"its program is " + q(pr.Exe)}, f.Why...),
				Subject: process(pr), Also: []deminer.Artifact{f.Subject}, Time: pr.Started,
			})
			f.Also = []deminer.Artifact{process(pr)}
		}
		p.Report(f)
	}
	return nil
}

// ghostUnit speaks of units that run although their file is gone: removed after the start to leave no trace.
func ghostUnit(_ context.Context, p *Pass) error {
	for _, u := range p.Snapshot.Units {
		if u.Fragment == "" || u.Active != "active" || u.MainPID == 0 || underAny(u.Fragment, "/run") {
			continue
		}
		if _, err := p.FS.Lstat(u.Fragment); err == nil || !missing(err) {
			continue
		}
		pr := p.memo.procs[u.MainPID]
		if pr == nil || packaged(pr.Own) {
			continue
		}
		p.Report(deminer.Finding{
			Topic: deminer.TopicReturns, Tier: deminer.Strong, Class: deminer.ByPersist, Technique: "T1543.002", Catalogue: "PL-06",
			Title:   "unit " + q(u.Name) + " runs although its file was removed",
			Why:     []string{"systemd runs it from " + q(u.Fragment) + ", which does not exist any more", fmt.Sprintf("its main process %d runs %s", pr.ID.PID, q(pr.Exe))},
			Cleared: []string{"a package that was removed: no package owns the program"},
			Subject: process(pr), Also: []deminer.Artifact{{Kind: deminer.KindUnit, Name: u.Name}}, Time: pr.Started,
		})
	}
	return nil
}

// kernelModules speaks of modules that only some views of the kernel show, and of modules no package brought.
func kernelModules(_ context.Context, p *Pass) error {
	for _, m := range p.Snapshot.Kernel.Modules {
		listed, seen := false, len(m.Views) > 0
		for _, v := range m.Views {
			listed = listed || v == "proc/modules"
		}
		switch {
		case seen && !listed:
			p.Report(deminer.Finding{
				Topic: deminer.TopicRootkit, Tier: deminer.Strong, Class: deminer.ByHiding, Technique: "T1014", Catalogue: "PL-37",
				Title:    "kernel module " + q(m.Name) + " is hidden from /proc/modules",
				Why:      []string{"it is seen in " + strings.Join(m.Views, ", ") + " but not in /proc/modules"},
				Subject:  deminer.Artifact{Kind: deminer.KindModule, Name: m.Name},
				Distrust: "a hidden kernel module is loaded: the kernel itself may lie",
				Fix:      "Remove what loads it at boot, then restart from a clean kernel; better, rebuild the host.",
			})
		case m.Own.State == deminer.Unowned && m.File != "" && !moduleHome(m.File):
			p.Report(deminer.Finding{
				Topic: deminer.TopicRootkit, Tier: deminer.Strong, Class: deminer.ByProvenance, Technique: "T1547.006", Catalogue: "PL-37",
				Title:    "kernel module " + q(m.Name) + " was loaded from " + q(m.File),
				Why:      []string{"the file lies outside the directories modules are installed in, and no package owns it"},
				Subject:  deminer.Artifact{Kind: deminer.KindModule, Name: m.Name},
				Also:     []deminer.Artifact{file(m.File)},
				Distrust: "an unknown kernel module is loaded",
			})
		}
	}
	return nil
}

func moduleHome(name string) bool {
	return underAny(name, "/lib/modules", "/usr/lib/modules", "/usr/src", "/var/lib/dkms", "/opt") && !placeOf(path.Dir(name)).odd()
}

// foreignBPF lists eBPF programs of kinds that can hide or steal and that nobody known loaded.
func foreignBPF(_ context.Context, p *Pass) error {
	count := map[string]int{}
	for _, b := range p.Snapshot.Kernel.BPF {
		switch b.Type {
		case "kprobe", "tracepoint", "raw_tracepoint", "tracing", "lsm", "perf_event":
			if b.Name == "" || len(p.Snapshot.Kernel.BPF) < 4096 {
				count[b.Type+" "+b.Name]++
			}
		}
	}
	if len(count) == 0 {
		return nil
	}
	f := deminer.Finding{
		Topic: deminer.TopicRootkit, Tier: deminer.Weak, Class: deminer.ByHiding, Technique: "T1014", Catalogue: "PL-41",
		Title:   fmt.Sprintf("%d kinds of eBPF tracing programs are loaded", len(count)),
		Subject: deminer.Artifact{Kind: deminer.KindHost},
		Fix:     "Monitoring and security agents load such programs. Ask yourself which one here does.",
	}
	for _, name := range sortedKeys(count) {
		if len(f.Why) < 20 {
			f.Why = append(f.Why, fmt.Sprintf("%s (%d)", deminer.Safe(name), count[name]))
		}
	}
	p.Report(f)
	return nil
}
