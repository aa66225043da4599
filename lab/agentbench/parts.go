//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// loads are what an ordinary host does, with what the agent may cost it at most, in percent.
var loads = []struct {
	name string
	arg  func(*bench) []string
	most float64
	what string
}{
	{"build", func(b *bench) []string { return []string{b.build} }, 3, "go build without a cache"},
	{"spawn", func(*bench) []string { return []string{"4000"} }, 10, "fork and exec, one after the other"},
	{"redis", func(*bench) []string { return nil }, 3, "redis-benchmark, set and get"},
	{"wrk", func(*bench) []string { return nil }, 3, "wrk against nginx"},
}

// pair is one round of a load: without the agent, with it, and what the agent itself used meanwhile.
type pair struct {
	off, on result
	agent   float64 // seconds of processor
}

// overhead runs each load without and with the agent, in turn, and the other way round every second time, so that what drifts
// cancels out.
func (b *bench) overhead() error {
	rounds := map[string][]pair{}
	for r := range b.rounds {
		got := map[string]*pair{}
		for _, l := range loads {
			got[l.name] = &pair{}
		}
		turns := []func(map[string]*pair) error{b.without, b.with}
		if r%2 == 1 {
			slices.Reverse(turns)
		}
		for _, turn := range turns {
			if err := turn(got); err != nil {
				return err
			}
		}
		for name, p := range got {
			rounds[name] = append(rounds[name], *p)
		}
	}
	for _, l := range loads {
		var clock, used, share []float64
		for _, p := range rounds[l.name] {
			clock = append(clock, 100*((p.on.Wall/p.on.Ops)/(p.off.Wall/p.off.Ops)-1))
			used = append(used, 100*(((p.on.CPU+p.agent)/p.on.Ops)/(p.off.CPU/p.off.Ops)-1))
			share = append(share, 100*p.agent/p.on.Wall)
		}
		b.bound(l.what+": longer by the clock", median(clock), l.most, "%")
		fmt.Printf("    of %d rounds %s %%; processor time of load and agent together %+.1f %% (%s); the agent used %.1f %% of a core\n",
			b.rounds, span(clock), median(used), span(used), median(share))
	}
	return nil
}

func span(list []float64) string {
	return fmt.Sprintf("%+.1f to %+.1f", slices.Min(list), slices.Max(list))
}

func (b *bench) without(got map[string]*pair) (err error) {
	for _, l := range loads {
		if got[l.name].off, err = b.load(l.name, l.arg(b)...); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) with(got map[string]*pair) error {
	w, err := b.agent("overhead")
	if err != nil {
		return err
	}
	for _, l := range loads {
		p, before := got[l.name], w.cpu()
		if p.on, err = b.load(l.name, l.arg(b)...); err != nil {
			_ = w.kill()
			return err
		}
		p.agent = (w.cpu() - before).Seconds()
	}
	_, err = w.stop()
	return err
}

// oneLine is what the agent's cost of an exec is held against.
const oneLine = `tracepoint:sched:sched_process_exec { printf("%d %s\n", pid, comm); }`

// exec starts programs with nobody watching, with one line of bpftrace, and with the agent.
func (b *bench) exec() error {
	type figures struct{ wall, load, own, rest []float64 }
	got := map[string]*figures{}
	names := []string{"nobody", "bpftrace", "agent"}
	lost := 0.0
	for range b.rounds {
		for _, name := range names {
			var w *watcher
			var err error
			switch name {
			case "bpftrace":
				w, err = b.bpftrace()
			case "agent":
				w, err = b.agent("exec")
			}
			if err != nil {
				return err
			}
			one, own, rest, err := b.watched(w)
			if err != nil {
				return err
			}
			if name == "agent" {
				c, err := w.stop()
				if err != nil {
					return err
				}
				missing := max(0, float64(b.execs)-float64(c.Events["exec"]))
				lost += missing + float64(c.Dropped["exec"]+c.Dropped[""]+c.Late)
			} else if w != nil {
				if _, err := w.stop(); err != nil {
					return err
				}
			}
			f := got[name]
			if f == nil {
				f = &figures{}
				got[name] = f
			}
			f.wall, f.load = append(f.wall, 1e6*one.Wall/one.Ops), append(f.load, 1e6*one.CPU/one.Ops)
			f.own, f.rest = append(f.own, 1e6*own/one.Ops), append(f.rest, rest)
		}
	}
	for _, name := range names {
		f := got[name]
		fmt.Printf("%d execs, %-9s %7.1f µs each by the clock, %7.1f µs of processor for who starts them, %5.1f µs for who watches (%s)\n    who used %.1f %% of a core in the ten seconds before, for what else goes on here\n",
			b.execs, name+":", median(f.wall), median(f.load), median(f.own), span(f.own), median(f.rest))
	}
	trace, agent := got["bpftrace"], got["agent"]
	b.bound("agent's processor time for one exec", median(agent.own), median(trace.own), "µs")
	bare := median(got["nobody"].load)
	b.bound("processor time that it adds to one exec", median(agent.load)-bare, max(0, median(trace.load)-bare), "µs")
	b.bound(fmt.Sprintf("execs lost of %d", b.rounds*b.execs), lost, 0, "")
	return nil
}

// watched runs the loop of execs and says what the watcher used meanwhile, in seconds of processor, and in the ten seconds before it, in
// percent of a core; nil: nobody watches.
func (b *bench) watched(w *watcher) (one result, own, rest float64, err error) {
	var before time.Duration
	if w != nil {
		before = w.cpu()
		time.Sleep(10 * time.Second)
		rest = 10 * (w.cpu() - before).Seconds()
		before = w.cpu()
	}
	one, err = b.load("spawn", strconv.Itoa(b.execs))
	if w == nil {
		return one, 0, 0, err
	}
	time.Sleep(300 * time.Millisecond) // it reads what waits
	own = (w.cpu() - before).Seconds()
	if err != nil {
		_ = w.kill()
	}
	return one, own, rest, err
}

// bpftrace starts it with a tracefs of its own, and waits until it watches.
func (b *bench) bpftrace() (*watcher, error) {
	out := filepath.Join(b.work, "bpftrace.out")
	w := &watcher{cmd: exec.Command("unshare", "-m", "sh", "-c", `mount -t tracefs nodev /sys/kernel/tracing 2>/dev/null; exec "$@"`, "sh",
		"bpftrace", "-o", out, "-e", oneLine)}
	if err := w.start(); err != nil {
		return nil, err
	}
	for range 60 {
		time.Sleep(500 * time.Millisecond) // it compiles
		if err := spawn(100); err != nil { // what it prints comes in blocks
			return nil, errors.Join(err, w.kill())
		}
		if told, err := os.Stat(out); err == nil && told.Size() > 0 {
			return w, os.Remove(out)
		}
	}
	err := w.kill()
	return nil, errors.Join(fmt.Errorf("bpftrace does not watch: %.500s", w.out.String()), err)
}

// atRest reads what an agent needs that has nothing to do.
func (b *bench) atRest() error {
	w, err := b.agent("idle")
	if err != nil {
		return err
	}
	from, before := time.Now(), w.cpu()
	time.Sleep(b.idle)
	share := 100 * (w.cpu() - before).Seconds() / time.Since(from).Seconds()
	rss := w.sizes("status", "VmRSS", "RssAnon", "RssFile", "VmHWM")
	pss := w.sizes("smaps_rollup", "Pss")
	all, files, known := w.charged()
	c, err := w.stop()
	if err != nil {
		return err
	}
	b.bound(fmt.Sprintf("at rest for %s: of one core", b.idle), share, 1, "%")
	b.bound("at rest: resident memory (RSS)", rss[0]/1024, 50, "MiB")
	fmt.Printf("    %.1f MiB of it anonymous, %.1f of files and of the ring that it shares with the kernel; PSS %.1f MiB; at most %.1f MiB since its start\n",
		rss[1]/1024, rss[2]/1024, pss[0]/1024, rss[3]/1024)
	if known {
		fmt.Printf("    its control group is charged with %.1f MiB, of which %.1f MiB are pages of files that were read\n", all/1024, files/1024)
	}
	total := uint64(0)
	for _, n := range c.Events {
		total += n
	}
	fmt.Printf("    events since its start: %d, of them %d execs\n", total, c.Events["exec"])
	return nil
}
