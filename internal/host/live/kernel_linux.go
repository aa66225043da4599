//go:build linux

package live

import (
	"context"

	"github.com/deminer/deminer"
)

const partKernel = "live/kernel"

// Kernel reads the state of the running kernel: mounts as PID 1 has them, taint, command line.
func (l *Live) Kernel(ctx context.Context) (deminer.Kernel, []deminer.Gap) {
	var k deminer.Kernel
	if l.proc == nil {
		return k, []deminer.Gap{{Part: partKernel, State: deminer.Failed, What: "/proc", Why: l.err.Error()}}
	}
	g := gapList{part: partKernel}
	b, err := l.proc.read("1/mountinfo", nil, maxMountinfo)
	g.fail("mounts of PID 1", err)
	k.Mounts = parseMountinfo(b)
	return k, g.list
}

// gapList gathers the gaps of one part.
type gapList struct {
	part string
	list []deminer.Gap
}

// fail adds a gap if there is an error.
func (g *gapList) fail(what string, err error) {
	if err != nil {
		g.list = append(g.list, deminer.Gap{Part: g.part, State: deminer.Failed, What: what, Why: err.Error()})
	}
}

// skip adds a gap for something the host does not have or that may not be asked.
func (g *gapList) skip(what, why string) {
	g.list = append(g.list, deminer.Gap{Part: g.part, State: deminer.Skipped, What: what, Why: why})
}
