//go:build linux

// Package agenthost has the agent watch a lab host, and reads from outside what it says.
package agenthost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/deminer/deminer/lab/host"
)

// Program is where deminer lies inside a lab host.
const Program = "/root/deminer"

// Log is where the agent's words go, inside a lab host.
const Log = "/root/deminer-agent.log"

// Start starts the agent on a booted host that has Program, with this policy or, where it is "", without any, and waits until it
// watches and has looked at the host once.
func Start(ctx context.Context, h *host.Host, policy string) error {
	const file = "/etc/deminer/policy.yaml"
	script := "rm -f " + file + "\n"
	if policy != "" {
		script = ""
		if err := h.CopyIn(ctx, []byte(policy), file, 0o600); err != nil {
			return err
		}
	}
	// Not as a unit: what starts from within the guest lacks the rights that a host's own services have.
	r, err := h.Exec(ctx, strings.NewReader(script+"setsid "+Program+" agent >"+Log+" 2>&1 </dev/null &\n"), "/bin/sh", "-es")
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("start the agent: %s", r.Stderr)
	}
	for range 600 {
		if err != nil || watches(h) {
			break
		}
		err = Pause(ctx, 100*time.Millisecond)
	}
	if err == nil {
		err = rested(ctx, h)
	}
	if err == nil && !watches(h) {
		err = errors.New("the agent does not watch: " + Said(h))
	}
	return err
}

// rested waits until the agent hardly uses the processor any more: its first look at the whole host is over.
func rested(ctx context.Context, h *host.Host) error {
	last, calm := Of(h).Ticks, 0
	for range 120 {
		if err := Pause(ctx, time.Second); err != nil {
			return err
		}
		now := Of(h).Ticks
		if calm++; now > last+2 {
			calm = 0
		}
		if last = now; calm == 4 {
			return nil
		}
	}
	return errors.New("the agent does not come to rest")
}

// Of finds the agent among the host's processes; the zero Process: it does not run.
func Of(h *host.Host) host.Process {
	for _, p := range h.Processes() {
		if filepath.Base(p.Exe) == filepath.Base(Program) && len(p.Args) > 1 && p.Args[1] == "agent" {
			return p
		}
	}
	return host.Process{}
}

func watches(h *host.Host) bool { return strings.Contains(Said(h), " watches; ") }

// Said is what the agent said so far.
func Said(h *host.Host) string {
	b, _ := os.ReadFile(filepath.Join(h.Root, Log))
	return string(b)
}

// Quiet waits until the agent has said nothing for so long, at most limit.
func Quiet(ctx context.Context, h *host.Host, span, limit time.Duration) error {
	begin, last, size := time.Now(), time.Now(), 0
	for time.Since(last) < span && time.Since(begin) < limit {
		if err := Pause(ctx, 500*time.Millisecond); err != nil {
			return err
		}
		if n := len(Said(h)); n != size {
			size, last = n, time.Now()
		}
	}
	return nil
}

// Pause waits, unless ctx ends before.
func Pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
