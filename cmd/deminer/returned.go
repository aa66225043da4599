package main

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/incident"
	"github.com/deminer/deminer/internal/remedy"
	"github.com/deminer/deminer/internal/show"
)

// returned names what a plan changed and what stands no longer, each with what it most likely came back through. A gap says
// what could not be looked at.
func returned(rep *deminer.Report, s *store, p *deminer.Plan) (out []string, what []deminer.Artifact, gap *deminer.Gap) {
	list, err := s.runner.Holding(p.ID)
	if err != nil {
		gap = &deminer.Gap{Part: "what the plan changed", State: deminer.Partial, Why: deminer.Safe(err.Error())}
	}
	list = slices.Concat(list, unitsBack(rep, p), keysBack(rep, p))
	for _, one := range list {
		if path := one.Artifact.Path; path != "" && one.Artifact.Line == "" && slices.ContainsFunc(what, func(a deminer.Artifact) bool { return a.Path == path }) {
			continue // a line of it was told already
		}
		text := one.What
		if !one.Since.IsZero() {
			text += " (written " + show.Moment(one.Since) + ")"
		}
		out = append(out, text+through(rep, one))
		what = append(what, one.Artifact)
	}
	return out, what, gap
}

// through says what something came back through. A block that is gone did not come back: nothing brought it.
func through(rep *deminer.Report, one remedy.Return) string {
	if one.Artifact.Kind == deminer.KindAddress || one.Artifact.Kind == deminer.KindCgroup {
		return ""
	}
	return "; " + cmp.Or(incident.Trigger(rep, one.Artifact, one.Since), "what brought it back was not seen")
}

// unitsBack names the units whose own file the plan took away, or that it masked, and that run.
func unitsBack(rep *deminer.Report, p *deminer.Plan) (out []remedy.Return) {
	for _, s := range p.Steps {
		name := s.Action.Target.Name
		switch s.Action.Verb {
		case deminer.VerbDropFile, deminer.VerbQuarantine:
			name = path.Base(string(s.Action.Target.Path))
			if !strings.Contains(path.Dir(string(s.Action.Target.Path)), "/systemd/system") || path.Ext(path.Dir(string(s.Action.Target.Path))) != "" {
				continue // no unit, or a link or drop-in of one
			}
		case deminer.VerbMaskUnit:
		default:
			continue
		}
		i := slices.IndexFunc(rep.Snapshot.Units, func(u deminer.Unit) bool { return u.Name == name })
		if i < 0 || !slices.Contains([]string{"active", "activating", "reloading"}, rep.Snapshot.Units[i].Active) || inert(rep.Snapshot.Units[i]) {
			continue
		}
		a := deminer.Artifact{Kind: deminer.KindUnit, Name: name}
		out = append(out, remedy.Return{Step: s.ID, Artifact: a, What: fmt.Sprintf("unit %s is %s again", deminer.Safe(name), deminer.Safe(rep.Snapshot.Units[i].Active))})
	}
	return out
}

// inert reports a timer or a path unit whose file is gone: systemd keeps it as active in memory until the next boot, but has
// forgotten with the file when to start what.
func inert(u deminer.Unit) bool {
	return u.Load == "not-found" && (path.Ext(u.Name) == ".timer" || path.Ext(u.Name) == ".path")
}

// keysBack names login keys that the plan cut from one file and that let somebody in through another one.
func keysBack(rep *deminer.Report, p *deminer.Plan) (out []remedy.Return) {
	for _, s := range p.Steps {
		t := s.Action.Target
		if s.Action.Verb != deminer.VerbCutLine || t.Mechanism != "ssh-keys" {
			continue
		}
		for word := range strings.FieldsSeq(string(t.Line)) {
			if !strings.HasPrefix(word, "AAAA") {
				continue
			}
			for i := range rep.Snapshot.Footholds {
				f := &rep.Snapshot.Footholds[i]
				if f.Key != "" && f.Path != t.Path && slices.Contains(strings.Fields(string(f.Line)), word) && !cut(p, f) {
					out = append(out, remedy.Return{Step: s.ID, Artifact: f.Artifact(), Since: f.Attr.Mtime, What: fmt.Sprintf("a login key that was cut from %s is in %s", deminer.Safe(t.Path), deminer.Safe(f.Path))})
				}
			}
		}
	}
	return out
}

// cut reports whether the plan cuts a foothold's line by a step of its own, which is looked at by itself.
func cut(p *deminer.Plan, f *deminer.Foothold) bool {
	return slices.ContainsFunc(p.Steps, func(s deminer.Step) bool {
		return s.Action.Target.Path == f.Path && s.Action.Target.Line == f.Line
	})
}

// undecided names the strong signs of a look that do not convict: what the word clean does not cover.
func undecided(rep *deminer.Report) (out []string) {
	if rep.Verdict != deminer.VerdictSuspect {
		return nil
	}
	for _, f := range rep.Findings {
		if (f.Tier == deminer.Proof || f.Tier == deminer.Strong) && f.Topic != deminer.TopicDoor && f.Topic != deminer.TopicHygiene {
			out = append(out, f.Title)
		}
	}
	return out
}

// convicted names what a look convicts, with the reason and what started it, but for what was named already.
func convicted(rep *deminer.Report, known []deminer.Artifact) (out []string) {
	for _, inc := range rep.Incidents {
		for _, m := range inc.Members {
			named := slices.ContainsFunc(known, func(a deminer.Artifact) bool {
				return a.Ref() == m.Artifact.Ref() || a.Path != "" && a.Path == m.Artifact.Path && (a.Line == m.Artifact.Line || m.Artifact.Line == "")
			})
			if m.Grade != deminer.Convicted || named {
				continue
			}
			text := m.Artifact.String()
			if len(m.Why) > 0 {
				text += ": " + show.Plain(m.Why[0])
			}
			if through := incident.Trigger(rep, m.Artifact, m.Since); through != "" && m.Artifact.Kind == deminer.KindProcess {
				text += "; " + through
			}
			out = append(out, text)
		}
	}
	return out
}
