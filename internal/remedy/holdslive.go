package remedy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/deminer/deminer"
)

// maskHolds: the link to /dev/null must still be there.
func maskHolds(t *Tools, s deminer.Step, undo json.RawMessage) ([]Return, error) {
	m, err := take[mask](undo)
	if err != nil {
		return nil, nil // it was never masked; what that means the look at the host says
	}
	n, err := t.Hands.Files.Look(string(m.Path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return back(s, time.Time{}, "unit %s is not masked any more: %s is gone", deminer.Safe(s.Action.Target.Name), deminer.Safe(m.Path)), nil
	case err != nil:
		return nil, err
	case n.Link != "/dev/null":
		return back(s, n.Attr.Mtime, "unit %s is not masked any more: %s is a %s", deminer.Safe(s.Action.Target.Name), deminer.Safe(m.Path), n.Attr.Type), nil
	}
	return nil, nil
}

// attrsHold: no bit of the mode and no flag that the step took away may be there again.
func attrsHold(t *Tools, s deminer.Step, undo json.RawMessage) ([]Return, error) {
	d, err := take[attrs](undo)
	if err != nil {
		return nil, nil
	}
	n, err := t.Hands.Files.Look(string(d.Path))
	if errors.Is(err, fs.ErrNotExist) || err == nil && n.Attr.Type != d.Before.Type {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	name := deminer.Safe(d.Path)
	if again := n.Attr.Flags & d.Before.Flags &^ d.After.Flags; again != 0 {
		return back(s, n.Attr.Ctime, "%s has the flags %s again", name, again), nil
	}
	if again := n.Attr.Mode & d.Before.Mode &^ d.After.Mode; again != 0 {
		return back(s, n.Attr.Ctime, "the mode of %s is %04o again", name, n.Attr.Mode), nil
	}
	// A step that gives rights back (000 on a defender's program) stands while they are there.
	if lost := d.After.Mode &^ d.Before.Mode; lost != 0 && n.Attr.Mode&lost == 0 {
		return back(s, n.Attr.Ctime, "the mode of %s is %04o again", name, n.Attr.Mode), nil
	}
	return nil, nil
}

// contentHolds: the old content must not be there again, and a file that came out of a package must still be the packaged one.
func contentHolds(t *Tools, s deminer.Step, undo json.RawMessage) ([]Return, error) {
	all, err := take[changes](undo)
	if err != nil {
		return nil, nil
	}
	var out []Return
	for _, c := range all.Files {
		n, err := t.Hands.Files.Look(string(c.Path))
		if errors.Is(err, fs.ErrNotExist) {
			out = append(out, back(s, time.Time{}, "%s is gone again", deminer.Safe(c.Path))...)
			continue
		}
		if err != nil {
			return out, err
		}
		sum := ""
		if n.Attr.Type == deminer.Regular {
			if sum, err = t.sum(string(c.Path)); err != nil {
				return out, err
			}
		}
		switch {
		case sum == c.New:
		case sum == c.Old && sum != "":
			out = append(out, back(s, n.Attr.Mtime, "%s has the bad content again", deminer.Safe(c.Path))...)
		case s.Action.Verb == deminer.VerbRestore && !t.packaged(string(c.Path)):
			out = append(out, back(s, n.Attr.Mtime, "%s is not the packaged file any more", deminer.Safe(c.Path))...)
		}
	}
	return out, nil
}

// renameHolds: the file must not be away from its own name again.
func renameHolds(t *Tools, s deminer.Step, undo json.RawMessage) ([]Return, error) {
	m, err := take[moved](undo)
	if err != nil {
		return nil, nil
	}
	n, err := t.Hands.Files.Look(string(m.From))
	if err == nil {
		return back(s, n.Attr.Ctime, "%s is there again beside %s", deminer.Safe(m.From), deminer.Safe(m.To)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	n, err = t.Hands.Files.Look(string(m.To))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return back(s, time.Time{}, "%s is gone again", deminer.Safe(m.To)), nil
	case err != nil:
		return nil, err
	case n.Attr.Ino != m.Attr.Ino && !t.packaged(string(m.To)):
		return back(s, n.Attr.Mtime, "%s is another file than the one that was moved back", deminer.Safe(m.To)), nil
	}
	return nil, nil
}

// blockHolds: the block must be in force until its time is over. A reboot lifts what was not to be kept, and the block of a
// control group goes with the group.
func blockHolds(t *Tools, s deminer.Step, undo json.RawMessage) ([]Return, error) {
	b, err := take[blocked](undo)
	if err != nil || b.None != "" || !b.Block.Until.After(t.now()) || t.Hands.Net == nil {
		return nil, nil
	}
	list, err := t.inForce()
	if err != nil || slices.ContainsFunc(list, b.Block.Same) {
		return nil, err
	}
	if b.Block.Cgroup != "" {
		if n, err := t.onlyMembers(s, b.Block.Cgroup); err != nil || n == 0 || s.Action.Args["if-possible"] == "yes" {
			return nil, nil
		}
	}
	why := "somebody lifted it, or the host was started again: deminer block reapply blocks again what was kept"
	return back(s, time.Time{}, "the block of %s is not in force any more (it was to last until %s): %s", b.Block, b.Block.Until.Format(time.RFC3339), why), nil
}

// settingHolds: the value must be the one that was written.
func settingHolds(t *Tools, s deminer.Step, undo json.RawMessage) ([]Return, error) {
	v, err := take[setting](undo)
	if err != nil || t.Hands.Kernel == nil || equalValue(v.Before, v.After) {
		return nil, nil
	}
	now, err := t.Hands.Kernel.Setting(s.Action.Target.Name)
	switch name := deminer.Safe(s.Action.Target.Name); {
	case err != nil || equalValue(now, v.After):
		return nil, err
	case equalValue(now, v.Before):
		return back(s, time.Time{}, "setting %s is %s again", name, deminer.Cut(now, 80)), nil
	default:
		return back(s, time.Time{}, "setting %s is %s: neither what it was nor what the plan made it (%s)", name, deminer.Cut(now, 80), deminer.Cut(v.After, 80)), nil
	}
}

// coverHolds: nothing may be mounted over the process directory.
func coverHolds(t *Tools, s deminer.Step, _ json.RawMessage) ([]Return, error) {
	if t.Hands.Kernel == nil || !procDir.MatchString(string(s.Action.Target.Path)) {
		return nil, nil
	}
	list, err := t.Hands.Kernel.Mounted(string(s.Action.Target.Path))
	if err != nil || len(list) == 0 {
		return nil, err
	}
	top := list[len(list)-1]
	return back(s, time.Time{}, "%s is covered again: %s of %s is mounted over it", deminer.Safe(s.Action.Target.Path), deminer.Safe(top.Type), deminer.Safe(top.Source)), nil
}

// containerHolds: the container must not run, and must not be one that its engine starts again.
func containerHolds(t *Tools, s deminer.Step, undo json.RawMessage) ([]Return, error) {
	d, err := take[stopped](undo)
	if err != nil || d.Gone || t.Hands.Containers == nil {
		return nil, nil
	}
	now, err := t.Hands.Containers.Look(string(s.Action.Args["engine"]), d.Before.ID)
	switch name := deminer.Cut(d.Before.ID, 12); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case now.Running:
		return back(s, time.Time{}, "container %s runs again", name), nil
	case now.Restart != "" && now.Restart != "no":
		return back(s, time.Time{}, "container %s has the restart policy %s again", name, deminer.Safe(now.Restart)), nil
	}
	return nil, nil
}

// maxReturned bounds how many processes of one step are told.
const maxReturned = 8

// killHolds: neither the process nor anything that runs its program may live.
func killHolds(t *Tools, s deminer.Step, undo json.RawMessage) ([]Return, error) {
	k, err := take[killed](undo)
	if err != nil || t.Hands.Procs == nil {
		return nil, nil
	}
	h, err := t.prey(s, k.Twins)
	if err != nil {
		return nil, err
	}
	list, err := t.suspects(h)
	if err != nil {
		return nil, err
	}
	var out []Return
	for _, p := range list[:min(len(list), maxReturned)] {
		what := fmt.Sprintf("process %d lives", p.ID.PID)
		if p.ID != h.of {
			what = fmt.Sprintf("process %d runs the killed program, or descends from what does: %s", p.ID.PID, deminer.Cut(p.Exe, 160))
		}
		out = append(out, Return{Artifact: deminer.Artifact{Kind: deminer.KindProcess, Proc: p.ID, Name: s.Action.Target.Name}, What: what})
	}
	return out, nil
}

// frozenHolds: a process that was stopped and not killed since must still be stopped.
func frozenHolds(t *Tools, s deminer.Step, undo json.RawMessage) ([]Return, error) {
	if f, err := take[frozen](undo); err != nil || f.Gone || t.Hands.Procs == nil {
		return nil, nil
	}
	p, _, err := t.Hands.Procs.Look(s.Action.Target.Proc)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, deminer.ErrChanged) {
		return nil, nil
	}
	if err != nil || p.State == 'T' || p.State == 'Z' || p.State == 'X' {
		return nil, err
	}
	return back(s, time.Time{}, "process %d was stopped and goes on again", p.ID.PID), nil
}

// nothingHolds is for verbs that leave nothing behind that could come back.
func nothingHolds(*Tools, deminer.Step, json.RawMessage) ([]Return, error) { return nil, nil }
