//go:build linux

// Command lab boots harmless infected hosts by hand.
//
//	go run ./lab list                        the scenarios
//	go run ./lab image                       make the cached images
//	go run ./lab run NAME [-- command ...]   boot, infect, run a command inside (default: a shell), take down
//	go run ./lab sweep                       remove what a killed lab left behind
//
// NAME "none" is the host before any infection. $DEMINER_BINARY is copied to
// /root/deminer inside when set.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/deminer/deminer/lab/host"
	"github.com/deminer/deminer/lab/scenario"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := command(ctx, os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "lab: %v\n", err)
		stop()
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("want one of: list, image, run NAME, sweep")
	}
	switch args[0] {
	case "list":
		for _, n := range scenario.Names() {
			s, err := scenario.Load(n)
			if err != nil {
				return err
			}
			fmt.Printf("%-12s %-28s %2d steps\n", n, s.Family, len(s.Steps))
		}
		return nil
	case "image":
		for _, f := range []host.Flavor{host.Base, host.Benign} {
			name, err := host.Image(ctx, f)
			if err != nil {
				return err
			}
			fmt.Println(name)
		}
		return nil
	case "sweep":
		names, err := host.Sweep()
		fmt.Println("swept:", names)
		return err
	case "run":
		if len(args) < 2 {
			return errors.New("run: want the name of a scenario")
		}
		return runOne(ctx, args[1], args[2:])
	}
	return fmt.Errorf("unknown command %q", args[0])
}

func runOne(ctx context.Context, name string, argv []string) (err error) {
	if len(argv) > 0 && argv[0] == "--" {
		argv = argv[1:]
	}
	if len(argv) == 0 {
		argv = []string{"/bin/bash"}
	}
	begin := time.Now()
	say := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "[%5.1f s] %s\n", time.Since(begin).Seconds(), fmt.Sprintf(format, args...))
	}
	h, err := host.Create(ctx, host.Base)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Destroy()); say("taken down, left: %q", h.Left()) }()
	if err := h.Boot(ctx); err != nil {
		return err
	}
	say("booted as %s", h.Name)
	if name != "none" {
		s, err := scenario.Load(name)
		if err != nil {
			return err
		}
		tools, err := scenario.Build(ctx, h.Dir)
		if err != nil {
			return err
		}
		say("tools built")
		if s.Before != "" {
			if _, err := h.Shell(ctx, s.Before); err != nil {
				return fmt.Errorf("the owner's work: %w", err)
			}
		}
		if err := scenario.Infect(ctx, h, s, tools); err != nil {
			return err
		}
		say("infected with %s", s.Family)
	}
	if bin := os.Getenv("DEMINER_BINARY"); bin != "" {
		if err := h.CopyFileIn(ctx, bin, "/root/deminer", 0o755); err != nil {
			return err
		}
	}
	c := exec.CommandContext(ctx, "nsenter", append([]string{"-t", strconv.Itoa(h.Leader()), "-m", "-u", "-i", "-n", "-p", "-C", "--"}, argv...)...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "USER=root", "TERM=" + os.Getenv("TERM")}
	return c.Run()
}
