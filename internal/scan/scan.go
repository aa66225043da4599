// Package scan looks at a host once: it gathers a snapshot, runs the detectors on it and joins what they found.
//
// It is the only place where looking is put in order and in parallel; the parts it calls are plain functions. A part
// that fails becomes a gap in the report, never a stop. It changes nothing on the host.
package scan

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/detect"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/incident"
	"github.com/deminer/deminer/internal/logins"
	"github.com/deminer/deminer/internal/match"
)

// Mode is how much is looked at.
type Mode string

// The modes.
const (
	Quick Mode = "quick" // processes, footholds, and the places where malware lies
	Full  Mode = "full"  // every file, every package
	Paths Mode = "paths" // the files below the given paths, and nothing else that has to be searched for
	Near  Mode = "event" // what surrounds an event, see Around
)

// Options say how to look. The zero value is a quick look.
type Options struct {
	Mode     Mode
	Paths    []string
	Window   time.Duration // CPU sampling window; 0 means DefaultWindow
	Cache    detect.Cache  // remembers unchanged files; nil: none
	Progress func(stage Stage)
	Version  string // of the program, for the report
	// Failed are failed logins that deminer remembers; they count where the logs, rotated since, tell of fewer from there.
	Failed []deminer.Login
	// Written are deminer's own changes on this host, see deminer.Snapshot.
	Written []deminer.Written
	// Around limits the look to what surrounds an event: same eyes, same detectors, a small part of the host. The mode is Near.
	Around *Around
	// Past is what a history knows of this host; nil: nothing. Incidents are carried back by it.
	Past    Past
	Sources []string // names of the file systems the rules were loaded from; the first is the program's own
}

// DefaultWindow is long enough to tell a quarter of a core from noise: 25 ticks of 10 ms.
const DefaultWindow = time.Second

// Stage is how far one part of the work has come. Total is 0 where it is not known yet.
type Stage struct {
	Name        string
	Done, Total int
}

// Run looks at the host. The error is not nil only if the context ended.
func Run(ctx context.Context, h *host.Host, rules *match.Set, opt Options) (deminer.Report, error) {
	begin := time.Now()
	view := *h
	view.FS = knownBirths(h.FS)
	h = &view
	opt.Mode = cmp.Or(opt.Mode, Quick)
	if opt.Around != nil {
		opt.Mode, opt.Paths = Near, nil
	}
	opt.Window = cmp.Or(opt.Window, DefaultWindow)
	if opt.Progress == nil {
		opt.Progress = func(Stage) {}
	}
	g := gather{host: h, opt: opt, rules: rules}
	snap := g.run(ctx)
	rep := deminer.Report{Version: "1", Deminer: opt.Version, Mode: string(opt.Mode), Snapshot: snap}
	d := detection{host: h, opt: opt, events: g.events, hints: g.hints, files: g.files}
	d.run(ctx, &rep.Snapshot, rules)
	rep.Findings, rep.Looked = d.found, d.looked
	rep.Incidents = incident.Join(&rep.Snapshot, rep.Findings)
	reach(rep.Incidents, opt.Past)
	rep.Verdict = incident.Verdict(rep.Incidents, rep.Findings)
	if opt.Mode == Paths {
		var asked bool
		if rep.Hits, asked = d.hits(); asked && rep.Verdict == deminer.VerdictClean {
			rep.Verdict = deminer.VerdictSuspect
		}
	}
	if len(rep.Incidents) > 0 && opt.Around == nil {
		rep.Incidents[0].Secrets = detect.Secrets(d.pass)
	}
	rep.Looked.Processes, rep.Looked.Sockets, rep.Looked.Footholds = len(snap.Processes), len(snap.Sockets), len(snap.Footholds)
	rep.Snapshot.Gaps = fold(rep.Snapshot.Gaps)
	rep.Elapsed = time.Since(begin)
	return rep, ctx.Err()
}

// detection is the judging half of a scan.
type detection struct {
	host   *host.Host
	opt    Options
	events []logins.Event
	hints  []logins.Hint
	files  *detect.Sweeper
	pass   *detect.Pass
	found  []deminer.Finding
	looked deminer.Looked
}

// run ends the sweep and runs every detector; findings are sorted so that equal hosts give equal reports.
func (d *detection) run(ctx context.Context, snap *deminer.Snapshot, rules *match.Set) {
	h := d.host
	d.pass = &detect.Pass{Snapshot: snap, FS: h.FS, Packages: h.Packages, Inside: h.Inside, Rules: rules, Full: d.opt.Mode == Full,
		Events: d.events, Hints: d.hints,
		Report: func(f deminer.Finding) { d.found = append(d.found, f) },
		Gap:    func(g deminer.Gap) { snap.Gaps = append(snap.Gaps, g) },
	}
	d.pass.Prepare()
	d.pass.Files = d.files.Started(ctx, d.pass)
	d.looked.Rules = rules.Len()
	d.looked.Files, d.looked.Bytes = d.pass.Files.Looked()
	all := detect.All()
	if d.opt.Around != nil {
		all = slices.DeleteFunc(all, detect.Detector.Wide)
	}
	for i, one := range all {
		d.opt.Progress(Stage{"Checks", i, len(all)})
		d.ask(ctx, one)
	}
	d.worked(snap)
	d.opt.Progress(Stage{"Checks", len(all), len(all)})
	slices.SortStableFunc(d.found, func(a, b deminer.Finding) int { return cmp.Compare(tierOrder(a.Tier), tierOrder(b.Tier)) })
	d.found = unique(d.found)
}

func (d *detection) ask(ctx context.Context, one detect.Detector) {
	gap := deminer.Gap{Part: "detect/" + one.Name, State: deminer.Skipped}
	switch {
	case ctx.Err() != nil:
		gap.Why = "stopped before it ran"
	case !d.host.Has(one.Needs):
		gap.Why = "needs " + string(one.Needs)
	default:
		err := safely(ctx, one, d.pass)
		if err == nil {
			return
		}
		gap.State, gap.Why = deminer.Failed, err.Error()
	}
	d.pass.Gap(gap)
}

// safely runs a detector. A fault in one must not hide what the others see.
func safely(ctx context.Context, d detect.Detector, pass *detect.Pass) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("fault in the detector: %v", p)
		}
	}()
	return d.Run(ctx, pass)
}

func tierOrder(t deminer.Tier) int {
	return slices.Index([]deminer.Tier{deminer.Proof, deminer.Strong, deminer.Weak, deminer.Note}, t)
}

func unique(found []deminer.Finding) []deminer.Finding {
	seen := map[string]bool{}
	return slices.DeleteFunc(found, func(f deminer.Finding) bool {
		k := f.Key()
		dup := seen[k]
		seen[k] = true
		return dup
	})
}

// fold counts gaps of the same part, state and reason together, and keeps the first place as the example.
func fold(gaps []deminer.Gap) []deminer.Gap {
	at := map[string]int{}
	var out []deminer.Gap
	for _, g := range gaps {
		key := g.Part + "|" + string(g.State) + "|" + g.Why
		i, ok := at[key]
		if !ok {
			at[key] = len(out)
			out = append(out, g)
			continue
		}
		out[i].Count = max(out[i].Count, 1) + max(g.Count, 1)
	}
	return out
}
