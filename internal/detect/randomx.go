package detect

import (
	"context"
	"fmt"

	"github.com/deminer/deminer"
)

// Sizes of RandomX in bytes: randomx/configuration.h gives a data set of 2147483648+33554368 bytes, a cache of 256 MiB
// and a scratchpad of 2 MiB a thread. Miners round up to huge pages.
const (
	mib            = 1 << 20
	randomxDataset = 2080 * mib
	randomxCache   = 256 * mib
	randomxPad     = 2 * mib
	busyCores      = 0.15 // less than a quarter of a core, so that a throttled miner still counts
)

// shape is what the memory of a process has in common with RandomX.
type shape struct {
	dataset, cache bool
	pads           int
	why            []string
}

// shapeOf compares the large mappings with the sizes of RandomX. Neighbouring mappings of equal rights are one mapping
// to the kernel, so data set, cache and scratchpads are also recognized as a sum.
func shapeOf(pr *deminer.Process) shape {
	var s shape
	m := pr.Memory
	if m == nil {
		return s
	}
	s.pads = m.Scratch2M
	slack := uint64(4*mib) + uint64(max(pr.NThreads, 1))*randomxPad
	for _, r := range m.Large {
		if r.Path != "" && !r.Huge || r.Rss != 0 && r.Rss < r.Size/2 {
			continue
		}
		switch {
		case near(r.Size, randomxDataset, slack):
			s.dataset = true
			s.why = append(s.why, fmt.Sprintf("an anonymous mapping of %d MiB at %x: the size of the RandomX data set", r.Size/mib, r.Start))
		case near(r.Size, randomxDataset+randomxCache, slack):
			s.dataset, s.cache = true, true
			s.why = append(s.why, fmt.Sprintf("an anonymous mapping of %d MiB at %x: the size of the RandomX data set and cache together", r.Size/mib, r.Start))
		case near(r.Size, randomxCache, slack):
			s.cache = true
			s.why = append(s.why, fmt.Sprintf("an anonymous mapping of %d MiB at %x: the size of the RandomX cache", r.Size/mib, r.Start))
		}
	}
	if s.pads > 0 {
		s.why = append(s.why, fmt.Sprintf("%d mappings of the size of a RandomX scratchpad (2 MiB)", s.pads))
	}
	if m.AnonExec > 0 {
		s.why = append(s.why, fmt.Sprintf("%d anonymous executable mappings (%d KiB), as code made at run time needs", m.AnonExec, m.AnonExecBytes/1024))
	}
	return s
}

// near allows the size to be up to slack above, or 64 KiB below.
func near(size, want, slack uint64) bool { return size+64*1024 >= want && size <= want+slack }

// like reports whether the shape is RandomX's in fast or in light mode.
func (s shape) like(pr *deminer.Process) bool {
	return s.dataset || s.cache && s.pads > 0 && pr.Memory.AnonExec > 0
}

func randomxMemory(_ context.Context, p *Pass) error {
	for _, pr := range p.subjects() {
		s := shapeOf(pr)
		if !s.like(pr) || p.cores(pr) < busyCores {
			continue
		}
		f := deminer.Finding{
			Topic: deminer.TopicMining, Tier: deminer.Strong, Class: deminer.ByCompute, Technique: "T1496.001", Catalogue: "RH-02",
			Title:   "the memory of " + called(pr) + " is laid out as RandomX mining needs it",
			Why:     append(s.why, fmt.Sprintf("it uses %.2f cores", p.cores(pr))),
			Subject: process(pr), Time: pr.Started,
		}
		more := p.context(pr)
		switch {
		case p.node(pr):
			f.Tier = deminer.Weak
			f.Cleared = []string{"many peers and a listener: a node that verifies blocks has the same memory"}
		case len(more) == 0:
			f.Tier, f.Topic = deminer.Weak, deminer.TopicCompute
			f.Cleared = []string{"it talks to nobody, or a package brought it: steady compute, unexplained"}
		default:
			f.Why = append(f.Why, more...)
			f.Cleared = []string{fmt.Sprintf("a node: %d peers only", p.peers(pr)), "a data base or a Java heap: those have no mapping of exactly this size"}
		}
		p.Report(f)
	}
	return nil
}

// context lists what makes an unexplained load worth more than a note: a connection it made, and a doubtful program.
// Without a connection nothing is mined for anybody, so a benchmark in /tmp stays a note; what hides or wears a kernel
// thread's name may hide its connection too.
func (p *Pass) context(pr *deminer.Process) []string {
	var out []string
	claim, _ := kthreadClaim(pr)
	if len(p.outward(pr)) == 0 && len(pr.Hidden) == 0 && claim == "" {
		return nil
	}
	if c := p.outward(pr); len(c) > 0 && len(c) <= 4 && !packaged(pr.Own) {
		out = append(out, fmt.Sprintf("it made a connection to %s (%d bytes sent, %d received)", deminer.Safe(c[0].Remote), c[0].Sent, c[0].Recv))
	}
	if d := p.doubtful(pr); d != "" {
		out = append(out, d+": "+q(pr.Exe))
	}
	return out
}

// node reports block-chain nodes and similar peer-to-peer programs: many peers and a listener.
func (p *Pass) node(pr *deminer.Process) bool {
	listens := false
	for _, s := range p.memo.socks[pr.ID.PID] {
		listens = listens || s.Listening()
	}
	return listens && p.peers(pr) >= 8 && p.doubtful(pr) == ""
}
