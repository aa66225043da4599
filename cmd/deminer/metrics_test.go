package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/deminer/deminer/internal/bus"
	"github.com/deminer/deminer/internal/server"
)

// TestMetrics: each line is in the form of Prometheus, and what the database did not say is not made up.
func TestMetrics(t *testing.T) {
	line := regexp.MustCompile(`^(# HELP deminer_[a-z_]+ [^\n]+\.|# TYPE deminer_[a-z_]+ (gauge|counter)|deminer_[a-z_]+ [0-9]+)$`)
	for known, want := range map[bool]string{true: "deminer_hosts 7", false: "deminer_database_up 0"} {
		var b strings.Builder
		writeMetrics(&b, bus.Counts{Connected: 5, Taken: 9}, server.Counts{Hosts: 7}, known)
		for l := range strings.Lines(b.String()) {
			if !line.MatchString(strings.TrimSuffix(l, "\n")) {
				t.Errorf("%q", l)
			}
		}
		if got := b.String(); !strings.Contains(got, want+"\n") || !strings.Contains(got, "deminer_agents_connected 5\n") || strings.Contains(got, "deminer_hosts") != known {
			t.Errorf("known=%v:\n%s", known, got)
		}
	}
}
