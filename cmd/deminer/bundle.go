package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/feed"
	"github.com/deminer/deminer/internal/show"
	"github.com/deminer/deminer/rules"
	"github.com/spf13/cobra"
)

// bundleInfo is what rules bundle says of a bundle with --json.
type bundleInfo struct {
	ID        string        `json:"id"`
	Version   string        `json:"version"`
	Digest    string        `json:"digest"`         // SHA-256 of the manifest, and so of all that is in it
	Key       string        `json:"key"`            // id of the key that signed it
	KeyName   string        `json:"key_name"`       // what the operator calls that key
	Created   time.Time     `json:"created"`        // when it was made
	Expires   time.Time     `json:"expires"`        // after that it is not installed any more, and used only with a warning
	Expired   bool          `json:"expired"`        // its time is over
	Note      string        `json:"note,omitempty"` // what its maker says of it
	Files     []feed.File   `json:"files"`          // but for the manifest and its signature
	Checked   *feed.Checked `json:"checked,omitempty"`
	File      string        `json:"file,omitempty"`     // where create wrote it
	Installed time.Time     `json:"installed,omitzero"` // since when it is in force here
	Previous  string        `json:"previous,omitempty"` // digest of the one that rollback would put in force
	URL       string        `json:"url,omitempty"`      // where update fetches it from
}

func infoOf(b *feed.Bundle) bundleInfo {
	m := b.Manifest
	return bundleInfo{ID: m.ID, Version: m.Version, Digest: b.Digest(), Key: m.Key, Created: m.Created, Expires: m.Expires, Expired: b.Expired(time.Now()), Note: m.Note, Files: m.Files}
}

func newBundle(f *flags) *cobra.Command {
	c := &cobra.Command{Use: "bundle", Short: "Make, check and install signed bundles of rules",
		Long: `A bundle is a directory of rules that is signed as a whole, or an archive of one. It is installed
only if a trusted key signed it, it has not expired, it is newer than the installed one, its rules
compile and its samples do what they say; otherwise it is refused whole and the old one stays.
Nothing is fetched unless you run deminer rules bundle update.`}
	return group(c, bundleCreate(f), bundleVerify(f), bundleInstall(f), bundleUpdate(f), bundleRollback(f), bundleList(f), bundleShow(f), bundleRemove(f))
}

// takeBundle reads a bundle from an archive or a signed directory.
func takeBundle(name string) (*feed.Bundle, error) {
	st, err := os.Stat(name)
	if err != nil {
		return nil, fail(exitError, "give an archive or a signed directory made by deminer rules bundle create", "bundle %s: %w", name, plainly(err))
	}
	var b *feed.Bundle
	if st.IsDir() {
		b, err = feed.ReadDir(os.DirFS(name))
	} else {
		b, err = readBundle(name)
	}
	if err != nil {
		return nil, refused(name, err)
	}
	return b, nil
}

// refused says why a bundle is not taken and what can be done about it.
func refused(name string, err error) error {
	hint := "nothing was changed"
	switch {
	case errors.Is(err, feed.ErrUntrusted):
		hint = "deminer rules key trust FILE adds a key whose owner you know; nothing was changed"
	case errors.Is(err, feed.ErrExpired):
		hint = "ask its maker for a new one; nothing was changed"
	case errors.Is(err, feed.ErrOlder):
		hint = "--allow-downgrade takes it all the same; nothing was changed"
	case errors.Is(err, feed.ErrRules):
		hint = "its maker must mend it; nothing was changed"
	}
	return fail(exitError, hint, "refused %s: %w", name, err)
}

// inStore runs a command on the store. With change it makes the store where it is missing and keeps others out meanwhile.
func inStore(f *flags, change bool, do func(*feed.Store) error) error {
	s, st, err := ruleStore(f, change)
	if errors.Is(err, fs.ErrNotExist) {
		return fail(exitError, "deminer rules bundle install FILE puts the first one there", "no bundle and no key is installed here")
	}
	if errors.Is(err, fs.ErrPermission) {
		return fail(exitError, "run deminer as root", "open the store of bundles: %w", err)
	}
	if err != nil {
		return err
	}
	defer s.close()
	if change {
		hold, err := s.runner.Journal.Hold()
		if err != nil {
			return err
		}
		defer hold.Close()
	}
	return do(st)
}

func bundleVerify(f *flags) *cobra.Command {
	var pubs []string
	c := &cobra.Command{
		Use: "verify FILE|DIR", Short: "Check signature, time, rules and samples of a bundle", Args: args(cobra.ExactArgs(1)),
		Long: "Checks a bundle as install does, with the keys that are trusted here and those of --key, and changes nothing.",
		RunE: func(cmd *cobra.Command, a []string) error {
			b, err := takeBundle(a[0])
			if err != nil {
				return err
			}
			keys, err := trustedKeys(f)
			if err != nil {
				return err
			}
			for _, name := range pubs {
				k, err := readPublic(name)
				if err != nil {
					return err
				}
				keys = append(keys, k)
			}
			key, err := b.Trust(keys)
			if err == nil && b.Expired(time.Now()) {
				err = fmt.Errorf("%w on %s", feed.ErrExpired, b.Manifest.Expires.Format(time.DateOnly))
			}
			if err != nil {
				return refused(a[0], err)
			}
			checked, err := b.Check(cmd.Context(), rules.FS)
			if err != nil {
				return refused(a[0], err)
			}
			info := infoOf(b)
			info.Checked, info.KeyName = &checked, key.Name
			return f.bundle(cmd, info, "verified")
		},
	}
	c.Flags().StringArrayVar(&pubs, "key", nil, "trust this public key `FILE` for this once")
	return c
}

func bundleInstall(f *flags) *cobra.Command {
	var opt feed.Options
	c := &cobra.Command{
		Use: "install FILE|DIR", Short: "Put a bundle in force, or refuse it whole", Args: args(cobra.ExactArgs(1)),
		Long: "Checks a bundle and puts it in force for every later scan. The one before it is kept: deminer rules bundle rollback takes it back.",
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

func installedInfo(in feed.Installed) bundleInfo {
	info := infoOf(in.Bundle)
	info.KeyName, info.Installed, info.Previous, info.URL = in.Key.Name, in.Installed, in.Previous, in.URL
	return info
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

// bundleIDs offers the installed bundles.
func bundleIDs(f *flags) completion {
	return func(_ *cobra.Command, _ []string, _ string) (out []string, _ cobra.ShellCompDirective) {
		s, st, err := ruleStore(f, false)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer s.close()
		ids, _ := st.IDs() // what cannot be read is told by the command itself
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
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
		Long: "Shows an installed bundle by its id, or else one that lies as an archive or a directory. -v lists its files. Of a file nothing is trusted: verify checks the signature.",
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

// installed loads an installed bundle; feed.ErrNone where there is none.
func (f *flags) installed(id string) (in feed.Installed, err error) {
	s, st, err := ruleStore(f, false)
	if errors.Is(err, fs.ErrNotExist) {
		return in, fmt.Errorf("bundle %s: %w", id, feed.ErrNone)
	}
	if err != nil {
		return in, err
	}
	defer s.close()
	return st.Load(id)
}

func exists(name string) bool {
	_, err := os.Lstat(filepath.Clean(name))
	return err == nil
}
