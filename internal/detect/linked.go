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
// address that a suspect talks to, or they were written at the time of what is proven. An owner's own entry of that kind
// has neither.
func linkedFoothold(_ context.Context, p *Pass) error {
	bad := p.badAddresses()
	why := p.proven()
	told := map[string]bool{}
	for _, f := range append([]deminer.Finding(nil), p.memo.found...) {
		if !linked[f.Detector] || f.Tier != deminer.Strong || f.Subject.Kind == deminer.KindProcess || told[f.Subject.Ref()] {
			continue
		}
		told[f.Subject.Ref()] = p.fetchesFrom(f, bad) || told[f.Subject.Ref()]
		at, ok := p.near(f.Time, minutes, f.Subject.Path)
		if !ok || why == "" {
			continue
		}
		told[f.Subject.Ref()], p.memo.raised[f.Subject.Ref()] = true, true
		h := f
		h.Tier, h.Title = deminer.Proof, "came with the intrusion: "+f.Title
		h.Why = append([]string{"it was last written at the time of: " + at.Title, "on this host an intrusion is proven: " + why}, f.Why...)
		p.Report(h)
	}
	p.runsProven()
	return nil
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
