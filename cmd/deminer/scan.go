package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/live"
	"github.com/deminer/deminer/internal/host/rootfs"
	"github.com/deminer/deminer/internal/match"
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
	spanVar(c, span{&l.window, 10 * time.Millisecond, 10 * time.Minute}, "window", scan.DefaultWindow, "measure CPU use over this `TIME`")
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
	var gaps, urgent, profile bool
	c := &cobra.Command{
		Use:   "scan [PATH...]",
		Short: "Look: what runs, how it comes back, how it came in",
		Long: `Looks at processes, memory, sockets, footholds, accounts, logs and files, and says what it
saw and what it could not look at. It changes nothing.

A quick scan reads the places where malware lies; --full reads every file; with PATHs, which do
not go with --full, the file part reads all that is below them, and nothing else, and every rule
that speaks of a file is listed (-v: with the strings that were found and their offsets). --rules
brings rules of your own: YARA, Sigma, lists or a signed bundle. Exit codes: 0 nothing found, 3
intrusion found, 4 only things for the owner to decide, a hit of a rule you brought among them.`,
		Example: "  deminer scan\n  deminer scan --full --json >report.json\n  deminer scan --root /mnt       a system mounted from a rescue disk\n  deminer scan /srv/www\n  deminer scan -v /srv/www --rules ./my-rules",
		RunE: func(cmd *cobra.Command, paths []string) error {
			if err := f.places(paths); err != nil {
				return err
			}
			if profile && len(paths) == 0 {
				return fail(exitUsage, "deminer rules bench measures rules without a scan", "--profile-rules wants a PATH whose files to measure on")
			}
			if l.full && len(paths) > 0 {
				return fail(exitUsage, "deminer scan PATH reads every file below it; deminer scan --full reads every file of the host", "--full looks at the whole host, PATHs at nothing else: give one of the two")
			}
			if (f.fresh || urgent) && !l.full {
				return fail(exitUsage, "deminer scan --full looks at every file; what is not full reads all anew and never makes way", "--fresh and --urgent go with --full only")
			}
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
			out := profiled{Report: rep}
			if profile {
				if out.Profile, err = f.profileOf(cmd.Context(), paths); err != nil {
					return err
				}
			}
			if f.json {
				if err := f.write(cmd, out); err != nil {
					return err
				}
				return exit(codeOf(rep))
			}
			p := f.page(cmd)
			p.Report(rep, f.verbose, gaps)
			if profile {
				fmt.Fprintln(cmd.OutOrStdout())
				f.profile(cmd, out.Profile, 20)
			}
			return exit(codeOf(rep))
		},
	}
	l.add(c)
	c.Flags().BoolVar(&gaps, "gaps", false, "list everything that was not looked at")
	c.Flags().BoolVar(&profile, "profile-rules", false, "with PATHs: measure what each rule costs on a sample of their files, and show the slowest")
	c.Flags().BoolVar(&urgent, "urgent", false, "with --full: do not make way for other programs (default: nice 10, last at the disk)")
	c.Flags().BoolVar(&f.fresh, "fresh", false, "with --full: read every file again, also those unchanged since the last full scan")
	return c
}

// profiled is what scan writes with --json: a report, and with --profile-rules what the rules cost.
type profiled struct {
	*deminer.Report
	Profile *match.Profile `json:"rule_profile,omitempty"` // with --profile-rules
}

// profileOf measures each rule in force on a sample of the files below the paths.
func (f *flags) profileOf(ctx context.Context, paths []string) (*match.Profile, error) {
	set, err := loadRules(f)
	if err != nil {
		return nil, err
	}
	var data [][]byte
	for _, name := range paths {
		some, err := readSome(ctx, f, name)
		if err != nil {
			return nil, err
		}
		data = append(data, some[:max(1, len(some)/len(paths))]...)
	}
	p, err := set.Measure(ctx, data, someEvents(), profileTime, cpuTime)
	return &p, err
}

// profileTime is about how long single rules are measured after a scan.
const profileTime = 10 * time.Second

// places makes the paths of a scan those of its root: on the running system a relative one begins where we stand. What is
// not there is a mistake of the call, not a clean place.
func (f *flags) places(paths []string) error {
	fsys, err := rootfs.Open(f.root)
	if err != nil {
		return fail(exitError, "give the directory where the system's / is mounted", "%w", err)
	}
	defer fsys.Close()
	for i, name := range paths {
		if filepath.Clean(f.root) == "/" {
			if name, err = filepath.Abs(name); err != nil {
				return fail(exitError, "", "path %s: %w", paths[i], err)
			}
		}
		name = path.Clean("/" + filepath.ToSlash(name))
		if _, err := fsys.Lstat(name); err != nil {
			return fail(exitUsage, "give paths that exist below the root", "path %s: %w", paths[i], plainly(err))
		}
		paths[i] = name
	}
	return nil
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
