package detect

import (
	"fmt"
	"time"

	"github.com/deminer/deminer"
)

// How a program is known that stops when somebody logs in.
const (
	stopLead   = 10 * time.Second // clocks of logs and samples differ
	stopLag    = 90 * time.Second // work is looked at once a minute
	stopPause  = 30 * time.Second // work that goes on within it did not stop
	stopsLeast = 3                // logins at which it stopped
	stopsPart  = 0.8              // of all its stops
	loginsPart = 0.2              // of the time, at most, is near a login: else stops are near one by chance
	stopWork   = 5 * time.Minute  // work before a stop, at least
)

// StopsAtLogin finds programs whose work ended again and again just when somebody logged in, and hardly ever else: miners that hide
// from an administrator do so (catalogue DE-21). work is in its order. Programs are told apart by their path: such a miner may end
// and be started again.
func StopsAtLogin(work []deminer.Work, snap *deminer.Snapshot) (out []deminer.Finding) {
	var logins []time.Time
	for _, l := range snap.Logins {
		if l.Kind == "login" && len(work) > 0 && !l.Time.Before(work[0].From) {
			logins = append(logins, l.Time)
		}
	}
	if len(logins) < stopsLeast || len(work) == 0 {
		return nil
	}
	all := snap.Taken.Sub(work[0].From)
	if share := float64(len(logins)) * (stopLead + stopLag).Seconds() / max(all.Seconds(), 1); share > loginsPart {
		return nil
	}
	byExe := map[deminer.Raw][]deminer.Work{}
	var order []deminer.Raw
	for _, w := range work {
		if w.Exe == "" {
			continue
		}
		if byExe[w.Exe] == nil {
			order = append(order, w.Exe)
		}
		byExe[w.Exe] = append(byExe[w.Exe], w)
	}
	for _, exe := range order {
		list := byExe[exe]
		stops, hits, last := 0, []time.Time(nil), list[len(list)-1]
		begun := list[0].From
		for i, w := range list {
			if i+1 < len(list) && list[i+1].From.Sub(w.To) <= stopPause {
				continue
			}
			long := w.To.Sub(begun) >= stopWork
			if i+1 < len(list) {
				begun = list[i+1].From
			}
			if !long || snap.Taken.Sub(w.To) < stopPause {
				continue
			}
			stops++
			for _, at := range logins {
				if lag := w.To.Sub(at); lag > -stopLead && lag < stopLag {
					hits = append(hits, at)
					break
				}
			}
		}
		if len(hits) >= stopsLeast && float64(len(hits)) >= stopsPart*float64(stops) {
			out = append(out, stopsAtLogin(exe, last, stops, hits, snap))
		}
	}
	return out
}

func stopsAtLogin(exe deminer.Raw, last deminer.Work, stops int, hits []time.Time, snap *deminer.Snapshot) deminer.Finding {
	f := deminer.Finding{Detector: "stops-at-login", Topic: deminer.TopicCompute, Tier: deminer.Strong, Class: deminer.ByHiding, Technique: "T1497", Catalogue: "DE-21",
		Title:   "works hard, and stops whenever somebody logs in: " + deminer.Cut(exe, 100),
		Subject: deminer.Artifact{Kind: deminer.KindFile, Path: exe},
		Why:     []string{fmt.Sprintf("its work ended %d times in the history, %d of them within %s of a login", stops, len(hits), stopLag)}, Time: hits[0]}
	for _, at := range hits[max(0, len(hits)-5):] {
		f.Why = append(f.Why, "a login at "+at.UTC().Format(time.RFC3339))
	}
	f.Why = append(f.Why, fmt.Sprintf("last it used %.1f cores until %s", last.Cores, last.To.UTC().Format(time.RFC3339)))
	f.Cleared = []string{"logins are rare enough here that its stops are not near one by chance"}
	if p := snap.Proc(last.Proc.PID); p != nil && p.ID == last.Proc {
		f.Subject = deminer.Artifact{Kind: deminer.KindProcess, Proc: p.ID, Name: p.Name()}
		f.Also = []deminer.Artifact{{Kind: deminer.KindFile, Path: exe}}
	}
	return f
}
