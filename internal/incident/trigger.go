package incident

import (
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/deminer/deminer"
)

// Trigger says in words, safe to show, what a thing most likely came back through: what starts it, else what of an incident
// could have written it by then. since is when it was written, zero where that is not known. "" where nothing that was seen
// explains it.
func Trigger(rep *deminer.Report, a deminer.Artifact, since time.Time) string {
	if a.Kind == deminer.KindProcess {
		return startOf(&rep.Snapshot, a.Proc)
	}
	for i := range rep.Snapshot.Footholds {
		f := &rep.Snapshot.Footholds[i]
		if f.Artifact().Ref() == a.Ref() || a.Path == "" || f.Disabled {
			continue
		}
		if slices.Contains(f.Targets, string(a.Path)) {
			return "started by " + foothold(f)
		}
	}
	return writer(rep, a, since)
}

// startOf says what started a process: the unit or line that names it, else its parent.
func startOf(s *deminer.Snapshot, id deminer.ProcID) string {
	p := s.Proc(id.PID)
	if p == nil || p.ID != id {
		return ""
	}
	for i := range s.Footholds {
		f := &s.Footholds[i]
		unit := f.Line == "" && f.Name != "" && f.Name == p.Unit && !slices.Contains([]string{"", ".scope", ".slice"}, path.Ext(p.Unit)) && p.Container == ""
		if unit && !f.Own.Trusted() {
			return "started by " + foothold(f)
		}
	}
	for i := range s.Footholds {
		f := &s.Footholds[i]
		if name := p.Script(); slices.Contains(f.Targets, p.Exe) && name == "" && !p.Own.Trusted() || name != "" && slices.Contains(f.Targets, name) {
			return "started by " + foothold(f)
		}
	}
	if parent := s.Parent(p); parent != nil && parent.ID.PID > 1 {
		return "started by " + process(parent).String()
	}
	if p.Container != "" {
		return "started in container " + deminer.Cut(p.Container, 12)
	}
	return ""
}

// writer names what is convicted, is still there and could have brought a file back: what ran before it was written, else
// what starts something by itself.
func writer(rep *deminer.Report, a deminer.Artifact, since time.Time) string {
	foots := map[string]*deminer.Foothold{}
	for i := range rep.Snapshot.Footholds {
		f := &rep.Snapshot.Footholds[i]
		foots[f.Artifact().Ref()] = f
	}
	words := ""
	for _, inc := range rep.Incidents {
		for _, m := range inc.Members {
			ref := m.Artifact.Ref()
			if m.Grade != deminer.Convicted || ref == a.Ref() || a.Path != "" && m.Artifact.Path == a.Path {
				continue
			}
			p := rep.Snapshot.Proc(m.Artifact.Proc.PID)
			if m.Artifact.Kind == deminer.KindProcess && p != nil && p.ID == m.Artifact.Proc && (since.IsZero() || !p.Started.After(since)) {
				return "most likely put there by " + process(p).String() + ", which is convicted and ran then"
			}
			if f := foots[ref]; f != nil && words == "" && f.Trigger != "" && !f.Disabled {
				words = "most likely through " + foothold(f) + ", which is convicted and in place"
			}
		}
	}
	return words
}

func foothold(f *deminer.Foothold) string {
	if f.Trigger == "" {
		return f.Artifact().String()
	}
	return fmt.Sprintf("%s (%s)", f.Artifact(), deminer.Safe(f.Trigger))
}
