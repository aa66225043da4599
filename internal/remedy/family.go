package remedy

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// family gives a process and all its living descendants, by parent links, ancestors first, without the branches that are
// to be spared. A PID that was reused is not taken for a child: a child never started before its parent.
func family(all []host.Proc, of deminer.ProcID, spare []deminer.ProcID) []host.Proc {
	var out []host.Proc
	for _, p := range all {
		if p.ID == of && !slices.Contains(spare, p.ID) {
			out = append(out, p)
		}
	}
	for i := 0; i < len(out); i++ {
		for _, p := range all {
			if p.PPID == out[i].ID.PID && p.ID.Start >= out[i].ID.Start && p.ID != out[i].ID && !slices.Contains(spare, p.ID) {
				out = append(out, p)
			}
		}
	}
	return out
}

// Limits of looking for processes again: what was stopped forks no more, so a hunt that does not end within them is one
// that deminer does not win by stopping.
const (
	hunting = 10 * time.Second
	pause   = 20 * time.Millisecond
)

// hunt is the search for everything that one step is after.
type hunt struct {
	of     deminer.ProcID
	twins  twins
	spare  []deminer.ProcID // with all that descends from them
	told   []deminer.ProcID
	kept   []deminer.ProcID // those that may not be touched: deminer's own line
	fails  []error
	groups []string // cgroups of those told
}

// signAll tells a process, its descendants and its twins something, and looks again until two looks in a row find nobody
// new. What may not be touched is left out and counted.
func (t *Tools) signAll(h *hunt, sign host.Sign, skip []deminer.ProcID) error {
	end := time.Now().Add(hunting)
	for quiet := 0; quiet < 2; {
		list, err := t.suspects(h)
		if err != nil {
			return err
		}
		fresh := false
		for _, p := range list {
			if slices.Contains(h.told, p.ID) || slices.Contains(h.kept, p.ID) || slices.Contains(skip, p.ID) {
				continue
			}
			fresh = true
			h.tell(t, p.ID, sign)
			h.groups = append(h.groups, p.Cgroup)
		}
		if quiet++; fresh {
			quiet = 0
		}
		if time.Now().After(end) {
			return errors.Join(append(h.fails, fmt.Errorf("process %d: new ones kept appearing for %s", h.of.PID, hunting))...)
		}
		if quiet == 1 && h.twins.Known() {
			time.Sleep(pause)
		}
	}
	return errors.Join(h.fails...)
}

func (h *hunt) tell(t *Tools, id deminer.ProcID, sign host.Sign) {
	err := t.Hands.Procs.Signal(id, sign)
	switch {
	case errors.Is(err, deminer.ErrProtected) && id != h.of:
		h.kept = append(h.kept, id)
		return
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, deminer.ErrChanged) && id != h.of:
	case err != nil:
		h.fails = append(h.fails, err)
	}
	h.told = append(h.told, id)
}

// suspects lists what a hunt is after and lives: the process, the family of everyone told before (the orphans of one that
// has died meanwhile are still its own), and the twins with theirs.
func (t *Tools) suspects(h *hunt) ([]host.Proc, error) {
	all, err := t.Hands.Procs.List()
	if err != nil {
		return nil, err
	}
	roots := append([]deminer.ProcID{h.of}, h.told...)
	for _, p := range all {
		if !slices.Contains(h.spare, p.ID) && t.isTwin(&h.twins, p) {
			roots = append(roots, p.ID)
		}
	}
	var out []host.Proc
	seen := map[deminer.ProcID]bool{}
	for _, id := range roots {
		if seen[id] {
			continue
		}
		for _, p := range family(all, id, h.spare) {
			if !seen[p.ID] && p.State != 'Z' && p.State != 'X' {
				out = append(out, p)
			}
			seen[p.ID] = true
		}
	}
	return out, nil
}
