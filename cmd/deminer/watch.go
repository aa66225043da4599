package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
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

// watch looks again at once and then until the window has passed: every 10 seconds in the first two minutes, when most
// triggers fire, every 30 seconds after that. It ends early when something came back.
func watch(ctx context.Context, cmd *cobra.Command, f *flags, p *deminer.Plan, window time.Duration) (proof, error) {
	out := proof{From: time.Now().UTC(), Clean: true}
	if p != nil {
		out.Plan = p.ID
	}
	quiet := *f
	quiet.quiet = true
	for {
		h, rep, err := look(ctx, cmd, &quiet, scan.Options{Window: scan.DefaultWindow})
		if err != nil {
			return out, err
		}
		out.Looks++
		var known []deminer.Artifact
		out.Back, known = returned(h.FS, p)
		out.Back = append(out.Back, convicted(rep, known)...)
		out.Open = undecided(rep)
		out.Left = rep.Snapshot.Gaps
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

// returned names what a plan took away and is there again.
func returned(fsys host.FS, p *deminer.Plan) (out []string, what []deminer.Artifact) {
	if p == nil {
		return nil, nil
	}
	for _, s := range p.Steps {
		t := s.Action.Target
		switch s.Action.Verb {
		case deminer.VerbDropFile, deminer.VerbQuarantine:
			// A directory is left in place where something of the owner's lies in it, and starts nothing by itself.
			if a, err := fsys.Lstat(string(t.Path)); err == nil && !a.IsDir() && !replaced(p, t.Path) {
				out = append(out, fmt.Sprintf("%s is there again (written %s)", deminer.Safe(t.Path), show.Moment(a.Mtime)))
				what = append(what, t)
			}
		case deminer.VerbRemoveAccount:
			data, err := host.ReadFile(fsys, "/etc/passwd", 8<<20)
			if err == nil && strings.Contains("\n"+string(data), "\n"+t.Name+":") {
				out = append(out, "account "+deminer.Safe(t.Name)+" is there again")
				what = append(what, t)
			}
		case deminer.VerbCutLine:
			data, err := host.ReadFile(fsys, string(t.Path), 8<<20)
			if err == nil && t.Line != "" && strings.Contains("\n"+string(data)+"\n", "\n"+string(t.Line)+"\n") {
				out = append(out, fmt.Sprintf("the line is in %s again: %s", deminer.Safe(t.Path), deminer.Cut(t.Line, 100)))
				what = append(what, t)
			}
		}
	}
	return out, what
}

// replaced reports whether the plan itself puts another file at the path it cleared.
func replaced(p *deminer.Plan, name deminer.Raw) bool {
	return slices.ContainsFunc(p.Steps, func(s deminer.Step) bool {
		a := s.Action
		return a.Verb == deminer.VerbRename && a.Args["to"] == name || a.Verb == deminer.VerbRestore && a.Target.Path == name || a.Verb == deminer.VerbCopyFile && a.Target.Path == name
	})
}

// undecided names the strong signs of a look that do not convict: what the word clean does not cover.
func undecided(rep *deminer.Report) (out []string) {
	if rep.Verdict != deminer.VerdictSuspect {
		return nil
	}
	for _, f := range rep.Findings {
		if (f.Tier == deminer.Proof || f.Tier == deminer.Strong) && f.Topic != deminer.TopicDoor && f.Topic != deminer.TopicHygiene {
			out = append(out, f.Title)
		}
	}
	return out
}

// convicted names what a look convicts, with the reason, but for what was named already.
func convicted(rep *deminer.Report, known []deminer.Artifact) (out []string) {
	for _, inc := range rep.Incidents {
		for _, m := range inc.Members {
			named := slices.ContainsFunc(known, func(a deminer.Artifact) bool { return a.Path == m.Artifact.Path && a.Line == m.Artifact.Line })
			if m.Grade == deminer.Convicted && !(named && m.Artifact.Path != "") {
				why := ""
				if len(m.Why) > 0 {
					why = ": " + m.Why[0]
				}
				out = append(out, fmt.Sprintf("%s%s", m.Artifact, why))
			}
		}
	}
	return out
}

func newVerify(f *flags) *cobra.Command {
	var window time.Duration
	c := &cobra.Command{
		Use:   "verify",
		Short: "Look again, and for a while: did it stay gone?",
		Long: `Looks at once and then again and again for the watch window. It ends in "stayed clean" or names
what came back and stops. What the last plan removed is checked by name, too.`,
		Example: "  deminer verify\n  deminer verify --watch 1h",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := lastPlan(f)
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("watch") && p != nil {
				window = p.Watch
			}
			if !cmd.Flags().Changed("watch") && f.root != "/" {
				window = 0 // nothing comes back by itself while the system sleeps
			}
			got, err := watch(cmd.Context(), cmd, f, p, window)
			if err != nil {
				return err
			}
			return showProof(cmd, f, got)
		},
	}
	c.Flags().DurationVar(&window, "watch", 15*time.Minute, "watch for this `time` (default: what the last plan asks for, at least 15m; with --root once); 0 looks once")
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
