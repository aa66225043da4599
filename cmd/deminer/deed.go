package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// deed is what commands that do one thing to what they were given write with --json.
type deed struct {
	Done []string `json:"done"` // what was lifted, removed, restored or deleted, in the order of the call; safe text
}

// reapplied is what block reapply writes with --json.
type reapplied struct {
	Applied int `json:"applied"` // blocks that were put in force again
}

// told says what was done: a line each, in the given words, or as JSON.
func (f *flags) told(cmd *cobra.Command, done []string, words string) error {
	if f.json {
		return f.write(cmd, deed{done})
	}
	for _, d := range done {
		fmt.Fprintf(cmd.OutOrStdout(), words+"\n", d)
	}
	return nil
}
