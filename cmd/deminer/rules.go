package main

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/match"
	"github.com/spf13/cobra"
)

func newRules(f *flags) *cobra.Command {
	c := &cobra.Command{Use: "rules", Short: "Check, list, test and measure rules (YARA, Sigma, lists); bundles and keys",
		Long: `Rules are data: YARA for files and memory, Sigma for command lines, lists of indicators. In force
are the rules inside deminer, those of installed bundles, and those of --rules: a directory, one
file, or a bundle. docs/rules.md says how to write them.`}
	return group(c, rulesCheck(f), rulesList(f), rulesTest(f), rulesBench(f), newBundle(f), newRuleKey(f))
}

// checkedRules is what rules check says of one source with --json.
type checkedRules struct {
	Source string          `json:"source"` // directory, file or bundle
	Rules  int             `json:"rules"`  // 0 with a fault: a source with any is refused whole
	Faults []match.Problem `json:"faults"` // what is wrong
}

// namedRules opens what a command names and what --rules names; without either, the rules inside the program if fallback.
func namedRules(f *flags, names []string, fallback bool) ([]match.Source, error) {
	var out []match.Source
	for _, n := range append(slices.Clone(names), f.rules...) {
		s, err := openRules(f, n)
		if err != nil {
			var c *coded
			if errors.As(err, &c) && !exists(n) {
				c.code = exitUsage
			}
			return nil, err
		}
		out = append(out, s)
	}
	if len(out) == 0 && fallback {
		out = []match.Source{builtIn()}
	}
	return out, nil
}

func rulesCheck(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "check [DIR|FILE...]", Short: "Compile rules and name every fault with its file, line and column",
		Long: `Compiles each directory, file or bundle and names every fault as FILE:LINE:COLUMN: TEXT. A source
with any fault would be refused whole. Exit codes: 0 no faults, 1 faults.`,
		Example: "  deminer rules check            the rules inside deminer\n  deminer rules check ./my-rules",
		RunE: func(cmd *cobra.Command, names []string) error {
			sources, err := namedRules(f, names, true)
			if err != nil {
				return err
			}
			var out []checkedRules
			faults, good := 0, 0
			for _, s := range sources {
				c := checkedRules{Source: s.Name, Faults: []match.Problem{}}
				set, err := match.Load(s.FS)
				var probs match.Problems
				switch {
				case err == nil && set.Len() == 0:
					c.Faults = []match.Problem{{File: ".", Line: 1, Text: noRules}}
				case err == nil:
					c.Rules = set.Len()
				case errors.As(err, &probs):
					c.Faults = probs
				default:
					c.Faults = []match.Problem{{File: ".", Line: 1, Text: err.Error()}}
				}
				faults, good, out = faults+len(c.Faults), good+c.Rules, append(out, c)
			}
			if f.json {
				if err := f.write(cmd, out); err != nil {
					return err
				}
			} else {
				f.faults(cmd, out)
			}
			if faults > 0 {
				return fail(exitError, "a source with a fault is refused whole", "%s", count(faults, "fault", "faults"))
			}
			if !f.json {
				fmt.Fprintf(cmd.OutOrStdout(), "no faults in %s\n", count(good, "rule", "rules"))
			}
			return nil
		},
	}
}

// faults writes every fault in the form editors jump to.
func (f *flags) faults(cmd *cobra.Command, list []checkedRules) {
	for _, c := range list {
		for _, p := range c.Faults {
			if path.Base(c.Source) == p.File && path.Ext(p.File) != "" { // one file was named
				p.File = c.Source
			} else {
				p.File = strings.TrimSuffix(c.Source, "/") + "/" + p.File
			}
			fmt.Fprintln(cmd.OutOrStdout(), deminer.Safe(p.Error()))
		}
	}
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func rulesList(f *flags) *cobra.Command {
	var kind, filter string
	c := &cobra.Command{
		Use: "list", Short: "List the rules in force", Args: args(cobra.NoArgs),
		Long: `Lists the rules in force: those inside deminer, of installed bundles and of --rules. On a terminal
as a table, -v with file and line; for a pipe with a TAB between columns.`,
		Example: "  deminer rules list --kind yara\n  deminer rules list --filter xmrig\n  deminer rules list --rules ./mine -v",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if kind != "" && !slices.Contains(kindNames, kind) {
				return fail(exitUsage, "one of "+strings.Join(kindNames, ", "), "--kind %q", kind)
			}
			set, err := loadRules(f)
			if err != nil {
				return err
			}
			warn(cmd.ErrOrStderr(), set)
			list := slices.DeleteFunc(set.List(), func(r match.Rule) bool { return !wanted(r, kind, filter) })
			if f.json {
				return f.write(cmd, append([]match.Rule{}, list...))
			}
			f.rulesTable(cmd, list)
			return nil
		},
	}
	c.Flags().StringVar(&kind, "kind", "", "only rules of this `KIND`: yara, sigma, list")
	c.Flags().StringVar(&filter, "filter", "", "only rules with this `TEXT` in id, title, family, tags or source")
	_ = c.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions(kindNames, cobra.ShellCompDirectiveNoFileComp)) // fails only for a flag that is not there
	return c
}

var kindNames = []string{"yara", "sigma", "list"}

// kindOf names the format of a rule for people.
func kindOf(r match.Rule) string {
	if r.Format == "ioc" {
		return "list"
	}
	return r.Format
}

// called is a rule's name for people: of a Sigma rule the name of its file, since its id says nothing to anybody.
func called(r match.Rule) string {
	if r.Format == "sigma" && uuid.MatchString(r.ID) {
		return "sigma/" + strings.TrimSuffix(path.Base(r.File), path.Ext(r.File))
	}
	return r.ID
}

var uuid = regexp.MustCompile(`/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

func wanted(r match.Rule, kind, filter string) bool {
	if kind != "" && kindOf(r) != kind {
		return false
	}
	text := strings.Join(append([]string{r.ID, r.What, r.Family, r.Source, string(r.Class), r.Strength.String(), r.File}, r.Tags...), "\n")
	return strings.Contains(strings.ToLower(text), strings.ToLower(filter))
}

func (f *flags) rulesTable(cmd *cobra.Command, list []match.Rule) {
	head := []string{"ID", "KIND", "WEIGHT", "CLASS", "FAMILY", "TAGS", "SOURCE", "WHAT"}
	if f.verbose {
		head = append(head[:7:7], "PLACE", "WHAT")
	}
	t := f.table(cmd, head...)
	_, people := terminal(cmd.OutOrStdout())
	for _, r := range list {
		if people && !f.verbose {
			r.ID = called(r)
		}
		what := r.What
		if r.Count > 1 {
			what = fmt.Sprintf("%s (%d)", what, r.Count)
		}
		cells := []string{r.ID, kindOf(r), r.Strength.String(), string(r.Class), r.Family, strings.Join(r.Tags, " ")}
		if source := r.Source; source != "built-in" || f.verbose {
			cells = append(cells, source)
		} else {
			cells = append(cells, "")
		}
		if f.verbose {
			cells = append(cells, fmt.Sprintf("%s:%d", r.File, r.Line))
		}
		t.row(append(cells, what)...)
	}
	t.flush()
}
