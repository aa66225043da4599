package remedy

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// twins says which other processes run the program of a convicted one. The content decides, never the name alone: an
// intruder may have run his miner under the name of an owner's program, or hide behind an inode that was used again.
type twins struct {
	SHA256 string `json:"sha256,omitempty"` // of the program; "" where no twins are wanted
	Size   int64  `json:"size,omitempty"`
	Exe    string `json:"exe,omitempty"`
	Space  uint64 `json:"space,omitempty"`
	// Dev and Ino are where the content lay. What runs it after the file went has lost its name, and is known by them; what
	// has a name of its own may be an owner's program, which the intruder linked.
	Dev uint64 `json:"dev,omitempty"`
	Ino uint64 `json:"ino,omitempty"`
	// After is the start of the youngest process that was looked at when the plan was made. What started later runs the
	// program by whatever name; what was there before, and was not convicted, only by the same. 0: only by the same.
	After uint64 `json:"after,omitempty"`
	seen  map[deminer.ProcID]verdict
}

// verdict is what is known of one process, as long as it runs the same program.
type verdict struct {
	exe  string
	size int64
	twin bool
}

// Known reports whether there is anything to look for.
func (w *twins) Known() bool { return w.SHA256 != "" }

// twinsOf reads what the plan wants of a step and looks at the program while it runs.
func (t *Tools) twinsOf(s deminer.Step, p host.Proc, gone bool) (w twins, err error) {
	if s.Action.Args["same-program"] != "yes" {
		return w, nil
	}
	w = twins{SHA256: s.Expect.SHA256, Size: s.Expect.Size, Exe: s.Expect.Exe, Space: s.Expect.MntNS, Dev: s.Expect.Dev, Ino: s.Expect.Ino}
	if text := string(s.Action.Args["after"]); text != "" {
		if w.After, err = strconv.ParseUint(text, 10, 64); err != nil {
			return w, fmt.Errorf("read what a process may be a twin of: %w", err)
		}
	}
	if gone {
		return w, nil
	}
	w.Exe, w.Size, w.Space, w.Dev, w.Ino = p.Exe, p.Size, p.Space, p.Dev, p.Ino
	w.SHA256, err = t.Hands.Procs.Digest(p.ID)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, host.ErrTooLarge) || errors.Is(err, deminer.ErrChanged) {
		return twins{}, nil
	}
	return w, err
}

// isTwin tells whether a process runs the program. Programs that a package owns never count.
func (t *Tools) isTwin(w *twins, p host.Proc) bool {
	if !w.Known() || p.Kernel || p.Exe == "" || p.State == 'Z' || p.State == 'X' {
		return false
	}
	if v, ok := w.seen[p.ID]; ok && v.exe == p.Exe && v.size == p.Size {
		return v.twin
	}
	if w.seen == nil {
		w.seen = map[deminer.ProcID]verdict{}
	}
	yes := t.runsSame(w, p)
	w.seen[p.ID] = verdict{exe: p.Exe, size: p.Size, twin: yes}
	return yes
}

func (t *Tools) runsSame(w *twins, p host.Proc) bool {
	if w.Size != 0 && p.Size != w.Size {
		return false
	}
	named := p.Exe == w.Exe && (w.Space == 0 || p.Space == w.Space || strings.HasPrefix(p.Exe, "/memfd:"))
	late := w.After != 0 && w.Size != 0 && p.ID.Start > w.After
	nameless := w.Ino != 0 && p.Ino == w.Ino && p.Dev == w.Dev && p.Links == 0
	if !named && !late && !nameless {
		return false
	}
	if t.Packages != nil && t.Packages.Owner(p.Exe).State != deminer.Unowned && !strings.HasPrefix(p.Exe, "/memfd:") {
		return false
	}
	sum, err := t.Hands.Procs.Digest(p.ID)
	return err == nil && sum == w.SHA256
}

// spared reads the processes that a step must leave alone, with their descendants: "pid@start" words.
func spared(s deminer.Step) (out []deminer.ProcID, err error) {
	if out, err = processes(string(s.Action.Args["spare"])); err != nil {
		err = fmt.Errorf("read processes to spare: %w", err)
	}
	return out, err
}
