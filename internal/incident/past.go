package incident

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// Reach carries an incident back along the lineage of one of its processes, itself first, as a history tells it: each ancestor up to
// the one somebody came in through becomes a moment, and that one a likely entry. Where the history knows of no way in, nothing is added
// but the moments of the parents that are known.
func Reach(inc *deminer.Incident, up []deminer.Ancestor) {
	at := slices.IndexFunc(up, func(a deminer.Ancestor) bool { return a.Way != "" })
	if len(up) < 2 {
		return
	}
	below := up[:max(at, 1)]
	for i := range below {
		add(inc, deminer.Moment{Time: below[i].At, From: "history", What: told(&below[i]) + " began, made by " + told(&up[i+1]), Ref: ref(&below[i])})
	}
	if at < 1 {
		return
	}
	e := deminer.Entry{Belief: "likely", At: up[at-1].At, What: fmt.Sprintf("through %s (%s)", told(&up[at]), up[at].Way),
		Why: []string{"the history tells who started whom: " + chain(up[:at+1])}}
	if up[at].Unit != "" {
		e.Why = append(e.Why, "it belongs to "+deminer.Safe(up[at].Unit))
	}
	if !slices.ContainsFunc(inc.Entries, func(o deminer.Entry) bool { return o.What == e.What }) {
		n := slices.IndexFunc(inc.Entries, func(o deminer.Entry) bool { return o.Belief != "certain" })
		if n < 0 {
			n = len(inc.Entries)
		}
		inc.Entries = slices.Insert(inc.Entries, n, e)
	}
}

// Wrote adds to the time line who wrote a member.
func Wrote(inc *deminer.Incident, a deminer.Artifact, when time.Time, up []deminer.Ancestor) {
	if len(up) > 0 {
		add(inc, deminer.Moment{Time: when, From: "history", Ref: a.Ref(), What: deminer.Safe(a.Path) + " was written by " + told(&up[0])})
	}
}

// add puts a moment into the time line, in its order, unless it is there.
func add(inc *deminer.Incident, m deminer.Moment) {
	if m.Time.IsZero() || len(inc.Timeline) >= maxMoments || slices.ContainsFunc(inc.Timeline, func(o deminer.Moment) bool { return o.What == m.What && o.Time.Equal(m.Time) }) {
		return
	}
	at := slices.IndexFunc(inc.Timeline, func(o deminer.Moment) bool { return o.Time.After(m.Time) })
	if at < 0 {
		at = len(inc.Timeline)
	}
	inc.Timeline = slices.Insert(inc.Timeline, at, m)
	if inc.Since.IsZero() || m.Time.Before(inc.Since) {
		inc.Since = m.Time
	}
}

func ref(a *deminer.Ancestor) string {
	return deminer.Artifact{Kind: deminer.KindProcess, Proc: a.Proc}.Ref()
}

// told names a process of the past.
func told(a *deminer.Ancestor) string {
	text := fmt.Sprintf("process %d %s", a.Proc.PID, deminer.Cut(base(a.Exe), 40))
	if a.Line != "" {
		text += " (" + deminer.Cut(a.Line, 120) + ")"
	}
	return text
}

func base(exe deminer.Raw) string { return string(exe[strings.LastIndexByte(string(exe), '/')+1:]) }

// chain names who started whom, the first one first.
func chain(up []deminer.Ancestor) string {
	var names []string
	for _, a := range slices.Backward(up) {
		names = append(names, fmt.Sprintf("%s %d", deminer.Cut(base(a.Exe), 40), a.Proc.PID))
	}
	return strings.Join(names, " > ")
}
