// Package remedy does what a plan says, step by step, so that every step can be taken back: it reads what undo will need,
// has that on disk in the journal, and only then makes the change.
//
// It decides nothing. A target that is not what was planned for is left alone ([deminer.ErrChanged]), a step that fails
// skips those that depend on it and no others, and undo never overwrites what deminer did not write.
package remedy

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/vault"
)

// Verb is one thing that can be done. Ready, Do and Undo may be called again after a crash at any instant:
// Do and Undo of what is done already succeed and change nothing.
type Verb struct {
	Name  deminer.Verb
	Doc   string
	Phase deminer.Phase
	// Ready checks the target and reads what Undo will need; it changes nothing on the host but may fill the vault.
	Ready func(*Tools, deminer.Step) (undo any, err error)
	// Do makes the change; note is a remark for the journal.
	Do func(t *Tools, s deminer.Step, undo json.RawMessage) (note string, err error)
	// Undo takes the change back, whether or not Do got through. deminer.ErrIrreversible where there is no way back.
	Undo func(t *Tools, s deminer.Step, undo json.RawMessage) (note string, err error)
	// Holds says whether the change still stands: what verify asks by name.
	Holds standing
	// Late puts Undo after those of all other verbs: it has to see what they put back.
	Late bool
}

// Tools are what verbs work with.
type Tools struct {
	Hands *host.Hands
	// Packages verifies what restore-packaged writes; nil where there is no package database.
	Packages host.Packages
	Vault    *vault.Vault
	// State is the state directory; blocks that are to survive a reboot are kept there.
	State *os.Root
	// Room refuses when the state directory has not so many bytes to spare, with some left for the journal; nil checks nothing.
	Room func(size int64) error
	// PackageFiles are directories of the host, searched for package files before the package manager's own cache.
	PackageFiles []string
	// LockAccounts takes the lock of the password files and gives back how to release it; nil where nobody else runs.
	LockAccounts func() (release func(), err error)
	Now          func() time.Time // nil: the clock
	plan, step   string           // what runs, for entries of the vault
	why          []string
	froze        map[string]bool // cgroups that a step of the plan may have frozen
}

// All lists the verbs; what is not here cannot be done.
func All() []Verb {
	return []Verb{freeze(), block(), cutLine(), editLine(), dropFile(), maskUnit(), reload(), clearFlag(), chmod(), rename(),
		copyFile(), restorePackaged(), lockAccount(), removeAccount(), unmount(), setSysctl(), stopContainer(), kill(), quarantine(), unloadModule(),
		writeFile(), makeDir(), makeLink(), startUnit(), restartUnit()}
}

// Find gives the verb of a name.
func Find(name deminer.Verb) (Verb, error) {
	for _, v := range All() {
		if v.Name == name {
			return v, nil
		}
	}
	return Verb{}, fmt.Errorf("verb %q: %w: there is no such verb", name, deminer.ErrProtected)
}

// take reads what Ready wrote.
func take[T any](raw json.RawMessage) (v T, err error) {
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, fmt.Errorf("read what undo needs: %w", err)
	}
	return v, nil
}

// need refuses a verb whose facet the host does not have.
func need(has bool, what string) error {
	if has {
		return nil
	}
	return fmt.Errorf("%s: not possible on a host that is not running", what)
}

// now is the time; Now may be left unset.
func (t *Tools) now() time.Time {
	if t.Now == nil {
		return time.Now()
	}
	return t.Now()
}
