package main

import (
	"os"
	"strings"
	"testing"

	"github.com/deminer/deminer"
	"github.com/spf13/cobra"
)

// TestSavedPlanIsTheOneThatRuns: a plan file that was changed by one byte, lost its digest, or was written to touch what
// must never be touched, is refused.
func TestSavedPlanIsTheOneThatRuns(t *testing.T) {
	dir := t.TempDir()
	p := deminer.Plan{ID: "20260303-040000-abcd", Version: "1", Steps: []deminer.Step{{ID: "s01", Action: deminer.Action{Verb: deminer.VerbQuarantine,
		Target: deminer.Artifact{Kind: deminer.KindFile, Path: "/tmp/.x/a\x1b[2J"}}}}}
	name := dir + "/plan.json"
	if err := savePlan(name, &p); err != nil {
		t.Fatal(err)
	}
	got, err := loadPlan(&cobra.Command{}, name)
	if err != nil || got.Digest() != p.Digest() {
		t.Fatalf("read what was saved: %v", err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	digest := `"digest": "` + p.Digest() + `"`
	for what, bad := range map[string]string{
		"another target": strings.Replace(string(text), "/tmp/.x/a", "/tmp/.x/b", 1),
		"no digest":      strings.Replace(string(text), digest, `"digest": ""`, 1),
		"bare plan":      `{"id":"x","version":"1"}`,
	} {
		if bad == string(text) {
			t.Fatalf("%s: the test changes nothing", what)
		}
		if err := os.WriteFile(name, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := loadPlan(&cobra.Command{}, name); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
	p.Steps[0].Why, p.Refused = []string{"\x1b]0;evil\a"}, []deminer.Refusal{{Why: "\x1b[2J"}}
	if err := savePlan(name, &p); err != nil {
		t.Fatal(err)
	}
	if got, err = loadPlan(&cobra.Command{}, name); err != nil || strings.Contains(got.Steps[0].Why[0]+got.Refused[0].Why, "\x1b") {
		t.Errorf("texts of a hostile plan: %q %v", got.Steps[0].Why, err)
	}
	p.Steps[0].Action.Target.Path = "/etc/passwd"
	if err := savePlan(name, &p); err != nil {
		t.Fatal(err)
	}
	if _, err := loadPlan(&cobra.Command{}, name); err == nil || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("a plan against /etc/passwd: %v", err)
	}
}
