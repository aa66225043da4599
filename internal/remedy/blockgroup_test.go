//go:build linux

package remedy_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// fakeProcs lists what it is told; the rest is the real one's.
type fakeProcs struct {
	host.Procs
	list []host.Proc
}

func (f *fakeProcs) List() ([]host.Proc, error) { return f.list, nil }

func cgroup(name string) deminer.Artifact {
	return deminer.Artifact{Kind: deminer.KindCgroup, Name: name}
}

func inGroup(pid, ppid int, name string) host.Proc {
	return host.Proc{ID: deminer.ProcID{PID: pid, Start: uint64(pid)}, PPID: ppid, State: 'S', Exe: "/opt/x", Cgroup: name}
}

const evilUnit = "/system.slice/evil.service"

// groupWorld has a group with a miner and its child in it.
func groupWorld(t *testing.T) (*world, *fakeNet, *fakeProcs) {
	w, n, _, _, _ := liveWorld(t)
	p := &fakeProcs{Procs: w.runner.Tools.Hands.Procs, list: []host.Proc{inGroup(10, 1, "/system.slice/shop.service"), inGroup(66, 1, evilUnit), inGroup(67, 66, evilUnit+"/x")}}
	w.runner.Tools.Hands.Procs = p
	return w, n, p
}

func blockEvil(more ...string) deminer.Step {
	return do(deminer.VerbBlock, cgroup(evilUnit), append([]string{"members", "66@66", "for", "1h"}, more...)...)
}

func TestBlockGroupVerb(t *testing.T) {
	w, n, p := groupWorld(t)
	w.mustRun(t, planOf("p", blockEvil("keep", "yes")))
	if len(n.list) != 1 || n.list[0].Cgroup != evilUnit || n.list[0].Addr.IsValid() {
		t.Fatalf("blocked: %v", n.list)
	}
	if got, err := w.runner.Reapply(); err != nil || got != 0 {
		t.Errorf("a group's block is kept over a reboot: %d %v", got, err)
	}
	stands(t, w.runner, "p")
	kept := n.list
	n.list = nil
	returned(t, w.runner, "p", "block of cgroup "+evilUnit)
	p.list = p.list[:1] // they were killed
	stands(t, w.runner, "p")
	n.list = kept
	w.mustUndo(t, "p")
	if len(n.list) != 0 {
		t.Errorf("still blocked: %v", n.list)
	}
}

func TestBlockGroupIsRefused(t *testing.T) {
	w, n, p := groupWorld(t)
	for i, bad := range []string{"", "/", "x", "/system.slice", "/init.scope", "/a/../b", evilUnit + "/"} {
		if err := w.run(planOf(fmt.Sprint("bad", i), do(deminer.VerbBlock, cgroup(bad), "members", "66@66"))); !errors.Is(err, deminer.ErrProtected) {
			t.Errorf("%q: %v, want ErrProtected", bad, err)
		}
	}
	p.list = append(p.list, inGroup(80, 1, evilUnit+"/y"))
	if err := w.run(planOf("stranger", blockEvil())); !errors.Is(err, deminer.ErrChanged) {
		t.Errorf("with a stranger in it: %v, want ErrChanged", err)
	}
	w.mustRun(t, planOf("stranger2", blockEvil("if-possible", "yes")))
	p.list = p.list[:1]
	w.mustRun(t, planOf("empty", blockEvil()))
	p.list = append(p.list, inGroup(66, 1, evilUnit))
	n.none = fmt.Errorf("%w: no hooks", host.ErrUnsupported)
	if err := w.run(planOf("old", blockEvil())); !errors.Is(err, host.ErrUnsupported) || !strings.Contains(err.Error(), "export nft") {
		t.Errorf("kernel without hooks: %v, want a refusal with advice", err)
	}
	w.mustRun(t, planOf("old2", blockEvil("if-possible", "yes")))
	if len(n.list) != 0 {
		t.Errorf("blocked: %v", n.list)
	}
	for _, plan := range []string{"stranger2", "empty", "old2"} {
		w.mustUndo(t, plan)
	}
}

// cutNet fails before and after every change.
type cutNet struct {
	host.Net
	c *cut
}

func (n cutNet) Block(b host.Block) error {
	n.c.event()
	err := n.Net.Block(b)
	n.c.event()
	return err
}

func (n cutNet) Lift(b host.Block) error {
	n.c.event()
	err := n.Net.Lift(b)
	n.c.event()
	return err
}

// TestCrashInBlock cuts the power at every instant of a run, or of an undo, of blocks of both kinds.
func TestCrashInBlock(t *testing.T) {
	plan := planOf("p", blockEvil(), do(deminer.VerbBlock, address("10.9.8.7:3333"), "keep", "yes"))
	for _, undo := range []bool{false, true} {
		for at := 0; ; at++ {
			w, n, _ := groupWorld(t)
			if undo {
				w.mustRun(t, plan)
			}
			tools := w.runner.Tools
			c := &cut{at: at}
			c.wire(w.runner)
			w.runner.Tools.Hands.Net = cutNet{n, c}
			failed, err := c.survive(func() error {
				if undo {
					return w.runner.Undo(t.Context(), "p", nil)
				}
				return w.run(plan)
			})
			if !failed {
				must(t, err)
				if at < 10 {
					t.Fatalf("only %d instants", at)
				}
				break
			}
			r, err := openRunner(w.root, w.state, true)
			must(t, err)
			r.Tools.Hands = tools.Hands
			r.Tools.Hands.Net = n
			if err := r.Resume(t.Context(), "p", nil); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatalf("undo %v, instant %d: resume: %v", undo, at, err)
			}
			if s, err := r.Status("p"); err == nil && s.Done > 0 && (len(n.list) != 2 || s.Done != 2) {
				t.Errorf("undo %v, instant %d: %d steps done, blocked: %v", undo, at, s.Done, n.list)
			}
			if err := r.Undo(t.Context(), "p", nil); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatalf("undo %v, instant %d: %v", undo, at, err)
			}
			if got, err := r.Reapply(); len(n.list) != 0 || got != 0 || err != nil {
				t.Errorf("undo %v, instant %d: still blocked: %v, %d kept, %v", undo, at, n.list, got, err)
			}
		}
	}
}
