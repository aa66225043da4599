package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/remedy"
	"github.com/deminer/deminer/internal/show"
	"github.com/spf13/cobra"
)

func newUndo(f *flags) *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:   "undo [PLAN]",
		Short: "Take a clean-up back",
		Long: `Takes back what a plan changed (the latest one, unless another is named), last step first: files,
lines, units, accounts, blocks, flags, with owner, mode, times and attributes. A killed process
stays dead. What somebody else changed since is not overwritten: the line is put back, not the
file.`,
		Example: "  deminer undo                          the latest plan\n  deminer undo 20260303-040000-1f2e",
		Args:    args(cobra.MaximumNArgs(1)), ValidArgsFunction: planIDs(f),
		RunE: func(cmd *cobra.Command, a []string) error {
			id := ""
			if len(a) == 1 {
				id = a[0]
			}
			s, h, st, err := reopen(f, id)
			if err != nil {
				return err
			}
			defer s.close()
			question := fmt.Sprintf("Take back %d steps of plan %s on %s? The intrusion's files and triggers return.", st.Done, st.Plan.ID, deminer.Safe(h.Info.Name))
			if err := confirm(cmd, yes, question); err != nil {
				return err
			}
			return again(cmd, f, st, show.Back, s.runner.Undo)
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

func newResume(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "resume [PLAN]",
		Short: "Finish a plan that was interrupted",
		Long: `After a power cut, a crash or Ctrl-C: goes on with the step the plan was at. A plan that was not
interrupted is left alone.`,
		Args: args(cobra.MaximumNArgs(1)), ValidArgsFunction: planIDs(f),
		RunE: func(cmd *cobra.Command, a []string) error {
			id := ""
			if len(a) == 1 {
				id = a[0]
			}
			s, _, st, err := reopen(f, id)
			if err != nil {
				return err
			}
			defer s.close()
			if !st.Interrupted {
				fmt.Fprintf(cmd.OutOrStdout(), "Plan %s was not interrupted: %s.\n", st.Plan.ID, tally(st))
				return nil
			}
			return again(cmd, f, st, show.Deed, s.runner.Resume)
		},
	}
}

// reopen opens a plan that was run here, with hands.
func reopen(f *flags, id string) (*store, *host.Host, *remedy.Status, error) {
	s, err := openStore(f, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil, fail(exitError, "deminer clean runs one", "%w", errNoPlan)
	}
	if err != nil {
		return nil, nil, nil, err
	}
	st, err := s.read(id)
	if errors.Is(err, errNoPlan) {
		err = fail(exitError, "deminer doctor lists the plans", "%w, or all were undone", errNoPlan)
	}
	if err != nil {
		s.close()
		return nil, nil, nil, err
	}
	h, err := s.reach(f)
	if err != nil {
		return nil, nil, nil, err
	}
	return s, h, st, nil
}

// again runs an undo or a resume and shows how it went.
func again(cmd *cobra.Command, f *flags, st *remedy.Status, words func(deminer.Action) string, do func(context.Context, string, func(deminer.Record)) error) error {
	begin := time.Now()
	out := cleaned{Plan: st.Plan}
	tick := ticker(cmd, f, &st.Plan, words)
	err := do(cmd.Context(), st.Plan.ID, func(r deminer.Record) {
		out.Records = append(out.Records, r)
		tick(r)
	})
	if errors.Is(err, deminer.ErrBusy) {
		return err
	}
	out.Elapsed = time.Since(begin)
	hard := 0
	for _, l := range parts(err) {
		out.Failed = append(out.Failed, deminer.Safe(l.Error()))
		if !errors.Is(l, deminer.ErrIrreversible) {
			hard++
		}
	}
	if f.json {
		if err := f.write(cmd, out); err != nil {
			return err
		}
	} else {
		f.page(cmd).Ran(out.Records, 0, out.Elapsed, out.Failed)
	}
	if hard > 0 {
		return exit(exitPartly)
	}
	return nil
}

// parts splits a joined error.
func parts(err error) (out []error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			out = append(out, parts(e)...)
		}
		return out
	}
	if err == nil {
		return nil
	}
	return []error{err}
}
