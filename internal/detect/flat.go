package detect

import (
	"context"
	"fmt"
	"time"

	"github.com/deminer/deminer"
)

// Thresholds of the flat profile (starting values, proven on the benign loads of the lab).
const (
	flatLife     = 90 * time.Second
	flatSpread   = 0.15 // CPU times of the workers differ by at most this part
	flatSwitches = 12.0 // voluntary switches a CPU-second and worker; a sleep-throttled worker needs some
	flatNet      = 400  // bytes on the network a CPU-second
	flatDisk     = 4096 // bytes of storage or pipe I/O a CPU-second
)

// flat is the measured profile of a process.
type flat struct {
	workers  int
	spread   float64
	switches float64 // voluntary, a CPU-second
	net      float64 // bytes a CPU-second, both directions
	disk     float64
	cpu      float64 // seconds
}

func (p *Pass) profile(pr *deminer.Process) flat {
	f := flat{cpu: pr.CPUTime.Seconds()}
	if f.cpu <= 0 {
		return f
	}
	var most, least time.Duration
	for _, t := range pr.Threads {
		most = max(most, t.CPUTime)
	}
	least = most
	var sum time.Duration
	var vol uint64
	for _, t := range pr.Threads {
		if t.CPUTime*2 >= most && t.CPUTime > 0 {
			f.workers++
			least = min(least, t.CPUTime)
			sum += t.CPUTime
			vol += t.Voluntary
		}
	}
	if most > 0 {
		f.spread = float64(most-least) / float64(most)
		f.switches = float64(vol) / sum.Seconds()
	}
	var bytes uint64
	for _, s := range p.memo.socks[pr.ID.PID] {
		bytes += s.Sent + s.Recv
	}
	f.net = float64(bytes) / f.cpu
	// Bytes through read and write count too: a pipe is work that moves data. Sockets are part of them.
	f.disk = float64(max(pr.ReadBytes+pr.WriteBytes, pr.RChar+pr.WChar)) / f.cpu
	return f
}

func (f flat) miner() bool {
	return f.workers > 0 && f.spread <= flatSpread && f.switches <= flatSwitches && f.net <= flatNet && f.disk <= flatDisk
}

func flatCompute(_ context.Context, p *Pass) error {
	for _, pr := range p.subjects() {
		if p.life(pr) < flatLife || p.cores(pr) < busyCores || len(pr.Threads) == 0 {
			continue
		}
		m := p.profile(pr)
		if !m.miner() || p.inGuest(pr) {
			continue
		}
		f := deminer.Finding{
			Topic: deminer.TopicMining, Tier: deminer.Strong, Class: deminer.ByCompute, Technique: "T1496.001", Catalogue: "RH-01",
			Title: called(pr) + " burns CPU at a flat rate and moves no data",
			Why: []string{
				fmt.Sprintf("%.2f cores for %s; %d worker threads whose CPU times differ by %.0f %%", p.cores(pr), p.life(pr).Round(time.Second), m.workers, 100*m.spread),
				fmt.Sprintf("a CPU-second sees %.1f voluntary switches a worker, %.0f bytes of network, %.0f bytes of files and pipes", m.switches, m.net, m.disk),
			},
			Subject: process(pr), Time: pr.Started,
		}
		more := p.context(pr)
		if d := p.scheduler(pr); d != "" {
			more = nil
			f.Cleared = append(f.Cleared, "it runs as a job of "+d)
		}
		if len(more) == 0 {
			f.Topic, f.Tier = deminer.TopicCompute, deminer.Weak
			f.Title = "steady compute, unexplained: " + called(pr)
			f.Cleared = append(f.Cleared, "it made no connection, or a package brought its program: for the owner to judge")
		} else {
			f.Why = append(f.Why, more...)
			f.Cleared = append(f.Cleared, "a build, a render, a backup: those move data in step with their CPU time")
		}
		p.Report(f)
	}
	return nil
}

// inGuest reports programs that run a whole guest, which then is the subject.
func (p *Pass) inGuest(pr *deminer.Process) bool {
	n := pr.Name()
	return packaged(pr.Own) && (n == "firecracker" || n == "runsc" || n == "VBoxHeadless" || len(n) > 4 && n[:4] == "qemu")
}

// scheduler names the batch system or volunteer-computing client that started the process, or "".
func (p *Pass) scheduler(pr *deminer.Process) string {
	for _, up := range p.ancestors(pr) {
		switch up.Name() {
		case "slurmstepd", "pbs_mom", "sge_shepherd", "sge_execd", "condor_starter", "lsf_res", "boinc", "FAHClient", "fah-client":
			if packaged(up.Own) || up.Own.State == deminer.Unknown || up.Own.State == "" {
				return up.Name()
			}
		}
	}
	return ""
}
