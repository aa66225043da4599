package detect

import (
	"cmp"
	"slices"
	"time"

	"github.com/deminer/deminer"
)

// proven names the finding that settles that this host was intruded, or "": a proof, or two strong signs of different
// classes on one thing, by a detector that ran earlier. What weakens a host (a blocked vendor, a flushed firewall) is the
// owner's doing as often as not; next to a proven intrusion it is the intruder's.
func (p *Pass) proven() string {
	if m := p.memo; m.provenAt != len(m.found)+1 {
		m.provenBy, m.provenAt = p.findProven(), len(m.found)+1
	}
	return p.memo.provenBy
}

func (p *Pass) findProven() string {
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

// minutes is how close two changes must lie to count as one visit. Hours or a day say nothing: owners work every day.
const minutes = 10 * time.Minute

// anchors are the files and entries of a proven intrusion: their times tell when the intruder was at work. The start of a
// process is none (it may have been started again), nor a setting or key among others (anybody's edit of the file sets its
// time), nor what was itself convicted for its time.
func (p *Pass) anchors() []deminer.Finding {
	// Asked for every account and key; lines can be a mebibyte long, so what was found is gone through once as it grows.
	if m, now := p.memo, [2]int{len(p.memo.found) + 1, len(p.memo.raised)}; m.anchorsAt != now {
		m.anchorsBy, m.anchorsAt = p.findAnchors(), now
	}
	return p.memo.anchorsBy
}

func (p *Pass) findAnchors() []deminer.Finding {
	classes := map[string]map[deminer.Class]bool{}
	for _, f := range p.memo.found {
		if f.Subject.Kind != deminer.KindFile && (f.Subject.Kind != deminer.KindLine || f.Topic != deminer.TopicReturns) || f.Topic == deminer.TopicDoor || f.Topic == deminer.TopicHygiene || f.Tier != deminer.Strong && f.Tier != deminer.Proof {
			continue
		}
		ref := f.Subject.Ref()
		if classes[ref] == nil {
			classes[ref] = map[deminer.Class]bool{}
		}
		classes[ref][f.Class] = true
		if f.Tier == deminer.Proof {
			classes[ref]["proof"], classes[ref][""] = true, true
		}
	}
	var out []deminer.Finding
	for _, f := range p.memo.found {
		if len(classes[f.Subject.Ref()]) >= 2 && !f.Time.IsZero() && !p.memo.raised[f.Subject.Ref()] {
			out = append(out, f)
		}
	}
	return out
}

// near gives an anchor within d of t. What was found in the file "not" does not count: a file is always as old as itself.
func (p *Pass) near(t time.Time, d time.Duration, not ...deminer.Raw) (deminer.Finding, bool) {
	if t.IsZero() {
		return deminer.Finding{}, false
	}
	for _, f := range p.anchors() {
		if !slices.Contains(not, f.Subject.Path) && f.Time.Sub(t).Abs() < d {
			return f, true
		}
	}
	return deminer.Finding{}, false
}

// settle raises a strong sign to proof where something ties it to a proven intrusion: it names an address of the
// intruder's, or it was made within minutes of his files. That there is an intrusion on the host is no tie.
func (p *Pass) settle(f deminer.Finding) deminer.Finding {
	why := p.proven()
	if f.Tier != deminer.Strong || why == "" {
		return f
	}
	tie := cmp.Or(p.sharedAddress(f), p.sharedEvidence(f))
	if g, ok := p.near(f.Time, minutes, f.Subject.Path); ok && tie == "" {
		tie = "it was made or last written at " + f.Time.UTC().Format(time.RFC3339) + ", within " + minutes.String() + " of: " + g.Title
		p.memo.raised[f.Subject.Ref()] = true
	}
	if tie != "" {
		f.Tier = deminer.Proof
		f.Why = append(f.Why, tie, "on this host an intrusion is proven: "+why)
	}
	return f
}

// sharedEvidence says which proven process the same evidence names, or "".
func (p *Pass) sharedEvidence(f deminer.Finding) string {
	for _, a := range f.Also {
		if pr := p.memo.procs[a.Proc.PID]; a.Kind == deminer.KindProcess && pr != nil && p.provenProcess(pr) {
			return "it serves a process that is proven to be the intruder's: " + pr.ID.String()
		}
	}
	return ""
}

// sharedAddress says which address of a finding is the intruder's, or "".
func (p *Pass) sharedAddress(f deminer.Finding) string {
	bad := p.badAddresses()
	for _, i := range f.Indicators {
		if title, ok := bad[plainHost(i.Value)]; ok && (i.Kind == "ip" || i.Kind == "domain" || i.Kind == "pool" || i.Kind == "url") {
			return deminer.Safe(i.Value) + " is the address of: " + title
		}
	}
	return ""
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
