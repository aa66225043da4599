//go:build !linux

package live

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// Live sees the running system; here it sees nothing and says so.
type Live struct{}

// Open makes ready to look.
func Open() *Live { return &Live{} }

// Info is not available here: errors.ErrUnsupported.
func Info(root string) (deminer.HostInfo, error) {
	return deminer.HostInfo{}, fmt.Errorf("look at host %q: %w", root, errors.ErrUnsupported)
}

// Yield is not available here: errors.ErrUnsupported.
func Yield() error { return fmt.Errorf("lower own priority: %w", errors.ErrUnsupported) }

func unseen(part string) []deminer.Gap {
	return []deminer.Gap{{Part: part, State: deminer.Failed, Why: errors.ErrUnsupported.Error()}}
}

// Processes gives a gap.
func (*Live) Processes(context.Context, time.Duration) ([]deminer.Process, deminer.CPUViews, []deminer.Gap) {
	return nil, deminer.CPUViews{}, unseen("live/processes")
}

// Newcomers gives a gap.
func (*Live) Newcomers(context.Context, []deminer.Process) ([]deminer.Process, []deminer.Gap) {
	return nil, unseen("live/processes")
}

// Sockets gives a gap.
func (*Live) Sockets(context.Context, []deminer.Process) ([]deminer.Socket, []deminer.Gap) {
	return nil, unseen("live/sockets")
}

// Kernel gives a gap.
func (*Live) Kernel(context.Context) (deminer.Kernel, []deminer.Gap) {
	return deminer.Kernel{}, unseen("live/kernel")
}

// Units gives a gap.
func (*Live) Units(context.Context) ([]deminer.Unit, []deminer.Gap) { return nil, unseen("live/units") }

// Containers gives a gap.
func (*Live) Containers(context.Context) ([]deminer.Container, []deminer.Gap) {
	return nil, unseen("live/containers")
}

// Some gives a gap.
func (*Live) Some(context.Context, []int, time.Duration) ([]deminer.Process, []deminer.Gap) {
	return nil, unseen("live/processes")
}

// Used is how much processor time a process has used since it began.
type Used struct {
	ID  deminer.ProcID
	CPU time.Duration
}

// Usage gives nothing.
func (*Live) Usage() []Used { return nil }

// UsedBy knows nobody.
func (*Live) UsedBy(deminer.ProcID) (time.Duration, bool) { return 0, false }

// Exe is not available here: errors.ErrUnsupported.
func (*Live) Exe(id deminer.ProcID) (host.File, error) {
	return nil, fmt.Errorf("open the program of process %s: %w", id, errors.ErrUnsupported)
}

// Glance is not available here: errors.ErrUnsupported.
func (*Live) Glance(pid int) (deminer.Process, error) {
	return deminer.Process{}, fmt.Errorf("look at process %d: %w", pid, errors.ErrUnsupported)
}

// Memory is not available here: errors.ErrUnsupported.
func (*Live) Memory(_ context.Context, id deminer.ProcID, _ int64, _ func(deminer.Region, uint64, []byte) bool) error {
	return fmt.Errorf("read the memory of process %s: %w", id, errors.ErrUnsupported)
}

// Close gives back what Open took: nothing.
func (*Live) Close() error { return nil }
