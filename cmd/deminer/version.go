package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

func newVersion(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Show which deminer this is", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			set, err := loadRules(f)
			if err != nil {
				return err
			}
			if f.json {
				return f.write(cmd, map[string]any{"version": version, "go": runtime.Version(), "system": runtime.GOOS + "/" + runtime.GOARCH, "rules": set.Len(), "rules_digest": set.Digest(), "sources": set.Told()})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "deminer %s (%s, %s/%s), %d rules %.12s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH, set.Len(), set.Digest())
			return nil
		},
	}
}
