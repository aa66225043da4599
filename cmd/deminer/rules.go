package main

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/match"
	"github.com/deminer/deminer/rules"
	"github.com/spf13/cobra"
)

func newRules(f *flags) *cobra.Command {
	c := &cobra.Command{Use: "rules", Short: "Check and list rules (YARA, Sigma, lists)",
		Long: "Rules are data: YARA for files and memory, Sigma for command lines, lists of indicators. --rules DIR adds your own."}
	c.AddCommand(rulesCheck(f), rulesList(f))
	return c
}

func rulesCheck(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "check [DIR...]", Short: "Compile rules and name every fault with its file and line",
		Example: "  deminer rules check            the rules inside deminer\n  deminer rules check ./my-rules",
		RunE: func(cmd *cobra.Command, dirs []string) error {
			sources := map[string]fs.FS{}
			for _, d := range append(dirs, f.rules...) {
				if st, err := os.Stat(d); err != nil || !st.IsDir() {
					return fail(exitUsage, "give a directory with .yar, .yml and list files", "%s: not a directory", d)
				}
				sources[d] = os.DirFS(d)
			}
			if len(sources) == 0 {
				sources["built-in"] = rules.FS
			}
			faults := 0
			for name, source := range sources {
				for _, p := range match.Check(source) {
					faults++
					fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", deminer.Safe(name), deminer.Safe(fmt.Sprint(p)))
				}
			}
			if faults > 0 {
				return fail(exitError, "a directory with a fault is refused whole", "%d fault(s)", faults)
			}
			fmt.Fprintln(cmd.OutOrStdout(), "no faults")
			return nil
		},
	}
}

func rulesList(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the rules in force", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			set, err := loadRules(f)
			if err != nil {
				return err
			}
			if f.json {
				return f.write(cmd, set.List())
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			for _, r := range set.List() {
				fmt.Fprintln(w, strings.Join([]string{deminer.Safe(r.ID), r.Format, r.Strength.String(), string(r.Class), deminer.Safe(r.Family), deminer.Cut(r.What, 80)}, "\t"))
			}
			return w.Flush()
		},
	}
}
