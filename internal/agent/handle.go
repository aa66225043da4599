package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
)

// known is an alert of a report with the member of the incident that it is about.
type known struct {
	ref   string
	sight alert.Sighting
	alert alert.Alert
}

// handle makes alerts of what a look found and does what the policy allows. It reports whether there was something new.
func (a *Agent) handle(ctx context.Context, rep *deminer.Report, trigger string, whole bool) (news bool) {
	var list []known
	pol := a.opt.Policy()
	for _, s := range sightings(rep) {
		s.sight.Trigger, s.sight.Part = trigger, !whole
		s.sight.Thing.SHA256 = a.opt.Digest(s.sight.Thing)
		v := pol.Judge(s.sight.Grade, s.sight.Topics, s.sight.Thing, s.sight.Time)
		if !v.Heard {
			continue
		}
		got, fresh, err := a.opt.Alerts.See(s.sight)
		if err != nil {
			a.keepLater(s.sight, err)
			got, fresh = alert.Alert{State: alert.Unhandled, Grade: s.sight.Grade, Title: s.sight.Title}, a.firstTime(s.sight.Key)
		}
		if e := pol.Allowed(s.sight.Thing, s.sight.Time); e != nil && got.ID != "" && got.State != alert.Whitelisted {
			got, err = a.opt.Alerts.Set(got.ID, alert.Whitelisted, "agent", "allowed until "+e.Expires.Format(time.DateOnly)+": "+e.Reason, s.sight.Time)
			a.trouble("note that an alert is allowed", err)
		}
		s.alert = got
		list = append(list, s)
		if fresh && got.State.Open() {
			news = true
			a.tell(&got, s.sight)
		}
	}
	a.respond(ctx, rep, list, pol, whole)
	return news
}

// tell says an alert in one line.
func (a *Agent) tell(got *alert.Alert, s alert.Sighting) {
	id := got.ID
	if id == "" {
		id = "(not kept)"
	}
	var classes []string
	for _, t := range s.Topics {
		classes = append(classes, string(t))
	}
	line := fmt.Sprintf("alert %s %s [%s] %s", id, s.Grade, strings.Join(classes, ", "), s.Title)
	if len(s.Lineage) > 0 {
		line += "; " + s.Lineage[0]
	}
	if s.Trigger != "" {
		line += "; seen because " + s.Trigger
	}
	a.opt.Say(s.Grade == alert.Proof, deminer.Cut(line+"; next: "+s.Next, 1000))
}

// keepLater remembers what could not be kept, such as on a full disk.
func (a *Agent) keepLater(s alert.Sighting, err error) {
	a.mu.Lock()
	if len(a.unkept) < maxUnkept && !slices.ContainsFunc(a.unkept, func(o alert.Sighting) bool { return o.Key == s.Key }) {
		a.unkept = append(a.unkept, s)
	}
	a.mu.Unlock()
	a.trouble("an alert could not be kept, it will be tried again", err)
}

// firstTime reports whether a thing is told for the first time while alerts cannot be kept.
func (a *Agent) firstTime(key string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.unseen[key] {
		return false
	}
	if len(a.unseen) >= maxUnkept {
		clear(a.unseen) // told twice is better than not at all
	}
	a.unseen[key] = true
	return true
}

// keepAgain tries to keep what could not be kept.
func (a *Agent) keepAgain() {
	a.mu.Lock()
	list := a.unkept
	a.unkept = nil
	a.mu.Unlock()
	for i, s := range list {
		if _, _, err := a.opt.Alerts.See(s); err != nil {
			a.mu.Lock()
			a.unkept = append(a.unkept, list[i:]...)
			a.mu.Unlock()
			return
		}
	}
}

// sightings makes one of each thing of each incident that is convicted or suspected. What tells of weaknesses is none.
func sightings(rep *deminer.Report) (out []known) {
	at := map[string]int{}
	for i := range rep.Incidents {
		inc := &rep.Incidents[i]
		proof := slices.ContainsFunc(inc.Members, func(m deminer.Member) bool { return m.Grade == deminer.Convicted && proven(rep, &m) })
		for j := range inc.Members {
			m := &inc.Members[j]
			if m.Grade == deminer.Review || m.Artifact.Kind == deminer.KindListener || m.Artifact.Kind == deminer.KindHost {
				continue
			}
			s := sighting(rep, inc, m, proof)
			if len(s.Topics) == 0 {
				continue
			}
			if k, twice := at[s.Key]; twice { // a program, and its process
				join(&out[k].sight, s)
				out = append(out, known{ref: m.Artifact.Ref(), sight: out[k].sight})
				continue
			}
			at[s.Key] = len(out)
			out = append(out, known{ref: m.Artifact.Ref(), sight: s})
		}
	}
	return mergeRefs(out)
}

// mergeRefs leaves one entry for each thing; the refs of its others are joined by newlines.
func mergeRefs(list []known) (out []known) {
	at := map[string]int{}
	for _, k := range list {
		if i, ok := at[k.sight.Key]; ok {
			out[i].ref += "\n" + k.ref
			continue
		}
		at[k.sight.Key] = len(out)
		out = append(out, k)
	}
	return out
}

func join(into *alert.Sighting, s alert.Sighting) {
	if s.Grade.AtLeast(into.Grade) {
		into.Grade = s.Grade
	}
	for _, w := range s.Why {
		if !slices.Contains(into.Why, w) {
			into.Why = append(into.Why, w)
		}
	}
	for _, t := range s.Topics {
		if !slices.Contains(into.Topics, t) {
			into.Topics = append(into.Topics, t)
		}
	}
	if len(into.Lineage) == 0 {
		into.Lineage, into.Thing = s.Lineage, s.Thing
	}
}

func proven(rep *deminer.Report, m *deminer.Member) bool {
	return slices.ContainsFunc(m.Findings, func(n int) bool { return rep.Findings[n].Tier == deminer.Proof })
}

func sighting(rep *deminer.Report, inc *deminer.Incident, m *deminer.Member, proof bool) alert.Sighting {
	s := alert.Sighting{Grade: alert.Suspected, Incident: inc.ID, Why: slices.Clone(m.Why), Time: rep.Snapshot.Taken,
		Thing: alert.Thing{Artifact: m.Artifact, Path: m.Artifact.Path}}
	switch {
	case m.Grade == deminer.Convicted && proof:
		s.Grade = alert.Proof
	case m.Grade == deminer.Convicted:
		s.Grade = alert.Strong
	}
	titled := false
	for _, n := range m.Findings {
		f := &rep.Findings[n]
		if f.Topic == deminer.TopicDoor || f.Topic == deminer.TopicHygiene || f.Tier == deminer.Note {
			continue
		}
		if s.Title == "" || f.Tier == deminer.Proof && !titled {
			s.Title, titled = f.Title, f.Tier == deminer.Proof // the proof names it, whatever was found before
		}
		if !slices.Contains(s.Topics, f.Topic) {
			s.Topics = append(s.Topics, f.Topic)
		}
		s.Why = append(s.Why, f.Why...)
	}
	if len(s.Topics) == 0 && m.Grade == deminer.Convicted { // tied to what the findings speak of
		s.Topics, s.Title = topicsOf(rep, inc), string(m.Role)+": "+m.Artifact.String()
	}
	exe, container := "", ""
	if p := rep.Snapshot.Proc(m.Artifact.Proc.PID); m.Artifact.Kind == deminer.KindProcess && p != nil && p.ID == m.Artifact.Proc {
		s.Thing.Path, s.Thing.Unit, s.Thing.Container, s.Thing.User = deminer.Raw(p.Exe), p.Unit, p.Container, user(&rep.Snapshot, p.UID)
		s.Lineage = lineage(&rep.Snapshot, p)
		if container = p.Container; !p.Memfd {
			exe = p.Exe
		}
	}
	s.Key = alert.KeyOf(m.Artifact, exe, container)
	s.Next = "deminer plan shows what would end it, deminer clean does it; deminer alerts show tells more"
	if m.Grade != deminer.Convicted {
		s.Next = "deminer alerts show tells more; if it is yours: deminer alerts allow"
	}
	return s
}

// topicsOf gives what the convicting findings of an incident are about.
func topicsOf(rep *deminer.Report, inc *deminer.Incident) (out []deminer.Topic) {
	for _, m := range inc.Members {
		for _, n := range m.Findings {
			f := &rep.Findings[n]
			if m.Grade == deminer.Convicted && (f.Tier == deminer.Proof || f.Tier == deminer.Strong) && f.Topic != deminer.TopicDoor && f.Topic != deminer.TopicHygiene && !slices.Contains(out, f.Topic) {
				out = append(out, f.Topic)
			}
		}
	}
	return out
}

func user(s *deminer.Snapshot, uid uint32) string {
	for _, a := range s.Accounts {
		if a.UID == uid {
			return a.Name
		}
	}
	return fmt.Sprint(uid)
}

// maxLineage is how many ancestors are named.
const maxLineage = 10

// lineage names a process and its ancestors.
func lineage(s *deminer.Snapshot, p *deminer.Process) (out []string) {
	for range maxLineage {
		line := fmt.Sprintf("process %d %s of %s", p.ID.PID, deminer.Cut(p.Name(), 60), deminer.Cut(user(s, p.UID), 32))
		if p.Exe != "" {
			line += " runs " + deminer.Cut(p.Exe, 120)
		}
		if p.Unit != "" {
			line += " in " + deminer.Cut(p.Unit, 60)
		}
		if p.Container != "" {
			line += " in container " + deminer.Cut(p.Container, 12)
		}
		out = append(out, line+": "+deminer.Cut(strings.Join(p.Argv, " "), 160))
		if p = s.Parent(p); p == nil {
			break
		}
	}
	return out
}
