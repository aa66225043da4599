package main

import (
	"slices"
	"testing"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/trust"
)

// TestKeepLine: no plan blocks the server of the host, by whole address or by a port that it uses; the rest of the plan stays and waits for
// nothing that is gone.
func TestKeepLine(t *testing.T) {
	l := &line{id: &trust.Identity{Server: "192.0.2.1:8443", Bus: []string{"192.0.2.1:4222"}}}
	block := func(id, addr string) deminer.Step {
		return deminer.Step{ID: id, Action: deminer.Action{Verb: deminer.VerbBlock, Target: deminer.Artifact{Kind: deminer.KindAddress, Addr: addr}}}
	}
	p := deminer.Plan{Steps: []deminer.Step{block("s01", "192.0.2.1"), block("s02", "192.0.2.1:4222"), block("s03", "192.0.2.1:3333"), block("s04", "203.0.113.7"), block("s05", "127.0.0.1"),
		{ID: "s06", After: []string{"s01", "s04"}, Action: deminer.Action{Verb: deminer.VerbKill}}}}
	l.keepLine(t.Context(), &p)
	var left []string
	for _, s := range p.Steps {
		left = append(left, s.ID)
	}
	if !slices.Equal(left, []string{"s03", "s04", "s06"}) || len(p.Refused) != 3 || !slices.Equal(p.Steps[2].After, []string{"s04"}) {
		t.Errorf("left %v, waits for %v, refused %+v", left, p.Steps[2].After, p.Refused)
	}
}
