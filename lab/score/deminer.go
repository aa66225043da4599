//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/lab/agenthost"
	"github.com/deminer/deminer/lab/host"
)

// program is where deminer lies inside a lab host.
const program = agenthost.Program

// measured is one run of deminer with what it cost.
type measured struct {
	Wall  time.Duration
	CPU   time.Duration
	RSS   int64 // peak, KiB
	Code  int
	Out   string
	Error string
}

// seconds is how every time is printed: one digit is enough.
func seconds(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()) }

// patience is how long deminer may take for anything, besides a watch window.
const patience = 4 * time.Minute

func call(ctx context.Context, h *host.Host, limit time.Duration, args ...string) (measured, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	begin := time.Now()
	r, err := h.Exec(ctx, strings.NewReader(""), append([]string{program}, args...)...)
	m := measured{Wall: time.Since(begin), Code: r.Code, Out: r.Stdout, Error: strings.TrimSpace(r.Stderr)}
	m.RSS = r.Peak
	if r.Usage != nil {
		m.CPU = time.Duration(r.Usage.Utime.Nano() + r.Usage.Stime.Nano())
	}
	return m, err
}

// look runs deminer scan and reads its report.
func look(ctx context.Context, h *host.Host) (deminer.Report, measured, error) {
	var r deminer.Report
	m, err := call(ctx, h, patience, "scan", "--json", "--quiet")
	if err != nil {
		return r, m, err
	}
	if err := json.Unmarshal([]byte(m.Out), &r); err != nil {
		return r, m, fmt.Errorf("scan ended with %d and no report: %w: %s", m.Code, err, m.Error)
	}
	return r, m, nil
}

// savedPlan is where a plan is saved inside a lab host: in memory, so that it is no change of the host's files.
const savedPlan = "/run/deminer-plan.json"

// think runs deminer plan and reads the plan. With saved it is also written to savedPlan.
func think(ctx context.Context, h *host.Host, saved bool) (deminer.Plan, measured, error) {
	var p deminer.Plan
	args := []string{"plan", "--json", "--quiet"}
	if saved {
		args = append(args, "--out", savedPlan)
	}
	m, err := call(ctx, h, patience, args...)
	if err != nil {
		return p, m, err
	}
	if err := json.Unmarshal([]byte(m.Out), &p); err != nil {
		return p, m, fmt.Errorf("plan ended with %d and no plan: %w: %s", m.Code, err, m.Error)
	}
	return p, m, nil
}
