package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/plan"
	"github.com/deminer/deminer/internal/remedy"
	"github.com/deminer/deminer/internal/show"
	"github.com/spf13/cobra"
)

// choosing are the flags that narrow or widen a plan.
type choosing struct {
	incidents, also, skip []string
	blockFor              time.Duration
	keepBlocks            bool
}

func (c *choosing) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&c.incidents, "incident", nil, "only the incident with this `ID`")
	cmd.Flags().StringArrayVar(&c.also, "also", nil, "act on this suspected `REF`, too (the @... of scan -v and plan, or a whole ref of --json)")
	spanVar(cmd, span{&c.blockFor, time.Minute, remedy.LongestBlock}, "block-for", 0, "block addresses for this `TIME` (default 24h)")
	cmd.Flags().BoolVar(&c.keepBlocks, "keep-blocks", false, "write the blocks down, so that deminer block reapply blocks again after a reboot")
	cmd.Flags().StringArrayVar(&c.skip, "skip", nil, "leave this `REF` alone (the @... of scan -v and plan, or a whole ref of --json)")
}

// known refuses incidents and refs that the report does not have, and puts refs in the place of handles: a mistyped --skip
// would act on what was to be spared.
func (c *choosing) known(rep *deminer.Report) error {
	ids, refs := map[string]bool{}, map[string][]string{}
	for _, inc := range rep.Incidents {
		ids[inc.ID] = true
		for _, m := range inc.Members {
			ref := m.Artifact.Ref()
			for _, name := range []string{ref, deminer.Handle(ref)} {
				if !slices.Contains(refs[name], ref) {
					refs[name] = append(refs[name], ref)
				}
			}
		}
	}
	for _, id := range c.incidents {
		if !ids[id] {
			return fail(exitUsage, "deminer scan names the incidents; nothing was changed", "there is no incident %q", id)
		}
	}
	for _, list := range [][]string{c.also, c.skip} {
		for i, name := range list {
			switch found := refs[name]; len(found) {
			case 0:
				return fail(exitUsage, "deminer scan -v shows them; nothing was changed", "no member of an incident has the ref %q", name)
			case 1:
				list[i] = found[0]
			default:
				return fail(exitUsage, "give one of these whole: "+deminer.Safe(strings.Join(found, "  "))+"; nothing was changed", "%q means more than one thing", name)
			}
		}
	}
	return nil
}

func (c *choosing) options() plan.Options {
	return plan.Options{Incidents: c.incidents, Also: c.also, Skip: c.skip, BlockFor: c.blockFor, KeepBlocks: c.keepBlocks}
}

func newPlan(f *flags) *cobra.Command {
	var l looking
	var ch choosing
	var out, export string
	c := &cobra.Command{
		Use:   "plan",
		Short: "Show every change before it is made",
		Long: `Looks again and shows what deminer clean would change, file by file and line by line, with
the reason, the risk and whether it can be undone. It changes nothing.`,
		Example: "  deminer plan\n  deminer plan --out plan.json      save it; deminer clean --plan plan.json runs exactly this one\n  deminer plan --export nft         the blocks as rules for an external firewall",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if export != "" && !slices.Contains([]string{"text", "iptables", "nft", "aws"}, export) {
				return fail(exitUsage, "known are text, iptables, nft and aws", "export rules as %q: unknown form", export)
			}
			h, rep, err := look(cmd.Context(), cmd, f, l.options(nil))
			if err != nil {
				return err
			}
			if err := ch.known(rep); err != nil {
				return err
			}
			p := plan.Make(rep, ch.options(), time.Now())
			if out != "" {
				if err := savePlan(out, &p); err != nil {
					return err
				}
			}
			return showPlan(cmd, f, h, &p, export)
		},
	}
	l.add(c)
	ch.add(c)
	c.Flags().StringVar(&out, "out", "", "save the plan to `FILE`")
	c.Flags().StringVar(&export, "export", "", "print its blocks as rules in this `FORM`: text, iptables, nft or aws")
	_ = c.RegisterFlagCompletionFunc("export", cobra.FixedCompletions([]string{"text", "iptables", "nft", "aws"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func showPlan(cmd *cobra.Command, f *flags, h *host.Host, p *deminer.Plan, export string) error {
	switch {
	case export != "":
		lines, err := plan.Firewall(*p, export)
		if err != nil {
			return fail(exitUsage, "", "%w", err)
		}
		if len(lines) == 0 {
			fmt.Fprintln(cmd.ErrOrStderr(), "deminer: the plan blocks no address, there is nothing to export")
		}
		for _, l := range lines {
			fmt.Fprintln(cmd.OutOrStdout(), l)
		}
		return nil
	case f.json:
		return f.write(cmd, p)
	}
	page := f.page(cmd)
	page.Plan(p, contextOf(h.FS))
	if len(p.Steps) > 0 {
		fmt.Fprintf(cmd.OutOrStdout(), "\n  Next:  deminer clean%[1]s              makes these changes (it asks once)\n         deminer plan%[1]s --out FILE    saves them;  deminer plan%[1]s --export nft  gives rules for a firewall outside\n", show.Below(p.Host))
	}
	return nil
}

// contextOf reads up to two lines around a line of a file, for the diff.
func contextOf(fsys host.FS) show.Context {
	return func(name, line deminer.Raw) (before, after []string) {
		data, err := host.ReadFile(fsys, string(name), 1<<20)
		if err != nil {
			return nil, nil
		}
		all := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
		n := strings.Count(string(line), "\n") + 1
		for i := range all {
			if i+n <= len(all) && strings.Join(all[i:i+n], "\n") == string(line) {
				return all[max(0, i-2):i], all[i+n : min(len(all), i+n+2)]
			}
		}
		return nil, nil
	}
}

// saved is a plan in a file: the digest shows that it is the one that was shown.
type saved struct {
	Plan   deminer.Plan `json:"plan"`
	Digest string       `json:"digest"`
}

// loadPlan reads what savePlan wrote. A plan that was changed since, or that holds what deminer would never plan, is refused.
func loadPlan(cmd *cobra.Command, name string) (deminer.Plan, error) {
	var s saved
	if err := readJSON(cmd, name, &s); err != nil {
		return s.Plan, err
	}
	if s.Digest == "" || s.Digest != s.Plan.Digest() {
		return s.Plan, fail(exitError, "make a new one with deminer plan --out; nothing was changed", "%s was changed since it was saved, or carries no digest", deminer.Safe(name))
	}
	if err := plan.Check(s.Plan); err != nil {
		return s.Plan, fail(exitError, "make a new one with deminer plan --out; nothing was changed", "read %s: %w", deminer.Safe(name), err)
	}
	if deminer.Safe(s.Plan.ID) != s.Plan.ID {
		return s.Plan, fail(exitError, "make a new one with deminer plan --out; nothing was changed", "read %s: %q is no name of a plan", deminer.Safe(name), s.Plan.ID)
	}
	tame(&s.Plan)
	return s.Plan, nil
}

// tame makes the texts of a plan fit to be shown: whoever wrote the file may want to write to the terminal.
func tame(p *deminer.Plan) {
	for i := range p.Steps {
		s := &p.Steps[i]
		s.Risk, s.NoUndo = deminer.Safe(s.Risk), deminer.Safe(s.NoUndo)
		for j := range s.Why {
			s.Why[j] = deminer.Safe(s.Why[j])
		}
	}
	for i := range p.Refused {
		p.Refused[i].Why, p.Refused[i].Advice = deminer.Safe(p.Refused[i].Why), deminer.Safe(p.Refused[i].Advice)
	}
}

func savePlan(name string, p *deminer.Plan) error {
	b, err := json.MarshalIndent(saved{Plan: *p, Digest: p.Digest()}, "", " ")
	if err != nil {
		return fail(exitError, "", "write plan: %w", err)
	}
	if err := os.WriteFile(name, append(b, '\n'), 0o600); err != nil {
		return fail(exitError, "nothing was changed", "save plan: %w", err)
	}
	return nil
}
