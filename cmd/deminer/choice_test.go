package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
)

// TestChoice: a plan for an alert is about its thing alone, one for its incident about all of it, and none is about another incident.
func TestChoice(t *testing.T) {
	file := func(name string) deminer.Member {
		return deminer.Member{Artifact: deminer.Artifact{Kind: deminer.KindFile, Path: deminer.Raw(name)}, Grade: deminer.Convicted}
	}
	rep := &deminer.Report{Incidents: []deminer.Incident{{ID: "1", Members: []deminer.Member{file("/a"), file("/b")}}, {ID: "2", Members: []deminer.Member{file("/c")}}}}
	keys := map[string]bool{"file:/a": true}
	ref := func(name string) string { return file(name).Artifact.Ref() }
	for how, want := range map[deminer.Handling]string{
		deminer.HandleTerminate:  fmt.Sprint([]string{"1"}, []string{ref("/b"), ref("/c")}, []string{ref("/a")}),
		deminer.HandleQuarantine: fmt.Sprint([]string{"1"}, []string{ref("/b"), ref("/c")}, []string{ref("/a")}),
		deminer.HandleDeep:       fmt.Sprint([]string{"1"}, []string{}, []string{ref("/a")}),
		deminer.HandleBlock:      fmt.Sprint([]string{"1"}, []string{}, []string{ref("/a")}),
	} {
		o := choice(rep, deminer.PlanOrder{Handling: how}, keys)
		if got := fmt.Sprint(o.Incidents, o.Skip, o.Also); got != want {
			t.Errorf("%s: %s, want %s", how, got, want)
		}
	}
	if o := choice(rep, deminer.PlanOrder{Handling: deminer.HandleDeep}, nil); len(o.Incidents)+len(o.Skip)+len(o.Also) != 0 {
		t.Errorf("all that is convicted: %+v", o)
	}
	if _, err := phasesOf("shell"); err == nil {
		t.Error("there is a way to handle an alert that is called shell")
	}
}

func TestToldAlert(t *testing.T) {
	a := &alert.Alert{ID: "00000001", State: alert.Unhandled, Count: 1, Last: time.Now()}
	now := time.Now()
	told, ok := toldAlert{}.next(a, now)
	if !ok {
		t.Error("a new alert is not told")
	}
	a.Count, a.Last = 9, now.Add(time.Second)
	if _, ok := told.next(a, now.Add(time.Second)); ok {
		t.Error("an alert that was only seen again is told at once")
	}
	if _, ok := told.next(a, now.Add(countsEvery)); !ok {
		t.Error("that an alert is seen again and again is never told")
	}
	a.State = alert.Handled
	if told, ok = told.next(a, now.Add(time.Second)); !ok {
		t.Error("another state is not told")
	}
	if _, ok := told.next(a, now.Add(2*time.Hour)); ok {
		t.Error("the same is told twice")
	}
}
