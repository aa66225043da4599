//go:build linux

package main

import (
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/lab/scenario"
)

// planted is one artefact of a scenario with what the harness knows of it from outside.
type planted struct {
	scenario.Step
	pids []int  // of a process or a cover: the processes of that name inside the host
	was  string // of a file that took the place of one of the owner's: the content that was there before
}

// same reports whether a report's artifact speaks of the planted one.
func (p planted) same(a deminer.Artifact) bool {
	at := string(a.Path)
	switch p.Kind {
	case scenario.Process:
		return a.Kind == deminer.KindProcess && slices.Contains(p.pids, a.Proc.PID)
	case scenario.Account:
		return a.Kind == deminer.KindAccount && a.Name == p.Name ||
			a.Kind == deminer.KindLine && strings.HasPrefix(string(a.Line), p.Name+":")
	case scenario.Mount:
		return a.Kind == deminer.KindMount && strings.HasPrefix(at, "/proc/")
	case scenario.Setting:
		return a.Kind == deminer.KindSetting && a.Name == p.Name
	case scenario.Unit:
		return samePath(at, p.Path) || a.Kind == deminer.KindUnit && a.Name == path.Base(p.Path)
	case scenario.Line, scenario.Part, scenario.Key, scenario.Preload:
		return samePath(at, p.Path) && (a.Kind == deminer.KindFile || strings.Contains(string(a.Line)+"\n", p.Line))
	}
	return samePath(at, p.Path)
}

// speaks reports whether a member of an incident is the planted one. A link that enables a unit is named by the recipe
// of the unit it belongs to.
func (p planted) speaks(m deminer.Member) bool {
	return p.same(m.Artifact) || slices.ContainsFunc(m.Remove, func(a deminer.Action) bool { return p.same(a.Target) })
}

// samePath compares two names on a Debian where /bin, /lib and /sbin are links into /usr.
func samePath(a, b string) bool { return a != "" && usr(a) == usr(b) }

func usr(name string) string {
	for _, top := range []string{"/bin/", "/sbin/", "/lib/"} {
		if strings.HasPrefix(name, top) {
			return "/usr" + name
		}
	}
	return name
}

// tally counts what a report says of the planted artefacts.
type tally struct {
	Planted   int      `json:"planted"`
	Found     int      `json:"found"`
	Joined    int      `json:"joined"` // members of the incident that has most of them
	Convicted int      `json:"convicted"`
	Missed    []string `json:"missed,omitempty"`
	Apart     []string `json:"apart,omitempty"` // found, but not in that incident
}

func count(all []planted, r deminer.Report) tally {
	t := tally{Planted: len(all)}
	best := bestIncident(all, r)
	for _, p := range all {
		in, convicted := false, false
		if best != nil {
			for _, m := range best.Members {
				if p.speaks(m) {
					in, convicted = true, convicted || m.Grade == deminer.Convicted
				}
			}
		}
		switch {
		case in:
			t.Found++
			t.Joined++
			if convicted {
				t.Convicted++
			}
		case spokenOf(p, r):
			t.Found++
			t.Apart = append(t.Apart, p.String())
		default:
			t.Missed = append(t.Missed, p.String())
		}
	}
	return t
}

func bestIncident(all []planted, r deminer.Report) *deminer.Incident {
	var best *deminer.Incident
	most := 0
	for i := range r.Incidents {
		n := 0
		for _, p := range all {
			if slices.ContainsFunc(r.Incidents[i].Members, p.speaks) {
				n++
			}
		}
		if n > most {
			best, most = &r.Incidents[i], n
		}
	}
	return best
}

// spokenOf reports whether any finding or other incident names the artefact.
func spokenOf(p planted, r deminer.Report) bool {
	for _, f := range r.Findings {
		if p.same(f.Subject) || slices.ContainsFunc(f.Also, p.same) {
			return true
		}
	}
	for _, inc := range r.Incidents {
		if slices.ContainsFunc(inc.Members, p.speaks) {
			return true
		}
	}
	return false
}

// acting lists what deminer would act on: on a benign host every one is a false positive.
func acting(r deminer.Report, p deminer.Plan) []string {
	var out []string
	for _, inc := range r.Incidents {
		for _, m := range inc.Members {
			if m.Grade == deminer.Convicted {
				out = append(out, "convicted: "+m.Artifact.String())
			}
		}
	}
	for _, s := range p.Steps {
		out = append(out, "step: "+string(s.Action.Verb)+" "+s.Action.Target.String())
	}
	return out
}
