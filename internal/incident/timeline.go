package incident

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/deminer/deminer"
)

// maxMoments bounds a time line; the first and last ones are kept.
const maxMoments = 200

// timeline puts what is known of when into order: when things were written or started, and who logged in around then.
func (g *graph) timeline(group []*node) []deminer.Moment {
	var out []deminer.Moment
	var first, last time.Time
	for _, n := range group {
		if n.since.IsZero() || n.grade == deminer.Review {
			continue
		}
		first = earlier(first, n.since)
		if n.since.After(last) {
			last = n.since
		}
		out = append(out, moment(n))
	}
	for _, l := range g.snap.Logins {
		if l.Kind != "login" || first.IsZero() || l.Time.Before(first.Add(-time.Hour)) || l.Time.After(last.Add(time.Hour)) {
			continue
		}
		out = append(out, deminer.Moment{Time: l.Time, From: l.Source,
			What: fmt.Sprintf("%s logged in from %s by %s", deminer.Cut(l.User, 32), deminer.Cut(l.From, 64), cmp.Or(deminer.Cut(l.Method, 16), "unknown means"))})
	}
	slices.SortStableFunc(out, func(a, b deminer.Moment) int { return a.Time.Compare(b.Time) })
	if len(out) > maxMoments {
		out = slices.Concat(out[:maxMoments/2], out[len(out)-maxMoments/2:])
	}
	return out
}

func moment(n *node) deminer.Moment {
	m := deminer.Moment{Time: n.since, Ref: n.ref, From: "file time", What: n.art.String() + " was written"}
	switch n.art.Kind {
	case deminer.KindProcess:
		m.From, m.What = "process start", n.art.String()+" started"
	case deminer.KindAddress:
		m.From, m.What = "process start", "first talk to "+n.art.String()+" possible"
	case deminer.KindAccount, deminer.KindLine:
		m.What = n.art.String() + " was there (last change of its file)"
	}
	return m
}

// entries names the likely ways in, from the open doors and the guessed passwords found on the host.
func (g *graph) entries(inc deminer.Incident) (out []deminer.Entry) {
	for _, f := range g.found {
		if f.Topic != deminer.TopicDoor {
			continue
		}
		e := deminer.Entry{What: f.Title, Belief: "possible", Why: f.Why, At: f.Time}
		switch {
		case f.Tier == deminer.Proof:
			e.Belief = "certain"
		case f.Tier == deminer.Strong:
			e.Belief = "likely"
		case !f.Time.IsZero() && !inc.Since.IsZero() && f.Time.Sub(inc.Since).Abs() < time.Hour:
			e.Belief = "likely"
			e.Why = append(slices.Clone(e.Why), "its time fits the first trace of the intrusion")
		}
		if f.Fix != "" {
			e.Close = []string{f.Fix}
		}
		out = append(out, e)
	}
	if e, ok := g.visit(inc); ok {
		out = append(out, e)
	}
	rank := []string{"certain", "likely", "possible"}
	slices.SortStableFunc(out, func(a, b deminer.Entry) int {
		return cmp.Compare(slices.Index(rank, a.Belief), slices.Index(rank, b.Belief))
	})
	return out
}

// visit finds the login that the intrusion began with: the last one from another machine in the ten minutes before its
// first trace, or in the minute after it (file times have seconds, and clocks of logs drift).
func (g *graph) visit(inc deminer.Incident) (e deminer.Entry, ok bool) {
	var best deminer.Login
	for _, l := range g.snap.Logins {
		lead := inc.Since.Sub(l.Time)
		if l.Kind != "login" || l.From == "" || inc.Since.IsZero() || lead > near || lead < -time.Minute || l.Time.Before(best.Time) {
			continue
		}
		best = l
	}
	if best.Time.IsZero() {
		return e, false
	}
	means := cmp.Or(deminer.Cut(best.Method, 16), "unknown means")
	e = deminer.Entry{Belief: "likely", At: best.Time,
		What: fmt.Sprintf("%s logged in from %s by %s just before the first trace", deminer.Cut(best.User, 32), deminer.Cut(best.From, 64), means),
		Why: []string{fmt.Sprintf("login at %s (%s), first trace at %s", best.Time.UTC().Format(time.RFC3339), deminer.Safe(best.Source), inc.Since.UTC().Format(time.RFC3339)),
			"if this was you, look for another way in"},
		Close: []string{fmt.Sprintf("change the password of %s, remove keys you do not know, and let SSH in from known addresses only, by key", deminer.Cut(best.User, 32))}}
	return e, true
}
