package remedy

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// checkGroup refuses what no block of a control group may name: the root, slices (everybody's), and the group of PID 1.
func checkGroup(name string) error {
	base := path.Base(name)
	if !strings.HasPrefix(name, "/") || path.Clean(name) != name || name == "/" || strings.ContainsRune(name, 0) {
		return fmt.Errorf("block control group %q: %w: not the path of a control group", deminer.Safe(name), deminer.ErrProtected)
	}
	if strings.HasSuffix(base, ".slice") || base == "init.scope" {
		return fmt.Errorf("block control group %q: %w: others start in it, too", deminer.Safe(name), deminer.ErrProtected)
	}
	return nil
}

// readyGroup checks that a control group holds those it was planned for, their descendants, and nobody else. none says
// why there is nothing to do.
func (t *Tools) readyGroup(s deminer.Step) (name, none string, err error) {
	name = s.Action.Target.Name
	if err := checkGroup(name); err != nil {
		return name, "", err
	}
	if err := need(t.Hands.Procs != nil, "block a control group"); err != nil {
		return name, "", err
	}
	n, err := t.onlyMembers(s, name)
	switch {
	case errors.Is(err, deminer.ErrChanged) && s.Action.Args["if-possible"] == "yes":
		return name, deminer.Cut(err.Error(), 300), nil
	case err == nil && n == 0:
		none = "nobody is in it any more"
	}
	return name, none, err
}

// onlyMembers counts the processes in a group and below it; deminer.ErrChanged where a stranger is among them.
func (t *Tools) onlyMembers(s deminer.Step, name string) (int, error) {
	want, err := processes(string(s.Action.Args["members"]))
	if err != nil {
		return 0, fmt.Errorf("read who may be in control group %q: %w", deminer.Safe(name), err)
	}
	all, err := t.Hands.Procs.List()
	if err != nil {
		return 0, err
	}
	known := map[deminer.ProcID]bool{}
	for _, id := range want {
		for _, p := range family(all, id, nil) {
			known[p.ID] = true
		}
	}
	n := 0
	for _, p := range all {
		if p.Cgroup != name && !strings.HasPrefix(p.Cgroup, name+"/") || p.State == 'Z' || p.State == 'X' {
			continue
		}
		if !known[p.ID] {
			return 0, fmt.Errorf("block control group %q: %w: process %d (%s), which was not convicted, is in it", deminer.Safe(name), deminer.ErrChanged, p.ID.PID, deminer.Cut(p.Exe, 80))
		}
		n++
	}
	return n, nil
}

// blockGroup blocks a group if it still holds nobody else. What cannot be done on this host fails, with advice, unless the
// plan said that it is welcome and no more.
func (t *Tools) blockGroup(s deminer.Step, b host.Block) (string, error) {
	if n, err := t.onlyMembers(s, b.Cgroup); err != nil || n == 0 {
		return "nothing to do: nobody is in it any more", err
	}
	err := t.Hands.Net.Block(b)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "nothing to do: it is gone", nil
	case errors.Is(err, host.ErrUnsupported) && s.Action.Args["if-possible"] == "yes":
		return "not blocked: " + deminer.Cut(err.Error(), 300), nil
	case errors.Is(err, host.ErrUnsupported):
		return "", fmt.Errorf("%w; block its addresses instead, here or on the firewall outside (deminer plan --export nft)", err)
	case err != nil:
		return "", err
	}
	return "until " + b.Until.Format(time.RFC3339) + ", or its last process ends", nil
}

// processes reads "pid@start" words.
func processes(text string) (out []deminer.ProcID, err error) {
	for word := range strings.FieldsSeq(text) {
		pid, start, _ := strings.Cut(word, "@")
		n, err1 := strconv.Atoi(pid)
		m, err2 := strconv.ParseUint(start, 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		out = append(out, deminer.ProcID{PID: n, Start: m})
	}
	return slices.Clip(out), nil
}
