package remedy

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// family gives a process and all its living descendants, by parent links, ancestors first. A PID that was reused is not
// taken for a child: a child never started before its parent.
func family(all []host.Proc, of deminer.ProcID) []host.Proc {
	var out []host.Proc
	for _, p := range all {
		if p.ID == of {
			out = append(out, p)
		}
	}
	for i := 0; i < len(out); i++ {
		for _, p := range all {
			if p.PPID == out[i].ID.PID && p.ID.Start >= out[i].ID.Start && p.ID != out[i].ID {
				out = append(out, p)
			}
		}
	}
	return out
}

// maxRounds bounds how often the processes are listed again; a fork bomb loses, as what was stopped forks no more.
const maxRounds = 50

// signAll tells a process and its descendants something, and lists again until nobody new appears. Those that may not be
// touched (deminer's own line) are left out and named.
func (t *Tools) signAll(of deminer.ProcID, sign host.Sign, skip []deminer.ProcID) (told []deminer.ProcID, err error) {
	var failed []error
	for range maxRounds {
		all, err := t.Hands.Procs.List()
		if err != nil {
			return told, err
		}
		fresh := false
		for _, p := range familyOf(all, of, told) {
			if slices.Contains(told, p.ID) || slices.Contains(skip, p.ID) || p.State == 'Z' || p.State == 'X' {
				continue
			}
			told, fresh = append(told, p.ID), true
			if err := t.Hands.Procs.Signal(p.ID, sign); err != nil && !errors.Is(err, fs.ErrNotExist) {
				failed = append(failed, err)
			}
		}
		if !fresh {
			return told, errors.Join(failed...)
		}
	}
	return told, errors.Join(append(failed, fmt.Errorf("process %d: new children kept appearing", of.PID))...)
}

// familyOf is the family of a process and of those known before: the orphans of one that has died meanwhile are still its own.
func familyOf(all []host.Proc, of deminer.ProcID, known []deminer.ProcID) []host.Proc {
	out := family(all, of)
	for _, id := range known {
		out = append(out, family(all, id)...)
	}
	return out
}
