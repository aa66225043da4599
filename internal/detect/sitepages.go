package detect

import (
	"context"

	"github.com/deminer/deminer"
)

// linkedPage looks again at pages that let a visitor run code, once all pages were seen: shells lie in one site together,
// and which was seen first says nothing.
func linkedPage(_ context.Context, p *Pass) error {
	var again []deminer.Finding
	mine := p.guilty()
	for _, f := range p.memo.found {
		if f.Topic != deminer.TopicWebShell || f.Tier != deminer.Strong || mine[f.Subject.Ref()] {
			continue
		}
		if tie := p.sameSite(f); tie != "" {
			f.Tier, f.Title, f.Remove = deminer.Proof, "came with the intrusion: "+f.Title, nil // its recipe is that of the first finding
			f.Why = append(f.Why[:len(f.Why):len(f.Why)], tie)
			again = append(again, f)
		}
	}
	for _, f := range again {
		p.memo.raised[f.Subject.Ref()] = true
		p.Report(f)
	}
	return nil
}
