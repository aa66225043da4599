package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/deminer/deminer"
	"github.com/spf13/cobra"
)

// builtFrom names what a program was built from that no release names: the version of its module, as go install knows it, or the commit
// and its time, with "+dirty" where the tree held more. Where neither is known it is "dev".
func builtFrom(info *debug.BuildInfo) string {
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return deminer.Cut(v, 80)
	}
	set := map[string]string{}
	for _, s := range info.Settings {
		set[s.Key] = s.Value
	}
	if set["vcs.revision"] == "" {
		return unversioned
	}
	out := unversioned
	if at, err := time.Parse(time.RFC3339, set["vcs.time"]); err == nil {
		out += "-" + at.UTC().Format("20060102150405")
	}
	out += "-" + deminer.Cut(set["vcs.revision"][:min(12, len(set["vcs.revision"]))], 12)
	if set["vcs.modified"] == "true" {
		out += "+dirty"
	}
	return out
}

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
