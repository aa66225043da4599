package live

import "github.com/deminer/deminer"

// maxGaps bounds what one part may complain of; the rest is counted.
const maxGaps = 100

// gapList gathers the gaps of one part.
type gapList struct {
	part string
	list []deminer.Gap
}

// fail adds a gap if there is an error.
func (g *gapList) fail(what string, err error) {
	if err != nil {
		g.add(deminer.Failed, what, err.Error())
	}
}

// skip adds a gap for something the host does not have or that may not be asked.
func (g *gapList) skip(what, why string) { g.add(deminer.Skipped, what, why) }

func (g *gapList) add(state deminer.GapState, what, why string) {
	if len(g.list) < maxGaps {
		g.list = append(g.list, deminer.Gap{Part: g.part, State: state, What: what, Why: why})
		return
	}
	last := &g.list[maxGaps-1]
	last.Count = max(last.Count, 1) + 1
}
