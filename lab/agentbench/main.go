//go:build linux

// Command agentbench measures what deminer agent costs the host it runs on, as ratios of one run: loads with the agent and
// without it in turn, the cost of one exec beside a one-line bpftrace program, an agent at rest, and an agent under a storm of
// events. test/agentbench installs what it needs and calls it.
//
//	agentbench -deminer bin/deminer -parts "exec overhead storm idle"
//
// The agent has no policy, so it changes nothing. It is put under the limits of its contract. Servers and storms live in
// network namespaces of their own, which lead nowhere. Every load is bounded in time and count. Needs root.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// bench is what one run is to do.
type bench struct {
	deminer string
	work    string // of this run
	rounds  int
	build   string // package that the build load compiles
	execs   int
	rate    int // events a second of the storm
	storm   time.Duration
	idle    time.Duration
	failed  bool
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == inside {
		check(runLoad(os.Args[2:]))
		return
	}
	b := &bench{}
	parts := flag.String("parts", "exec overhead storm idle", "which `parts` to measure")
	flag.StringVar(&b.deminer, "deminer", "bin/deminer", "the `program` that is measured")
	flag.StringVar(&b.work, "work", "", "a `directory` for what the run leaves")
	flag.StringVar(&b.build, "build", "./yara", "the `package` that is compiled without a cache")
	flag.IntVar(&b.rounds, "rounds", 4, "how often each load runs with the agent, and as often without it")
	flag.IntVar(&b.execs, "execs", 15_000, "how many programs the exec part starts")
	flag.IntVar(&b.rate, "rate", 200_000, "events a second of the storm")
	flag.DurationVar(&b.storm, "storm", 20*time.Second, "how long the storm lasts")
	flag.DurationVar(&b.idle, "idle", 5*time.Minute, "how long the agent rests before its memory is read")
	flag.Parse()
	if os.Getuid() != 0 || b.work == "" || b.rounds < 1 || b.rounds > 50 || b.execs > 1_000_000 || b.storm > time.Minute || b.idle > time.Hour {
		check(errors.New("run it as root, with -work and sensible bounds"))
	}
	fmt.Printf("load before: %s\n", loadAverage())
	for _, part := range strings.Fields(*parts) {
		do := map[string]func() error{"exec": b.exec, "overhead": b.overhead, "storm": b.underStorm, "idle": b.atRest}[part]
		if do == nil {
			check(fmt.Errorf("there is no part %q", part))
		}
		check(do())
		fmt.Printf("load after %s: %s\n", part, loadAverage())
	}
	if b.failed {
		os.Exit(1)
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "agentbench:", err)
		os.Exit(2)
	}
}

// bound prints a figure beside what it may be at most, and notes a miss.
func (b *bench) bound(what string, got, most float64, unit string) {
	word := "within"
	if got > most {
		word, b.failed = "MISSED", true
	}
	fmt.Printf("%-52s %9.2f %s, bound %g: %s\n", what, got, unit, most, word)
}

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}

// median of what is not empty.
func median(list []float64) float64 {
	some := slices.Sorted(slices.Values(list))
	return (some[(len(some)-1)/2] + some[len(some)/2]) / 2
}

// result is what one load did.
type result struct {
	Ops  float64 `json:"ops"`
	Wall float64 `json:"wall"` // seconds
	CPU  float64 `json:"cpu"`  // seconds of processor, of the load's processes
}

func (r result) String() string {
	text, _ := json.Marshal(r) // numbers always can be
	return string(text)
}
