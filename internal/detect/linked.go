package detect

import (
	"context"

	"github.com/deminer/deminer"
)

// linked are the detectors whose strong signs about footholds are looked at again once an intrusion is proven.
var linked = set("foothold-cradle", "foothold-text", "foothold-odd", "foothold-target", "foothold-immutable", "lookalike")

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
		at, ok := p.nearOthers(f)
		if !ok || why == "" {
			continue
		}
		told[f.Subject.Ref()] = true
		h := f
		h.Tier, h.Title = deminer.Proof, deminer.Safe(f.Subject.Path)+" came with the intrusion: "+f.Title
		h.Why = append([]string{"it was last written at the time of: " + at.Title, "on this host an intrusion is proven: " + why}, f.Why...)
		p.Report(h)
	}
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

// nearOthers is near for a finding: what was found in the same file, or by the same kind of look, does not count.
func (p *Pass) nearOthers(f deminer.Finding) (deminer.Finding, bool) {
	for _, o := range p.memo.found {
		if o.Tier != deminer.Proof || o.Time.IsZero() || f.Time.IsZero() || o.Subject.Path == f.Subject.Path || o.Topic == deminer.TopicTamper || o.Topic == deminer.TopicDoor {
			continue
		}
		if o.Time.Sub(f.Time).Abs() < timeHour {
			return o, true
		}
	}
	return deminer.Finding{}, false
}
