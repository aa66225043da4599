package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// confirm asks a question that only the word yes answers with yes. Where nobody can answer it refuses.
func confirm(cmd *cobra.Command, yes bool, question string) error {
	if yes {
		return nil
	}
	if f, ok := cmd.InOrStdin().(*os.File); ok && !term.IsTerminal(int(f.Fd())) {
		return fail(exitDeclined, "run it in a terminal, or give --yes once you have read what it will do", "not confirmed: there is no terminal to ask on; nothing was changed")
	}
	fmt.Fprintf(cmd.OutOrStdout(), "\n  %s\n  Type yes to go on: ", question)
	line, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), 64)).ReadString('\n')
	if err != nil && line == "" || strings.TrimSpace(strings.ToLower(line)) != "yes" {
		return fail(exitDeclined, "", "not confirmed; nothing was changed")
	}
	return nil
}
