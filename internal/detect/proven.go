package detect

import (
	"slices"
	"time"

	"github.com/deminer/deminer"
)

// proven names the finding that settles that this host was intruded, or "": a proof, or two strong signs of different
// classes on one thing, by a detector that ran earlier. What weakens a host (a blocked vendor, a flushed firewall) is the
// owner's doing as often as not; next to a proven intrusion it is the intruder's.
func (p *Pass) proven() string {
	strong := map[string]deminer.Class{}
	for _, f := range p.memo.found {
		if f.Topic == deminer.TopicDoor || f.Topic == deminer.TopicHygiene {
			continue
		}
		switch f.Tier {
		case deminer.Proof:
			return f.Title
		case deminer.Strong:
			ref := f.Subject.Ref()
			if c, ok := strong[ref]; ok && c != f.Class {
				return f.Title
			}
			strong[ref] = f.Class
		}
	}
	return ""
}

// near gives the earlier strong finding, with its time, that lies within d of t. What was found in the file "not" does
// not count: a file is always as old as itself.
func (p *Pass) near(t time.Time, d time.Duration, not ...deminer.Raw) (deminer.Finding, bool) {
	if t.IsZero() {
		return deminer.Finding{}, false
	}
	for _, f := range p.memo.found {
		if f.Time.IsZero() || f.Subject.Path != "" && slices.Contains(not, f.Subject.Path) || f.Class == deminer.ByAccess || f.Topic == deminer.TopicDoor || f.Tier != deminer.Strong && f.Tier != deminer.Proof {
			continue
		}
		if gap := f.Time.Sub(t); gap < d && gap > -d {
			return f, true
		}
	}
	return deminer.Finding{}, false
}

// settle raises a strong sign of tampering to proof on a host that is proven to be intruded, and says so.
func (p *Pass) settle(f deminer.Finding) deminer.Finding {
	if why := p.proven(); why != "" && f.Tier == deminer.Strong {
		f.Tier = deminer.Proof
		f.Why = append(f.Why, "on this host an intrusion is proven: "+why)
	}
	return f
}

// flagged gives the inode flags of a path.
func (p *Pass) flagged(name string) deminer.Flags {
	a, err := p.FS.Deep(name)
	if err != nil {
		return 0
	}
	return a.Flags
}

// clearFlags gives the actions that clear the flags of those paths that have any.
func (p *Pass) clearFlags(names ...string) []deminer.Action {
	var out []deminer.Action
	for _, n := range names {
		if fl := p.flagged(n); fl != 0 {
			out = append(out, deminer.Action{Verb: deminer.VerbClearFlag, Target: file(n), Args: map[string]deminer.Raw{"flags": deminer.Raw(fl.String())}})
		}
	}
	return out
}
