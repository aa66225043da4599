package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/deminer/deminer/internal/feed"
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
	b, err := feed.Open(name)
	if p, ok := err.(*fs.PathError); ok && p.Path == name {
		return nil, fail(exitError, "give an archive or a signed directory made by deminer rules bundle create", "bundle %s: %w", name, p.Err)
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
		Long: `Checks a bundle as install does, with the keys that are trusted here and those of --key, and
changes nothing.`,
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

func installedInfo(in feed.Installed) bundleInfo {
	info := infoOf(in.Bundle)
	info.KeyName, info.Installed, info.Previous, info.URL = in.Key.Name, in.Installed, in.Previous, in.URL
	return info
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
