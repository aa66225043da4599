package main

import (
	"errors"
	"os"

	"github.com/deminer/deminer/internal/host/live"
	"github.com/spf13/cobra"
)

func newOnHost(_ *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "on-host COMMAND [ARGUMENTS]",
		Short: "Run a command of deminer on the host, from within a container of it",
		Long: `Enters the mounts, network and names of the host's PID 1 and runs this same program there with
the given command: what it looks at and changes is the host, not the container. The container must
be privileged and see the host's processes (hostPID in Kubernetes, --pid=host in Docker). No
program of the host is run.`,
		Example:            "  deminer on-host scan\n  deminer on-host agent",
		DisableFlagParsing: true, // they are those of the command
		Args:               args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, words []string) error {
			if words[0] == "-h" || words[0] == "--help" {
				return cmd.Help()
			}
			err := live.Join(append([]string{"deminer"}, words...), os.Environ())
			if errors.Is(err, live.ErrNoHost) {
				return fail(exitUsage, "on the host itself leave out on-host; a container needs hostPID (--pid=host)", "%w", err)
			}
			return fail(exitError, "the container must be privileged", "%w", err)
		},
	}
}
