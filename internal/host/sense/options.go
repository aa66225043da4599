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
	// NoProbes has system calls watched by one program at every call even where single calls could be probed, for tests.
	NoProbes bool
	// Agent is the pid whose own doings are not reported and for whom signals are watched; 0: nobody.
	Agent int
	// AllInbound reports the first bytes of every connection that others open; else only of those that speak JSON first,
	// which is how a miner greets a pool.
	AllInbound bool
	// Look reads one process and, for the sensors that look again and again, the whole host; see live.Live.
	Look Looker
	// Files are the names whose changes are watched, of files or directories, and Dirs the directories in which every change is;
	// absolute, in the host's view. They need not exist yet.
	Files, Dirs []string
	// FS is where polling looks for changed files; nil: nowhere.
	FS host.FS
	// Every is the pause between two looks for new processes of the polling sensors, which look at all the rest every tenth
	// time; 0: one second.
	Every time.Duration
}

// Looker is what the sensors need of the eyes; live.Live is one.
type Looker interface {
	Glance(pid int) (deminer.Process, error)
	Processes(ctx context.Context, window time.Duration) ([]deminer.Process, deminer.CPUViews, []deminer.Gap)
	Newcomers(ctx context.Context, known []deminer.Process) ([]deminer.Process, []deminer.Gap)
	Sockets(ctx context.Context, procs []deminer.Process) ([]deminer.Socket, []deminer.Gap)
	Kernel(ctx context.Context) (deminer.Kernel, []deminer.Gap)
}
