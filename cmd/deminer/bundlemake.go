package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/deminer/deminer/internal/feed"
	"github.com/spf13/cobra"
)

// defaultDays is how long a bundle is good if nothing else is said: long enough for a quarter's round, short enough that a
// host which is kept from updates says so.
const defaultDays = 90

// making are the flags of bundle create.
type making struct {
	id, version, key, out, note, created string
	days                                 int
	inPlace                              bool
}

func bundleCreate(f *flags) *cobra.Command {
	var m making
	c := &cobra.Command{
		Use: "create DIR --key FILE", Short: "Sign a directory of rules and pack it", Args: args(cobra.ExactArgs(1)),
		Long: `Checks the rules of DIR and their samples, writes a manifest with the SHA-256 of every file, signs
it, and packs all of it into one archive (.tar.gz, or .zip by the name of --out). The same files,
flags and --created give the same archive byte for byte. Names that begin with a dot are left out.`,
		Example: "  deminer rules key create rules.key\n  deminer rules bundle create ./rules --key rules.key --id ours",
		RunE: func(cmd *cobra.Command, a []string) error {
			b, checked, err := m.make(cmd, a[0])
			if err != nil {
				return err
			}
			info := infoOf(b)
			info.Checked = &checked
			if m.inPlace {
				info.File = a[0]
				err = signInPlace(a[0], b)
			} else {
				info.File = m.out
				if info.File == "" {
					info.File = b.Manifest.ID + "-" + b.Manifest.Version + ".tar.gz"
				}
				var text bytes.Buffer
				if err = b.Write(&text, info.File); err == nil {
					err = writeNew(info.File, text.Bytes(), 0o644)
				}
			}
			if err != nil {
				return fail(exitError, "nothing was left half written", "write bundle: %w", err)
			}
			return f.bundle(cmd, info, "signed")
		},
	}
	c.Flags().StringVar(&m.key, "key", "", "private key `FILE` made by deminer rules key create")
	c.Flags().StringVar(&m.id, "id", "", "`NAME` of the line of bundles (default: the directory's)")
	c.Flags().StringVar(&m.version, "version", "", "`NUMBERS` with dots between them, higher than before (default: date and minute)")
	c.Flags().IntVar(&m.days, "days", defaultDays, "how many `DAYS` it is good")
	c.Flags().StringVar(&m.out, "out", "", "`FILE` to write, .tar.gz or .zip (default: ID-VERSION.tar.gz)")
	c.Flags().StringVar(&m.note, "note", "", "`TEXT` for those who read the manifest")
	c.Flags().StringVar(&m.created, "created", "", "`TIME` (RFC 3339) to write into it instead of now")
	c.Flags().BoolVar(&m.inPlace, "in-place", false, "write manifest and signature into DIR instead of an archive")
	c.MarkFlagsMutuallyExclusive("in-place", "out")
	return c
}

func (m *making) make(cmd *cobra.Command, dir string) (*feed.Bundle, feed.Checked, error) {
	var none feed.Checked
	if m.key == "" {
		return nil, none, fail(exitUsage, "deminer rules key create FILE makes a key", "--key FILE is missing")
	}
	abs, err := filepath.Abs(dir)
	if st, serr := os.Stat(dir); err != nil || serr != nil || !st.IsDir() {
		return nil, none, fail(exitUsage, "give a directory with .yar, .yml and list files", "%s: not a directory", dir)
	}
	p := feed.Plan{ID: m.id, Version: m.version, Created: time.Now(), Note: m.note}
	if m.created != "" {
		if p.Created, err = time.Parse(time.RFC3339, m.created); err != nil {
			return nil, none, fail(exitUsage, "write it as 2026-11-26T12:00:00Z", "--created: %w", err)
		}
	}
	if p.ID == "" {
		p.ID = strings.ToLower(filepath.Base(abs))
	}
	if t := p.Created.UTC(); p.Version == "" {
		p.Version = fmt.Sprintf("%d.%d.%d.%d", t.Year(), t.Month(), t.Day(), t.Hour()*60+t.Minute())
	}
	if err := errors.Join(feed.CheckID(p.ID), feed.CheckVersion(p.Version)); err != nil {
		return nil, none, fail(exitUsage, "--id and --version say what it is called", "%w", err)
	}
	if m.days < 1 || m.days > 1096 {
		return nil, none, fail(exitUsage, "a bundle that nobody renews must not stay in force for ever", "--days %d: want 1 to 1096", m.days)
	}
	p.Expires = p.Created.Add(time.Duration(m.days) * 24 * time.Hour)
	text, err := readSecret(m.key)
	if err != nil {
		return nil, none, err
	}
	key, err := feed.ParsePrivate(text)
	if err != nil {
		return nil, none, fail(exitError, "deminer rules key create FILE makes one", "key %s: %w", m.key, err)
	}
	b, checked, err := feed.Create(cmd.Context(), os.DirFS(dir), p, key)
	if err != nil {
		return nil, none, fail(exitError, "deminer rules check and deminer rules test name every fault; nothing was written", "%w", err)
	}
	return b, checked, nil
}

// signInPlace makes a directory a bundle.
func signInPlace(dir string, b *feed.Bundle) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	return errors.Join(feed.SignDir(root, b, nil), root.Close())
}

// writeNew writes a file that is not there yet, whole or not at all.
func writeNew(name string, text []byte, mode os.FileMode) (err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

// readSecret reads a private key file that nobody else may read.
func readSecret(name string) ([]byte, error) {
	st, err := os.Stat(name)
	if err != nil {
		return nil, fail(exitError, "deminer rules key create FILE makes one", "key %s: %w", name, plainly(err))
	}
	if !st.Mode().IsRegular() {
		return nil, fail(exitError, "", "key %s: not a file", name)
	}
	if runtime.GOOS != "windows" && st.Mode().Perm()&0o077 != 0 { // Windows has no such mode
		return nil, fail(exitError, "chmod 600 it, and make another one if somebody else may have read it", "key %s: its mode %o lets others read it", name, st.Mode().Perm())
	}
	return readShort(name)
}

func readShort(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fail(exitError, "", "key %s: %w", name, plainly(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err != nil {
		return nil, fail(exitError, "", "key %s: %w", name, plainly(err))
	}
	return text, nil
}
