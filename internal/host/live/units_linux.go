//go:build linux

package live

import (
	"context"

	"github.com/deminer/deminer"
)

// Units asks PID 1 over D-Bus; empty where systemd does not run.
func (l *Live) Units(ctx context.Context) ([]deminer.Unit, []deminer.Gap) {
	return nil, []deminer.Gap{{Part: "live/units", State: deminer.Skipped, Why: "PID 1 was not asked"}}
}

// Containers asks the local engines over their sockets.
func (l *Live) Containers(ctx context.Context) ([]deminer.Container, []deminer.Gap) {
	return nil, []deminer.Gap{{Part: "live/containers", State: deminer.Skipped, Why: "no engine was asked"}}
}
