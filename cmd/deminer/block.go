package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/hands"
	"github.com/deminer/deminer/internal/remedy"
	"github.com/deminer/deminer/internal/show"
	"github.com/spf13/cobra"
)

func newBlock(f *flags) *cobra.Command {
	c := &cobra.Command{Use: "block", Short: "List, lift or reapply blocks",
		Long: `Blocks live in deminer's own nftables tables (inet deminer; inet deminer-from for sources of
guessed passwords) and expire by themselves. No other table is touched. A block of a control
group is a program of deminer's own at its hooks; it expires by itself, too, and goes with the
group. The kernel forgets them at a reboot; those of deminer clean --keep-blocks are written
down, and deminer block reapply puts them in force again (docs/blocks.md: at every boot).`}
	return group(c, blockList(f), blockLift(f), blockReapply(f))
}

func netHand(f *flags) (host.Net, error) {
	h, err := hands.Open(f.root, f.root == "/")
	if err != nil {
		return nil, fail(exitError, "run deminer as root", "get hands on the host: %w", err)
	}
	if h.Net == nil {
		return nil, fail(exitError, "blocks exist only on a running host with nftables", "no firewall to ask")
	}
	return h.Net, nil
}

func blockList(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the blocks in force", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			hand, err := netHand(f)
			if err != nil {
				return err
			}
			list, err := hand.List()
			if err != nil {
				return fail(exitError, "run deminer as root (sudo)", "list blocks: %w", err)
			}
			return f.blocks(cmd, list)
		},
	}
}

func (f *flags) blocks(cmd *cobra.Command, list []host.Block) error {
	if f.json {
		return f.write(cmd, append([]host.Block{}, list...)) // none is a list, too
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "nothing is blocked")
		return err
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
	for _, b := range list {
		fmt.Fprintf(w, "%s\tfor another %s\n", b, show.Seconds(time.Until(b.Until)))
	}
	return w.Flush()
}

func blockLift(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "lift WHAT...", Short: "Lift blocks (ip, ip:port, \"from ip\", or the path of a cgroup)", Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, list []string) error {
			var blocks []host.Block
			for _, text := range list {
				b, err := remedy.ParseBlock(strings.TrimPrefix(text, "cgroup "))
				if err != nil {
					return fail(exitUsage, "deminer block list shows what is blocked", "%w", err)
				}
				blocks = append(blocks, b)
			}
			r, done, err := netRunner(f)
			if err != nil {
				return err
			}
			defer done()
			return f.lift(cmd, r, blocks)
		},
	}
}

// lift lifts what is in force, says so, and then names what was not.
func (f *flags) lift(cmd *cobra.Command, r *remedy.Runner, blocks []host.Block) error {
	lifted, missing, failed := []string{}, []string(nil), error(nil)
	for _, b := range blocks {
		err := r.Lift(b)
		if errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, b.String())
			continue
		}
		if err != nil {
			failed = err
			if !errors.Is(err, deminer.ErrBusy) {
				failed = fail(exitError, "run deminer as root (sudo)", "lift %s: %w", b, err)
			}
			break
		}
		lifted = append(lifted, b.String())
	}
	if err := f.told(cmd, lifted, "%s is not blocked any more"); err != nil {
		return err
	}
	if failed == nil && len(missing) > 0 {
		failed = fail(exitError, "deminer block list shows what is in force", "no such block is in force: %s", strings.Join(missing, ", "))
	}
	return failed
}

// netRunner opens the state directory, where blocks are written down, with hands on the firewall. Call done at the end.
func netRunner(f *flags) (r *remedy.Runner, done func(), err error) {
	if _, err := netHand(f); err != nil {
		return nil, nil, err
	}
	s, err := openStore(f, true)
	if err != nil {
		return nil, nil, err
	}
	if _, err := s.reach(f); err != nil {
		return nil, nil, err
	}
	return s.runner, s.close, nil
}

func blockReapply(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "reapply", Short: "Block again what was to stay blocked over a reboot", Args: args(cobra.NoArgs),
		Long: `Puts the blocks of deminer clean --keep-blocks that have not run out in force again. What is in
force stays as it is.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, done, err := netRunner(f)
			if err != nil {
				return err
			}
			defer done()
			n, err := r.Reapply()
			if errors.Is(err, deminer.ErrBusy) {
				return err
			}
			if err != nil {
				return fail(exitError, "", "reapply blocks: %w", err)
			}
			if f.json {
				return f.write(cmd, reapplied{n})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d blocked again\n", n)
			return nil
		},
	}
}
