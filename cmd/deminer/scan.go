package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/live"
	"github.com/deminer/deminer/internal/scan"
	"github.com/spf13/cobra"
)

// looking are the flags of every command that looks first.
type looking struct {
	full   bool
	window time.Duration
}

func (l *looking) add(c *cobra.Command) {
	c.Flags().BoolVar(&l.full, "full", false, "look at every file and check every package, not only the likely places")
	c.Flags().DurationVar(&l.window, "window", scan.DefaultWindow, "measure CPU use over this `time`")
}

func (l *looking) options(paths []string) scan.Options {
	o := scan.Options{Mode: scan.Quick, Paths: paths, Window: l.window}
	switch {
	case l.full:
		o.Mode = scan.Full
	case len(paths) > 0:
		o.Mode = scan.Paths
	}
	return o
}

func newScan(f *flags) *cobra.Command {
	var l looking
	var gaps, urgent bool
	c := &cobra.Command{
		Use:   "scan [PATH...]",
		Short: "Look: what runs, how it comes back, how it came in",
		Long: `Looks at processes, memory, sockets, footholds, accounts, logs and files, and says what it
saw and what it could not look at. It changes nothing.

A quick scan reads the places where malware lies; --full reads every file; with PATHs the
file part reads only what is below them. Exit codes: 0 nothing found, 3 intrusion found,
4 only things for the owner to decide.`,
		Example: "  deminer scan\n  deminer scan --full --json >report.json\n  deminer scan --root /mnt       a system mounted from a rescue disk\n  deminer scan /srv/www",
		RunE: func(cmd *cobra.Command, paths []string) error {
			// A full scan works for minutes on a host that starves already. A quick one costs a second or two of CPU, and
			// behind a miner on every core a lower priority would only keep the help away.
			if l.full && !urgent {
				if err := live.Yield(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
					fmt.Fprintf(cmd.ErrOrStderr(), "deminer: works at ordinary priority: %s\n", deminer.Safe(err.Error()))
				}
			}
			_, rep, err := look(cmd.Context(), cmd, f, l.options(paths))
			if err != nil {
				return err
			}
			if f.json {
				if err := f.write(cmd, rep); err != nil {
					return err
				}
				return exit(codeOf(rep))
			}
			p := f.page(cmd)
			p.Report(rep, f.verbose)
			if gaps && !f.verbose {
				p.Gaps(rep.Snapshot.Gaps, true)
			}
			return exit(codeOf(rep))
		},
	}
	l.add(c)
	c.Flags().BoolVar(&gaps, "gaps", false, "list everything that was not looked at")
	c.Flags().BoolVar(&urgent, "urgent", false, "with --full: do not make way for other programs (default: nice 10, last at the disk)")
	c.Flags().BoolVar(&f.fresh, "fresh", false, "with --full: read every file again, also those unchanged since the last full scan")
	return c
}

func codeOf(rep *deminer.Report) int {
	switch rep.Verdict {
	case deminer.VerdictMining, deminer.VerdictIntrude:
		return exitFound
	case deminer.VerdictSuspect:
		return exitSuspect
	}
	return exitClean
}
