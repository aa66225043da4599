// Package detect judges what the eyes saw: each [Detector] is a value that reads a snapshot, files and process memory
// through a [Pass] and reports findings, each with evidence an admin can check and the benign explanations it tested.
//
// A detector speaks of what it saw, never of guilt: whether findings together convict is decided where incidents are
// joined. Its tier follows the decision model: proof stands alone, strong needs a second strong sign of another class,
// weak only informs. Every detector has a fixture in testdata on which it speaks, and is silent above weak on every
// clean-*.txtar host there.
package detect

import (
	"context"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/match"
)

// Detector is one question asked of a host.
type Detector struct {
	Name string // short and stable: it is Finding.Detector
	Doc  string // one line for a person
	// Needs is the facet without which the question cannot be asked; the caller reports a gap then.
	Needs host.Facet
	// Run reports through the Pass. An error means that the detector as a whole failed.
	Run func(context.Context, *Pass) error
}

// StateDir is where deminer keeps its own journal, vault and cache; nothing below it is ever a subject.
const StateDir = "/var/lib/deminer"

// Pass is what a detector gets: eyes, rules and two ways to speak. Optional parts may be nil.
type Pass struct {
	Snapshot *deminer.Snapshot // never nil
	FS       host.FS           // never nil
	Packages host.Packages     // nil: no usable package database
	Inside   host.Inside       // nil: the host sleeps
	Rules    *match.Set        // nil: no rules loaded; detectors that need them are silent
	Files    *Files            // result of [Sweep]; nil: files were not swept
	Events   []Event           // from the logs; may be empty
	Hints    []Hint            // signs that logs were meddled with; may be empty
	Full     bool              // no short cuts: larger limits, every packaged file checked
	Report   func(deminer.Finding)
	Gap      func(deminer.Gap)

	memo *memo
}

// Prepare builds the look-up tables that detectors share. Call it once before detectors run at the same time; a single
// detector calls it by itself.
func (p *Pass) Prepare() {
	if p.memo == nil {
		p.memo = newMemo(p.Snapshot)
		p.knowCopies()
		p.memo.listSubjects(p.Snapshot)
	}
}

// named gives the findings of each detector its name.
func named(list []Detector) []Detector {
	for i, d := range list {
		run := d.Run
		list[i].Run = func(ctx context.Context, p *Pass) error {
			p.Prepare()
			own := *p
			own.Report = func(f deminer.Finding) {
				f.Detector = d.Name
				for _, g := range p.narrow(f) {
					p.memo.found = append(p.memo.found, g)
					p.Report(g)
				}
			}
			return run(ctx, &own)
		}
	}
	return list
}
