package main

import (
	"context"
	"fmt"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/scan"
	"github.com/deminer/deminer/internal/show"
	"github.com/spf13/cobra"
)

// proof is what a watch ends with.
type proof struct {
	Plan    string        `json:"plan,omitempty"`
	From    time.Time     `json:"from"`
	Watched time.Duration `json:"watched"`
	Looks   int           `json:"looks"`
	Clean   bool          `json:"clean"`
	// Back names what came back, and through which trigger where that is known; safe text.
	Back []string `json:"back,omitempty"`
	// Open are strong signs that convict nobody and are for the owner to decide; safe text.
	Open []string `json:"open,omitempty"`
	// Left are gaps of the last look: what the word clean does not cover.
	Left []deminer.Gap `json:"left,omitempty"`
}

// longestWatch bounds --watch: who wants more wants monitoring, which deminer is not.
const longestWatch = 30 * 24 * time.Hour

// watch looks again at once and then until the window has passed: every 10 seconds in the first two minutes, when most
// triggers fire, every 30 seconds after that. It ends early when something came back.
//
// s is the open state directory, with hands, that holds the plan; nil where none was run here.
func watch(ctx context.Context, cmd *cobra.Command, f *flags, s *store, p *deminer.Plan, window time.Duration) (proof, error) {
	out := proof{From: time.Now().UTC(), Clean: true}
	if p != nil {
		out.Plan = p.ID
	}
	quiet := *f
	quiet.quiet = true
	for {
		_, rep, err := look(ctx, cmd, &quiet, scan.Options{Window: scan.DefaultWindow})
		if err != nil {
			return out, err
		}
		out.Looks++
		var known []deminer.Artifact
		out.Left = rep.Snapshot.Gaps
		if s != nil && p != nil {
			var gap *deminer.Gap
			if out.Back, known, gap = returned(rep, s, p); gap != nil {
				out.Left = append(out.Left, *gap)
			}
		}
		out.Back = append(out.Back, convicted(rep, known)...)
		out.Open = undecided(rep)
		out.Watched = time.Since(out.From)
		if len(out.Back) > 0 {
			out.Clean = false
			return out, nil
		}
		left := window - out.Watched
		if left <= 0 {
			return out, nil
		}
		waiting(cmd, f, out.Watched, window)
		pause := 30 * time.Second
		if out.Watched < 2*time.Minute {
			pause = 10 * time.Second
		}
		select {
		case <-ctx.Done():
			return out, nil
		case <-time.After(min(pause, left)):
		}
	}
}

func waiting(cmd *cobra.Command, f *flags, done, window time.Duration) {
	if _, ok := terminal(cmd.ErrOrStderr()); ok && !f.quiet && !f.json && !f.plain {
		fmt.Fprintf(cmd.ErrOrStderr(), "\r\x1b[K  Watching: clean for %s of %s (Ctrl-C ends the watch, nothing else)", show.Seconds(done), show.Seconds(window))
	}
}

func newVerify(f *flags) *cobra.Command {
	var window time.Duration
	c := &cobra.Command{
		Use:   "verify",
		Short: "Look again, and for a while: did it stay gone?",
		Long: `Looks at once and then again and again for the watch window. It ends in "stayed clean" or names
what came back, and through what, and stops. Everything that the last plan changed is checked by
name, too: files, lines, keys, accounts, modes, flags, units, settings, mounts, blocks, containers,
processes.`,
		Example: "  deminer verify\n  deminer verify --watch 1h",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, p, err := lastPlan(f)
			if err != nil {
				return err
			}
			if s != nil {
				defer s.close()
			}
			if !cmd.Flags().Changed("watch") && p != nil {
				window = p.Watch
			}
			if !cmd.Flags().Changed("watch") && f.root != "/" {
				window = 0 // nothing comes back by itself while the system sleeps
			}
			got, err := watch(cmd.Context(), cmd, f, s, p, window)
			if err != nil {
				return err
			}
			return showProof(cmd, f, got)
		},
	}
	spanVar(c, span{&window, 0, longestWatch}, "watch", 15*time.Minute, "watch for this `TIME` (default: what the last plan asks for, at least 15m; with --root once); 0 looks once")
	return c
}

func showProof(cmd *cobra.Command, f *flags, got proof) error {
	code := exitClean
	switch {
	case !got.Clean:
		code = exitFound
	case len(got.Open) > 0:
		code = exitSuspect
	}
	if f.json {
		if err := f.write(cmd, got); err != nil {
			return err
		}
		return exit(code)
	}
	f.page(cmd).Proof(got.Clean, got.Watched, got.Looks, got.Back, got.Open, got.Left)
	return exit(code)
}
