package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/history"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/hands"
	"github.com/deminer/deminer/internal/remedy"
	"github.com/deminer/deminer/internal/show"
	"github.com/spf13/cobra"
)

// check is one line of doctor.
type check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Text string `json:"text"` // safe
}

func newDoctor(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Show what deminer can and cannot do here, and what it did",
		Long: `Checks rights, rules, package database, state directory and which events this kernel lets deminer
see, and lists the plans that were run here. It changes nothing.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := diagnose(cmd.Context(), f)
			if err != nil {
				return err
			}
			if f.json {
				return f.write(cmd, list)
			}
			for _, c := range list {
				mark := "ok  "
				if !c.OK {
					mark = "-   "
				}
				fmt.Fprintf(cmd.OutOrStdout(), "  %s %-14s %s\n", mark, c.Name, c.Text)
			}
			return nil
		},
	}
}

func diagnose(ctx context.Context, f *flags) ([]check, error) {
	h, gaps, err := openHost(f)
	if err != nil {
		return nil, err
	}
	i := h.Info
	out := []check{
		{"host", true, strings.Join(slices.DeleteFunc([]string{deminer.Safe(i.Name), deminer.Safe(i.Distro), deminer.Safe(i.Kernel), deminer.Safe(i.Source)}, func(s string) bool { return s == "" }), ", ")},
		{"rights", i.Root, map[bool]string{true: "all", false: "not root: other users' processes and files stay unseen; nothing can be changed"}[i.Root]},
		{"systemd", i.Systemd, map[bool]string{true: "runs here", false: "does not run here: units are handled as files"}[i.Systemd]},
		{"packages", h.Packages != nil, map[bool]string{true: "database found: packaged files can be told from foreign ones", false: "no database: no file can be vouched for"}[h.Packages != nil]},
	}
	if err := hands.Able(f.root); err != nil {
		out = append(out, check{"changes", false, deminer.Safe(err.Error())})
	} else {
		out = append(out, check{"changes", true, "the kernel has what changes safely need"})
	}
	for _, g := range append(gaps, unread(h)...) {
		out = append(out, check{"cannot see", false, deminer.Safe(g.Part + ": " + g.Why)})
	}
	if i.Root && !i.Asleep() {
		s, _ := sensors(ctx, h, deminer.EventKinds(), nil)
		out = append(out, facets(s.Facets())...)
		if err := s.Close(); err != nil {
			out = append(out, check{"event", false, deminer.Safe(err.Error())})
		}
	}
	if !i.Asleep() {
		out = append(out, lsmCheck(h))
		out = append(out, serviceCheck(f, h))
	}
	out = append(out, ruleChecks(f)...)
	return append(append(out, state(f)...), historyChecks(f)...), nil
}

// lsmCheck tells whether the kernel would let programs of eBPF decide like a security module. deminer does without: programs are refused
// by permission events of fanotify, which kernels have had for longer.
func lsmCheck(h *host.Host) check {
	list, err := host.ReadFile(h.FS, "/sys/kernel/security/lsm", 4096)
	if err != nil {
		return check{"lsm", true, "which security modules are active cannot be read; programs are refused by fanotify, which needs none"}
	}
	text := "active: " + deminer.Safe(strings.TrimSpace(string(list))) + "; "
	if slices.Contains(strings.Split(strings.TrimSpace(string(list)), ","), "bpf") {
		return check{"lsm", true, text + "bpf is among them; it is not used, programs are refused by fanotify"}
	}
	return check{"lsm", true, text + "bpf is not among them, and not needed: programs are refused by fanotify"}
}

// historyChecks tells how the history of the agent stands, and whether it is as it was written.
func historyChecks(f *flags) []check {
	dir, err := openHistory(f)
	if err != nil {
		return nil // state tells of all but that there is none
	}
	defer dir.Close()
	r := history.Read(dir)
	if err := r.Check(); err != nil {
		return []check{{"history", false, deminer.Safe(err.Error())}}
	}
	text := "nothing kept yet"
	err = r.Query(history.Filter{}, func(e history.Entry) bool {
		text = fmt.Sprintf("as it was written, from %s on", show.Moment(e.Time))
		return false
	})
	return []check{{"history", err == nil, text}}
}

// tally says how many steps of a plan stand where.
func tally(st *remedy.Status) string {
	text := fmt.Sprintf("%d done, %d failed, %d undone", st.Done, st.Failed, st.Undone)
	if st.Kept > 0 {
		text += fmt.Sprintf(", %d done that could not be taken back (kills never can)", st.Kept)
	}
	return text
}

// ruleChecks tells which rules are in force, how old they are, and which are not used.
func ruleChecks(f *flags) (out []check) {
	set, err := loadRules(f)
	if err != nil {
		return []check{{"rules", false, deminer.Safe(err.Error())}}
	}
	for _, s := range set.Told() {
		out = append(out, check{"rules", !s.Expired, show.RuleSource(s, time.Now())})
	}
	for _, g := range set.Gaps {
		if g.State == deminer.Failed {
			out = append(out, check{"rules", false, deminer.Safe(g.What + ": " + g.Why)})
		}
	}
	return out
}

// state tells of the state directory and the plans in it.
func state(f *flags) []check {
	s, err := openStore(f, false)
	if errors.Is(err, fs.ErrNotExist) {
		return []check{{"state", true, deminer.Safe(f.stateDir()) + ": nothing was changed on this host by deminer yet"}}
	}
	if err != nil {
		return []check{{"state", false, deminer.Safe(err.Error())}}
	}
	defer s.close()
	out := append([]check{{"state", true, deminer.Safe(f.stateDir())}}, serverChecks(s)...)
	if _, err := s.vault.List(); err != nil {
		out = append(out, check{"vault", false, deminer.Safe(err.Error())})
	}
	plans, err := s.runner.Journal.Plans()
	if err != nil {
		return append(out, check{"journal", false, deminer.Safe(err.Error())})
	}
	slices.Sort(plans)
	bans := 0
	for _, id := range plans {
		st, err := s.runner.Status(id)
		if err != nil {
			out = append(out, check{"plan", false, deminer.Safe(id + ": " + err.Error())})
			continue
		}
		if st.Plan.Purpose == deminer.ForBan && !st.Interrupted {
			bans++
			continue
		}
		text := fmt.Sprintf("%s: %d steps, %s", id, len(st.Plan.Steps), tally(&st))
		if st.Plan.Purpose != deminer.ForCleanup {
			text += ", for the " + string(st.Plan.Purpose)
		}
		if st.Interrupted {
			text += "; INTERRUPTED: deminer resume or deminer undo"
		}
		out = append(out, check{"plan", !st.Interrupted, text})
	}
	if bans > 0 {
		out = append(out, check{"plan", true, fmt.Sprintf("%d more that blocked who guessed passwords (deminer block list)", bans)})
	}
	return out
}
