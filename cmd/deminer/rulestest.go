package main

import (
	"fmt"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/match"
	"github.com/spf13/cobra"
)

// testedRules is what rules test says of one source with --json.
type testedRules struct {
	Source string         `json:"source"` // directory, file or bundle
	Rules  []match.Tested `json:"rules"`  // every YARA and Sigma rule; lists need no samples
}

func rulesTest(f *flags) *cobra.Command {
	var strict bool
	c := &cobra.Command{
		Use: "test DIR...", Short: "Run every rule over its samples: what must hit, and what must not",
		Long: `Runs each YARA and Sigma rule of a directory or bundle over its samples: text archives (txtar) in
samples/yara/RULE.txtar and samples/sigma/ID.txtar or FILE.txtar, whose parts are named hit... or
miss.... Rules without a sample of both kinds are named; with --strict they are faults.
Exit codes: 0 all as it should be, 1 a sample says otherwise.`,
		Example: "  deminer rules test ./my-rules\n  deminer rules test --strict rules",
		RunE: func(cmd *cobra.Command, names []string) error {
			sources, err := namedRules(f, names, false)
			if err != nil {
				return err
			}
			if len(sources) == 0 {
				return fail(exitUsage, "the samples of deminer's own rules lie in its source, in rules/", "give a directory of rules with samples")
			}
			var out []testedRules
			for _, s := range sources {
				set, err := match.Load(s.FS)
				if err != nil {
					return fail(exitError, "deminer rules check lists every fault with its line", "%s: %w", s.Name, err)
				}
				if set.Len() == 0 {
					return fail(exitError, rulesHint, "rules %s: %s", s.Name, noRules)
				}
				tested, err := set.Test(cmd.Context(), s.FS)
				if err != nil {
					return err
				}
				out = append(out, testedRules{s.Name, append([]match.Tested{}, tested...)})
			}
			if f.json {
				if err := f.write(cmd, out); err != nil {
					return err
				}
			}
			return f.tested(cmd, out, strict)
		},
	}
	c.Flags().BoolVar(&strict, "strict", false, "a rule without a sample of both kinds is a fault")
	return c
}

// tested writes what the samples said and makes the exit code of it.
func (f *flags) tested(cmd *cobra.Command, out []testedRules, strict bool) error {
	all, samples, faulty, bare := 0, 0, 0, 0
	t := f.table(cmd, "RULE", "PLACE", "HIT", "MISS", "WHAT IS WRONG")
	for _, s := range out {
		for _, r := range s.Rules {
			all, samples = all+1, samples+r.Hits+r.Misses
			wrong := r.Faults
			if !r.Sampled() {
				bare++
				wrong = append(wrong, map[bool]string{true: "no samples", false: "wants a sample that hits and one that must not"}[r.Hits+r.Misses == 0])
			}
			if len(r.Faults) > 0 {
				faulty++
			}
			if len(wrong) == 0 && f.verbose {
				wrong = []string{""}
			}
			for _, w := range wrong {
				t.row(r.Rule, fmt.Sprintf("%s:%d", r.File, r.Line), fmt.Sprint(r.Hits), fmt.Sprint(r.Misses), w)
			}
		}
	}
	if !f.json {
		if len(t.rows) > 1 {
			t.flush()
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s, %s run: %s, %s without a sample of both kinds\n", count(all, "rule", "rules"), count(samples, "sample", "samples"),
			deminer.Safe(count(faulty, "fault", "faults")), count(bare, "rule", "rules"))
	}
	if faulty > 0 || strict && bare > 0 {
		return fail(exitError, "mend the rule or the sample, whichever is wrong", "%s whose samples say otherwise, %d without samples", count(faulty, "rule", "rules"), bare)
	}
	return nil
}
