package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/deminer/deminer/internal/show"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// flags are those every command knows.
type flags struct {
	root    string
	state   string
	json    bool
	plain   bool
	quiet   bool
	rules   []string
	verbose bool
	fresh   bool
	alone   bool // rules bench: only those of --rules
}

func (f *flags) add(root *cobra.Command) {
	p := root.PersistentFlags()
	p.StringVar(&f.root, "root", "/", "look at the system mounted or unpacked at `DIR` instead of the running one")
	p.StringVar(&f.state, "state", "", "keep journal, vault and cache in `DIR` (default: var/lib/deminer below the root)")
	p.BoolVar(&f.json, "json", false, "write JSON to standard output (schema: docs/json.md)")
	p.BoolVar(&f.plain, "no-color", false, "no colors and no progress (also: NO_COLOR, or output that is not a terminal)")
	p.BoolVarP(&f.quiet, "quiet", "q", false, "no progress")
	p.StringArrayVar(&f.rules, "rules", nil, "use these rules, too: a directory, a file of rules or a signed bundle at `PATH` (may be repeated)")
	p.BoolVarP(&f.verbose, "verbose", "v", false, "show the evidence, what was tested, and the time line")
}

// stateDir is where journal, vault and cache lie.
func (f *flags) stateDir() string {
	if f.state != "" {
		return f.state
	}
	return filepath.Join(f.root, "var/lib/deminer")
}

// page is the page for a command's output: colored and as wide as the terminal if it is one.
func (f *flags) page(cmd *cobra.Command) show.Page {
	p := show.Page{W: cmd.OutOrStdout()}
	if fd, ok := terminal(cmd.OutOrStdout()); ok {
		p.Color = !f.plain && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
		if w, _, err := term.GetSize(fd); err == nil {
			p.Width = min(w, 140)
		}
	}
	return p
}

func terminal(w io.Writer) (int, bool) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	return int(f.Fd()), true
}

// readJSON reads a file made by --json or --out; "-" is standard input. More than 256 MiB is refused.
func readJSON(cmd *cobra.Command, name string, v any) error {
	var r io.Reader = cmd.InOrStdin()
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return fail(exitError, "give a file written by deminer plan --out", "%w", err)
		}
		defer f.Close()
		r = f
	}
	dec := json.NewDecoder(io.LimitReader(r, 256<<20))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fail(exitError, "the file was not written by this version of deminer, or was changed", "read %s: %w", name, err)
	}
	return nil
}

// args wraps cobra's argument checks so that a wrong call exits with the usage code and a hint.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, a []string) error {
		if err := check(cmd, a); err != nil {
			return fail(exitUsage, cmd.CommandPath()+" --help shows more", "call it as: %s", cmd.UseLine())
		}
		return nil
	}
}

// group makes a command that only has commands below it: alone it shows its help, a mistyped one of them is a wrong call.
func group(c *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	c.AddCommand(commands...)
	c.RunE = func(cmd *cobra.Command, a []string) error {
		if len(a) == 0 {
			return cmd.Help()
		}
		return fail(exitUsage, cmd.CommandPath()+" --help shows its commands", "%s has no command %q", cmd.CommandPath(), a[0])
	}
	return c
}

// span is the value of a flag for a time between least and most, both included. What is given beyond is a wrong call: a
// negative watch or a block of a thousand years was never meant.
type span struct {
	to          *time.Duration
	least, most time.Duration
}

// spanVar adds a flag for a time. Every flag for one is made with it.
func spanVar(cmd *cobra.Command, s span, name string, value time.Duration, usage string) {
	*s.to = value
	cmd.Flags().Var(&s, name, usage)
}

// Set implements the values of cobra's flags.
func (s *span) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d < s.least || d > s.most {
		return fmt.Errorf("want a time from %s to %s, such as 90s, 15m or 24h", plainTime(s.least), plainTime(s.most))
	}
	*s.to = d
	return nil
}

// String implements the values of cobra's flags. A time of nothing is no default to be shown.
func (s *span) String() string {
	if s.to == nil || *s.to == 0 {
		return ""
	}
	return plainTime(*s.to)
}

// Type implements the values of cobra's flags.
func (s *span) Type() string { return "duration" }

// plainTime writes a time without the zeros at its end: 24h, not 24h0m0s.
func plainTime(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
