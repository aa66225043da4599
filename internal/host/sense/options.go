package sense

import (
	"context"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// The facet of a running host is implemented here.
var _ host.Sensors = (*Sensors)(nil)

// Options say what is watched. The zero value watches nothing.
type Options struct {
	// Want are the kinds to watch.
	Want []deminer.EventKind
	// Without are sensors not to be used, for tests and for hosts where one does harm.
	Without []deminer.Sensor
	// Agent is the pid whose own doings are not reported and for whom signals are watched; 0: nobody.
	Agent int
	// AllInbound reports the first bytes of every connection that others open; else only of those that speak JSON first,
	// which is how a miner greets a pool.
	AllInbound bool
	// Look reads one process and, for the sensors that look again and again, the whole host; see live.Live.
	Look Looker
	// Places are the paths whose changes are watched, files and directories; they need not exist.
	Places []string
	// Every is the pause between two looks of polling sensors; 0: one second.
	Every time.Duration
}

// Looker is what the sensors need of the eyes; live.Live is one.
type Looker interface {
	Glance(pid int) (deminer.Process, error)
	Processes(ctx context.Context, window time.Duration) ([]deminer.Process, deminer.CPUViews, []deminer.Gap)
	Sockets(ctx context.Context, procs []deminer.Process) ([]deminer.Socket, []deminer.Gap)
	Kernel(ctx context.Context) (deminer.Kernel, []deminer.Gap)
}
