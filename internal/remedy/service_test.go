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
	"github.com/deminer/deminer/internal/remedy"
	"github.com/deminer/deminer/internal/service"
)

// serviceWorld is a host with the program of the agent in somebody's home.
func serviceWorld(t testing.TB) *world {
	t.Helper()
	top, err := os.MkdirTemp("/dev/shm", "remedy")
	must(t, err)
	w := &world{root: top + "/root", state: top + "/state"}
	for _, d := range []string{w.root, w.state} {
		must(t, os.Mkdir(d, 0o755))
	}
	t.Cleanup(func() {
		unflag(top)
		if err := os.RemoveAll(top); err != nil {
			t.Error(err)
		}
	})
	w.write(t, "/home/ann/deminer", "the program", 0o755)
	w.write(t, "/usr/local/bin/x", "", 0o755)
	w.write(t, "/etc/systemd/system/other.service", "[Unit]\n", 0o644)
	w.age(t)
	return w
}

func servicePlan(id string, found service.Found) deminer.Plan {
	c := service.Config{Binary: service.Binary, Args: []string{"agent"}, Limits: service.Usual()}
	p := planOf(id, service.Steps(c, service.Source{Path: "/home/ann/deminer", SHA256: sum("the program")}, found)...)
	p.Purpose = deminer.ForService
	return p
}

// TestCrashInService cuts the power at every instant of an install: what was begun can be finished, and taken back to the byte.
func TestCrashInService(t *testing.T) {
	first := serviceWorld(t)
	r, c := first.cuttable(t, -1)
	units := &fakeUnits{}
	r.Tools.Hands.Units = units
	p := servicePlan("install", service.Found{})
	must(t, r.Run(t.Context(), p, p.Digest(), nil))
	n, done := c.now, timeless(tree(t, first.root))
	if !units.active || !strings.Contains(strings.Join(done, "\n"), service.UnitPath) {
		t.Fatalf("not installed: %v %v", units.said, done)
	}
	for at := 0; at < n; at += stride() {
		for _, way := range []string{"resume", "undo"} {
			t.Run(fmt.Sprintf("%s/%d", way, at), func(t *testing.T) {
				w := serviceWorld(t)
				before := tree(t, w.root)
				units := &fakeUnits{}
				arm := func(at int) (*remedy.Runner, *cut) {
					r, c := w.cuttable(t, at)
					r.Tools.Hands.Units = units
					return r, c
				}
				r, c := arm(at)
				if failed, err := c.survive(func() error { return r.Run(t.Context(), p, p.Digest(), nil) }); !failed {
					t.Fatalf("the power did not fail: %v", err)
				}
				r, _ = arm(-1)
				if way == "resume" {
					must(t, r.Resume(t.Context(), p.ID, nil))
					if s, err := r.Status(p.ID); err == nil && s.Done > 0 {
						same(t, done, timeless(tree(t, w.root)))
						if !units.active {
							t.Error("the agent was not started")
						}
					}
				}
				must(t, r.Undo(t.Context(), p.ID, nil))
				same(t, before, tree(t, w.root))
				if units.active {
					t.Error("the agent still runs")
				}
			})
		}
	}
}

// TestServiceUpgrade: an upgrade changes what differs, and taken back it starts the version before once its files are there.
func TestServiceUpgrade(t *testing.T) {
	w := serviceWorld(t)
	w.write(t, service.Binary, "the program before", 0o755)
	c := service.Config{Binary: service.Binary, Args: []string{"agent"}, Limits: service.Usual()}
	w.write(t, service.UnitPath, c.Unit(), 0o644)
	w.write(t, service.SlicePath, c.Slice(), 0o644)
	w.age(t)
	before := tree(t, w.root)
	r, _ := w.cuttable(t, -1)
	units := &spyUnits{fakeUnits: fakeUnits{active: true}, see: func() string { return w.text(t, service.Binary) }}
	r.Tools.Hands.Units = units
	p := servicePlan("renew", service.Found{Binary: sum("the program before"), Unit: c.Unit(), Slice: c.Slice(), Wanted: true, Runs: true})
	if len(p.Steps) != 3 {
		t.Fatalf("steps: %+v", p.Steps)
	}
	must(t, r.Run(t.Context(), p, p.Digest(), nil))
	must(t, r.Undo(t.Context(), p.ID, nil))
	same(t, before, tree(t, w.root))
	if got := strings.Join(units.at, ", "); got != "the program, the program before" {
		t.Errorf("restarted with %s", got)
	}
}

// spyUnits notes what lies there when it is told to restart.
type spyUnits struct {
	fakeUnits
	see func() string
	at  []string
}

func (s *spyUnits) Job(u string, job host.UnitJob) error {
	if job == host.UnitRestart {
		s.at = append(s.at, s.see())
	}
	return s.fakeUnits.Job(u, job)
}

// TestUnitThatDoesNotStart: what follows is skipped, and undo leaves nothing.
func TestUnitThatDoesNotStart(t *testing.T) {
	w := serviceWorld(t)
	before := tree(t, w.root)
	r, _ := w.cuttable(t, -1)
	r.Tools.Hands.Units = &fakeUnits{none: errors.New("it is failed")}
	p := servicePlan("install", service.Found{})
	if err := r.Run(t.Context(), p, p.Digest(), nil); err == nil || !strings.Contains(err.Error(), "it is failed") {
		t.Errorf("run: %v", err)
	}
	must(t, r.Undo(t.Context(), p.ID, nil))
	same(t, before, tree(t, w.root))
}

// TestWriteFileRefuses: what is no regular file, another source than was meant, and odd modes.
func TestWriteFileRefuses(t *testing.T) {
	for name, s := range map[string]deminer.Step{
		"another source": do(deminer.VerbWriteFile, file("/etc/y"), "from", "/home/ann/deminer", "sha256", sum("another")),
		"a link":         do(deminer.VerbWriteFile, file("/etc/link"), "text", "x"),
		"set-uid":        do(deminer.VerbWriteFile, file("/etc/y"), "text", "x", "mode", "4755"),
		"a file":         do(deminer.VerbMakeDir, file("/etc/systemd/system/other.service")),
		"nowhere":        do(deminer.VerbMakeLink, file("/etc/z")),
	} {
		w := serviceWorld(t)
		must(t, os.Symlink("/home/ann/deminer", w.root+"/etc/link"))
		before := tree(t, w.root)
		r, _ := w.cuttable(t, -1)
		p := planOf("p", s)
		if err := r.Run(t.Context(), p, p.Digest(), nil); err == nil {
			t.Errorf("%s: written", name)
		}
		same(t, before, tree(t, w.root))
	}
}

// TestBlockOfASource: an address of IPv6 stands for its 64 bits, one that a translator made for itself; undo lifts it; the host's own neighbours and wide networks are refused.
func TestBlockOfASource(t *testing.T) {
	w, n, _, _, _ := liveWorld(t)
	w.mustRun(t, planOf("p", do(deminer.VerbBlock, address("198.51.100.9"), "from", "yes", "for", "1h"), do(deminer.VerbBlock, address("2001:db8:5::1"), "from", "yes"),
		do(deminer.VerbBlock, address("64:ff9b::c633:6409"), "from", "yes")))
	if got := fmt.Sprint(n.list[0], n.list[1], n.list[2]); got != "from 198.51.100.9 from 2001:db8:5::/64 from 64:ff9b::c633:6409" {
		t.Errorf("blocked %s", got)
	}
	for _, b := range n.list {
		if back, err := remedy.ParseBlock(b.String()); err != nil || !back.Same(b) {
			t.Errorf("%s is read as %v %v", b, back, err)
		}
	}
	w.mustUndo(t, "p")
	if len(n.list) != 0 {
		t.Errorf("left: %v", n.list)
	}
	for i, bad := range []string{"127.0.0.1", "fe80::1", "::", "10.0.0.0/8", "2001:db8::/32", "64:ff9b::/64", "224.0.0.1", "x"} {
		if err := w.run(planOf(fmt.Sprint("bad", i), do(deminer.VerbBlock, address(bad), "from", "yes"))); err == nil {
			t.Errorf("%s was blocked", bad)
		}
	}
}
