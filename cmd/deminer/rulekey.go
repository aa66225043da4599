package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/feed"
	"github.com/deminer/deminer/internal/show"
	"github.com/spf13/cobra"
)

func newRuleKey(f *flags) *cobra.Command {
	c := &cobra.Command{Use: "key", Short: "Make and trust the keys that sign bundles",
		Long: `Bundles are signed with ed25519. Who signs keeps the private half (PKCS #8 in PEM) away from the
hosts that are to be protected; hosts trust the public half. Keys are plain files that openssl reads
and writes, too. The private half has no passphrase: signing is for machines, and a passphrase that
lies beside the key adds nothing. Keep it on a machine that nobody else can enter.`}
	return group(c, keyCreate(f), keyList(f), keyTrust(f), keyDistrust(f))
}

func keyCreate(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "create FILE", Short: "Make a key: FILE is the private half, FILE.pub the public one", Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			private, public, id, err := feed.NewKey()
			if err != nil {
				return fail(exitError, "nothing was written", "%w", err)
			}
			if exists(a[0] + ".pub") {
				return fail(exitError, "nothing was written", "%s.pub is there already", a[0])
			}
			if err := writeNew(a[0], private, 0o600); err != nil {
				return fail(exitError, "nothing was written", "make key: %w", err)
			}
			if err := writeNew(a[0]+".pub", public, 0o644); err != nil {
				return fail(exitError, "nothing was written", "make key: %w", errors.Join(err, os.Remove(a[0])))
			}
			if f.json {
				return f.write(cmd, feed.Key{ID: id, Public: string(public)})
			}
			p := f.page(cmd)
			p.Headline("key "+id, "made", true)
			p.Facts([][2]string{{"Private", a[0] + ": no passphrase, whoever reads it signs in your name; keep it away from the hosts"},
				{"Public", a[0] + ".pub: bring it to the hosts and run deminer rules key trust there"}})
			return nil
		},
	}
}

// readPublic reads a public key file.
func readPublic(name string) (feed.Key, error) {
	text, err := readShort(name)
	if err != nil {
		return feed.Key{}, err
	}
	k, err := feed.ParsePublic(text)
	if err != nil {
		return k, fail(exitError, "give the .pub file that deminer rules key create wrote", "key %s: %w", name, err)
	}
	return k, nil
}

func keyTrust(f *flags) *cobra.Command {
	var name string
	c := &cobra.Command{
		Use: "trust FILE", Short: "Take bundles signed by this key", Args: args(cobra.ExactArgs(1)),
		Long: `Trusts a public key: whoever has its private half decides from then on what the scans of this host
know, and what they pass over.`,
		RunE: func(cmd *cobra.Command, a []string) error {
			k, err := readPublic(a[0])
			if err != nil {
				return err
			}
			k.Name, k.Added = name, time.Now().UTC().Truncate(time.Second)
			return inStore(f, true, func(st *feed.Store) error {
				if err := st.Trust(k); err != nil {
					return fail(exitError, "nothing was changed", "%w", err)
				}
				if f.json {
					return f.write(cmd, k)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "key %s is trusted now: compare these digits with those of its owner\n", k.ID)
				return nil
			})
		},
	}
	c.Flags().StringVar(&name, "name", "", "what you call it, up to 200 `CHARACTERS`")
	return c
}

func keyList(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the trusted keys", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			keys, err := trustedKeys(f)
			if err != nil {
				return err
			}
			if f.json {
				return f.write(cmd, append([]feed.Key{}, keys...))
			}
			if len(keys) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "no key is trusted: no bundle can be installed")
				return nil
			}
			t := f.table(cmd, "KEY", "TRUSTED SINCE", "NAME")
			for _, k := range keys {
				t.row(k.ID, show.Moment(k.Added), k.Name)
			}
			t.flush()
			return nil
		},
	}
}

func keyDistrust(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "distrust ID", Short: "Take no more bundles signed by this key, and use none of them", Args: args(cobra.ExactArgs(1)), ValidArgsFunction: keyIDs(f),
		RunE: func(cmd *cobra.Command, a []string) error {
			return inStore(f, true, func(st *feed.Store) error {
				if err := st.Distrust(a[0]); err != nil {
					return fail(exitError, "deminer rules key list shows them", "%w", err)
				}
				_, broken, err := st.All()
				if err != nil {
					return fail(exitError, "the key is not trusted any more", "%w", err)
				}
				if f.json {
					return nil
				}
				fmt.Fprintf(cmd.OutOrStdout(), "key %s is not trusted any more\n", deminer.Safe(a[0]))
				for _, b := range broken {
					fmt.Fprintf(cmd.OutOrStdout(), "  not used any more: %s\n", deminer.Safe(strings.TrimPrefix(b.Err.Error(), "installed ")))
				}
				return nil
			})
		},
	}
}

// keyIDs offers the trusted keys.
func keyIDs(f *flags) completion {
	return func(_ *cobra.Command, args []string, _ string) (out []string, _ cobra.ShellCompDirective) {
		keys, _ := trustedKeys(f) // what cannot be read is told by the command itself
		for _, k := range keys {
			if len(args) == 0 {
				out = append(out, cobra.CompletionWithDesc(k.ID, deminer.Cut(k.Name, 60)))
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}
