package guard

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/history"
)

// Attempt is one try to bring back what was removed: "came back, blocked".
type Attempt struct {
	Time    time.Time         `json:"time"`
	Removed []deminer.Removed `json:"removed"` // what came back
	What    string            `json:"what"`    // safe text
	Event   deminer.Event     `json:"event"`   // what brought it back
	// Lineage is the process that did it and those it descends from, itself first; empty where it is not known.
	Lineage []history.Entry `json:"lineage,omitempty"`
	Trigger string          `json:"trigger"`        // who did it and through what, safe text
	Done    string          `json:"done"`           // "denied", "removed again", or why it stands; safe text
	Plan    string          `json:"plan,omitempty"` // by which it was removed again; deminer undo takes it back
	Blocked bool            `json:"blocked"`        // it did not stay
}

// NewAttempt puts together what is known of a try. Done, Plan and Blocked are for whoever acts.
func NewAttempt(e *deminer.Event, touched []Touch, lineage []history.Entry) Attempt {
	a := Attempt{Time: e.Time, Event: *e, Lineage: lineage, Trigger: trigger(e, lineage)}
	for _, t := range touched {
		a.Removed = append(a.Removed, t.Removed)
		if a.What == "" {
			a.What = t.Why
		}
	}
	if n := len(touched) - 1; n > 0 {
		a.What += fmt.Sprintf(", and %d more that belong to it", n)
	}
	return a
}

// Alert gives the attempt the form in which the history keeps it.
func (a *Attempt) Alert(id string) history.Entry {
	text := "came back, blocked: "
	if !a.Blocked {
		text = "came back: "
	}
	return history.Entry{Event: a.Event, Alert: &history.Alert{ID: id, Rule: "recurrence", Text: text + a.What + "; " + a.Trigger, Done: a.Done}}
}

// trigger says who did it and through what, from a lineage.
func trigger(e *deminer.Event, up []history.Entry) string {
	if len(up) == 0 {
		if e.Proc.PID == 0 {
			return "who did it was not seen"
		}
		return fmt.Sprintf("by process %d %s", e.Proc.PID, deminer.Cut(e.Exe, 100))
	}
	at, how := history.CameIn(up)
	if how == "" {
		at = len(up) - 1
	}
	var names []string
	for _, one := range slices.Backward(up[:at+1]) {
		names = append(names, fmt.Sprintf("%s %d", deminer.Cut(one.Exe[strings.LastIndexByte(string(one.Exe), '/')+1:], 32), one.Proc.PID))
	}
	text := "by " + strings.Join(names, " > ")
	if how != "" {
		text += " (" + how + ")"
	}
	return text
}

// Again makes the plan that takes away once more what came back: the same steps, each as it was planned first. What an event is sure
// of by content lies elsewhere than before; it goes to the vault from there.
//
// A program that runs already is stopped, not killed: deminer undo lets it go on.
func Again(id string, host deminer.HostInfo, e *deminer.Event, f Facts, touched []Touch, now time.Time) deminer.Plan {
	p := deminer.Plan{ID: id, Version: "1", Host: host, Made: now.UTC(), Purpose: deminer.ForGuard}
	add := func(a deminer.Action, why string, expect deminer.Expect) {
		same := func(s deminer.Step) bool { return s.Action.Verb == a.Verb && s.Action.Target.Ref() == a.Target.Ref() }
		if slices.ContainsFunc(p.Steps, same) {
			return
		}
		p.Steps = append(p.Steps, deminer.Step{ID: fmt.Sprintf("s%02d", len(p.Steps)+1), Phase: phase(a), Action: a, Why: []string{why}, Undo: true, Expect: expect})
	}
	for _, t := range touched {
		why := fmt.Sprintf("it was taken away by plan %s and came back: %s", deminer.Safe(t.Removed.Plan), t.Why)
		a := t.Removed.Action
		switch {
		case t.Sure && e.Kind == deminer.EventFile:
			add(deminer.Action{Verb: deminer.VerbQuarantine, Target: deminer.Artifact{Kind: deminer.KindFile, Path: e.Path}}, why, deminer.Expect{SHA256: f.SHA256})
			continue
		case t.Sure && e.Kind == deminer.EventExec:
			program := deminer.Artifact{Kind: deminer.KindProcess, Proc: e.Proc, Name: string(e.Exe)}
			add(deminer.Action{Verb: deminer.VerbFreeze, Target: program}, why, deminer.Expect{SHA256: f.SHA256})
			if !e.Deleted && !e.Memfd && e.Container == "" { // the path of a container is not that of the host
				add(deminer.Action{Verb: deminer.VerbQuarantine, Target: deminer.Artifact{Kind: deminer.KindFile, Path: e.Exe}}, why, deminer.Expect{SHA256: f.SHA256})
			}
			continue
		}
		add(a, why, deminer.Expect{})
	}
	slices.SortStableFunc(p.Steps, func(a, b deminer.Step) int {
		return slices.Index(deminer.Phases(), a.Phase) - slices.Index(deminer.Phases(), b.Phase)
	})
	for i := range p.Steps {
		p.Steps[i].ID = fmt.Sprintf("s%02d", i+1)
	}
	return p
}

// phase is when a verb has its turn.
func phase(a deminer.Action) deminer.Phase {
	switch {
	case a.Phase != "":
		return a.Phase
	case a.Verb == deminer.VerbFreeze:
		return deminer.PhaseFreeze
	case a.Verb == deminer.VerbBlock:
		return deminer.PhaseBlock
	case a.Verb == deminer.VerbQuarantine:
		return deminer.PhaseQuarantine
	}
	return deminer.PhaseUproot
}
