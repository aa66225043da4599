// Package incident joins findings into incidents: a graph of the things involved, with reasons on its edges, a verdict
// for each thing, a time line and the likely way in.
//
// It is a pure function of the snapshot and the findings, so it can be tested with text and run on any host. The
// decision model is that of the catalogue, section 15: one proof, or two strong signs of different classes on the same
// or on directly linked things, convict; a conviction travels along hard edges only, and never onto a thing that a
// package owns unchanged.
package incident

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// Join builds the incidents of one host, the gravest first. Findings that belong to none are for the owner to review.
func Join(snap *deminer.Snapshot, found []deminer.Finding) []deminer.Incident {
	g := newGraph(snap, found)
	g.link()
	g.convict()
	var out []deminer.Incident
	for _, group := range g.groups() {
		out = append(out, g.incident(group))
	}
	slices.SortStableFunc(out, func(a, b deminer.Incident) int {
		return cmp.Or(-cmp.Compare(a.Cores, b.Cores), -cmp.Compare(len(a.Members), len(b.Members)))
	})
	return out
}

// Verdict gives the one-word answer for a host.
func Verdict(incidents []deminer.Incident, found []deminer.Finding) deminer.Verdict {
	verdict := deminer.VerdictClean
	for _, f := range found {
		if (f.Tier == deminer.Strong || f.Tier == deminer.Proof) && !advisory(f) {
			verdict = deminer.VerdictSuspect
		}
	}
	for _, i := range incidents {
		for _, m := range i.Members {
			if m.Grade != deminer.Convicted {
				continue
			}
			if verdict != deminer.VerdictMining {
				verdict = deminer.VerdictIntrude
			}
			for _, n := range m.Findings {
				if found[n].Topic == deminer.TopicMining {
					verdict = deminer.VerdictMining
				}
			}
		}
	}
	return verdict
}

// advisory findings describe a weakness or a policy question: they explain an incident but convict nobody.
func advisory(f deminer.Finding) bool {
	return f.Topic == deminer.TopicDoor || f.Topic == deminer.TopicHygiene || f.Tier == deminer.Note
}

func (g *graph) incident(group []*node) deminer.Incident {
	inc := deminer.Incident{}
	inside := map[string]bool{}
	for _, n := range group {
		inside[n.ref] = true
		inc.Members = append(inc.Members, g.member(n))
		if n.proc != nil && n.grade == deminer.Convicted {
			inc.Cores += n.proc.CPU
		}
		for _, f := range n.findings {
			inc.Indicators = append(inc.Indicators, g.found[f].Indicators...)
			if d := g.found[f].Distrust; d != "" && !slices.Contains(inc.Distrust, d) {
				inc.Distrust = append(inc.Distrust, d)
			}
		}
	}
	for _, e := range g.edges {
		if inside[e.From] && inside[e.To] {
			inc.Edges = append(inc.Edges, e)
		}
	}
	slices.SortStableFunc(inc.Members, func(a, b deminer.Member) int {
		return cmp.Or(cmp.Compare(roleOrder(a.Role), roleOrder(b.Role)), cmp.Compare(gradeOrder(a.Grade), gradeOrder(b.Grade)),
			a.Since.Compare(b.Since), strings.Compare(a.Artifact.Ref(), b.Artifact.Ref()))
	})
	inc.Indicators = unique(inc.Indicators)
	for _, i := range inc.Indicators {
		if i.Kind == "family" {
			inc.Families = append(inc.Families, i.Value)
		}
	}
	inc.Timeline = g.timeline(group)
	if len(inc.Timeline) > 0 {
		inc.Since = inc.Timeline[0].Time
	}
	inc.Entries = g.entries(inc)
	inc.ID = name(inc)
	inc.Title = title(inc)
	return inc
}

func (g *graph) member(n *node) deminer.Member {
	return deminer.Member{Artifact: n.art, Role: n.role(g.found), Grade: n.grade, Why: n.why, Cleared: n.cleared(g.found),
		Findings: n.findings, Since: n.since, Remove: n.remove(g.found), Detail: n.detail()}
}

// name derives four hex digits from the convicted members, so that the same intrusion keeps its name from scan to scan:
// from the addresses, wallets and keys if there are any, else from the members.
func name(inc deminer.Incident) string {
	var parts []string
	for _, i := range inc.Indicators {
		if i.Kind == "wallet" || i.Kind == "key" {
			parts = append(parts, i.Kind+i.Value)
		}
	}
	if len(parts) == 0 {
		for _, m := range inc.Members {
			if m.Artifact.Kind != deminer.KindProcess {
				parts = append(parts, m.Artifact.Ref())
			}
		}
	}
	slices.Sort(parts)
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return strings.ToUpper(hex.EncodeToString(sum[:2]))
}

func title(inc deminer.Incident) string {
	miners, returns := 0, 0
	for _, m := range inc.Members {
		if m.Grade != deminer.Convicted {
			continue
		}
		switch m.Role {
		case deminer.RoleRuns:
			miners++
		case deminer.RoleReturns, deminer.RoleAccess:
			returns++
		}
	}
	switch {
	case miners > 0 && returns > 0:
		return "a running intrusion with ways to come back"
	case miners > 0:
		return "a running intrusion"
	case returns > 0:
		return "ways for an intruder to come back"
	}
	return "traces of an intrusion"
}

func roleOrder(r deminer.Role) int {
	order := []deminer.Role{deminer.RoleRuns, deminer.RoleReturns, deminer.RoleAccess, deminer.RoleHides, deminer.RoleFile, deminer.RoleTamper, deminer.RoleTalks, deminer.RoleEntry}
	return slices.Index(order, r)
}

func gradeOrder(r deminer.Grade) int {
	return slices.Index([]deminer.Grade{deminer.Convicted, deminer.Suspected, deminer.Review}, r)
}

func unique[T comparable](list []T) []T {
	var out []T
	for _, x := range list {
		if !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	return out
}

// earlier gives the earlier of two times, ignoring zero ones.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
