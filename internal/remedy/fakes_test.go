//go:build linux

package remedy_test

import (
	"io/fs"
	"slices"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// fakeNet, fakeKernel, fakeUnits and fakeEngine are hands whose real ones are tested where they are; here only what verbs
// do with them counts.
type fakeNet struct {
	list []host.Block
	none error // what a block answers
	half error // what a list answers
}

func (f *fakeNet) Block(b host.Block) error {
	if f.none != nil {
		return f.none
	}
	_ = f.Lift(b)
	f.list = append(f.list, b)
	return nil
}

func (f *fakeNet) Lift(b host.Block) error {
	f.list = slices.DeleteFunc(f.list, b.Same)
	return nil
}

func (f *fakeNet) List() ([]host.Block, error) { return f.list, f.half }

type fakeKernel struct {
	mounts   map[string][]deminer.Mount
	settings map[string]string
}

func (f *fakeKernel) Mounted(p string) ([]deminer.Mount, error) { return f.mounts[p], nil }

func (f *fakeKernel) Unmount(p string, id int) error {
	l := f.mounts[p]
	if len(l) == 0 || l[len(l)-1].ID != id {
		return deminer.ErrChanged
	}
	f.mounts[p] = l[:len(l)-1]
	return nil
}

func (f *fakeKernel) Setting(n string) (string, error) {
	v, ok := f.settings[n]
	if !ok {
		return "", fs.ErrNotExist
	}
	return v, nil
}

func (f *fakeKernel) SetSetting(n, v string) error { f.settings[n] = v; return nil }

type fakeUnits struct {
	said   []string
	active bool
	none   error // what a job answers
}

func (f *fakeUnits) Job(u string, job host.UnitJob) error {
	f.said = append(f.said, string(job)+" "+u)
	if f.none == nil && job != host.UnitRestart {
		f.active = job == host.UnitStart
	}
	return f.none
}

func (f *fakeUnits) State(u string) (deminer.Unit, error) {
	return deminer.Unit{Name: u, Load: "loaded", Active: map[bool]string{true: "active", false: "inactive"}[f.active]}, nil
}

func (f *fakeUnits) Running() bool { return true }
func (f *fakeUnits) Reload() error { f.said = append(f.said, "reload"); return nil }
func (f *fakeUnits) ResetFailed(u string) error {
	f.said = append(f.said, "reset "+u)
	return nil
}

func (f *fakeUnits) ReloadUsers(units []string) (int, error) {
	f.said = append(f.said, "users "+strings.Join(units, " "))
	return 1, nil
}

type fakeEngine struct {
	c    host.Container
	gone bool
}

func (f *fakeEngine) Look(_, id string) (host.Container, error) {
	if f.gone || id != f.c.ID {
		return host.Container{}, fs.ErrNotExist
	}
	return f.c, nil
}

func (f *fakeEngine) Restart(_, _, policy string, n int) error {
	f.c.Restart, f.c.Retries = policy, n
	return nil
}
func (f *fakeEngine) Pause(_, _ string, on bool) error { f.c.Paused = on; return nil }
func (f *fakeEngine) Stop(_, _ string) error           { f.c.Running, f.c.Paused = false, false; return nil }
func (f *fakeEngine) Start(_, _ string) error          { f.c.Running = true; return nil }
