//go:build linux

// Command score measures deminer on the lab: every infection scenario and every
// benign load on throw-away hosts, and writes what it measured.
//
//	go run ./lab/score -deminer bin/deminer -out docs/score.md
//	go run ./lab/score -deminer bin/deminer -scenario aliyunduns -show
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/deminer/deminer/lab/host"
	"github.com/deminer/deminer/lab/scenario"
)

type options struct {
	deminer, out, jsonOut, scenarios, keep string
	watch, wait                            time.Duration
	rounds                                 int
	parallel                               int
	strict                                 bool
	benign, show, agent                    bool
	// Of a soak.
	soak     time.Duration
	loads    string
	together int
	base     bool
}

func main() {
	var o options
	flag.StringVar(&o.deminer, "deminer", "bin/deminer", "the `program` to measure")
	flag.StringVar(&o.out, "out", "", "write the page to this `file` (default: standard output)")
	flag.StringVar(&o.jsonOut, "json", "", "also write all figures as JSON to this `file`")
	flag.StringVar(&o.scenarios, "scenario", "all", "comma-separated `names`, all or none")
	flag.StringVar(&o.keep, "keep", "", "keep deminer's reports in this `directory`")
	flag.DurationVar(&o.watch, "watch", 75*time.Second, "watch window of clean")
	flag.DurationVar(&o.wait, "wait", 75*time.Second, "wait after the reboot: longer than one minute of cron")
	flag.IntVar(&o.rounds, "rounds", 3, "scans of each benign load")
	flag.BoolVar(&o.benign, "benign", true, "measure the benign loads")
	flag.IntVar(&o.parallel, "parallel", 1, "infected hosts at a time; more distort the seconds")
	flag.BoolVar(&o.strict, "strict", false, "fail unless everything was found, removed, spared and taken back")
	flag.BoolVar(&o.show, "show", false, "only infect with the one scenario and show what deminer scan prints")
	flag.BoolVar(&o.agent, "agent", false, "measure the agent: run the scenarios on hosts where it already watches, and write only that section of the page")
	flag.DurationVar(&o.soak, "soak", 0, "run the benign loads for so long beside the agent, and write only that section of the page")
	flag.StringVar(&o.loads, "loads", "all", "of a soak: comma-separated parts of the names of loads, or all")
	flag.IntVar(&o.together, "together", 1, "of a soak: loads at once on a host")
	flag.BoolVar(&o.base, "base", false, "of a soak: the image without Java, ffmpeg and the like, for loads that do not need them")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "score: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if os.Geteuid() != 0 {
		return errors.New("booting lab hosts needs root")
	}
	if _, err := host.Sweep(); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	dir, err := os.MkdirTemp("", "deminer-score-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	l := lab{deminer: o.deminer, watch: o.watch, wait: o.wait, dir: o.keep}
	if l.dir != "" {
		if err := os.MkdirAll(l.dir, 0o755); err != nil {
			return err
		}
	}
	if l.tools, err = scenario.Build(ctx, dir); err != nil {
		return err
	}
	names := names(o.scenarios)
	if o.show {
		return l.show(ctx, names)
	}
	s := score{When: time.Now(), Version: version(o.deminer), Watch: o.watch.String(), Wait: o.wait.String(), CPUs: runtime.NumCPU(), Parallel: o.parallel}
	begin := time.Now()
	say := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "[%6.1f s] %s\n", time.Since(begin).Seconds(), fmt.Sprintf(format, args...))
	}
	if o.agent || o.soak > 0 {
		return l.resident(ctx, o, names, s, say)
	}
	s.Infected = make([]result, len(names))
	each(ctx, len(names), o.parallel, func(i int) {
		s.Infected[i] = l.infected(ctx, names[i])
		t := s.Infected[i].Tally
		say("%-12s planted %d found %d joined %d convicted %d left %d remains %d business %d returned %d undo %d %s",
			names[i], t.Planted, t.Found, t.Joined, t.Convicted, len(s.Infected[i].Left), len(s.Infected[i].Remains), len(s.Infected[i].Business),
			len(s.Infected[i].Returned), len(s.Infected[i].Undo), s.Infected[i].Err)
	})
	if o.benign && ctx.Err() == nil {
		if s.Honest, err = l.honestHost(ctx, o.rounds, say); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := write(s, o); err != nil {
		return err
	}
	if n := s.faults(); o.strict && n > 0 {
		return fmt.Errorf("%d faults: see the page", n)
	}
	return nil
}

// resident measures the agent: scenarios, or benign loads.
func (l lab) resident(ctx context.Context, o options, names []string, s score, say func(string, ...any)) error {
	if o.soak > 0 {
		s.Soaked = l.soak(ctx, o, say)
	} else {
		s.Caught = make([]caught, len(names))
		each(ctx, len(names), o.parallel, func(i int) {
			s.Caught[i] = l.watched(ctx, names[i])
			say("%s", s.Caught[i].line())
		})
		s.Caught = slices.DeleteFunc(s.Caught, func(c caught) bool { return c.Name == "" }) // the run was ended before
	}
	if err := errors.Join(ctx.Err(), write(s, o)); err != nil {
		return err
	}
	if n := s.faults(); o.strict && n > 0 {
		return fmt.Errorf("%d faults: see the page", n)
	}
	return nil
}

// each does one thing for every number below n, so many at a time, until ctx ends.
func each(ctx context.Context, n, parallel int, do func(int)) {
	todo := make(chan int)
	var wait sync.WaitGroup
	for range max(1, parallel) {
		wait.Go(func() {
			for i := range todo {
				do(i)
			}
		})
	}
	for i := range n {
		if ctx.Err() == nil {
			todo <- i
		}
	}
	close(todo)
	wait.Wait()
}

func write(s score, o options) error {
	if o.jsonOut != "" {
		b, err := json.MarshalIndent(s, "", " ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.jsonOut, append(b, '\n'), 0o644); err != nil {
			return err
		}
	}
	if o.out == "" {
		fmt.Print(s.page(""))
		return nil
	}
	old, err := os.ReadFile(o.out)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.WriteFile(o.out, []byte(s.page(string(old))), 0o644)
}

// show is the demo: one infected host and deminer's own words.
func (l lab) show(ctx context.Context, names []string) (err error) {
	if len(names) != 1 {
		return errors.New("-show wants one -scenario")
	}
	s, err := scenario.Load(names[0])
	if err != nil {
		return err
	}
	h, err := host.Create(ctx, host.Base)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Destroy()) }()
	if err := l.boot(ctx, h); err != nil {
		return err
	}
	if err := scenario.Infect(ctx, h, s, l.tools); err != nil {
		return err
	}
	if err := pause(ctx, settle); err != nil {
		return err
	}
	m, err := call(ctx, h, patience, "scan")
	fmt.Print(m.Out)
	fmt.Fprintln(os.Stderr, m.Error)
	return err
}

func names(list string) []string {
	switch list {
	case "all":
		return scenario.Names()
	case "none":
		return nil
	}
	return strings.Split(list, ",")
}

func version(program string) string {
	out, err := exec.Command(program, "version").Output()
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimPrefix(first, "deminer ")
}
