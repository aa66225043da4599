package scan

import (
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/match"
)

// maxHits is how many hits a report lists: about 3 MB of JSON, more than anybody reads.
const maxHits = 10_000

// hits lists what the rules said of the files that were asked for, as other scanners do. asked reports that one of them
// is of a rule the operator brought and weighs anything: whoever brings rules wants to know. What the program's own rules
// only mention is left out.
func (d *detection) hits() (out []deminer.RuleHit, asked bool) {
	left := 0
	d.pass.Files.Each(func(path string, hits []match.Hit) bool {
		for _, h := range hits {
			own := h.From == 0
			if own && h.Strength < match.Weak {
				continue
			}
			asked = asked || !own && h.Strength >= match.Weak
			if len(out) == maxHits {
				left++
				continue
			}
			out = append(out, d.hit(path, h))
		}
		return true
	})
	if left > 0 {
		d.pass.Gap(deminer.Gap{Part: "rule hits", State: deminer.Partial, Why: "only the first 10,000 are listed", Count: left})
	}
	return out, asked
}

func (d *detection) hit(path string, h match.Hit) deminer.RuleHit {
	r := deminer.RuleHit{Path: deminer.Raw(path), Rule: h.Rule, Strength: h.Strength.String(), Class: string(h.Class), What: h.What, Family: h.Family, Cut: h.More}
	if h.From < len(d.opt.Sources) {
		r.Source = d.opt.Sources[h.From]
	}
	if tags := h.Meta["tags"]; tags != "" {
		r.Tags = strings.Fields(tags)
	}
	for _, p := range h.Places {
		r.Strings = append(r.Strings, deminer.StringHit{ID: p.ID, Offset: p.Offset, Length: p.Length, Excerpt: deminer.Raw(p.Excerpt)})
	}
	if len(h.Places) == 0 && h.Offset >= 0 {
		r.Strings = []deminer.StringHit{{Offset: h.Offset, Length: len(h.Excerpt), Excerpt: deminer.Raw(h.Excerpt)}}
	}
	return r
}
