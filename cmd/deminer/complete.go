package main

import (
	"fmt"
	"slices"

	"github.com/deminer/deminer"
	"github.com/spf13/cobra"
)

// completion offers arguments to the shell. It changes nothing, and offers nothing where the state cannot be read.
type completion = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective)

// planIDs offers the plans that were run here, the latest first.
func planIDs(f *flags) completion {
	return func(_ *cobra.Command, args []string, _ string) (out []string, _ cobra.ShellCompDirective) {
		s, err := openStore(f, false)
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer s.close()
		ids, _ := s.runner.Journal.Plans()
		slices.Sort(ids)
		for _, id := range slices.Backward(ids) {
			text := id
			if st, err := s.runner.Status(id); err == nil {
				text = cobra.CompletionWithDesc(id, fmt.Sprintf("%d done, %d undone", st.Done, st.Undone))
			}
			out = append(out, text)
		}
		return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// entryIDs offers the entries of the vault with their paths, but for those given already; at most limit of them in one
// call, 0 for any number.
func entryIDs(f *flags, limit int) completion {
	return func(_ *cobra.Command, args []string, _ string) (out []string, _ cobra.ShellCompDirective) {
		s, err := openStore(f, false)
		if err != nil || limit > 0 && len(args) >= limit {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer s.close()
		list, _ := s.vault.List() // a damaged entry is told by the command itself
		for _, e := range list {
			if !slices.Contains(args, e.ID) {
				out = append(out, cobra.CompletionWithDesc(e.ID, deminer.Cut(e.Path, 80)))
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}
