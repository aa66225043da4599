package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/contract"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/deny"
	"github.com/deminer/deminer/internal/host/hands"
	"github.com/deminer/deminer/internal/service"
	"github.com/deminer/deminer/internal/show"
	"github.com/spf13/cobra"
)

// planID names a plan that no look at the host made, in the form of those that one did.
func planID() string {
	var b [2]byte
	_, _ = rand.Read(b[:]) // it never fails
	return time.Now().UTC().Format("20060102-150405-") + hex.EncodeToString(b[:])
}

func serviceUninstall(f *flags) *cobra.Command {
	var yes, purge bool
	c := &cobra.Command{
		Use: "uninstall", Short: "Stop the agent and take all of the service away", Args: args(cobra.NoArgs),
		Long: `Stops the agent, lifts the blocks of those who guessed passwords, and takes back what install
changed, last change first, byte for byte. Journal and vault of earlier clean-ups stay, so that
those can still be undone, unless --purge is given.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, h, err := serviceHost(f)
			if err != nil {
				return err
			}
			defer s.close()
			question := "Stop the agent on " + deminer.Safe(h.Info.Name) + " and take its service away?"
			if purge {
				question = "Stop the agent on " + deminer.Safe(h.Info.Name) + ", take its service away, and delete journal and vault in " +
					deminer.Safe(f.stateDir()) + " for ever? No earlier clean-up can be undone then."
			}
			if err := confirm(cmd, yes, question); err != nil {
				return err
			}
			return f.uninstall(cmd, s, purge)
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.Flags().BoolVar(&purge, "purge", false, "delete the state directory with journal and vault, too: earlier clean-ups cannot be undone then")
	return c
}

// ownNames are those in a state directory that are deminer's.
var ownNames = []string{"journal", "vault", "cache", "rules", "alerts", "history", "agent.lock", "agent-life.json", "handover", "guesses.json", "blocks.json", "allow.yaml"}

// purge deletes what deminer keeps, and the directory where nothing else is in it: --state may name one that holds more.
func (s *store) purge(name string) error {
	for _, n := range ownNames {
		for _, n := range []string{n, n + ".new"} {
			if err := s.dir.RemoveAll(n); err != nil {
				return fmt.Errorf("delete %s: %w", n, err)
			}
		}
	}
	if left, err := fs.ReadDir(s.dir.FS(), "."); err != nil || len(left) > 0 {
		if err == nil {
			err = fmt.Errorf("it holds what is not deminer's: %s", left[0].Name())
		}
		return fmt.Errorf("the state directory %s stays: %w", name, err)
	}
	if err := os.Remove(name); err != nil {
		return fmt.Errorf("delete the state directory: %w", err)
	}
	return nil
}

func (f *flags) uninstall(cmd *cobra.Command, s *store, purge bool) error {
	plans, err := s.purposed(deminer.ForService)
	if err != nil {
		return err
	}
	bans, err := s.purposed(deminer.ForBan)
	if err != nil {
		return err
	}
	if len(plans) == 0 && len(bans) == 0 && !purge {
		return fail(exitError, "deminer service status says what is there", "deminer did not install the agent here, or took it away already; nothing was changed")
	}
	// Stopped first, so that taking back an upgrade does not start the version before it. It is part of taking back the start:
	// a power cut behind it leaves the service as installed.
	if u := s.runner.Tools.Hands.Units; u != nil && u.Running() && len(plans) > 0 {
		if now, err := u.State(service.Unit); err == nil && now.Load == "loaded" && now.Active != "inactive" && now.Active != "failed" {
			if err := u.Job(service.Unit, host.UnitStop); err != nil {
				return fail(exitError, "nothing was taken back", "stop the agent: %w", err)
			}
		}
	}
	var failed []error
	if s.runner.Tools.Hands.Net != nil { // a running system
		failed = append(failed, deny.Lift(pinned)) // of an agent that could not do so itself
	}
	for _, id := range append(bans, plans...) {
		st, err := s.runner.Status(id)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		tick := ticker(cmd, f, &st.Plan, show.Back)
		if st.Plan.Purpose == deminer.ForBan {
			tick = func(deminer.Record) {}
		}
		failed = append(failed, s.runner.Undo(cmd.Context(), id, tick))
	}
	err = errors.Join(failed...)
	if errors.Is(err, deminer.ErrBusy) {
		return err
	}
	if err == nil && purge {
		err = s.purge(f.stateDir())
		s.close()
	}
	if err != nil {
		d := serviceDone{Failed: lines(err)}
		if f.json {
			return errors.Join(f.write(cmd, d), exit(exitPartly))
		}
		for _, l := range d.Failed {
			fmt.Fprintf(cmd.ErrOrStderr(), "deminer: %s\n", l)
		}
		fmt.Fprintln(cmd.ErrOrStderr(), "  what could not be taken back is as it was left; call it again once the reason is gone")
		return exit(exitPartly)
	}
	return f.said(cmd, serviceDone{Done: "the agent is gone; the host is as it was before"})
}

// serviceState is what status tells.
type serviceState struct {
	Installed bool            `json:"installed"`           // a unit of that name is there
	Unit      deminer.Unit    `json:"unit,omitzero"`       // as systemd holds it
	Program   string          `json:"program,omitempty"`   // what it starts
	Boot      bool            `json:"boot"`                // it starts at boot
	Limits    contract.Limits `json:"limits,omitzero"`     // of the running agent
	Version   string          `json:"version,omitempty"`   // of the agent that runs, or ran last
	Beat      time.Time       `json:"beat,omitzero"`       // when it was last known to be alive
	Aside     bool            `json:"aside,omitempty"`     // the service is not installed, and an agent runs all the same
	Throttled int64           `json:"throttled,omitempty"` // tenths of a second in which its processors were used up
	Problems  []string        `json:"problems,omitempty"`  // safe text
}

func serviceStatus(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Say whether the agent is installed, runs, and keeps its limits", Args: args(cobra.NoArgs),
		Long: "Exits with 0 where the agent runs as it should, with 4 where it does not run or something is amiss.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, _, err := openHost(f)
			if err != nil {
				return err
			}
			if h.Info.Asleep() {
				return fail(exitUsage, "leave out --root", "no service runs on a system that does not run")
			}
			st := stateOf(f, h)
			if f.json {
				err = f.write(cmd, st)
			} else {
				err = st.tell(cmd)
			}
			if err == nil && !st.Aside && (st.Unit.Active != "active" || len(st.Problems) > 0) {
				err = exit(exitSuspect)
			}
			return err
		},
	}
}

// stateOf asks systemd, the files and the kernel.
func stateOf(f *flags, h *host.Host) (st serviceState) {
	amiss := func(format string, a ...any) {
		st.Problems = append(st.Problems, deminer.Safe(fmt.Sprintf(format, a...)))
	}
	text, err := host.ReadFile(h.FS, service.UnitPath, 64<<10)
	if st.Installed = err == nil; !st.Installed && !errors.Is(err, fs.ErrNotExist) {
		amiss("read %s: %v", service.UnitPath, err)
	}
	_, err = h.FS.Stat(service.WantsPath)
	st.Boot = err == nil
	st.Program = startOf(string(text))
	life, err := lastLife(f)
	if life != nil {
		st.Version, st.Beat = life.Version, life.Beat
	}
	if err != nil {
		amiss("when the agent was alive last is not known: %v", err)
	}
	hand, err := hands.Open(f.root, true)
	if err != nil {
		amiss("what systemd holds is not known: %v", err)
	} else if hand.Units != nil && hand.Units.Running() {
		if st.Unit, err = hand.Units.State(service.Unit); err != nil {
			amiss("%v", err)
		}
	}
	st.Aside = !st.Installed && st.Unit.Active != "active" && agentAside(f)
	if st.Installed && !st.Boot {
		amiss("it does not start at boot")
	}
	if st.Installed && st.Unit.Active != "active" {
		amiss("it does not run")
	}
	if st.Unit.MainPID > 0 {
		if st.Limits, err = contract.LimitsOf(st.Unit.MainPID); err != nil {
			amiss("%v", err)
		} else if missing := st.Limits.Missing(); len(missing) > 0 {
			amiss("the kernel puts no limit on its %s", strings.Join(missing, ", "))
		}
		st.Throttled, _ = contract.Stalled(st.Limits.Group)
	}
	return st
}

// startOf takes the program out of the text of the unit.
func startOf(text string) string {
	for l := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(l, "ExecStart="); ok {
			program, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
			return deminer.Safe(program)
		}
	}
	return ""
}

// lastLife is the trail of the agent that runs or ran last; nil where no agent ever ran.
func lastLife(f *flags) (*contract.Life, error) {
	s, err := openStore(f, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer s.close()
	return contract.LastLife(s.dir)
}

func (st serviceState) tell(cmd *cobra.Command) error {
	out := cmd.OutOrStdout()
	if st.Aside {
		_, err := fmt.Fprintln(out, aside+"; the service is not installed")
		return err
	}
	if !st.Installed && st.Unit.Active != "active" {
		_, err := fmt.Fprintln(out, "the agent is not installed (deminer service install)")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintf(w, "unit\t%s, %s\n", service.Unit, deminer.Safe(st.Unit.Active))
	if st.Unit.MainPID > 0 {
		fmt.Fprintf(w, "process\t%d\n", st.Unit.MainPID)
		fmt.Fprintf(w, "limits\t%s\n", st.Limits)
	}
	fmt.Fprintf(w, "program\t%s\n", st.Program)
	if st.Version != "" {
		fmt.Fprintf(w, "version\t%s\n", deminer.Safe(st.Version))
		fmt.Fprintf(w, "alive\t%s\n", st.Beat.Local().Format(time.DateTime))
	}
	fmt.Fprintf(w, "at boot\t%s\n", map[bool]string{true: "starts", false: "does not start"}[st.Boot])
	for _, p := range st.Problems {
		fmt.Fprintf(w, "amiss\t%s\n", p)
	}
	return w.Flush()
}

func serviceScript(f *flags) *cobra.Command {
	var s serviceFlags
	c := &cobra.Command{
		Use: "script systemd|slice|openrc|sysv", Short: "Print what starts the agent, to be put in place by hand or by a tool",
		Args: args(cobra.ExactArgs(1)), ValidArgs: []string{"systemd", "slice", "openrc", "sysv"},
		RunE: func(cmd *cobra.Command, a []string) error {
			cfg, err := s.config(f)
			if err != nil {
				return err
			}
			text := map[string]func() string{"systemd": cfg.Unit, "slice": cfg.Slice, "openrc": cfg.OpenRC, "sysv": cfg.SysV}[a[0]]
			if text == nil {
				return fail(exitUsage, "systemd, slice, openrc and sysv are known", "there is no script for %q", deminer.Safe(a[0]))
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), text())
			return err
		},
	}
	s.add(c)
	return c
}

// serviceCheck is doctor's line of the agent.
func serviceCheck(f *flags, h *host.Host) check {
	st := stateOf(f, h)
	if st.Aside {
		return check{"agent", true, aside}
	}
	if !st.Installed && st.Unit.Active != "active" {
		return check{"agent", false, "not installed: deminer service install"}
	}
	text := strings.Join(append([]string{"unit is " + deminer.Safe(st.Unit.Active), st.Limits.String()}, st.Problems...), "; ")
	return check{"agent", len(st.Problems) == 0, text}
}
