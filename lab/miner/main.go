//go:build linux

// Command miner is the lab's imitation of a cryptominer. It looks like one from
// outside (memory shape, equal flat threads, Stratum talk, hiding tricks) and
// mines nothing: there is no hash function of any coin in it. It refuses to run
// without the lab's marker file.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/deminer/deminer/lab/marker"
	"github.com/deminer/deminer/lab/stratum"
)

func main() {
	if err := marker.Check(marker.Path); err != nil {
		fmt.Fprintf(os.Stderr, "imitation miner: %v; refusing to run\n", err)
		os.Exit(marker.ExitCode)
	}
	o, err := readOptions(ownName(), os.Args[1:], selfTrailer())
	if err == nil {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "imitation miner: %v\n", err)
		os.Exit(1)
	}
}

// run takes on the disguise first, then works until it is told to stop.
func run(o options) error {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("read own image: %w", err)
	}
	if o.Background && os.Getenv(detached) == "" {
		return detach()
	}
	if o.Lab.Memfd != "" {
		if err := runFromMemory(o.Lab.Memfd, self); err != nil {
			return err
		}
	}
	if err := renameByExec(o.Lab.Argv0); err != nil {
		return err
	}
	if err := disguise(o.Lab); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	var wg sync.WaitGroup
	for _, t := range o.Lab.Twins {
		wg.Go(func() { keepTwin(ctx, t, self) })
	}
	if o.Lab.Listen != "" {
		wg.Go(func() { listen(ctx, o.Lab.Listen) })
	}
	if !o.Lab.Idle {
		m, err := mapMemory(o)
		if err != nil {
			return err
		}
		for i := range o.threads() {
			wg.Go(func() { burn(ctx, m.pad(i), o.Lab.Throttle) })
		}
		for _, p := range o.Pools {
			wg.Go(func() { talk(ctx, o, p) })
		}
	}
	<-ctx.Done()
	wg.Wait()
	return nil
}

// talk keeps one pool connection open for as long as the miner lives.
func talk(ctx context.Context, o options, p pool) {
	c := stratum.Client{
		Pool: p.URL, TLS: p.TLS, Wallet: p.User, Pass: p.Pass, Rig: p.RigID,
		Agent:  "XMRig/6.21.1 (Linux x86_64) libuv/1.44.2 gcc/11.2.0",
		Submit: time.Duration(o.Lab.SubmitSeconds) * time.Second, KeepAlive: time.Minute, Timeout: 5 * time.Second,
	}
	for ctx.Err() == nil {
		_, _, _ = c.Session(ctx) // a pool that is blocked or down is tried again
		select {
		case <-ctx.Done():
		case <-time.After(3 * time.Second):
		}
	}
}

// burn uses one core flat, or the given share of it (percent), on arithmetic over pad.
func burn(ctx context.Context, pad []byte, throttle int) {
	runtime.LockOSThread()
	const slice = 100 * time.Millisecond
	work := slice * time.Duration(throttle) / 100
	x, f := uint64(0x9e3779b97f4a7c15), 1.000001
	for ctx.Err() == nil {
		for end := time.Now().Add(work); time.Now().Before(end); {
			for range 4096 {
				x ^= x << 13
				x ^= x >> 7
				x ^= x << 17
				i := x % uint64(len(pad))
				f = f*1.0000001 + float64(pad[i])
				pad[i] ^= byte(x)
			}
		}
		if throttle < 100 {
			time.Sleep(slice - work)
		}
	}
	runtime.KeepAlive(f)
}
