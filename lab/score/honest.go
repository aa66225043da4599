//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/lab/benign"
	"github.com/deminer/deminer/lab/host"
)

// honest is what deminer said of one benign load, over all rounds.
type honest struct {
	Name    string        `json:"name"`
	Rounds  int           `json:"rounds"`
	Acting  []string      `json:"acting,omitempty"`  // false positives that would be acted on
	Suspect []string      `json:"suspect,omitempty"` // things shown to the owner to decide
	Detect  time.Duration `json:"detect"`            // longest scan
	CPU     time.Duration `json:"cpu"`
	RSS     int64         `json:"rss_kib"`
	Err     string        `json:"error,omitempty"`
}

// honestHost runs every load on one benign host, each with rounds scans.
func (l lab) honestHost(ctx context.Context, rounds int, say func(string, ...any)) ([]honest, error) {
	h, err := host.Create(ctx, host.Benign)
	if err != nil {
		return nil, err
	}
	var out []honest
	err = l.boot(ctx, h)
	for i, load := range benign.Loads() {
		if err != nil || ctx.Err() != nil {
			break
		}
		res := honest{Name: load.Name}
		if e := l.oneLoad(ctx, h, load, rounds, &res, i); e != nil {
			res.Err = e.Error()
		}
		say("%-40s acting %d, suspect %d %s", res.Name, len(res.Acting), len(res.Suspect), res.Err)
		out = append(out, res)
	}
	return out, errors.Join(err, ctx.Err(), h.Destroy())
}

func (l lab) oneLoad(ctx context.Context, h *host.Host, load benign.Load, rounds int, res *honest, n int) error {
	unit := fmt.Sprintf("load%d", n)
	stop, err := startLoad(ctx, h, load, unit, false)
	if err != nil {
		return err
	}
	defer stop()
	if err := pause(ctx, 4*time.Second); err != nil {
		return err
	}
	for range rounds {
		if !runs(h, load.Comm) {
			return fmt.Errorf("%s does not run", load.Comm)
		}
		r, m, err := look(ctx, h)
		l.keep("benign-"+unit, "scan.json", m.Out)
		if err != nil {
			return err
		}
		p, _, err := think(ctx, h, false)
		if err != nil {
			return err
		}
		res.Rounds++
		res.Acting = merge(res.Acting, acting(r, p))
		res.Suspect = merge(res.Suspect, suspected(r))
		res.Detect, res.CPU, res.RSS = max(res.Detect, m.Wall), max(res.CPU, m.CPU), max(res.RSS, m.RSS)
	}
	return nil
}

// startLoad starts a load as a unit, again and again if asked; stop ends it.
func startLoad(ctx context.Context, h *host.Host, load benign.Load, unit string, again bool) (stop func(), err error) {
	if load.Setup != "" {
		if _, err := h.Shell(ctx, load.Setup); err != nil {
			return nil, err
		}
	}
	if load.Start == "" {
		return func() {}, nil
	}
	user, how := load.User, ""
	if user == "" {
		user = "root"
	}
	if again {
		how = "--property=Restart=always --property=RestartSec=1 --property=StartLimitIntervalSec=0 "
	}
	_, err = h.Shell(ctx, fmt.Sprintf("systemd-run --quiet %s--unit=%s --uid=%s --working-directory=/var/tmp /bin/sh -c 'exec \"$0\" \"$@\"' %s", how, unit, user, load.Start))
	return func() { _, _ = h.Shell(context.WithoutCancel(ctx), "systemctl stop "+unit+" 2>/dev/null || true") }, err
}

func runs(h *host.Host, comm string) bool {
	for _, p := range h.Processes() {
		if p.Comm == comm {
			return true
		}
	}
	return false
}

func suspected(r deminer.Report) []string {
	var out []string
	for _, inc := range r.Incidents {
		for _, m := range inc.Members {
			if m.Grade == deminer.Suspected {
				out = append(out, m.Artifact.String())
			}
		}
	}
	return out
}

func merge(a, b []string) []string {
	for _, x := range b {
		if !contains(a, x) {
			a = append(a, x)
		}
	}
	return a
}
