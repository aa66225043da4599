package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/deminer/deminer"
	memory "github.com/deminer/deminer/internal/store"
	"github.com/spf13/cobra"
)

// backedUp are the files of a backup, in their order: nothing else is taken out of one.
var backedUp = []string{"trust/ca.pem", "trust/orders.pem", "trust/server.pem", "server.db"}

const maxBackup = 256 << 30 // bytes of one file

func newBackup(f *flags) *cobra.Command {
	s := serving{}
	c := &cobra.Command{Use: "backup FILE", Short: "Write keys and memory of a server into one file", Args: args(cobra.ExactArgs(1)),
		Long: `Writes keys and memory as they are at one moment; the server may run meanwhile. FILE must not be
there yet. Who has it can give orders to every host: keep it as you keep keys. With --db it holds
the keys alone; copy PostgreSQL by its own means.`,
		RunE: func(cmd *cobra.Command, a []string) error {
			h, err := s.beside(cmd)
			if err != nil {
				return err
			}
			defer h.db.Close()
			names, err := h.backup(cmd, a[0])
			if err != nil {
				return fail(exitError, "give a FILE that is not there, in a directory with room for it", "back up to %s: %w", a[0], plainly(err))
			}
			return f.told(cmd, names, "backed up %s")
		}}
	s.add(c)
	s.hide(c)
	return c
}

func newUnpack(f *flags) *cobra.Command {
	var data string
	c := &cobra.Command{Use: "restore FILE", Short: "Make the data directory of a server from a backup", Args: args(cobra.ExactArgs(1)),
		Long: `Takes keys and memory out of what deminer server backup wrote, into a data directory that has none.
Agents find the server again where it was; what they told since the backup they tell anew when
they are started again. Hosts that were enrolled or whose key was renewed (once in 30 days) since
the backup have to be enrolled anew; hosts that were revoked since then are let in again.`,
		RunE: func(cmd *cobra.Command, a []string) error {
			names, err := takeBack(a[0], data)
			if err != nil {
				return fail(exitError, "give a file of deminer server backup, and with --data a directory that holds no server", "restore %s: %w", a[0], plainly(err))
			}
			return f.told(cmd, names, "restored %s")
		}}
	c.Flags().StringVar(&data, "data", "/var/lib/deminer-server", "make the server's keys and memory in `DIR`")
	return c
}

// backup writes what a server is made of, and gives the names of it.
func (h *headOffice) backup(cmd *cobra.Command, name string) (names []string, err error) {
	out, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err = errors.Join(err, out.Close()); err != nil {
			err = errors.Join(err, os.Remove(name)) // half of one is none
		}
	}()
	copied := filepath.Join(h.opt.data, "backup-"+deminer.NewID(time.Now())+".db")
	switch err := h.db.Copy(cmd.Context(), copied); {
	case errors.Is(err, memory.ErrElsewhere):
		fmt.Fprintf(cmd.ErrOrStderr(), "deminer: %s\n", deminer.Safe(err.Error()))
		copied = ""
	case err != nil:
		return nil, err
	default:
		defer os.Remove(copied)
	}
	packed := gzip.NewWriter(out)
	list := tar.NewWriter(packed)
	for _, one := range backedUp {
		from := filepath.Join(h.opt.data, filepath.FromSlash(one))
		if one == "server.db" {
			if from = copied; from == "" {
				continue
			}
		}
		if err := pack(list, one, from); err != nil {
			return nil, err
		}
		names = append(names, one)
	}
	return names, errors.Join(list.Close(), packed.Close(), out.Sync())
}

func pack(list *tar.Writer, name, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	st, err := in.Stat()
	if err != nil {
		return err
	}
	if err := list.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: st.Size(), ModTime: st.ModTime(), Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	_, err = io.Copy(list, in)
	return err
}

// takeBack makes a data directory from a backup. A name that no backup has is refused, and so is a directory that holds one of its files.
func takeBack(name, data string) (names []string, err error) {
	in, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	packed, err := gzip.NewReader(in)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(data, "trust"), 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(data)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	for _, one := range backedUp {
		if _, err := root.Lstat(one); !errors.Is(err, fs.ErrNotExist) {
			return nil, errors.Join(fmt.Errorf("%s holds %s already: %w", data, one, fs.ErrExist), err)
		}
	}
	for list := tar.NewReader(packed); ; {
		head, err := list.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return names, err
		}
		if head.Typeflag != tar.TypeReg || !slices.Contains(backedUp, head.Name) || slices.Contains(names, head.Name) || head.Size > maxBackup {
			return names, fmt.Errorf("it holds %q, which is not of a backup", deminer.Cut(deminer.Safe(head.Name), 100))
		}
		if err := keepFile(root, head.Name, list); err != nil {
			return names, err
		}
		names = append(names, head.Name)
	}
	if !slices.Contains(names, backedUp[0]) || !slices.Contains(names, backedUp[1]) {
		return names, errors.New("the keys of a server are not in it")
	}
	return names, nil
}

func keepFile(root *os.Root, name string, content io.Reader) error {
	out, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, content) // of the size that its header says
	return errors.Join(err, out.Sync(), out.Close())
}
