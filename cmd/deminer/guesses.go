package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/doorman"
	"github.com/deminer/deminer/internal/guess"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/hands"
	"github.com/spf13/cobra"
)

// guesser is one source of guesses, as guesses lists it.
type guesser struct {
	guess.Remembered
	Blocked time.Time `json:"blocked,omitzero"` // until when what comes from there is dropped; absent where it is not
}

func newGuesses(f *flags) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "guesses", Short: "List who guesses passwords here, and who is blocked for it", Args: args(cobra.NoArgs),
		Long: `Lists the sources of failed logins that the agent remembers, those that failed most first, and
whether what comes from there is dropped now. deminer block lift "from ADDRESS" lifts a block.`,
		Example: "  deminer guesses\n  deminer guesses --all --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := guessers(f)
			if err != nil {
				return err
			}
			if f.json {
				return f.write(cmd, list)
			}
			return tellGuessers(cmd, list, all)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "list those that failed a few times only, too")
	return c
}

// remembered is what the agent wrote down of who guesses; nothing where no agent ever ran.
func remembered(f *flags) ([]guess.Remembered, error) {
	s, err := openStore(f, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer s.close()
	return doorman.Remembered(s.dir)
}

func guessers(f *flags) ([]guesser, error) {
	list, err := remembered(f)
	var told *coded // it says what to do next
	if errors.As(err, &told) {
		return nil, err
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fail(exitError, "run deminer as root (sudo)", "%w", err)
	}
	if err != nil {
		return nil, fail(exitError, "the agent tells of it, and begins a new one when it starts", "%w", err)
	}
	var blocks []host.Block
	hand, err := hands.Open(f.root, f.root == "/")
	if err != nil {
		return nil, fail(exitError, "run deminer as root (sudo)", "who is blocked is not known: %w", err)
	}
	if hand.Net != nil {
		if blocks, err = hand.Net.List(); err != nil && !errors.Is(err, host.ErrUnsupported) {
			return nil, fail(exitError, "run deminer as root (sudo)", "list blocks: %w", err)
		}
	}
	out := []guesser{}
	for _, r := range list {
		if r.Total == 0 {
			continue // somebody logged in from there, and nobody guessed
		}
		g := guesser{Remembered: r}
		for _, b := range blocks {
			if b.From == r.From {
				g.Blocked = b.Until
			}
		}
		out = append(out, g)
	}
	return out, nil
}

// few failures are a person's.
const few = 5

func tellGuessers(cmd *cobra.Command, list []guesser, all bool) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
	shown, hidden := 0, 0
	for _, g := range list {
		if g.Total < few && g.Blocked.IsZero() && !all {
			hidden++
			continue
		}
		source, state := g.From.String(), ""
		if g.From.IsSingleIP() {
			source = g.From.Addr().String()
		}
		if !g.Blocked.IsZero() {
			state = "blocked until " + g.Blocked.Local().Format(time.DateTime)
		}
		if shown == 0 {
			fmt.Fprintln(w, "FROM\tFAILED\tLAST\tAS\t")
		}
		shown++
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", source, g.Total, g.Last.Local().Format(time.DateTime), deminer.Cut(strings.Join(g.Users, ", "), 60), state)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	switch {
	case shown == 0 && hidden == 0:
		fmt.Fprintln(cmd.OutOrStdout(), "no guesses are known; the agent (deminer service install) takes note of them")
	case hidden > 0:
		fmt.Fprintf(cmd.OutOrStdout(), "%d more failed fewer than %d times (--all)\n", hidden, few)
	}
	return nil
}
