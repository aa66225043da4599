// Command deminer ends cryptomining intrusions on servers: scan, plan, clean, verify, undo.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/match"
	"github.com/deminer/deminer/internal/scan"
	"github.com/spf13/cobra"
)

// version is set by the build (-ldflags -X main.version=...); where it is not, main asks the program itself.
var version = unversioned

const unversioned = "dev"

// The exit codes. They are part of the interface: docs/exit-codes.md.
const (
	exitClean    = 0 // done; for scan and verify: nothing found
	exitError    = 1 // could not do it; nothing was changed unless said
	exitUsage    = 2 // the call was wrong
	exitFound    = 3 // an intrusion was found, or came back
	exitSuspect  = 4 // only things for the owner to decide
	exitPartly   = 5 // some steps of a clean-up or undo failed
	exitBusy     = 6 // another deminer is changing this host
	exitDeclined = 7 // not confirmed; nothing was changed
)

// coded is an error with an exit code, and a hint for the person.
type coded struct {
	code int
	err  error
	hint string
}

func (c *coded) Error() string { return c.err.Error() }
func (c *coded) Unwrap() error { return c.err }

// exit ends a command with a code and no message: what there was to say has been said.
func exit(code int) error {
	if code == exitClean {
		return nil
	}
	return &coded{code: code}
}

func fail(code int, hint, format string, args ...any) error {
	return &coded{code: code, err: fmt.Errorf(format, args...), hint: hint}
}

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	if info, ok := debug.ReadBuildInfo(); ok && version == unversioned {
		version = builtFrom(info)
	}
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup keeps it from ending when its terminal goes
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// How much garbage is kept for each 100 bytes in use; Go keeps 100 by itself. Less costs processor time, more costs memory
// that the host may need.
const (
	garbage     = 30 // a third more in use than needed is hardly seen beside what a scan is about
	fullGarbage = 60 // hundreds of thousands of files are remembered: what is in use is gone through again and again
	pathGarbage = 10 // where thousands of rules are in use
)

// roomy sets how much garbage a scan keeps. One of given paths, which may read gigabytes with few rules at hand, fills 32 MiB
// with what is in use and garbage, so that it does not collect every few megabytes where little is in use.
func roomy(mode scan.Mode) {
	if os.Getenv("GOGC") != "" {
		return
	}
	switch mode {
	case scan.Full:
		debug.SetGCPercent(fullGarbage)
	case scan.Paths:
		runtime.GC() // the garbage of compiling the rules is not in use
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		live := max(int64(m.HeapAlloc), 1)
		debug.SetGCPercent(max(pathGarbage, min(100, int(100*(roomyHeap-live)/live))))
	}
}

const roomyHeap = 32 << 20

// run is main without the process around it, for tests.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	cmd := newRoot()
	cmd.SetArgs(args)
	cmd.SetIn(in)
	cmd.SetOut(out)
	cmd.SetErr(errs)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return exitClean
	}
	c := codedOf(err)
	tell(errs, c)
	return c.code
}

// codedOf gives an error its exit code where it has none.
func codedOf(err error) *coded {
	var c *coded
	if !errors.As(err, &c) {
		text := strings.Replace(err.Error(), "\n\nDid you mean", "; did you mean", 1)
		c = &coded{code: exitUsage, err: errors.New(strings.Join(strings.Fields(text), " ")), hint: "deminer help shows the commands and their flags"}
		if errors.Is(err, context.Canceled) {
			c = &coded{code: exitError, err: errors.New("stopped"), hint: "nothing is half done: deminer resume shows whether a plan was interrupted"}
		}
		if errors.Is(err, deminer.ErrBusy) {
			c = &coded{code: exitBusy, err: err, hint: "wait for it, or see which one with deminer doctor"}
		}
	}
	return c
}

// maxFaults is how many faults of rules an error shows: what to do about them must stay on the screen.
const maxFaults = 20

// tell writes an error for the person, each fault of rules on a line of its own, with its hint.
func tell(errs io.Writer, c *coded) {
	if c.err != nil {
		text := c.err.Error()
		var faults match.Problems
		if errors.As(c.err, &faults) {
			text = strings.TrimRight(strings.TrimSuffix(text, faults.Error()), "\n ")
		}
		fmt.Fprintf(errs, "deminer: %s\n", deminer.Safe(text))
		for _, p := range faults[:min(len(faults), maxFaults)] {
			fmt.Fprintf(errs, "    %s\n", deminer.Safe(p.Error()))
		}
		if n := len(faults) - maxFaults; n > 0 {
			fmt.Fprintf(errs, "    and %d more\n", n)
		}
	}
	if c.hint != "" {
		fmt.Fprintf(errs, "  %s\n", c.hint)
	}
}

// several ends a command that failed in part: it tells all failures but the last, which it gives back to be told as any.
func several(cmd *cobra.Command, failed []error) error {
	for i, err := range failed {
		if i == len(failed)-1 {
			return err
		}
		tell(cmd.ErrOrStderr(), codedOf(err))
	}
	return nil
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "deminer",
		Short: "Ends cryptomining intrusions on servers",
		Long: `deminer finds what mines on a server, how it comes back and how it got in; shows every change
before it makes it; ends the intrusion without touching the business; proves that it stayed
gone; and can take all of it back. It runs no program of the host and needs no network.

  deminer scan      what runs, how it comes back, how it came in
  deminer plan      every change, before it is made
  deminer clean     makes them, then watches
  deminer undo      takes them back

Exit codes: 0 clean or done, 1 error, 2 wrong call, 3 intrusion found, 4 for the owner to
decide, 5 some steps failed, 6 another deminer is at work, 7 not confirmed.`,
		SilenceErrors: true, SilenceUsage: true,
		Version: version,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fail(exitUsage, cmd.CommandPath()+" --help shows its flags", "%w", err)
	})
	f := &flags{}
	f.add(root)
	root.PersistentPreRun = func(cmd *cobra.Command, _ []string) {
		if n := cmd.Name(); n == "scan" || n == "plan" || n == "clean" || n == "verify" {
			warnUnfinished(f, func(format string, a ...any) { fmt.Fprintf(cmd.ErrOrStderr(), format, a...) })
		}
	}
	for _, c := range []func(*flags) *cobra.Command{newScan, newPlan, newClean, newVerify, newUndo, newResume, newQuarantine, newBlock, newGuesses, newRules, newAgent, newEnroll, newServer, newUp, newAlerts, newPolicy, newService, newOnHost, newDoctor, newEvents, newTimeline, newVersion, newMan} {
		root.AddCommand(c(f))
	}
	strict(root)
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), "Flags.FlagUsages ", "Flags.FlagUsagesWrapped 100 "))
	return root
}

// strict makes a wrong call of the commands that cobra brings what it is with all others.
func strict(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "completion":
			c.Args = nil
			group(c)
		case "help":
			shown := c.Run
			c.RunE = func(cmd *cobra.Command, a []string) error {
				if _, _, err := root.Find(a); err != nil {
					return err
				}
				shown(cmd, a)
				return nil
			}
		}
	}
}
