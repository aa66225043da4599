package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/accounts"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/live"
	"github.com/deminer/deminer/internal/host/sense"
	"github.com/deminer/deminer/internal/persist"
	"github.com/spf13/cobra"
)

// sensors puts the best sensors in force for these kinds, and gives the places whose files they watch. Close them, too.
func sensors(ctx context.Context, h *host.Host, want []deminer.EventKind, without []deminer.Sensor, more ...persist.Places) (*sense.Sensors, persist.Places) {
	var at persist.Places
	opt := sense.Options{Want: want, Without: without, Agent: os.Getpid(), Look: live.Open(), FS: h.FS}
	if slices.Contains(want, deminer.EventFile) {
		all, _ := accounts.Read(h.FS)
		at, _ = persist.Watched(ctx, persist.Env{Host: h, Accounts: all})
		opt.Files, opt.Dirs = slices.Clone(at.Files), slices.Clone(at.Dirs)
		for _, m := range more {
			opt.Files, opt.Dirs = append(opt.Files, m.Files...), append(opt.Dirs, m.Dirs...)
		}
	}
	return sense.Open(opt), at
}

// eventCounts is the last thing that events says.
type eventCounts struct {
	Seen map[deminer.EventKind]uint64 `json:"seen"` // how many were shown, by kind
	// Dropped is what the sensors saw and had no room for; the kind "" is of those whose kind is not known.
	Dropped map[deminer.EventKind]uint64 `json:"dropped"`
	// Facets says of each kind that was asked for how it is seen here.
	Facets []deminer.Sense `json:"facets"`
}

func newEvents(f *flags) *cobra.Command {
	var kinds, without []string
	var window time.Duration
	c := &cobra.Command{
		Use:   "events",
		Short: "Show what happens here, as the sensors see it",
		Long: `Shows each event that the sensors of this kernel see: programs that start, connections and their
first bytes, changes of files where footholds live, and what attackers ask of the kernel. Nothing
is judged and nothing is changed. deminer doctor says which sensor sees what, and what is lost.`,
		Example: "  deminer events --for 1m\n  deminer events --kind exec,connect --json",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			want, err := wantedKinds(kinds)
			if err != nil {
				return err
			}
			h, _, err := openHost(f)
			switch {
			case err != nil:
				return err
			case h.Info.Asleep():
				return fail(exitUsage, "", "nothing happens on a system that does not run: leave out --root")
			case !h.Info.Root:
				return fail(exitError, "run it as root", "the sensors of the kernel need root's rights")
			}
			left, err := leftOut(without)
			if err != nil {
				return err
			}
			return showEvents(cmd, f, h, want, left, window)
		},
	}
	c.Flags().StringSliceVar(&kinds, "kind", nil, "show only these `KINDS`: "+strings.Join(eventNames(), ", "))
	spanVar(c, span{&window, 0, longestWatch}, "for", 0, "end after this `TIME` (default: when interrupted)")
	withoutVar(c, &without)
	return c
}

func eventNames() (out []string) {
	for _, k := range deminer.EventKinds() {
		out = append(out, string(k))
	}
	return out
}

func wantedKinds(names []string) ([]deminer.EventKind, error) {
	if len(names) == 0 {
		return deminer.EventKinds(), nil
	}
	var out []deminer.EventKind
	for _, n := range names {
		k := deminer.EventKind(n)
		if !k.Known() {
			return nil, fail(exitUsage, "the kinds are "+strings.Join(eventNames(), ", "), "there are no events of the kind %q", n)
		}
		out = append(out, k)
	}
	return out, nil
}

func showEvents(cmd *cobra.Command, f *flags, h *host.Host, want []deminer.EventKind, without []deminer.Sensor, window time.Duration) error {
	ctx := cmd.Context()
	s, _ := sensors(ctx, h, want, without)
	defer s.Close()
	if window > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, window)
		defer stop()
	}
	page := f.page(cmd)
	if !f.json && !f.quiet {
		for _, line := range facets(s.Facets()) {
			if !line.OK {
				fmt.Fprintf(cmd.ErrOrStderr(), "  not seen: %s\n", line.Text)
			}
		}
		fmt.Fprintln(cmd.ErrOrStderr(), "  watching")
	}
	out := eventCounts{Seen: map[deminer.EventKind]uint64{}, Facets: s.Facets()}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var failed error
	err := s.Watch(ctx, func(e deminer.Event) {
		if out.Seen[e.Kind]++; failed != nil {
			return
		}
		if !f.json {
			page.Event(&e)
		} else if failed = f.write(cmd, e); failed != nil {
			stop()
		}
	})
	if err != nil {
		return fail(exitError, "", "watch: %w", err)
	}
	if failed != nil {
		return failed
	}
	out.Dropped = s.Drops()
	if f.json {
		return f.write(cmd, out)
	}
	for _, k := range slices.Sorted(maps.Keys(out.Dropped)) {
		fmt.Fprintf(cmd.ErrOrStderr(), "  %d events%s had no room and were not shown\n", out.Dropped[k], map[bool]string{true: " of the kind " + string(k)}[k != ""])
	}
	return nil
}

// allSensors are the sensors from the best on.
var allSensors = []deminer.Sensor{deminer.SensorBPF, deminer.SensorFanotify, deminer.SensorConnector, deminer.SensorSockDiag, deminer.SensorPoll}

func withoutVar(c *cobra.Command, to *[]string) {
	var names []string
	for _, s := range allSensors {
		names = append(names, string(s))
	}
	c.Flags().StringSliceVar(to, "without", nil, "leave out these `SENSORS`, where one does harm: "+strings.Join(names, ", "))
}

// leftOut reads the names of sensors.
func leftOut(names []string) (out []deminer.Sensor, err error) {
	for _, n := range names {
		if !slices.Contains(allSensors, deminer.Sensor(n)) {
			return nil, fail(exitUsage, "deminer doctor shows the sensors in force", "there is no sensor %q", n)
		}
		out = append(out, deminer.Sensor(n))
	}
	return out, nil
}

// best is the best sensor of a kind.
func best(k deminer.EventKind) deminer.Sensor {
	if k == deminer.EventFile {
		return deminer.SensorFanotify
	}
	return deminer.SensorBPF
}

// lost says which events are not seen, or less well than they could be. Kinds that are seen alike are one line.
func lost(list []deminer.Sense) (lines []string) {
	kinds := map[string][]string{}
	for _, s := range list {
		var text string
		switch {
		case s.Sensor == deminer.SensorNone:
			text = "not seen: %s; " + strings.Join(s.Why, "; ")
		case s.Sensor != best(s.Kind):
			text = "seen less well: %s: by " + string(s.Sensor) + ", " + s.How + "; lost: " + s.Lost + "; " + strings.Join(s.Why, "; ")
		default:
			continue
		}
		if kinds[text] == nil {
			lines = append(lines, text)
		}
		kinds[text] = append(kinds[text], string(s.Kind))
	}
	for i, text := range lines {
		lines[i] = deminer.Cut(strings.Replace(text, "%s", strings.Join(kinds[text], ", "), 1), 600)
	}
	return lines
}

// facets makes lines of doctor of what is seen and how.
func facets(list []deminer.Sense) (out []check) {
	for _, s := range list {
		text := string(s.Kind) + ": "
		if s.Sensor == deminer.SensorNone {
			text += "nothing sees it"
		} else {
			text += string(s.Sensor) + ", " + s.How
			if s.Lost != "" {
				text += "; lost: " + s.Lost
			}
		}
		if len(s.Why) > 0 {
			text += "; " + strings.Join(s.Why, "; ")
		}
		out = append(out, check{"event", s.Sensor != deminer.SensorNone, deminer.Safe(text)})
	}
	return out
}
