package contract

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// handover is a file in the agent's directory below /run that says: the one that stops now makes way for another version.
const handover = "handover"

// patience is how long a handover holds: a file that was left behind must not keep a later stop from lifting what is in force.
const patience = 2 * time.Minute

// Announce says that the agent is about to be restarted by an upgrade: it is to leave what it enforces in force. take ends it.
// dir is the agent's directory below /run; where it is not there, no agent runs and there is nothing to say.
func Announce(dir string) (end func() error, err error) {
	name := filepath.Join(dir, handover)
	err = os.WriteFile(name, nil, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return func() error { return nil }, nil
	}
	if err != nil {
		return nil, fmt.Errorf("announce an upgrade: %w", err)
	}
	return func() error {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("end an upgrade: %w", err)
		}
		return nil
	}, nil
}

// Upgrading reports whether the agent that is asked to stop makes way for another version, and so must not lift what it enforces.
func Upgrading(dir string) bool {
	a, err := os.Lstat(filepath.Join(dir, handover))
	return err == nil && a.Mode().IsRegular() && time.Since(a.ModTime()).Abs() < patience
}
