package detect

import (
	"context"
	"fmt"

	"github.com/deminer/deminer"
)

// deletedExe speaks of programs that run without a file: deleted after the start, or never on a disk.
func deletedExe(_ context.Context, p *Pass) error {
	for _, pr := range p.subjects() {
		switch {
		case pr.Memfd:
			p.memfd(pr)
		case pr.Deleted && !pr.Memfd:
			p.deleted(pr)
		}
	}
	return nil
}

func (p *Pass) memfd(pr *deminer.Process) {
	if p.knownMemfd(pr) != "" {
		return
	}
	f := deminer.Finding{
		Topic: deminer.TopicBackdoor, Tier: deminer.Strong, Class: deminer.ByProvenance, Technique: "T1620", Catalogue: "DE-03",
		Title:   called(pr) + " runs a program that exists in memory only",
		Why:     []string{"/proc/" + fmt.Sprint(pr.ID.PID) + "/exe points to " + q(pr.Exe) + ", which no file system holds", "it shows itself as " + q(pr.Comm)},
		Cleared: []string{"a container run-time that re-executes itself: neither its name, its parent nor its life time fits one"},
		Subject: process(pr), Time: pr.Started,
	}
	p.Report(f)
}

func (p *Pass) deleted(pr *deminer.Process) {
	if p.upgraded(pr) != "" || p.unpacked(pr) || pr.Container != "" && !placeOf(pr.Exe).odd() {
		return
	}
	f := deminer.Finding{
		Topic: deminer.TopicBackdoor, Tier: deminer.Weak, Class: deminer.ByProvenance, Technique: "T1070.004", Catalogue: "DE-02",
		Title:   "the program file of " + called(pr) + " was deleted while it runs",
		Why:     []string{"/proc/" + fmt.Sprint(pr.ID.PID) + "/exe points to " + q(pr.Exe) + " (deleted)"},
		Cleared: []string{"an upgrade without a restart: no new program lies at that path"},
		Subject: process(pr), Time: pr.Started,
	}
	if pl := placeOf(pr.Exe); pl.odd() {
		f.Tier = deminer.Strong
		f.Why = append(f.Why, "it lay "+pl.words())
	} else if len(p.outward(pr)) > 0 || p.cores(pr) >= busyCores {
		f.Tier = deminer.Strong
		f.Why = append(f.Why, fmt.Sprintf("it uses %.2f cores and has %d connections", p.cores(pr), len(p.outward(pr))))
	}
	p.Report(f)
}

// oddPlace speaks of programs no package brought that run from a temporary or hidden place.
func oddPlace(_ context.Context, p *Pass) error {
	for _, pr := range p.subjects() {
		name, what := pr.Exe, "program"
		if s := pr.Script(); s != "" {
			name, what = s, "script"
		}
		pl := placeOf(name)
		if name == "" || !pl.odd() || pr.Deleted || pr.Memfd || pr.Container != "" || p.unpacked(pr) {
			continue
		}
		if o := p.owner(name); packaged(o) || what == "program" && packaged(pr.Own) {
			continue
		}
		f := deminer.Finding{
			Topic: deminer.TopicBackdoor, Tier: deminer.Strong, Class: deminer.ByProvenance, Technique: "T1036.005", Catalogue: "DE-06",
			Title:   fmt.Sprintf("%s runs a %s that lies %s", called(pr), what, pl.words()),
			Why:     []string{"it runs " + q(name) + ", which no package owns"},
			Cleared: []string{"a build, a package installation or a self-mounting image: none of its parents is one, or it has run too long"},
			Subject: process(pr), Also: []deminer.Artifact{file(name)}, Time: pr.Started,
		}
		if pl.hidden == "" && (what == "script" || pr.TTY) || p.busyless(pr) && what == "script" {
			f.Tier = deminer.Weak // a person at a terminal, or a small script: context only
		}
		p.Report(f)
	}
	return nil
}

// busyless reports a process that neither computes nor talks.
func (p *Pass) busyless(pr *deminer.Process) bool {
	return p.cores(pr) < busyCores && len(p.outward(pr)) == 0
}
