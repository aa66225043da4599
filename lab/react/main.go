//go:build linux

// Command react measures how fast the agent reacts: on a lab host it lets an unknown program begin to mine again and again, each time
// another one, and prints how long it ran until it was stopped. The agent has the recommended policy, but blocks no addresses: the first
// try would keep all others from their pool.
//
//	go run ./lab/react -deminer bin/deminer -tries 20
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/deminer/deminer/internal/policy"
	"github.com/deminer/deminer/lab/agenthost"
	"github.com/deminer/deminer/lab/host"
	"github.com/deminer/deminer/lab/scenario"
)

// way is how a try mines. What is not said is as the imitation does it.
type way struct {
	name, doc string
	options   map[string]any
}

func ways() []way {
	pool := func(port string, tls bool) []any {
		return []any{map[string]any{"url": host.PoolAddr + ":" + port, "user": "", "pass": "x", "tls": tls}}
	}
	one := map[string]any{"threads": 1}
	return []way{
		{"plain", "a login in the clear", map[string]any{"cpu": one, "pools": pool("3333", false), "randomx": map[string]any{"mode": "none"}}},
		{"tls", "Stratum over TLS, no memory of RandomX", map[string]any{"cpu": one, "pools": pool("443", true), "randomx": map[string]any{"mode": "none"}}},
		{"memory", "RandomX's data set, Stratum over TLS", map[string]any{"cpu": one, "pools": pool("443", true), "randomx": map[string]any{"mode": "fast"}}},
		{"light", "RandomX's cache, Stratum over TLS, a third of a core", map[string]any{"cpu": one, "pools": pool("443", true), "randomx": map[string]any{"mode": "light"}, "lab": map[string]any{"throttle": 33}}},
	}
}

type options struct {
	deminer, ways string
	tries         int
	limit, rest   time.Duration
	log           bool
}

func main() {
	var o options
	flag.StringVar(&o.deminer, "deminer", "bin/deminer", "the `program` to measure")
	flag.StringVar(&o.ways, "ways", "plain,tls,memory,light", "comma-separated `names`")
	flag.IntVar(&o.tries, "tries", 20, "how often each is tried")
	flag.DurationVar(&o.limit, "limit", time.Minute, "how long a try may run")
	flag.DurationVar(&o.rest, "rest", 10*time.Second, "pause between tries")
	flag.BoolVar(&o.log, "log", false, "print what the agent said")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "react: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	dir, err := os.MkdirTemp("", "deminer-react-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	tools, err := scenario.Build(ctx, dir)
	if err != nil {
		return err
	}
	miner, err := os.ReadFile(tools.Miner)
	if err != nil {
		return err
	}
	h, err := host.Create(ctx, host.Base)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Destroy()) }()
	if err := h.Boot(ctx); err != nil {
		return err
	}
	if err := h.InPoolNamespace("pool.log", tools.Pool, "-plain", host.PoolAddr+":3333", "-tls", host.PoolAddr+":443"); err != nil {
		return err
	}
	if err := h.CopyFileIn(ctx, o.deminer, agenthost.Program, 0o755); err != nil {
		return err
	}
	if err := agenthost.Start(ctx, h, strings.Replace(policy.Recommended, "  block: proof\n", "  block: never\n", 1)); err != nil {
		return err
	}
	for _, w := range ways() {
		if !slices.Contains(strings.Split(o.ways, ","), w.name) {
			continue
		}
		if err := try(ctx, h, w, miner, o); err != nil {
			return err
		}
	}
	if o.log {
		fmt.Print(agenthost.Said(h))
	}
	return nil
}

// try lets a way be tried so often, and prints how long it took to be stopped.
func try(ctx context.Context, h *host.Host, w way, miner []byte, o options) error {
	var took []time.Duration
	missed := 0
	for range o.tries {
		d, err := once(ctx, h, w, miner, o.limit)
		if err != nil {
			return err
		}
		if d == 0 {
			missed++
		} else {
			took = append(took, d)
		}
		if err := agenthost.Pause(ctx, o.rest); err != nil {
			return err
		}
	}
	slices.Sort(took)
	part := func(p float64) time.Duration {
		if len(took) == 0 {
			return 0
		}
		return took[min(len(took)-1, int(p*float64(len(took))))].Round(10 * time.Millisecond)
	}
	fmt.Printf("%-8s %s: stopped %d of %d within %s; p50 %s, p99 %s, all %v\n", w.name, w.doc, len(took), o.tries, o.limit, part(0.5), part(0.99), took)
	return nil
}

// once starts a program that nobody knows and gives how long it ran; 0: to the limit. It is ended from outside.
func once(ctx context.Context, h *host.Host, w way, miner []byte, limit time.Duration) (took time.Duration, err error) {
	name := fmt.Sprintf("svc%06x", rand.IntN(1<<24)) // nothing that any rule knows
	opt := map[string]any{}
	for k, v := range w.options {
		opt[k] = v
	}
	opt["name"] = name // another content each time
	b, err := scenario.Attach(miner, opt)
	if err != nil {
		return 0, err
	}
	file := "/opt/" + name + "/" + name
	if err := h.CopyIn(ctx, b, file, 0o755); err != nil {
		return 0, err
	}
	if _, err := h.Shell(ctx, "setsid -f "+file+" </dev/null >/dev/null 2>&1"); err != nil {
		return 0, err
	}
	var one host.Process
	defer func() {
		if one.PID > 0 {
			_ = syscall.Kill(one.PID, syscall.SIGKILL)
		}
		_, e := h.Exec(context.WithoutCancel(ctx), nil, "/bin/rm", "-rf", "/opt/"+name)
		err = errors.Join(err, e)
	}()
	for begin := time.Now(); time.Since(begin) < limit; {
		if one.PID == 0 {
			one = named(h, name)
		} else if now, lives := one.Again(); !lives {
			return 0, fmt.Errorf("%s ended by itself", name)
		} else if now.State == 'T' {
			return age(now.Start), nil
		}
		if err := agenthost.Pause(ctx, 20*time.Millisecond); err != nil {
			return 0, err
		}
	}
	if one.PID == 0 {
		return 0, fmt.Errorf("%s did not start", name)
	}
	return 0, nil
}

// named finds the process of that name.
func named(h *host.Host, name string) host.Process {
	for _, p := range h.Processes() {
		if p.Comm == name {
			return p
		}
	}
	return host.Process{}
}

// age is how long ago a process began.
func age(start uint64) time.Duration {
	var up unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) != nil {
		return 0
	}
	return time.Duration(up.Nano()) - time.Duration(start)*10*time.Millisecond
}
