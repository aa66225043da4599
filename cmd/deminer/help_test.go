package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// widest is what a terminal shows in one line without folding it at an odd place.
const widest = 100

// TestHelpFits: no line of the help of any command is wider than a terminal.
func TestHelpFits(t *testing.T) {
	commands := 0
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		commands++
		args := append(strings.Fields(c.CommandPath())[1:], "--help")
		var out, errs bytes.Buffer
		if code := run(context.Background(), args, nil, &out, &errs); code != exitClean {
			t.Errorf("%v: exit %d: %s", args, code, errs.String())
		}
		for l := range strings.Lines(out.String()) {
			if l = strings.TrimSuffix(l, "\n"); utf8.RuneCountInString(l) > widest {
				t.Errorf("%v: %d columns: %s", args, utf8.RuneCountInString(l), l)
			}
		}
		for _, sub := range c.Commands() {
			if !sub.Hidden {
				visit(sub)
			}
		}
	}
	visit(newRoot())
	if commands < 40 {
		t.Errorf("only %d commands", commands)
	}
}
