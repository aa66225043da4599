package detect

import (
	"context"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/deminer/deminer"
)

// sameProgram carries a proof from a process to its program's file, also where the process runs in a container, and from
// a program to its copies under other names: malware keeps several, so that one survives.
func sameProgram(_ context.Context, p *Pass) error {
	type original struct {
		sum  [32]byte
		name string
	}
	bySize := map[int64][]original{}
	guilty := p.convicted()
	for _, pr := range p.subjects() {
		if !guilty[pr.ID] || packaged(pr.Own) || pr.Runtime() || deminer.RunsScripts(pr.Name()) {
			continue
		}
		f, err := p.program(pr)
		if err != nil {
			continue
		}
		bySize[f.size] = append(bySize[f.size], original{f.sum, fmt.Sprintf("process %s (%s)", pr.ID, q(pr.Exe))})
		if f.size <= sumLimit {
			pr.SHA256 = hex.EncodeToString(f.sum[:]) // what a plan knows the program by when the process is another one by then
		}
		if name := p.hostPath(pr); name != "" {
			p.report(file(name), deminer.Proof, deminer.ByContent, q(name)+" is the program of a mining process",
				fmt.Sprintf("process %s runs exactly this file, and an earlier finding proves that it mines or is the intruder's", pr.ID), f.born, process(pr), f.sum)
		}
	}
	for _, f := range p.accusedFiles() {
		if sum, err := p.sum(f.Path); err == nil {
			bySize[f.Attr.Size] = append(bySize[f.Attr.Size], original{sum, q(f.Path)})
		}
	}
	if p.Files == nil || len(bySize) == 0 {
		return nil
	}
	for _, f := range p.Files.list {
		if len(bySize[f.Attr.Size]) == 0 || f.Content.Kind != "elf" || packaged(p.owner(f.Path)) {
			continue
		}
		sum, err := p.sum(f.Path)
		if err != nil {
			continue
		}
		for _, o := range bySize[f.Attr.Size] {
			if o.sum == sum && o.name != q(f.Path) {
				tier, why := p.spare(f)
				p.report(file(f.Path), tier, deminer.ByContent, q(f.Path)+" is a copy of a proven program",
					"its content is, byte for byte, that of "+o.name+"; "+why, born(f.Attr), deminer.Artifact{}, sum)
				break
			}
		}
	}
	return nil
}

// spare tells a spare program of the intruder's from a sample that somebody put aside: it is started, lies where nobody
// keeps things or among the system's programs, or something ties it to the rest.
func (p *Pass) spare(f *Found) (deminer.Tier, string) {
	if how, _ := p.use(f.Path); how != "" {
		return deminer.Proof, how
	}
	if placeOf(f.Path).odd() || underAny(f.Path, "/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/boot") {
		return deminer.Proof, "it lies where nobody keeps a sample"
	}
	if tie, _ := p.tie(deminer.Finding{Subject: file(f.Path), Time: born(f.Attr)}, p.nobodyElse); tie != "" {
		return deminer.Proof, tie
	}
	return deminer.Strong, "nothing starts it: it may be a sample or a backup that somebody put aside"
}

func (p *Pass) report(subject deminer.Artifact, tier deminer.Tier, class deminer.Class, title, why string, t time.Time, also deminer.Artifact, sum [32]byte) {
	f := deminer.Finding{
		Topic: deminer.TopicMining, Tier: tier, Class: class, Technique: "T1496.001", Catalogue: "WD-02", Title: title, Why: []string{why},
		Subject: subject, Time: t, Indicators: []deminer.Indicator{{Kind: "sha256", Value: fmt.Sprintf("%x", sum)}},
	}
	if also.Kind != "" {
		f.Also = []deminer.Artifact{also}
	}
	p.Report(f)
}

// convicted are the processes of which a proof, or two strong findings of different classes, speak.
func (p *Pass) convicted() map[deminer.ProcID]bool {
	out := map[deminer.ProcID]bool{}
	strong := map[deminer.ProcID]deminer.Class{}
	for _, f := range p.memo.found {
		id := f.Subject.Proc
		if f.Subject.Kind != deminer.KindProcess {
			continue
		}
		switch first, ok := strong[id]; {
		case f.Tier == deminer.Proof, f.Tier == deminer.Strong && ok && first != f.Class:
			out[id] = true
		case f.Tier == deminer.Strong && !ok:
			strong[id] = f.Class
		}
	}
	return out
}

// accusedFiles are the program files that are the subject of a proof.
func (p *Pass) accusedFiles() []*Found {
	var out []*Found
	seen := map[string]bool{}
	for _, f := range p.memo.found {
		name := string(f.Subject.Path)
		if f.Tier == deminer.Proof && f.Subject.Kind == deminer.KindFile && !seen[name] && f.Topic != deminer.TopicTamper {
			seen[name] = true
			if g := p.Files.At(name); g != nil && g.Content.Kind == "elf" && !packaged(p.owner(name)) {
				out = append(out, g)
			}
		}
	}
	return out
}

type running struct {
	size int64
	sum  [32]byte
	born time.Time
}

// program sums the running content of a process.
func (p *Pass) program(pr *deminer.Process) (running, error) {
	if p.Inside == nil {
		return running{}, errAsleep
	}
	f, err := p.Inside.Exe(pr.ID)
	if err != nil {
		return running{}, err
	}
	defer f.Close()
	a, err := f.Attr()
	if err != nil {
		return running{}, err
	}
	sum, err := sumOf(f)
	return running{a.Size, sum, born(a)}, err
}

// hostPath gives the path of the process's program on the host where the file there is the one that runs: of a process
// in a container only below the engine's store.
func (p *Pass) hostPath(pr *deminer.Process) string {
	if pr.Deleted || pr.Memfd || pr.Exe == "" || pr.Container != "" && !inContainerStore(pr.Exe) {
		return ""
	}
	a, err := p.FS.Stat(pr.Exe)
	if err != nil || !a.IsRegular() || pr.ExeAttr.Ino != 0 && (a.Ino != pr.ExeAttr.Ino || a.Dev != pr.ExeAttr.Dev) {
		return ""
	}
	return pr.Exe
}

// company speaks of files that came together with a proven program: in a directory made for it, or among the system's
// files in the same minutes. They are its scripts, logs and spare programs.
func company(_ context.Context, p *Pass) error {
	if p.proven() == "" {
		return nil
	}
	done := map[string]bool{}
	for _, f := range append([]deminer.Finding(nil), p.memo.found...) {
		name := string(f.Subject.Path)
		if f.Tier != deminer.Proof || f.Subject.Kind != deminer.KindFile || name == "" || f.Topic == deminer.TopicTamper {
			continue
		}
		dir := path.Dir(name)
		if done[dir] || deminer.SharedDir(dir) || packaged(p.owner(name)) {
			continue
		}
		done[dir] = true
		p.kit(dir, name)
	}
	p.strangers()
	return nil
}

// kitWindow is how long the unpacking of a kit may take; kitLead is how long its directory may be older than the proven
// program. An application that is broken into on the day it was set up has a directory older than that.
const (
	kitWindow = 10 * time.Minute
	kitLead   = time.Minute
)

// changedLater reports a file that was changed after the minutes in which it was made: what is wrong with it may have come
// later than what was made with it. The change time counts, since the time of writing can be set back.
func changedLater(a deminer.Attr) bool { return a.Ctime.Sub(a.Btime) > kitWindow }

// restored reports files that came with the system itself, from a backup or an image: they were written earlier than they were
// made, and the system's own directories were made in the same minutes. Then that they came together tells of nothing.
func (p *Pass) restored(files ...deminer.Attr) bool {
	return slices.ContainsFunc(files, func(a deminer.Attr) bool {
		return !a.Mtime.IsZero() && a.Btime.Sub(a.Mtime) > kitWindow && slices.ContainsFunc([]string{"/etc", "/usr", "/var"}, func(dir string) bool {
			d, err := p.FS.Lstat(dir)
			return err == nil && !d.Btime.IsZero() && d.Btime.Sub(a.Btime).Abs() <= kitWindow
		})
	})
}

// lived reports whether something that nobody accuses runs in a directory, or is started from it: then it is no kit's.
func (p *Pass) lived(dir string) bool {
	for _, pr := range p.subjects() {
		if (under(pr.Exe, dir) || pr.Cwd == dir || under(pr.Cwd, dir) || under(pr.Script(), dir)) && !p.speaksOf(process(pr)) {
			return true
		}
	}
	for i := range p.Snapshot.Footholds {
		f := &p.Snapshot.Footholds[i]
		for _, t := range f.Targets {
			if under(t, dir) && !p.speaksOf(f.Artifact()) {
				return true
			}
		}
	}
	return false
}

// speaksOf reports whether an earlier strong finding speaks of a thing.
func (p *Pass) speaksOf(a deminer.Artifact) bool {
	ref := a.Ref()
	for _, f := range p.memo.found {
		if (f.Tier == deminer.Proof || f.Tier == deminer.Strong) && f.Subject.Ref() == ref {
			return true
		}
	}
	return false
}

func (p *Pass) kit(dir, proven string) {
	d, err := p.FS.Lstat(dir)
	a, err2 := p.FS.Lstat(proven)
	list, err3 := p.FS.ReadDir(dir)
	if err != nil || err2 != nil || err3 != nil || len(list) > 64 || d.Btime.IsZero() || a.Btime.IsZero() || a.Btime.Sub(d.Btime).Abs() > kitLead || changedLater(a) || p.lived(dir) {
		return
	}
	for _, e := range list {
		name := path.Join(dir, e.Name)
		b, err := p.FS.Lstat(name)
		if name == proven || err != nil || !b.IsRegular() || b.Btime.Sub(d.Btime).Abs() > kitWindow || packaged(p.owner(name)) || p.accused(name) || p.restored(b) {
			continue
		}
		p.Report(deminer.Finding{
			Topic: deminer.TopicMining, Tier: deminer.Proof, Class: deminer.ByProvenance, Catalogue: "EX-05",
			Title: q(name) + " belongs to a kit whose program is proven to be the intruder's",
			Why: []string{"it lies in " + q(dir) + " beside " + q(proven), fmt.Sprintf("directory and program came to be within %s of each other, the file within %s, from %s on",
				kitLead, kitWindow, d.Btime.UTC().Format(time.RFC3339))},
			Cleared: []string{"an application's directory into which the program was put: the directory is no older than the program, which nobody changed later, and nothing else runs there"},
			Subject: file(name), Time: b.Btime,
		})
	}
}

// strangers speaks of unpackaged programs in directories that packages fill, made in the minutes of a proven finding.
func (p *Pass) strangers() {
	if p.Files == nil || p.Packages == nil {
		return
	}
	for _, f := range p.Files.list {
		if f.Content.Kind != "elf" && f.Content.Kind != "script" || !underAny(f.Path, "/usr/bin", "/usr/sbin", "/usr/lib", "/bin", "/sbin", "/lib", "/etc", "/boot") || !f.Attr.Executable() {
			continue
		}
		if p.owner(f.Path).State != deminer.Unowned || f.Attr.Btime.IsZero() || p.accused(f.Path) {
			continue
		}
		g, ok := p.near(f.Attr.Btime, kitWindow, deminer.Raw(f.Path))
		if !ok {
			continue
		}
		h := deminer.Finding{
			Topic: deminer.TopicBackdoor, Tier: deminer.Strong, Class: deminer.ByProvenance, Technique: "T1036.005", Catalogue: "DE-05",
			Title:   q(f.Path) + " came into a system directory with the intrusion",
			Why:     []string{"no package owns it, and it was made at " + f.Attr.Btime.UTC().Format(time.RFC3339) + ", within minutes of: " + g.Title},
			Cleared: []string{"a package: none lists it", "an admin's own program: ask him; it is acted on only with another sign"},
			Subject: file(f.Path), Time: f.Attr.Btime,
		}
		if tie, doubt := p.tie(h, p.nobodyElse); tie != "" {
			h.Why = append(h.Why, tie)
		} else {
			h.Tier, h.Cleared = deminer.Weak, append(h.Cleared, doubt)
		}
		p.Report(h)
	}
}
