package detect

import (
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/match"
)

// use says how a file is used: "runs", "is started by PATH", or "" when it just lies there.
func (p *Pass) use(name string) (how string, by []deminer.Artifact) {
	if pr := p.memo.runs[name]; pr != nil && name != "" {
		return fmt.Sprintf("process %d runs it", pr.ID.PID), []deminer.Artifact{process(pr)}
	}
	for _, f := range p.memo.starts[name] {
		if !under(string(f.Path), StateDir) && string(f.Path) != name {
			return "it is started from " + where(f), []deminer.Artifact{f.Artifact()}
		}
	}
	return "", nil
}

// minerContent speaks of programs and scripts whose content the rules know. What runs or is started counts in full; what
// just lies there informs, unless it lies where nobody keeps things.
func minerContent(_ context.Context, p *Pass) error {
	if p.Files == nil {
		return nil
	}
	for _, f := range p.Files.list {
		h, ok := strongest(f.Content.Hits)
		if !ok || h.Strength == match.Info || h.Class == match.WebShell || h.Class == match.Data || h.Rule == "config/miner" || f.Content.Kind == "text" && h.Strength < match.Proof && !placeOf(f.Path).odd() {
			continue
		}
		if packaged(p.owner(f.Path)) {
			continue
		}
		p.Report(p.fileFinding(f, h))
	}
	return nil
}

// fileFinding weighs a hit in a file by how the file is used.
func (p *Pass) fileFinding(f *Found, h match.Hit) deminer.Finding {
	if how, _ := p.use(f.Path); how == "" && ruleFile(f.Path) {
		g := hitFinding(h, file(f.Path), q(f.Path)+" holds indicators")
		g.Tier = deminer.Weak
		g.Cleared = []string{"nothing runs or starts it, and it lies among detection rules or their samples"}
		return g
	}
	if n := families(f.Content.Hits); n >= manyFamilies {
		g := hitFinding(h, file(f.Path), q(f.Path)+" holds indicators of many families")
		g.Tier = deminer.Weak
		g.Cleared = []string{fmt.Sprintf("it names %d families: a scanner, a rule set or a rival's kill list, not one of them", n)}
		return g
	}
	g := hitFinding(h, file(f.Path), q(f.Path)+": "+deminer.Safe(h.What))
	g.Technique, g.Time = "T1496.001", born(f.Attr)
	if f.Content.SHA256 != "" {
		g.Indicators = append(g.Indicators, deminer.Indicator{Kind: "sha256", Value: f.Content.SHA256})
	}
	how, by := p.use(f.Path)
	switch {
	case how != "":
		g.Why = append(g.Why, how)
		g.Also = by
		if f.Content.Kind == "elf" && h.Strength == match.Strong && h.Class == match.Mining {
			g.Tier = deminer.Proof // the program of a miner, and it runs or is about to
		}
	case placeOf(f.Path).odd() && (f.Content.Kind == "elf" || f.Content.Kind == "script"):
		if g.Tier == deminer.Proof && h.Rule != exactly {
			g.Tier = deminer.Strong
		}
		g.Why = append(g.Why, "it lies "+placeOf(f.Path).words()+", and no package owns it")
		g = p.settle(g)
	case p.beside(f.Path):
		g.Tier = deminer.Strong
		g.Why = append(g.Why, "it lies beside a file that is proven to be the intruder's")
		g = p.settle(g)
	case h.Rule == exactly && h.Strength == match.Proof:
		g.Tier = deminer.Strong
		g.Why = append(g.Why, "nothing runs or starts it")
	default:
		g.Tier = deminer.Weak
		g.Cleared = []string{"nothing runs or starts it: a copy at rest, a source tree or a text about mining"}
	}
	return g
}

// exactly is the rule that knows a content by its digest, all of it: what it proves at one place it proves at another where nobody keeps
// things.
const exactly = "ioc/hash"

// ruleFile reports files in the source or rule directories of detection tools: deminer's own, YARA, Sigma, tests.
func ruleFile(name string) bool {
	for _, d := range []string{"/rules/", "/yara/", "/sigma/", "/samples/", "/testdata/", "/signatures/"} {
		if strings.Contains(name, d) {
			return true
		}
	}
	return false
}

// manyFamilies is how many families a program names that is none of them.
const manyFamilies = 4

func families(hits []match.Hit) int {
	seen := map[string]bool{}
	for _, h := range hits {
		if h.Family != "" && h.Family != "XMRig" {
			seen[h.Family] = true
		}
	}
	return len(seen)
}

// born is when a file came to be here.
func born(a deminer.Attr) time.Time {
	if !a.Btime.IsZero() {
		return a.Btime
	}
	return a.Mtime
}

// beside reports whether the directory, one that is not shared by everybody, holds the subject of a proof.
func (p *Pass) beside(name string) bool {
	dir := path.Dir(name)
	if deminer.SharedDir(dir) {
		return false
	}
	for _, f := range p.memo.found {
		if f.Tier != deminer.Proof {
			continue
		}
		for _, a := range append([]deminer.Artifact{f.Subject}, f.Also...) {
			if n := string(a.Path); n != "" && n != name && (path.Dir(n) == dir || under(n, dir)) && (a.Kind == deminer.KindFile || a.Kind == deminer.KindProcess) && !packaged(p.owner(n)) {
				return true
			}
		}
	}
	return false
}

// minerConfig speaks of configurations of mining programs. One that a running or started program uses is proof.
func minerConfig(_ context.Context, p *Pass) error {
	if p.Files == nil {
		return nil
	}
	for _, f := range p.Files.list {
		for _, h := range f.Content.Hits {
			if h.Rule != "config/miner" || h.Strength == match.Info || packaged(p.owner(f.Path)) {
				continue
			}
			g := hitFinding(h, file(f.Path), q(f.Path)+" is the configuration of a mining program")
			g.Technique, g.Time = "T1496.001", born(f.Attr)
			g.Indicators = append(g.Indicators, hitIndicators(f.Content.Hits)...)
			if how, by := p.configUse(f.Path); how != "" {
				g.Tier, g.Also = deminer.Proof, by
				g.Why = append(g.Why, how)
			} else if placeOf(f.Path).odd() || p.beside(f.Path) {
				g.Tier = deminer.Strong
				g.Why = append(g.Why, "it lies "+placeOf(f.Path).words()+"; nothing that runs or is started names it")
				g = p.settle(g)
			} else {
				g.Tier = deminer.Weak
				g.Cleared = []string{"nothing that runs or is started uses it"}
			}
			p.Report(g)
			break
		}
	}
	return nil
}

// configUse says which running or started program, not a packaged one, uses a configuration: it names it, or lies in the same directory
// that is its own.
func (p *Pass) configUse(name string) (string, []deminer.Artifact) {
	dir := path.Dir(name)
	for _, pr := range p.subjects() {
		if pr.Exe == "" || packaged(pr.Own) || pr.Container != "" {
			continue
		}
		for _, a := range pr.Argv {
			a = a[strings.IndexByte(a, '=')+1:]
			if a == name || pr.Cwd != "" && a != "" && path.Join(pr.Cwd, a) == name {
				return fmt.Sprintf("process %d names it on its command line", pr.ID.PID), []deminer.Artifact{process(pr)}
			}
		}
		if (path.Dir(pr.Exe) == dir || pr.Cwd == dir) && (!deminer.SharedDir(dir) || path.Base(name) == "config.json" && path.Dir(pr.Exe) == dir) {
			return fmt.Sprintf("the program of process %d lies beside it: %s", pr.ID.PID, q(pr.Exe)), []deminer.Artifact{process(pr)}
		}
	}
	for i := range p.Snapshot.Footholds {
		f := &p.Snapshot.Footholds[i]
		if strings.Contains(string(f.Command), name) {
			return "it is named in " + where(f), []deminer.Artifact{f.Artifact()}
		}
		for _, t := range p.foreignTargets(f) {
			if path.Dir(t) == dir && !deminer.SharedDir(dir) {
				return "a program beside it, " + q(t) + ", is started from " + where(f), []deminer.Artifact{f.Artifact(), file(t)}
			}
		}
	}
	return "", nil
}

// minerCmdline speaks of command lines that give a miner its orders.
func minerCmdline(_ context.Context, p *Pass) error {
	if p.Rules == nil {
		return nil
	}
	for _, pr := range p.subjects() {
		if len(pr.Argv) < 2 {
			continue
		}
		hits := p.Rules.Argv(pr.Argv)
		h, ok := strongest(hits)
		if !ok || h.Strength < match.Strong || h.Class != match.Mining && h.Class != match.Cradle && h.Class != match.Backdoor {
			continue
		}
		f := hitFinding(h, process(pr), "the command line of "+called(pr)+": "+deminer.Safe(h.What))
		f.Technique, f.Catalogue, f.Time = "T1496.001", "EX-01", pr.Started
		f.Indicators = hitIndicators(hits)
		f.Cleared = []string{"a search for such words: the program is not a text or admin tool"}
		if packaged(pr.Own) && !(h.Class != match.Mining && deminer.RunsScripts(pr.Name())) {
			f.Tier = lower(f.Tier)
			f.Cleared = []string{"a package brought the program: the owner may have installed it, or it only names the words"}
		}
		p.Report(f)
	}
	return nil
}

// footholdText speaks of entries, and the scripts they start, in which the rules find a miner's words.
func footholdText(_ context.Context, p *Pass) error {
	if p.Rules == nil {
		return nil
	}
	for _, f := range p.footholds() {
		if p.partsText(f) {
			continue
		}
		text := string(f.Command)
		if f.Line != "" {
			text = string(f.Line)
		}
		if g, ok := p.textFinding(f, text); ok {
			for _, t := range p.foreignTargets(f) {
				g.Also = append(g.Also, file(t))
			}
			p.Report(g)
		}
	}
	return nil
}

// partsText speaks of the commands of a line that an owner and an intruder both wrote, each for what the rules see in it alone,
// and tells whether it did.
func (p *Pass) partsText(f *deminer.Foothold) (spoke bool) {
	s := p.sharedBy(f.Artifact().Ref())
	if s == nil || s.Whole.Kind != deminer.KindLine {
		return false
	}
	for _, i := range p.mixed(s) {
		if g, ok := p.textFinding(f, string(s.Parts[i].Command)); ok {
			p.Report(p.aboutPart(g, s, i))
			spoke = true
		}
	}
	return spoke
}

// textFinding says what the rules say of the text of an entry, or of a part of it.
func (p *Pass) textFinding(f *deminer.Foothold, text string) (deminer.Finding, bool) {
	if text == "" || f.ID == "PL-18" || f.ID == "PL-21" {
		return deminer.Finding{}, false
	}
	hits := p.Rules.Text(text)
	h, ok := strongest(hits)
	if !ok || h.Strength < match.Strong {
		return deminer.Finding{}, false
	}
	g := hitFinding(h, f.Artifact(), "an entry in "+where(f)+": "+deminer.Safe(h.What))
	g.Technique, g.Catalogue, g.Time = f.Technique, f.ID, f.Attr.Mtime
	g.Indicators = hitIndicators(hits)
	return g, true
}
