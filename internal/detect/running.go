package detect

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/match"
)

// runningLimit is the size in bytes of the largest program without a file whose content is read.
const runningLimit = 64 << 20

// runningContent speaks of programs that run without a file (deleted, in memory only, in a container) whose content the
// rules know. Programs with a file are read by the sweep.
func runningContent(ctx context.Context, p *Pass) error {
	if p.Rules == nil || p.Inside == nil {
		return nil
	}
	left, passed := p.pick(8, 200), 0
	for _, pr := range p.subjects() {
		if !pr.Deleted && !pr.Memfd && pr.Container == "" || packaged(pr.Own) || p.suspicion(pr) < 0.3 {
			continue
		}
		if left == 0 {
			passed++
			continue
		}
		left--
		hits, sum, err := p.running(ctx, pr)
		if err != nil && ctx.Err() == nil {
			p.Gap(deminer.Gap{Part: "detect/running-content", State: deminer.Failed, What: pr.Exe, Why: err.Error()})
		}
		h, ok := strongest(hits)
		if !ok || h.Strength < match.Strong || h.Class == match.Data {
			continue
		}
		f := hitFinding(h, process(pr), "the program of "+called(pr)+": "+deminer.Safe(h.What))
		f.Technique, f.Time = "T1496.001", pr.Started
		if h.Class == match.Mining {
			f.Tier = deminer.Proof
		}
		f.Indicators = append(f.Indicators, deminer.Indicator{Kind: "sha256", Value: sum})
		f.Why = append(f.Why, "it was read from /proc, since no file holds it on this host")
		p.Report(f)
	}
	if passed > 0 {
		p.Gap(deminer.Gap{Part: "detect/running-content", State: deminer.Partial, Count: passed, Why: "more programs run without a file than are read in one scan"})
	}
	return nil
}

func (p *Pass) running(ctx context.Context, pr *deminer.Process) ([]match.Hit, string, error) {
	f, err := p.Inside.Exe(pr.ID)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	a, err := f.Attr()
	if err != nil {
		return nil, "", err
	}
	size := min(a.Size, runningLimit)
	hits, err := p.Rules.File(ctx, f, size)
	if err != nil {
		return hits, "", err
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, size)); err != nil && !errors.Is(err, io.EOF) {
		return hits, "", err
	}
	sum := hex.EncodeToString(h.Sum(nil))
	return append(hits, p.Rules.Hash(sum)...), sum, nil
}
