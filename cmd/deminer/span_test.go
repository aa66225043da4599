package main

import (
	"regexp"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// timeFlag is how help shows a flag for a time, with and without a name for its value.
var timeFlag = regexp.MustCompile(`--([a-z-]+) (?:TIME|duration)\b`)

// TestTimesHaveBounds walks all commands: every flag for a time refuses what nobody can mean, and takes its own default.
func TestTimesHaveBounds(t *testing.T) {
	seen := map[string]int{}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		for _, m := range timeFlag.FindAllStringSubmatch(c.LocalFlags().FlagUsages(), -1) {
			fl := c.Flag(m[1])
			if fl.Value.Type() != "duration" {
				continue // --created is a moment
			}
			seen[fl.Name]++
			before := fl.Value.String()
			for _, bad := range []string{"-5s", "-1ns", "1000000h", "2562047h", "soon", "5", ""} {
				if err := fl.Value.Set(bad); err == nil {
					t.Errorf("%s --%s takes %q", c.CommandPath(), fl.Name, bad)
				}
			}
			if fl.Value.String() != before || fl.DefValue != before {
				t.Errorf("%s --%s was %s and is %s after wrong calls", c.CommandPath(), fl.Name, before, fl.Value)
			}
			if before == "" {
				continue
			}
			if err := fl.Value.Set(before); err != nil {
				t.Errorf("%s --%s does not take its default: %v", c.CommandPath(), fl.Name, err)
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot())
	for _, name := range []string{"watch", "window", "block-for", "about"} {
		if seen[name] == 0 {
			t.Errorf("no command has --%s: the test looks in the wrong place (%v)", name, seen)
		}
	}
}

func TestTimesAreWrittenShort(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0s", time.Second: "1s", 10 * time.Second: "10s", 10 * time.Minute: "10m", 100 * time.Hour: "100h", 90 * time.Minute: "1h30m", time.Hour + time.Second: "1h0m1s", 10 * time.Millisecond: "10ms"} {
		if got := plainTime(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}
