package journal

import (
	"errors"
	"fmt"
)

// Remove deletes the journal of a plan of which nothing can be undone any more, and takes the lock of the host for it.
// deminer.ErrBusy if another deminer has that, fs.ErrNotExist if the plan has no journal.
func (s *Store) Remove(plan string) error {
	name, err := fileName(plan)
	if err != nil {
		return err
	}
	lock, err := s.hold()
	if err != nil {
		return fmt.Errorf("remove journal of plan %q: %w", plan, err)
	}
	err = s.Dir.Remove(name)
	if err == nil {
		err = s.syncDir()
	}
	if err != nil {
		err = fmt.Errorf("remove journal of plan %q: %w", plan, err)
	}
	return errors.Join(err, lock.Close())
}
