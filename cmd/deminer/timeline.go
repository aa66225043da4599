package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/history"
	"github.com/spf13/cobra"
)

// historyDir is where the history lies in the state directory.
const historyDir = "history"

// timelineEnd is the last thing that timeline says.
type timelineEnd struct {
	Shown int `json:"shown"` // entries
	// Trees tell of the processes of the entries, from whom they descend; with --pid, --incident and --tree.
	Trees []*history.Node `json:"trees,omitempty"`
	Cut   bool            `json:"cut,omitempty"`   // there is more: too many processes for the trees, or too many entries beside them
	Fault string          `json:"fault,omitempty"` // what of the history is not as it was written
}

// asked are the flags of timeline.
type asked struct {
	since, until, exe, path, remote, incident, pid string
	kinds                                          []string
	tree                                           bool
}

func newTimeline(f *flags) *cobra.Command {
	var a asked
	c := &cobra.Command{
		Use:   "timeline",
		Short: "Show what happened here: programs, connections, changes, alerts",
		Long: `Shows the history that the agent keeps on this host, a line for each moment, oldest first. With
--pid, --incident or --tree the processes are shown as a tree first: who started whom, and which
one somebody most likely came in through. Times are UTC. What comes again and again is told once,
with how often. deminer doctor checks whether the history is as it was written.`,
		Example: "  deminer timeline --since 2h\n  deminer timeline --incident 3f2a\n  deminer timeline --path /etc/cron.d --since 7d\n  deminer timeline --exe curl --tree",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			want, err := a.filter(time.Now())
			if err != nil {
				return err
			}
			dir, err := openHistory(f)
			if errors.Is(err, fs.ErrNotExist) {
				return fail(exitError, "the agent (deminer service install) keeps one while it runs", "there is no history in %s", f.stateDir())
			}
			if err != nil {
				return err
			}
			defer dir.Close()
			return showTimeline(cmd, f, history.Read(dir), want, a.tree || a.pid != "" || a.incident != "")
		},
	}
	c.Flags().StringVar(&a.since, "since", "", "from this `TIME` on: so long ago (90m, 7d), or a moment as 2026-03-01T03:00 in UTC (default: 24h, or all with --pid or --incident)")
	c.Flags().StringVar(&a.until, "until", "", "up to this `TIME`")
	c.Flags().StringVar(&a.pid, "pid", "", "what the process with this `PID` did, or PID@START")
	c.Flags().StringVar(&a.exe, "exe", "", "what this `PROGRAM` did: a path, or the last name of one")
	c.Flags().StringVar(&a.path, "path", "", "what happened at this `PATH` or below, or was run from there")
	c.Flags().StringVar(&a.remote, "remote", "", "connections to this `ADDRESS`, with a port or without, or a name that was asked for")
	c.Flags().StringVar(&a.incident, "incident", "", "all that belongs to the incident or alert with this `ID`")
	c.Flags().StringSliceVar(&a.kinds, "kind", nil, "only these `KINDS`: "+strings.Join(pastKinds(), ", "))
	c.Flags().BoolVar(&a.tree, "tree", false, "show first who started whom")
	return c
}

func pastKinds() (out []string) {
	for _, k := range history.Kinds() {
		out = append(out, string(k))
	}
	return out
}

// openHistory opens the directory of the history for reading; fs.ErrNotExist where there is none.
func openHistory(f *flags) (*os.Root, error) {
	s, err := openStore(f, false)
	if err != nil {
		return nil, err
	}
	defer s.close()
	return s.dir.OpenRoot(historyDir)
}

func (a *asked) filter(now time.Time) (want history.Filter, err error) {
	if want.Since, err = moment(a.since, now); err != nil {
		return want, err
	}
	if want.Until, err = moment(a.until, now); err != nil {
		return want, err
	}
	if a.since != "" && a.until != "" && want.Until.Before(want.Since) {
		return want, fail(exitUsage, "as --since 2h --until 1h", "--until %s is before --since %s", a.until, a.since)
	}
	if a.since == "" && a.pid == "" && a.incident == "" {
		want.Since = now.Add(-24 * time.Hour)
	}
	for _, k := range a.kinds {
		if !slices.Contains(history.Kinds(), deminer.EventKind(k)) {
			return want, fail(exitUsage, "the kinds are "+strings.Join(pastKinds(), ", "), "the history has no kind %q", k)
		}
		want.Kinds = append(want.Kinds, deminer.EventKind(k))
	}
	if a.pid != "" {
		pid, start, whole := strings.Cut(a.pid, "@")
		if want.PID, err = strconv.Atoi(pid); err != nil || want.PID < 1 {
			return want, fail(exitUsage, "as --pid 812", "%q is no number of a process", a.pid)
		}
		if whole {
			if want.Proc.Start, err = strconv.ParseUint(start, 10, 64); err != nil {
				return want, fail(exitUsage, "as --pid 812@93011", "%q is no number of a process with its start", a.pid)
			}
			want.Proc.PID = want.PID
		}
	}
	want.Exe, want.Remote, want.Incident = a.exe, a.remote, a.incident
	if a.path != "" && path.Clean(a.path) != "/" {
		want.Path = path.Clean(a.path)
		if !path.IsAbs(want.Path) {
			return want, fail(exitUsage, "as --path /etc/cron.d", "%q is no absolute path", a.path)
		}
	}
	return want, nil
}

// moment reads a time: so long ago, or a moment in UTC.
func moment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n < 36500 {
			return now.Add(-time.Duration(n) * 24 * time.Hour), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(form, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fail(exitUsage, "as 90m, 7d, 2026-03-01 or 2026-03-01T03:00", "%q is no time", text)
}

// maxShown is how many entries wait for the tree that is shown before them; the rest is left out, and that is said.
const maxShown = 100_000

func showTimeline(cmd *cobra.Command, f *flags, r *history.Reader, want history.Filter, tree bool) error {
	var end timelineEnd
	page := f.page(cmd)
	var failed error
	show := func(e history.Entry) bool {
		end.Shown++
		if f.json {
			failed = f.write(cmd, e)
		} else {
			page.Past(&e)
		}
		return failed == nil
	}
	var fault error
	if !tree {
		fault = r.Query(want, show)
	} else {
		var list []history.Entry
		list, fault = withTree(r, want, &end)
		if !f.json && len(end.Trees) > 0 {
			page.Descent(end.Trees)
			fmt.Fprintln(cmd.OutOrStdout())
		}
		for _, e := range list {
			if !show(e) {
				break
			}
		}
	}
	switch {
	case failed != nil:
		return failed
	case fault != nil && !errors.Is(fault, history.ErrDamaged):
		return fail(exitError, "", "read history: %w", fault)
	case fault != nil:
		end.Fault = deminer.Safe(fault.Error())
	}
	if f.json {
		if err := f.write(cmd, end); err != nil {
			return err
		}
	} else if end.Shown == 0 {
		fmt.Fprintln(cmd.ErrOrStderr(), "  nothing of that is in the history")
	} else if end.Cut {
		fmt.Fprintln(cmd.ErrOrStderr(), "  there is more than is shown here: narrow it down with --since, --until or --kind")
	}
	if fault != nil {
		return fail(exitError, "what is shown is what can be read; somebody may have changed the rest", "%w", fault)
	}
	return nil
}

// withTree gives the entries that are wanted and the trees of their processes. Of an incident it gives all that the processes of
// its alerts did, and those they started.
func withTree(r *history.Reader, want history.Filter, end *timelineEnd) (list []history.Entry, fault error) {
	var procs []deminer.ProcID
	known := map[deminer.ProcID]bool{}
	full := false
	take := func(e history.Entry) bool {
		if full = len(list) == maxShown; full {
			return false
		}
		list = append(list, e)
		if e.Proc.PID != 0 && !known[e.Proc] {
			known[e.Proc], procs = true, append(procs, e.Proc)
		}
		return true
	}
	fault = r.Query(want, take)
	whole := want.Incident != ""
	defer func() { end.Cut = end.Cut || full }()
	var err error
	if end.Trees, end.Cut, err = r.Tree(procs, whole); err != nil {
		fault = err
	}
	if !whole {
		return list, fault
	}
	seen := map[uint64]bool{}
	for _, e := range list {
		seen[e.Seq] = true
	}
	for _, root := range end.Trees {
		root.All(func(n *history.Node) {
			if !n.Involved {
				return
			}
			if err := r.Query(history.Filter{Proc: n.Entry.Proc, Since: want.Since, Until: want.Until, Kinds: want.Kinds}, func(e history.Entry) bool {
				if seen[e.Seq] {
					return true
				}
				seen[e.Seq] = true
				return take(e)
			}); err != nil {
				fault = err
			}
		})
	}
	slices.SortFunc(list, func(a, b history.Entry) int {
		if a.Seq < b.Seq {
			return -1
		}
		return 1
	})
	return list, fault
}
