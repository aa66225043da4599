package remedy

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/journal"
)

// What belongs to no plan but changes the host or the vault runs under the host's lock too: deminer.ErrBusy while a plan runs. Sources
// that are blocked have a lock of their own, see lane.

// Restore puts a vault entry back at path, or where it came from if path is empty, and says where. What has that name
// already is not overwritten (deminer.ErrChanged). The entry stays in the vault.
func (r *Runner) Restore(id, path string) (string, error) {
	err := r.locked(func(t *Tools) error {
		e, err := t.Vault.Show(id)
		if err != nil {
			return err
		}
		if path == "" {
			path = string(e.Path)
		}
		return t.Restore(e, path)
	})
	return path, err
}

// Delete takes a vault entry away for good; a plan that put it there can then no longer be undone in full.
func (r *Runner) Delete(id string) error {
	return r.locked(func(t *Tools) error { return t.Vault.Delete(id) })
}

// Blocks lists what is blocked now.
func (r *Runner) Blocks() ([]host.Block, error) {
	if err := need(r.Tools.Hands.Net != nil, "list blocks"); err != nil {
		return nil, err
	}
	return r.Tools.Hands.Net.List()
}

// Lift takes a block away, now and for the next boot. One that is neither in force nor written down is fs.ErrNotExist: who
// mistyped it must not believe that it is lifted.
func (r *Runner) Lift(b host.Block) error {
	under := r.Journal
	if b.From.IsValid() {
		under = r.Journal.Beside("bans")
	}
	return r.lockedBy(under, func(t *Tools) error {
		if err := need(t.Hands.Net != nil, "lift a block"); err != nil {
			return err
		}
		there, err := t.known(b)
		if err != nil {
			return err
		}
		if err := t.Lift(b); err != nil { // also what is not listed: a program whose time is over may still hang on a group
			return err
		}
		if !there {
			return fmt.Errorf("block of %s: %w", b, fs.ErrNotExist)
		}
		return nil
	})
}

// Reapply blocks again, after a reboot, what is written down and has not run out, and says how many.
func (r *Runner) Reapply() (n int, err error) {
	if r.Tools.Hands.Net == nil {
		return 0, nil
	}
	err = r.locked(func(t *Tools) error {
		n, err = t.Reapply()
		return err
	})
	return n, err
}

func (r *Runner) locked(do func(*Tools) error) error { return r.lockedBy(r.Journal, do) }

func (r *Runner) lockedBy(under *journal.Store, do func(*Tools) error) error {
	lock, err := under.Hold()
	if err != nil {
		return err
	}
	tools := r.Tools
	tools.Now = r.now
	return errors.Join(do(&tools), lock.Close())
}
