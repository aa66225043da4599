package detect

import (
	"context"
	"fmt"
	"strings"

	"github.com/deminer/deminer"
)

// linked are the detectors whose strong signs about entries and files are looked at again once an intrusion is proven.
var linked = set("family-path", "miner-content", "miner-config", "foothold-cradle", "foothold-text", "foothold-odd", "foothold-target", "foothold-immutable", "lookalike")

// linkedFoothold speaks again of doubtful entries where something ties them to a proven intrusion: they fetch from an
// address that a suspect talks to, start what starts a proven program, or came with what is proven and nobody else can
// have brought them. An owner's own entry of that kind has none of these.
func linkedFoothold(_ context.Context, p *Pass) error {
	bad := p.badAddresses()
	told := map[string]bool{}
	for _, f := range p.openEntries() {
		told[f.Subject.Ref()] = p.fetchesFrom(f, bad) || told[f.Subject.Ref()]
	}
	p.runsProven()
	if p.proven() == "" {
		return nil
	}
	mine := p.guilty()
	var again []deminer.Finding
	for _, f := range p.openEntries() {
		if told[f.Subject.Ref()] || mine[f.Subject.Ref()] {
			continue
		}
		h := p.settle(f)
		switch {
		case h.Tier == deminer.Proof:
			h.Title = "came with the intrusion: " + f.Title
		case len(h.Cleared) > len(f.Cleared):
			h.Tier, h.Title = deminer.Weak, "may have come with the intrusion: "+f.Title
		default:
			continue
		}
		told[f.Subject.Ref()] = true
		again = append(again, h)
	}
	for _, h := range again { // after all were weighed: what is proven is derived anew with each report
		p.Report(h)
	}
	return nil
}

// openEntries are the strong findings about entries and files that are looked at again.
func (p *Pass) openEntries() []deminer.Finding {
	var out []deminer.Finding
	for _, f := range p.memo.found {
		if linked[f.Detector] && f.Tier == deminer.Strong && f.Subject.Kind != deminer.KindProcess {
			out = append(out, f)
		}
	}
	return out
}

// fetchesFrom reports an entry that fetches from a bad address.
func (p *Pass) fetchesFrom(f deminer.Finding, bad map[string]string) bool {
	for _, i := range f.Indicators {
		if title, ok := bad[i.Value]; ok && (i.Kind == "ip" || i.Kind == "domain") {
			f.Class, f.Title = deminer.ByNetwork, deminer.Safe(f.Subject.Path)+" fetches from the intruder's address"
			f.Why = append([]string{deminer.Safe(i.Value) + " is the address of: " + title}, f.Why...)
			p.Report(f)
			return true
		}
	}
	return false
}

// runsProven speaks of entries whose script does nothing but start a proven program: a second name of the same starter.
func (p *Pass) runsProven() {
	bad := map[string]string{}
	for _, f := range p.memo.found {
		if f.Tier == deminer.Proof && f.Subject.Kind == deminer.KindFile && f.Topic != deminer.TopicTamper && f.Topic != deminer.TopicDoor && !packaged(p.owner(string(f.Subject.Path))) {
			bad[string(f.Subject.Path)] = f.Title
		}
	}
	if len(bad) == 0 {
		return
	}
	for _, f := range p.footholds() {
		p.onlyProven(f, bad)
		for _, t := range p.foreignTargets(f) {
			if bad[t] != "" {
				continue
			}
			lines([]byte(p.script(t)), func(no int, l string) {
				cmd := startedBy(l)
				title := bad[cmd]
				if title == "" {
					return
				}
				g := about(f, deminer.Strong, deminer.ByContent, "an entry in "+where(f)+" starts a script that starts a proven program",
					fmt.Sprintf("line %d of %s runs %s: %s", no, q(t), q(cmd), title))
				g.Cleared = []string{"a script that removes or stops the program: it runs it"}
				g.Also = []deminer.Artifact{file(t)}
				p.Report(g)
			})
		}
	}
}

// onlyProven speaks of an entry that names several programs no package owns, of which only a proven one is there: the
// others are what it makes of that one and takes away again.
func (p *Pass) onlyProven(f *deminer.Foothold, bad map[string]string) {
	foreign := p.foreignTargets(f)
	there := ""
	for _, t := range foreign {
		if _, err := p.FS.Lstat(t); err == nil && bad[t] == "" || err != nil && !missing(err) {
			return
		} else if err == nil {
			there = t
		}
	}
	if len(foreign) < 2 || there == "" {
		return
	}
	g := about(f, deminer.Proof, deminer.ByPersist, "an entry in "+where(f)+" starts a proven program", "it names "+q(there)+": "+bad[there])
	g.Cleared = []string{"a program of the owner's in the same entry: nothing else that it names is there"}
	p.Report(g)
}

// startedBy gives the program that a line of a script starts, behind the words that only lead to it.
func startedBy(l string) string {
	for _, w := range strings.Fields(l) {
		switch w {
		case "exec", "nohup", "setsid", "-f", "sh", "bash", "/bin/sh", "/bin/bash", "env", "nice", "(", "&&":
			continue
		}
		w, _, _ = strings.Cut(strings.Trim(w, "()'\""), ">")
		return strings.TrimRight(w, ";&")
	}
	return ""
}
