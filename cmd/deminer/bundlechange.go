package main

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/feed"
	"github.com/deminer/deminer/rules"
	"github.com/spf13/cobra"
)

func bundleInstall(f *flags) *cobra.Command {
	var opt feed.Options
	c := &cobra.Command{
		Use: "install FILE|DIR", Short: "Put a bundle in force, or refuse it whole", Args: args(cobra.ExactArgs(1)),
		Long: `Checks a bundle and puts it in force for every later scan. The one before it is kept: deminer
rules bundle rollback takes it back.`,
		RunE: func(cmd *cobra.Command, a []string) error {
			b, err := takeBundle(a[0])
			if err != nil {
				return err
			}
			return inStore(f, true, func(st *feed.Store) error { return f.install(cmd, st, b, a[0], opt) })
		},
	}
	c.Flags().BoolVar(&opt.Downgrade, "allow-downgrade", false, "take a bundle that is not newer than the installed one")
	return c
}

// install installs a bundle and says so.
func (f *flags) install(cmd *cobra.Command, st *feed.Store, b *feed.Bundle, name string, opt feed.Options) error {
	opt.Base, opt.Now = []fs.FS{rules.FS}, time.Now()
	checked, err := st.Install(cmd.Context(), b, opt)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return err
		}
		return refused(name, err)
	}
	in, err := st.Load(b.Manifest.ID)
	if err != nil {
		return fail(exitError, "", "read what was installed: %w", err)
	}
	info := installedInfo(in)
	info.Checked = &checked
	return f.bundle(cmd, info, "in force")
}

func bundleUpdate(f *flags) *cobra.Command {
	var opt feed.Options
	c := &cobra.Command{
		Use: "update [ID...]", Short: "Fetch newer bundles over https and install them", ValidArgsFunction: bundleIDs(f),
		Long: `Fetches the bundles whose place is known, or one from --url, which is remembered for its id, and
installs them under the same conditions as install. Only https is spoken, redirects to anything
else are refused, and time and size are limited. No other command opens a connection for rules.`,
		RunE: func(cmd *cobra.Command, ids []string) error {
			if opt.URL != "" && len(ids) > 0 {
				return fail(exitUsage, "the bundle says itself which id it has", "--url and an id")
			}
			return f.update(cmd, ids, opt)
		},
	}
	c.Flags().StringVar(&opt.URL, "url", "", "fetch from this https `URL` and remember it")
	c.Flags().BoolVar(&opt.Downgrade, "allow-downgrade", false, "take a bundle that is not newer than the installed one")
	return c
}

// update fetches first and takes the lock of the host only to install: no clean-up is refused because a server is slow. What
// cannot be updated does not keep the others from it.
func (f *flags) update(cmd *cobra.Command, ids []string, opt feed.Options) error {
	places, failed := []string{opt.URL}, []error(nil)
	if opt.URL == "" {
		err := inStore(f, false, func(st *feed.Store) (err error) {
			places, failed, err = known(st, ids)
			return err
		})
		if err != nil {
			return err
		}
	}
	if len(places) == 0 && len(failed) == 0 {
		return fail(exitError, "deminer rules bundle update --url URL fetches one and remembers where from", "no place to fetch from is known")
	}
	for _, place := range places {
		err := f.updateFrom(cmd, place, opt)
		if err != nil {
			failed = append(failed, err)
		}
		if errors.Is(err, context.Canceled) || errors.Is(err, deminer.ErrBusy) { // so would the others
			break
		}
	}
	return several(cmd, failed)
}

func (f *flags) updateFrom(cmd *cobra.Command, place string, opt feed.Options) error {
	b, err := feed.Fetch(cmd.Context(), nil, place)
	if cmd.Context().Err() != nil {
		return cmd.Context().Err()
	}
	if err != nil {
		return refused(place, err)
	}
	return inStore(f, true, func(st *feed.Store) error { return f.install(cmd, st, b, place, opt) })
}

// known lists the places of the named bundles, or else of all that are installed, and what keeps one from having any.
func known(st *feed.Store, ids []string) (places []string, failed []error, err error) {
	if len(ids) == 0 {
		list, broken, err := st.All()
		if err != nil {
			return nil, nil, fail(exitError, "", "%w", err)
		}
		for _, in := range list {
			if in.URL != "" {
				places = append(places, in.URL)
			}
		}
		return places, unusable(broken), nil
	}
	for _, id := range ids {
		in, err := st.Load(id)
		switch {
		case err != nil:
			failed = append(failed, fail(exitError, "deminer rules bundle list shows the installed ones", "%w", err))
		case in.URL == "":
			failed = append(failed, fail(exitError, "deminer rules bundle update --url URL fetches it and remembers where from", "where to fetch bundle %s from is not known", id))
		default:
			places = append(places, in.URL)
		}
	}
	return places, failed, nil
}

func bundleRollback(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "rollback [ID]", Short: "Put the bundle before the installed one in force again", Args: args(cobra.MaximumNArgs(1)), ValidArgsFunction: bundleIDs(f),
		RunE: func(cmd *cobra.Command, a []string) error {
			return inStore(f, true, func(st *feed.Store) error {
				id, err := onlyBundle(st, a)
				if err != nil {
					return err
				}
				in, err := st.Rollback(id, time.Now())
				if err != nil {
					return fail(exitError, "nothing was changed", "roll back: %w", err)
				}
				return f.bundle(cmd, installedInfo(in), "in force again")
			})
		},
	}
}

// onlyBundle gives the id that was named, or the only one there is.
func onlyBundle(st *feed.Store, a []string) (string, error) {
	if len(a) == 1 {
		return a[0], nil
	}
	ids, err := st.IDs()
	if err != nil {
		return "", fail(exitError, "", "%w", err)
	}
	if len(ids) != 1 {
		return "", fail(exitUsage, "deminer rules bundle list shows them", "%d bundles are installed: which one?", len(ids))
	}
	return ids[0], nil
}

func bundleRemove(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "remove ID", Short: "Take a bundle out of force and away", Args: args(cobra.ExactArgs(1)), ValidArgsFunction: bundleIDs(f),
		RunE: func(cmd *cobra.Command, a []string) error {
			return inStore(f, true, func(st *feed.Store) error {
				if err := st.Remove(a[0]); err != nil {
					return fail(exitError, "deminer rules bundle list shows the installed ones", "%w", err)
				}
				return f.told(cmd, []string{deminer.Safe(a[0])}, "bundle %s is gone; the rules inside deminer remain")
			})
		},
	}
}
