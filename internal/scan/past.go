package scan

import (
	"slices"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/detect"
	"github.com/deminer/deminer/internal/incident"
)

// Past is what a history knows that the host shows no more.
type Past interface {
	// Lineage gives a process and those it descends from, itself first; nil where nothing is known.
	Lineage(id deminer.ProcID) []deminer.Ancestor
	// Writer names the process that wrote the file at a path last; PID 0 where that was not seen.
	Writer(path string) (deminer.ProcID, time.Time)
	// Work lists the stretches of work since a time, in their order.
	Work(since time.Time) []deminer.Work
}

// Limits of what is asked of the past: each question reads a part of the history.
const (
	maxPast  = 50 // members of an incident
	workPast = 7 * 24 * time.Hour
)

// worked judges what the past tells of work and of logins.
func (d *detection) worked(snap *deminer.Snapshot) {
	if d.opt.Past != nil {
		d.found = append(d.found, detect.StopsAtLogin(d.opt.Past.Work(snap.Taken.Add(-workPast)), snap)...)
	}
}

// reach carries the incidents back to what the history knows of their members.
func reach(incidents []deminer.Incident, past Past) {
	if past == nil {
		return
	}
	for i := range incidents {
		inc := &incidents[i]
		var told []deminer.ProcID
		for _, m := range inc.Members[:min(len(inc.Members), maxPast)] {
			id, wrote := m.Artifact.Proc, time.Time{}
			switch {
			case m.Grade == deminer.Review:
				continue
			case m.Artifact.Kind == deminer.KindFile || m.Artifact.Kind == deminer.KindLine:
				id, wrote = past.Writer(string(m.Artifact.Path))
			}
			if id.PID == 0 {
				continue
			}
			up := past.Lineage(id)
			if !wrote.IsZero() {
				incident.Wrote(inc, m.Artifact, wrote, up)
			}
			if slices.Contains(told, id) {
				continue
			}
			told = append(told, id)
			incident.Reach(inc, up)
		}
	}
}
