//go:build linux

package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/lab/manifest"
	"github.com/deminer/deminer/lab/scenario"
)

func TestCount(t *testing.T) {
	all := []planted{
		{Step: scenario.Step{Kind: scenario.File, Path: "/bin/crondr"}},
		{Step: scenario.Step{Kind: scenario.Process, Comm: "dbused"}, pids: []int{7}},
		{Step: scenario.Step{Kind: scenario.Line, Path: "/etc/hosts", Line: "0.0.0.0 x"}},
		{Step: scenario.Step{Kind: scenario.Account, Name: "hilde"}},
		{Step: scenario.Step{Kind: scenario.Unit, Path: "/etc/systemd/system/a.service", Text: "x"}},
	}
	member := func(a deminer.Artifact, g deminer.Grade) deminer.Member { return deminer.Member{Artifact: a, Grade: g} }
	r := deminer.Report{
		Incidents: []deminer.Incident{
			{Members: []deminer.Member{member(deminer.Artifact{Kind: deminer.KindUnit, Name: "a.service"}, deminer.Convicted)}},
			{Members: []deminer.Member{
				member(deminer.Artifact{Kind: deminer.KindFile, Path: "/usr/bin/crondr"}, deminer.Convicted),
				member(deminer.Artifact{Kind: deminer.KindProcess, Proc: deminer.ProcID{PID: 7}}, deminer.Suspected),
				member(deminer.Artifact{Kind: deminer.KindLine, Path: "/etc/hosts", Line: "127.0.0.1 localhost"}, deminer.Convicted),
			}},
		},
		Findings: []deminer.Finding{{Subject: deminer.Artifact{Kind: deminer.KindAccount, Name: "hilde"}}},
	}
	want := tally{
		Planted: 5, Found: 4, Joined: 2, Convicted: 1,
		Missed: []string{"line /etc/hosts: 0.0.0.0 x"},
		Apart:  []string{"account hilde", "unit /etc/systemd/system/a.service"},
	}
	if d := cmp.Diff(want, count(all, r)); d != "" {
		t.Errorf("count (-want +got):\n%s", d)
	}
	if got := acting(r, deminer.Plan{}); len(got) != 3 {
		t.Errorf("acting = %q, want the 3 convicted members", got)
	}
}

func TestChanges(t *testing.T) {
	before := manifest.Tree{"/a": {Type: "file", SHA256: "1"}, "/b": {Type: "file"}}
	now := manifest.Tree{"/a": {Type: "file", SHA256: "2"}, "/c": {Type: "dir"}}
	business, remains := changes(before, now)
	if len(business) != 2 || len(remains) != 1 {
		t.Errorf("changes = %q, %q; want two of the owner's, one that remains", business, remains)
	}
}
