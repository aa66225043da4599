package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// foreignFlags stand in the documents and are other programs': lynis, stress-ng.
var foreignFlags = map[string]bool{"--privileged": true, "--create-namespace": true, "--set": true, "--reuse-values": true, "--from-literal": true, "--pid": true, "--rm": true, "--quick": true, "--cpu": true, "--matrix": true, "--vm": true, "--now": true}

// flagInText is a long option in a text: not the end of a comment of HTML, not a dash between words.
var flagInText = regexp.MustCompile("(?:^|[^a-z!<-])(--[a-z][a-z-]*[a-z])")

// flagInHelp is where the help of a flag begins.
var flagInHelp = regexp.MustCompile(`(?m)^ +(?:-[a-z], )?(--[a-z-]+)`)

// TestFlagsAreDocumented wants every flag of every command in the documents, and no other in them.
func TestFlagsAreDocumented(t *testing.T) {
	var names []string
	for _, pattern := range []string{"../../README.md", "../../CHANGELOG.md", "../../docs/*.md", "../../rules/README.md"} {
		some, err := filepath.Glob(pattern)
		if err != nil || len(some) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		names = append(names, some...)
	}
	documented := map[string]string{} // flag -> a document that speaks of it
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range flagInText.FindAllStringSubmatch(string(text), -1) {
			documented[m[1]] = name
		}
	}
	known := map[string]bool{}
	each(newRoot(), func(c *cobra.Command) {
		c.InitDefaultHelpFlag()
		c.InitDefaultVersionFlag()
		for _, m := range flagInHelp.FindAllStringSubmatch(c.LocalFlags().FlagUsages(), -1) {
			known[m[1]] = true
			if documented[m[1]] == "" && !strings.HasPrefix(c.CommandPath(), "deminer completion ") {
				t.Errorf("%s %s is in no document", c.CommandPath(), m[1])
			}
		}
	})
	for flag, name := range documented {
		if !known[flag] && !foreignFlags[flag] {
			t.Errorf("%s speaks of %s, which no command has", filepath.Base(name), flag)
		}
	}
	if len(known) < 30 {
		t.Errorf("only %d flags were looked at", len(known))
	}
}

// each visits a command and all below it.
func each(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		each(sub, visit)
	}
}
