package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/plan"
	"github.com/deminer/deminer/internal/show"
	"github.com/spf13/cobra"
)

// cleaned is what clean, resume and undo give with --json.
type cleaned struct {
	Plan      deminer.Plan     `json:"plan"`
	Records   []deminer.Record `json:"records"`
	Contained time.Duration    `json:"contained,omitempty"` // from the start of the run until frozen and blocked
	Elapsed   time.Duration    `json:"elapsed"`
	Failed    []string         `json:"failed,omitempty"` // safe text
	Proof     *proof           `json:"proof,omitempty"`
}

func newClean(f *flags) *cobra.Command {
	var l looking
	var ch choosing
	var yes bool
	var file string
	var packages []string
	var window time.Duration
	c := &cobra.Command{
		Use:   "clean",
		Short: "End the intrusion: make the planned changes, then watch",
		Long: `Looks, plans, asks once, and makes the changes in an order in which nothing can react or come
back. Each change is journaled before it is made. Then it looks again and watches.

Only convicted things are touched: lines are cut, files go to the vault, nothing is deleted.
deminer undo takes everything back but the kills.`,
		Example: "  deminer clean\n  deminer clean --plan plan.json\n  deminer clean --yes --watch 1h",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, p, found, err := planOf(cmd, f, l, ch, file)
			if err != nil {
				return err
			}
			if len(p.Steps) == 0 {
				return nothingToDo(cmd, f, h, p, found)
			}
			s, err := openStore(f, true)
			if err != nil {
				return err
			}
			defer s.close()
			if err := s.arm(f, h); err != nil {
				return err
			}
			s.runner.Tools.PackageFiles = packages
			if !f.json {
				f.page(cmd).Ask(p)
			}
			if err := confirm(cmd, yes, fmt.Sprintf("Run these %d steps on %s?", len(p.Steps), deminer.Safe(h.Info.Name))); err != nil {
				return err
			}
			if !cmd.Flags().Changed("watch") {
				window = p.Watch
			}
			return runPlan(cmd, f, h, s, p, window)
		},
	}
	l.add(c)
	ch.add(c)
	c.Flags().StringArrayVar(&packages, "packages", nil, "restore packaged files from this package file (.deb, .rpm, .apk), or from those below this `DIR` of the host, too (may be repeated)")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.Flags().StringVar(&file, "plan", "", "run exactly the plan saved in `FILE`")
	spanVar(c, span{&window, 0, longestWatch}, "watch", plan.DefaultWatch, "watch for this `TIME` afterwards (default: what the plan asks for, at least 15m); 0 looks once")
	return c
}

// nothingToDo ends a clean without steps: what is left to the owner, or was found and is left alone, is told by the exit code.
func nothingToDo(cmd *cobra.Command, f *flags, h *host.Host, p *deminer.Plan, found int) error {
	if !h.Info.Root && !h.Info.Asleep() {
		return fail(exitError, "run deminer as root (sudo); nothing was changed", "without root too little is seen to clean")
	}
	if f.json {
		if err := f.write(cmd, cleaned{Plan: *p, Records: []deminer.Record{}}); err != nil {
			return err
		}
	} else {
		f.page(cmd).Plan(p, nil)
	}
	return exit(found)
}

// planOf makes a plan from a fresh look, or reads the given one and refuses it on another host. found is the exit code of
// that look as a scan; 0 without one.
func planOf(cmd *cobra.Command, f *flags, l looking, ch choosing, file string) (h *host.Host, made *deminer.Plan, found int, err error) {
	if file == "" {
		h, rep, err := look(cmd.Context(), cmd, f, l.options(nil))
		if err != nil {
			return nil, nil, 0, err
		}
		if err := ch.known(rep); err != nil {
			return nil, nil, 0, err
		}
		p := plan.Make(rep, ch.options(), time.Now())
		return h, &p, codeOf(rep), nil
	}
	h, _, err = openHost(f)
	if err != nil {
		return nil, nil, 0, err
	}
	p, err := loadPlan(cmd, file)
	if err != nil {
		return nil, nil, 0, err
	}
	if p.Host.ID != h.Info.ID || p.Host.Source != h.Info.Source {
		return nil, nil, 0, fail(exitError, "make a plan on this host: deminer plan", "the plan was made for another host (%s); nothing was changed", deminer.Safe(p.Host.Name))
	}
	return h, &p, 0, nil
}

func runPlan(cmd *cobra.Command, f *flags, h *host.Host, s *store, p *deminer.Plan, window time.Duration) error {
	begin := time.Now()
	out := cleaned{Plan: *p}
	tick := ticker(cmd, f, p, show.Deed)
	// A signal must not cut a step in half: the run itself goes on to the end of the step it is at.
	err := s.runner.Run(cmd.Context(), *p, p.Digest(), func(r deminer.Record) {
		r.Body = nil
		out.Records = append(out.Records, r)
		if step := find(p, r.Step); r.State == deminer.StateDone && step != nil && (step.Phase == deminer.PhaseFreeze || step.Phase == deminer.PhaseBlock) {
			out.Contained = time.Since(begin)
		}
		tick(r)
	})
	out.Elapsed = time.Since(begin)
	if errors.Is(err, deminer.ErrBusy) {
		return err
	}
	if errors.Is(err, fs.ErrExist) {
		return fail(exitError, "make a new one with deminer plan; nothing was changed", "plan %s was run here before", p.ID)
	}
	if err != nil && len(out.Records) == 0 {
		return fail(exitError, "nothing was changed", "run plan %s: %w", p.ID, err)
	}
	if errors.Is(err, context.Canceled) {
		return fail(exitError, "deminer resume goes on, deminer undo takes back what was done", "stopped in the middle of plan %s", p.ID)
	}
	out.Failed = lines(err)
	if !f.json {
		f.page(cmd).Ran(out.Records, out.Contained, out.Elapsed, out.Failed)
	}
	if h.Info.Asleep() {
		window = 0
	}
	got, werr := watch(cmd.Context(), cmd, f, s, p, window)
	if werr != nil {
		return werr
	}
	out.Proof = &got
	err = nil // told in Failed
	if f.json {
		err = f.write(cmd, out)
	} else {
		f.page(cmd).Proof(got.Clean, got.Watched, got.Looks, got.Back, got.Open, got.Left)
	}
	switch {
	case err != nil:
		return err
	case !got.Clean:
		return exit(exitFound)
	case len(out.Failed) > 0:
		return exit(exitPartly)
	case len(got.Open) > 0:
		return exit(exitSuspect)
	}
	return nil
}

func find(p *deminer.Plan, id string) *deminer.Step {
	for i := range p.Steps {
		if p.Steps[i].ID == id {
			return &p.Steps[i]
		}
	}
	return nil
}

// lines splits a joined error into its parts, safe to show.
func lines(err error) (out []string) {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			out = append(out, lines(e)...)
		}
		return out
	}
	return []string{deminer.Safe(err.Error())}
}

// ticker writes each step as it ends, in the given words.
func ticker(cmd *cobra.Command, f *flags, p *deminer.Plan, words func(deminer.Action) string) func(deminer.Record) {
	if f.json {
		return func(deminer.Record) {}
	}
	page := f.page(cmd)
	return func(r deminer.Record) {
		if s := find(p, r.Step); s != nil {
			page.Tick(r.State, words(s.Action), r.Note)
		}
	}
}
