package detect

import (
	"context"

	"github.com/deminer/deminer"
)

// linkedCradle speaks again of entries that fetch and run code, where something ties them to a proven intrusion: they
// fetch from an address that a suspect talks to, or they were written at the time of what is proven. An owner's own
// entry of that kind has neither.
func linkedCradle(_ context.Context, p *Pass) error {
	bad := p.badAddresses()
	why := p.proven()
	told := map[string]bool{}
	for _, f := range append([]deminer.Finding(nil), p.memo.found...) {
		if f.Detector != "foothold-cradle" && f.Detector != "foothold-text" || f.Class != deminer.ByPersist || f.Tier != deminer.Strong || told[f.Subject.Ref()] {
			continue
		}
		told[f.Subject.Ref()] = true
		g := f
		g.Indicators = append([]deminer.Indicator(nil), f.Indicators...)
		for _, i := range f.Indicators {
			if title, ok := bad[i.Value]; ok && (i.Kind == "ip" || i.Kind == "domain") {
				g.Class, g.Title = deminer.ByNetwork, deminer.Safe(f.Subject.Path)+" fetches from the intruder's address"
				g.Why = append([]string{deminer.Safe(i.Value) + " is the address of: " + title}, f.Why...)
				p.Report(g)
				break
			}
		}
		if at, ok := p.nearOthers(f); ok && why != "" {
			h := f
			h.Tier, h.Title = deminer.Proof, deminer.Safe(f.Subject.Path)+" fetches and runs foreign code and came with the intrusion"
			h.Why = append([]string{"it was last written at the time of: " + at.Title, "on this host an intrusion is proven: " + why}, f.Why...)
			p.Report(h)
		}
	}
	return nil
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
