package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/hands"
	"github.com/deminer/deminer/internal/journal"
	"github.com/deminer/deminer/internal/remedy"
	"github.com/deminer/deminer/internal/vault"
)

// store is the state directory, open: journals and vault.
type store struct {
	dir    *os.Root
	vault  *vault.Vault
	runner *remedy.Runner // Tools.Hands is nil until hands are wanted
}

// openStore opens the state directory. With make it is made where it is missing; without, a missing one is fs.ErrNotExist.
func openStore(f *flags, make bool) (*store, error) {
	if _, err := os.Stat(f.stateDir()); !make && errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	base, dir := f.root, "/var/lib/deminer"
	if f.state != "" {
		abs, err := filepath.Abs(f.state)
		if err != nil {
			return nil, fail(exitError, "", "state directory: %w", err)
		}
		base, dir = "/", abs
	}
	root, err := hands.State(base, dir)
	if errors.Is(err, host.ErrUnsupported) {
		return nil, fail(exitError, "deminer scan and deminer plan work here all the same. Nothing was changed", "%w", err)
	}
	if err != nil {
		return nil, fail(exitError, "run deminer as root (sudo); as root already: ls -ld the directory, or give another one with --state DIR. Nothing was changed", "open state directory: %w", err)
	}
	journals, err := part(root, "journal")
	if err != nil {
		return nil, err
	}
	files, err := part(root, "vault")
	if err != nil {
		return nil, err
	}
	v, err := vault.Open(files)
	if err != nil {
		return nil, fail(exitError, "nothing was changed", "open vault: %w", err)
	}
	r := &remedy.Runner{Journal: &journal.Store{Dir: journals, Lock: hands.Lock}}
	r.Tools.Vault, r.Tools.State = v, root
	return &store{dir: root, vault: v, runner: r}, nil
}

func part(root *os.Root, name string) (*os.Root, error) {
	if err := root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fail(exitError, "nothing was changed", "make %s directory: %w", name, err)
	}
	sub, err := root.OpenRoot(name)
	if err != nil {
		return nil, fail(exitError, "nothing was changed", "open %s directory: %w", name, err)
	}
	return sub, nil
}

// arm gives the runner hands on the host.
func (s *store) arm(f *flags, h *host.Host) error {
	hand, err := hands.Open(f.root, !h.Info.Asleep())
	if err != nil {
		return fail(exitError, "run deminer as root; nothing was changed", "get hands on the host: %w", err)
	}
	s.runner.Tools.Hands, s.runner.Tools.Packages = hand, h.Packages
	s.runner.Tools.Room = hands.StateRoom(s.dir)
	s.runner.Tools.LockAccounts = func() (func(), error) { return hands.LockAccounts(f.root) }
	return nil
}

// reach opens the host and gives the runner hands on it; where it cannot, the store is closed.
func (s *store) reach(f *flags) (*host.Host, error) {
	h, _, err := openHost(f)
	if err == nil {
		err = s.arm(f, h)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return h, nil
}

func (s *store) close() { _ = s.dir.Close() }

// read loads where a plan stands. An empty id means the latest clean-up that was not undone, or any plan that was interrupted.
func (s *store) read(id string) (*remedy.Status, error) {
	ids, err := s.runner.Journal.Plans()
	if err != nil {
		return nil, fail(exitError, "", "list journals: %w", err)
	}
	if id != "" && !slices.Contains(ids, id) {
		return nil, fail(exitError, "deminer doctor lists the plans that were run here", "no plan %q was run on this host", id)
	}
	slices.Sort(ids)
	for _, name := range slices.Backward(ids) {
		if id != "" && name != id {
			continue
		}
		st, err := s.runner.Status(name)
		if err != nil {
			return nil, fail(exitError, "", "%w", err)
		}
		if id != "" || st.Interrupted || !st.Undoing && st.Plan.Purpose == deminer.ForCleanup {
			return &st, nil
		}
	}
	return nil, errNoPlan
}

// lastPlan is the latest plan run here that was not undone, with the open state directory and hands to look at what it
// changed; both nil where there is none.
func lastPlan(f *flags) (*store, *deminer.Plan, error) {
	s, err := openStore(f, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	st, err := s.read("")
	if err != nil {
		s.close()
		if errors.Is(err, errNoPlan) {
			err = nil
		}
		return nil, nil, err
	}
	if _, err := s.reach(f); err != nil {
		return nil, nil, err
	}
	return s, &st.Plan, nil
}

// warnUnfinished says that a plan was interrupted.
func warnUnfinished(f *flags, say func(format string, a ...any)) {
	s, err := openStore(f, false)
	if err != nil {
		return
	}
	defer s.close()
	names, err := s.runner.Journal.Unfinished()
	if err != nil {
		say("deminer: the journal cannot be read whole: %s\n", deminer.Safe(err.Error()))
	}
	for _, n := range names {
		say("deminer: plan %s was interrupted: deminer resume finishes it, deminer undo %s takes it back\n", n, n)
	}
}
