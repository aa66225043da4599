package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/feed"
	"github.com/deminer/deminer/internal/show"
	"github.com/spf13/cobra"
)

func bundleList(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the installed bundles", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, broken, err := installedBundles(f)
			if err != nil {
				return err
			}
			infos := []bundleInfo{}
			for _, in := range list {
				infos = append(infos, installedInfo(in))
			}
			if f.json {
				err = f.write(cmd, infos)
			} else {
				f.bundles(cmd, infos, len(broken) > 0)
			}
			if err != nil {
				return err
			}
			return several(cmd, unusable(broken))
		},
	}
}

// unusable says of bundles that they cannot be used.
func unusable(broken []feed.Broken) (failed []error) {
	for _, b := range broken {
		failed = append(failed, fail(exitError, "it is not used; install it anew, or deminer rules bundle remove "+b.ID, "%w", b.Err))
	}
	return failed
}

// installedBundles gives what is installed here; nothing where there is no store.
func installedBundles(f *flags) ([]feed.Installed, []feed.Broken, error) {
	s, st, err := ruleStore(f, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fail(exitError, "run deminer as root", "open the store of bundles: %w", err)
	}
	defer s.close()
	list, broken, err := st.All()
	if err != nil {
		return nil, nil, fail(exitError, "", "%w", err)
	}
	return list, broken, nil
}

// bundles writes a table of bundles. With more there are others that cannot be used: then an empty table is not an empty store.
func (f *flags) bundles(cmd *cobra.Command, infos []bundleInfo, more bool) {
	if len(infos) == 0 && more {
		return
	}
	if len(infos) == 0 {
		fmt.Fprintln(cmd.OutOrStdout(), "no bundle is installed: the rules inside deminer are in force")
		return
	}
	t := f.table(cmd, "BUNDLE", "VERSION", "MADE", "GOOD UNTIL", "KEY", "DIGEST", "FROM")
	for _, i := range infos {
		until := i.Expires.Format(time.DateOnly)
		if i.Expired {
			until += " EXPIRED"
		}
		key := i.Key
		if i.KeyName != "" {
			key = i.KeyName
		}
		t.row(i.ID, i.Version, show.Ago(i.Created, time.Now())+" ago", until, deminer.Cut(key, 24), i.Digest[:12], i.URL)
	}
	t.flush()
}

// bundle writes what is known of one bundle.
func (f *flags) bundle(cmd *cobra.Command, i bundleInfo, state string) error {
	if f.json {
		return f.write(cmd, i)
	}
	p := f.page(cmd)
	p.Headline(strings.TrimSpace(i.ID+" "+i.Version), state, !i.Expired)
	key := i.Key
	if i.KeyName != "" {
		key += " (" + i.KeyName + ")"
	}
	rows := [][2]string{{"Made", show.Moment(i.Created)}, {"Good until", i.Expires.Format(time.DateOnly)}, {"Signed by", key}, {"Digest", i.Digest}}
	if i.Expired {
		rows[1][1] += ": EXPIRED, it knows nothing newer"
	}
	if c := i.Checked; c != nil {
		text := fmt.Sprintf("%d in %d files; %d samples run, all as they should be", c.Rules, len(i.Files), c.Samples)
		if c.Bare > 0 {
			text += fmt.Sprintf("; %d have no samples of both kinds", c.Bare)
		}
		rows = append(rows, [2]string{"Rules", text})
	}
	for _, r := range [][2]string{{"Note", i.Note}, {"Written", i.File}, {"From", i.URL}} {
		if r[1] != "" {
			rows = append(rows, r)
		}
	}
	if !i.Installed.IsZero() {
		rows = append(rows, [2]string{"Installed", show.Moment(i.Installed)})
	}
	if i.Previous != "" {
		rows = append(rows, [2]string{"Before it", fmt.Sprintf("%.12s (deminer rules bundle rollback %s)", i.Previous, i.ID)})
	}
	p.Facts(rows)
	if f.verbose {
		for _, file := range i.Files {
			fmt.Fprintf(cmd.OutOrStdout(), "    %8d  %s\n", file.Size, deminer.Safe(file.Path))
		}
	}
	return nil
}

func bundleShow(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "show ID|FILE|DIR", Short: "Show what is in a bundle, installed or not", Args: args(cobra.ExactArgs(1)), ValidArgsFunction: bundleIDs(f),
		Long: `Shows an installed bundle by its id, or else one that lies as an archive or a directory. -v lists
its files. Of a file nothing is trusted: verify checks the signature.`,
		RunE: func(cmd *cobra.Command, a []string) error {
			if feed.CheckID(a[0]) == nil {
				in, err := f.installed(a[0])
				if err == nil {
					return f.bundle(cmd, installedInfo(in), "in force")
				}
				if !exists(a[0]) || !errors.Is(err, feed.ErrNone) {
					return fail(exitError, "deminer rules bundle list shows the installed ones", "%w", err)
				}
			}
			b, err := takeBundle(a[0])
			if err != nil {
				return err
			}
			return f.bundle(cmd, infoOf(b), "signature not checked")
		},
	}
}
