package main

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newMan(*flags) *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Short: "Write man pages to a directory", Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			if err := os.MkdirAll(a[0], 0o755); err != nil {
				return fail(exitError, "", "write man pages: %w", err)
			}
			head := &doc.GenManHeader{Title: "DEMINER", Section: "8", Source: "deminer " + version, Manual: "System Administration"}
			if err := doc.GenManTree(cmd.Root(), head, a[0]); err != nil {
				return fail(exitError, "", "write man pages: %w", err)
			}
			return nil
		},
	}
}
