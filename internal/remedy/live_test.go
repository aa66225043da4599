//go:build linux

package remedy_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/remedy"
	"github.com/google/go-cmp/cmp"
)

// liveWorld has fake hands for what is not files or processes.
func liveWorld(t *testing.T) (*world, *fakeNet, *fakeKernel, *fakeUnits, *fakeEngine) {
	w := newWorld(t, true)
	n, u := &fakeNet{}, &fakeUnits{}
	k := &fakeKernel{settings: map[string]string{"vm.nr_hugepages": "1280"}, mounts: map[string][]deminer.Mount{"/proc/77": {{ID: 5, Type: "tmpfs"}, {ID: 6, Type: "ext4"}}}}
	e := &fakeEngine{c: host.Container{ID: "c1", Running: true, Restart: "always"}}
	h := w.runner.Tools.Hands
	h.Net, h.Kernel, h.Units, h.Containers = n, k, u, e
	return w, n, k, u, e
}

func address(a string) deminer.Artifact { return deminer.Artifact{Kind: deminer.KindAddress, Addr: a} }

func TestBlockVerb(t *testing.T) {
	w, n, _, _, _ := liveWorld(t)
	n.half = fmt.Errorf("%w: more control groups than can be asked", host.ErrUnsupported)
	w.mustRun(t, planOf("p", do(deminer.VerbBlock, address("10.9.8.7:3333"), "for", "2h", "keep", "yes"), do(deminer.VerbBlock, address("2001:db8::1"))))
	if len(n.list) != 2 || n.list[0].Addr.String() != "10.9.8.7:3333" || time.Until(n.list[0].Until) > 2*time.Hour || time.Until(n.list[1].Until) < 23*time.Hour {
		t.Fatalf("blocked: %v", n.list)
	}
	// A reboot forgets; what was to be kept is blocked again, and nothing else.
	kept := n.list
	n.list = nil
	if got, err := w.runner.Reapply(); err != nil || got != 1 {
		t.Fatalf("reapply: %d %v", got, err)
	}
	if d := cmp.Diff(kept[0].Addr.String(), n.list[0].Addr.String()); d != "" {
		t.Error(d)
	}
	w.mustUndo(t, "p")
	if len(n.list) != 0 {
		t.Errorf("still blocked: %v", n.list)
	}
	if got, err := w.runner.Tools.Reapply(); err != nil || got != 0 {
		t.Errorf("reapply after undo: %d %v", got, err)
	}
	for i, bad := range []string{"", "0.0.0.0", "127.0.0.1", "::1", "224.0.0.1", "example.org:1", "1.2.3.4:99999"} {
		if err := w.run(planOf("bad"+string(rune('a'+i)), do(deminer.VerbBlock, address(bad)))); err == nil {
			t.Errorf("block of %q is not refused", bad)
		}
	}
}

func TestBlockThatWasThereStays(t *testing.T) {
	w, n, _, _, _ := liveWorld(t)
	addr, err := remedy.ParseBlockAddr("[2001:db8::1]:3")
	must(t, err)
	n.list = []host.Block{{Addr: addr, Until: time.Now().Add(time.Minute)}}
	w.mustRun(t, planOf("p", do(deminer.VerbBlock, address("[2001:db8::1]:3"))))
	w.mustUndo(t, "p")
	if len(n.list) != 1 {
		t.Error("undo lifted a block that was there before")
	}
}

func TestSysctlVerb(t *testing.T) {
	w, _, k, _, _ := liveWorld(t)
	s := do(deminer.VerbSysctl, deminer.Artifact{Kind: deminer.KindSetting, Name: "vm.nr_hugepages", Line: "1280"}, "value", "0")
	w.mustRun(t, planOf("p", s))
	if k.settings["vm.nr_hugepages"] != "0" {
		t.Error("not set")
	}
	w.mustUndo(t, "p")
	if k.settings["vm.nr_hugepages"] != "1280" {
		t.Error("not set back")
	}
	k.settings["vm.nr_hugepages"] = "64"
	if err := w.run(planOf("p2", s)); !errors.Is(err, deminer.ErrChanged) {
		t.Errorf("changed setting: %v, want ErrChanged", err)
	}
	k.settings["vm.nr_hugepages"] = "1280"
	w.mustRun(t, planOf("p3", s))
	k.settings["vm.nr_hugepages"] = "7"
	if err := w.runner.Undo(t.Context(), "p3", nil); !errors.Is(err, deminer.ErrChanged) || k.settings["vm.nr_hugepages"] != "7" {
		t.Errorf("undo over another's value: %v", err)
	}
}

func TestUnmountVerb(t *testing.T) {
	w, _, k, _, _ := liveWorld(t)
	mount := func(p string) deminer.Artifact {
		return deminer.Artifact{Kind: deminer.KindMount, Path: deminer.Raw(p)}
	}
	w.mustRun(t, planOf("p", do(deminer.VerbUnmount, mount("/proc/77"))))
	if len(k.mounts["/proc/77"]) != 0 {
		t.Error("still covered")
	}
	if err := w.runner.Undo(t.Context(), "p", nil); !errors.Is(err, deminer.ErrIrreversible) {
		t.Errorf("undo: %v, want ErrIrreversible", err)
	}
	w.mustRun(t, planOf("again", do(deminer.VerbUnmount, mount("/proc/77"))))
	for i, bad := range []string{"/", "/proc", "/proc/1/../..", "/home", "/proc/77/../../etc"} {
		if err := w.run(planOf("bad"+string(rune('a'+i)), do(deminer.VerbUnmount, mount(bad)))); !errors.Is(err, deminer.ErrProtected) {
			t.Errorf("unmount of %q: %v, want ErrProtected", bad, err)
		}
	}
}

func TestReloadRunsLastInUndo(t *testing.T) {
	w, _, _, u, _ := liveWorld(t)
	w.write(t, "/etc/systemd/system/a.service", "x", 0o644)
	var order []string
	p := planOf("p", do(deminer.VerbDropFile, file("/etc/systemd/system/a.service")), do(deminer.VerbReload, deminer.Artifact{Kind: deminer.KindHost}, "units", "a.service b.timer"))
	w.mustRun(t, p)
	if want := []string{"reload", "reset a.service", "reset b.timer"}; !slices.Equal(u.said, want) {
		t.Errorf("said %v, want %v", u.said, want)
	}
	err := w.runner.Undo(t.Context(), "p", func(r deminer.Record) {
		if r.State == deminer.StateUndone {
			order = append(order, r.Step)
		}
	})
	if err != nil || !slices.Equal(order, []string{"s01", "s02"}) || len(u.said) != 6 {
		t.Errorf("undo: %v, order %v, said %v", err, order, u.said)
	}
}

func TestStopContainerVerb(t *testing.T) {
	w, _, _, _, e := liveWorld(t)
	before := e.c
	s := do(deminer.VerbStopContainer, deminer.Artifact{Kind: deminer.KindContainer, Name: "c1"}, "engine", "docker")
	w.mustRun(t, planOf("p", s))
	if e.c.Running || e.c.Restart != "no" {
		t.Errorf("after stop: %+v", e.c)
	}
	w.mustUndo(t, "p")
	if e.c != before {
		t.Errorf("after undo: %+v, want %+v", e.c, before)
	}
	// What somebody else starts again is not started by undo beside it.
	e.c.Manager = "kubelet"
	var notes []string
	p := planOf("pod", s)
	must(t, w.runner.Run(t.Context(), p, p.Digest(), func(r deminer.Record) { notes = append(notes, r.Note) }))
	if !strings.Contains(strings.Join(notes, " "), "belongs to a pod") {
		t.Errorf("notes: %q", notes)
	}
	w.mustUndo(t, "pod")
	if e.c.Running {
		t.Error("undo started the container of a pod")
	}
	e.gone = true
	w.mustRun(t, planOf("gone", s))
}

func TestUnloadIsRefused(t *testing.T) {
	w := newWorld(t, true)
	err := w.run(planOf("p", do(deminer.VerbUnload, deminer.Artifact{Kind: deminer.KindModule, Name: "evil"})))
	if !errors.Is(err, deminer.ErrProtected) || !strings.Contains(err.Error(), "rebuild") {
		t.Errorf("unload: %v, want a refusal with advice", err)
	}
}

// TestSleepingHostRefuses: a mounted root has files only, and every other verb says so and changes nothing.
func TestSleepingHostRefuses(t *testing.T) {
	w := newWorld(t, false)
	for _, v := range []deminer.Verb{deminer.VerbFreeze, deminer.VerbKill, deminer.VerbBlock, deminer.VerbReload, deminer.VerbUnmount, deminer.VerbSysctl, deminer.VerbStopContainer} {
		target := deminer.Artifact{Proc: deminer.ProcID{PID: 1}, Path: "/proc/7", Addr: "10.0.0.1", Name: "x.y"}
		if err := w.run(planOf("p-"+string(v), do(v, target, "value", "1"))); err == nil || !strings.Contains(err.Error(), "not running") {
			t.Errorf("%s: %v, want a refusal", v, err)
		}
	}
}

// TestEveryVerbIsTested holds the list of verbs against the tests: a verb without a way there and back is a bug.
func TestEveryVerbIsTested(t *testing.T) {
	tested := map[deminer.Verb]bool{deminer.VerbFreeze: true, deminer.VerbKill: true, deminer.VerbBlock: true, deminer.VerbSysctl: true, deminer.VerbUnmount: true,
		deminer.VerbReload: true, deminer.VerbStopContainer: true, deminer.VerbUnload: true, deminer.VerbRestore: true,
		deminer.VerbStartUnit: true, deminer.VerbRestartUnit: true, deminer.VerbMakeLink: true} // these three: service_test.go
	for _, c := range fileCases() {
		tested[c.steps[0].Action.Verb] = true
	}
	phases := deminer.Phases()
	for _, v := range remedy.All() {
		if !tested[v.Name] {
			t.Errorf("verb %s has no test", v.Name)
		}
		if v.Doc == "" || v.Ready == nil || v.Do == nil || v.Undo == nil || v.Holds == nil || !slices.Contains(phases, v.Phase) {
			t.Errorf("verb %s is not whole", v.Name)
		}
		delete(tested, v.Name)
	}
	if len(tested) > 0 {
		t.Errorf("verbs that are not in All: %v", tested)
	}
}
