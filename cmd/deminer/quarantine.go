package main

import (
	"errors"
	"fmt"
	"io/fs"
	"text/tabwriter"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/show"
	"github.com/deminer/deminer/internal/vault"
	"github.com/spf13/cobra"
)

func newQuarantine(f *flags) *cobra.Command {
	c := &cobra.Command{Use: "quarantine", Short: "List, show, restore or delete what is in the vault",
		Long: `Files in the vault are encrypted and cannot run. Each keeps path, owner, mode, times, attributes,
ACL and flags.`}
	return group(c, quarantineList(f), quarantineShow(f), quarantineRestore(f), quarantineDelete(f))
}

// inVault opens the vault for a command; found is called with its store.
func inVault(f *flags, found func(*store) error) error {
	s, err := openStore(f, false)
	if errors.Is(err, fs.ErrNotExist) {
		return fail(exitError, "deminer clean puts files there", "there is no vault on this host yet")
	}
	if err != nil {
		return err
	}
	defer s.close()
	return found(s)
}

func entryOf(s *store, id string) (vault.Entry, error) {
	e, err := s.vault.Show(id)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return e, fail(exitError, "deminer quarantine list shows the entries", "no entry %q in the vault", id)
	}
	if err != nil {
		return e, fail(exitError, "", "read vault entry %s: %w", id, err)
	}
	return e, nil
}

func quarantineList(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the entries, oldest first", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, bad := []vault.Entry{}, error(nil)
			s, err := openStore(f, false)
			switch {
			case errors.Is(err, fs.ErrNotExist): // nothing was ever put there
			case err != nil:
				return err
			default:
				defer s.close()
				var found []vault.Entry
				found, bad = s.vault.List()
				list = append(list, found...)
			}
			if f.json {
				err = f.write(cmd, list)
			} else {
				err = entries(cmd, list, bad != nil)
			}
			if err != nil {
				return err
			}
			if bad != nil {
				return fail(exitError, "the entries named were changed by somebody; their originals may be lost", "%w", bad)
			}
			return nil
		},
	}
}

// entries writes a table of entries. With more there are others that could not be read: then an empty table is not an
// empty vault.
func entries(cmd *cobra.Command, list []vault.Entry, more bool) error {
	if len(list) == 0 && !more {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "nothing is in quarantine")
		return err
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "ENTRY\tADDED\tTYPE\tSIZE\tPATH")
	for _, e := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", e.ID, show.Moment(e.Added), e.Attr.Type, e.Size, deminer.Safe(e.Path))
	}
	return w.Flush()
}

func quarantineShow(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "show ENTRY", Short: "Show all that is known of an entry", Args: args(cobra.ExactArgs(1)), ValidArgsFunction: entryIDs(f, 1),
		RunE: func(cmd *cobra.Command, a []string) error {
			return inVault(f, func(s *store) error {
				e, err := entryOf(s, a[0])
				if err != nil {
					return err
				}
				return f.write(cmd, e)
			})
		},
	}
}

func quarantineRestore(f *flags) *cobra.Command {
	var yes bool
	var to string
	c := &cobra.Command{
		Use: "restore ENTRY", Short: "Put an entry back where it was, or elsewhere", Args: args(cobra.ExactArgs(1)), ValidArgsFunction: entryIDs(f, 1),
		Long: `Puts the content back with owner, mode, times, attributes, ACL and flags. It never overwrites:
what is at the path now must be moved first.`,
		RunE: func(cmd *cobra.Command, a []string) error {
			return inVault(f, func(s *store) error {
				e, err := entryOf(s, a[0])
				if err != nil {
					return err
				}
				if to == "" {
					to = string(e.Path)
				}
				if _, err := s.reach(f); err != nil {
					return err
				}
				if err := confirm(cmd, yes, fmt.Sprintf("Put %s back at %s? It can run again then.", deminer.Safe(e.Path), deminer.Safe(to))); err != nil {
					return err
				}
				if _, err := s.runner.Restore(e.ID, to); err != nil {
					return fail(exitError, "nothing was overwritten", "restore %s: %w", e.ID, err)
				}
				return f.told(cmd, []string{deminer.Safe(to)}, "restored %s")
			})
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.Flags().StringVar(&to, "to", "", "put it at this `PATH` instead")
	return c
}

func quarantineDelete(f *flags) *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "delete ENTRY...", Short: "Delete entries for good", Args: args(cobra.MinimumNArgs(1)), ValidArgsFunction: entryIDs(f, 0),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return inVault(f, func(s *store) error {
				for _, id := range ids {
					if _, err := entryOf(s, id); err != nil {
						return err
					}
				}
				if err := confirm(cmd, yes, fmt.Sprintf("Delete %d entries for good? Undo cannot bring them back.", len(ids))); err != nil {
					return err
				}
				for _, id := range ids {
					if err := s.runner.Delete(id); err != nil {
						return fail(exitError, "", "delete %s: %w", id, err)
					}
				}
				return f.told(cmd, ids, "deleted %s")
			})
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}
