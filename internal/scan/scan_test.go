package scan

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/detect"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/hosttest"
	"github.com/deminer/deminer/internal/match"
	"github.com/deminer/deminer/internal/plan"
	"github.com/deminer/deminer/internal/show"
	"github.com/deminer/deminer/rules"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden plans anew")

// told is a running host that shows what its text says.
type told struct{ s deminer.Snapshot }

func (l told) Processes(context.Context, time.Duration) ([]deminer.Process, deminer.CPUViews, []deminer.Gap) {
	return append([]deminer.Process(nil), l.s.Processes...), l.s.CPU, nil
}
func (l told) Sockets(context.Context, []deminer.Process) ([]deminer.Socket, []deminer.Gap) {
	return l.s.Sockets, nil
}
func (l told) Newcomers(context.Context, []deminer.Process) ([]deminer.Process, []deminer.Gap) {
	return nil, nil
}
func (l told) Kernel(context.Context) (deminer.Kernel, []deminer.Gap) { return l.s.Kernel, nil }
func (l told) Units(context.Context) ([]deminer.Unit, []deminer.Gap)  { return l.s.Units, nil }
func (l told) Containers(context.Context) ([]deminer.Container, []deminer.Gap) {
	return l.s.Containers, nil
}

// within shows the running content of a process: the file at its path. It has no memory to show.
type within struct{ h *hosttest.Host }

func (w within) Exe(id deminer.ProcID) (host.File, error) {
	pr := w.h.Snapshot.Proc(id.PID)
	if pr == nil {
		return nil, errors.New("no such process in the text")
	}
	return w.h.FS.Open(pr.Exe)
}

func (w within) Memory(context.Context, deminer.ProcID, int64, func(deminer.Region, uint64, []byte) bool) error {
	return errors.New("no memory in a text")
}

func open(t *testing.T, name string) *hosttest.Host {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	h, err := hosttest.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if !h.Info.Asleep() {
		h.Live, h.Inside = told{h.Snapshot}, within{h}
	}
	return h
}

func ruleset(t *testing.T) *match.Set {
	t.Helper()
	set, err := match.Load(rules.FS)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestWholeLine takes hosts written down as text through the whole line: gather, sweep, detect, join, plan. The verdict and
// the deeds are compared with the golden file.
func TestWholeLine(t *testing.T) {
	set := ruleset(t)
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 3 {
		t.Fatalf("fixtures: %v %v", files, err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			h := open(t, name)
			rep, err := Run(t.Context(), &h.Host, set, Options{})
			if err != nil {
				t.Fatal(err)
			}
			p := plan.Make(&rep, plan.Options{}, time.Date(2026, 3, 12, 4, 0, 0, 0, time.UTC))
			var got bytes.Buffer
			fmt.Fprintf(&got, "verdict: %s, incidents: %d\n", rep.Verdict, len(rep.Incidents))
			for _, f := range rep.Findings {
				if len(rep.Incidents) == 0 && (f.Tier == deminer.Proof || f.Tier == deminer.Strong) {
					fmt.Fprintf(&got, "%s: %s\n", f.Tier, f.Title)
				}
			}
			for _, s := range p.Steps {
				fmt.Fprintf(&got, "%-10s  %s", s.Phase, show.Deed(s.Action))
				if s.Action.Target.Kind == deminer.KindLine {
					fmt.Fprintf(&got, ": %s", s.Action.Target.Line)
				}
				fmt.Fprintln(&got)
			}
			for _, r := range p.Refused {
				fmt.Fprintf(&got, "refused     %s: %s\n", r.Artifact, r.Why)
			}
			golden := strings.TrimSuffix(name, ".txtar") + ".golden"
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A detector or a mechanism that faults must become a gap, and the others must still be heard.
func TestAFaultIsAGap(t *testing.T) {
	h := open(t, "testdata/guide.txtar")
	h.Packages = broken{h.Packages}
	d := detection{host: &h.Host, found: nil}
	snap := h.Snapshot
	d.pass = &detect.Pass{Snapshot: &snap, FS: h.FS, Report: func(deminer.Finding) {}, Gap: func(g deminer.Gap) { snap.Gaps = append(snap.Gaps, g) }}
	d.ask(t.Context(), detect.Detector{Name: "bad", Needs: host.NeedFS, Run: func(context.Context, *detect.Pass) error { panic("fault") }})
	d.ask(t.Context(), detect.Detector{Name: "sad", Needs: host.NeedFS, Run: func(context.Context, *detect.Pass) error { return errors.New("no") }})
	want := []deminer.Gap{{Part: "detect/bad", State: deminer.Failed, Why: "fault in the detector: fault"}, {Part: "detect/sad", State: deminer.Failed, Why: "no"}}
	if diff := cmp.Diff(want, snap.Gaps); diff != "" {
		t.Error(diff)
	}
}

type broken struct{ host.Packages }

func (broken) CheckContent(string, io.Reader) deminer.Provenance { return deminer.Provenance{} }

// Not looked is not clean: a sleeping host says which questions could not be asked.
func TestAsleepSaysWhatWasNotAsked(t *testing.T) {
	h := open(t, "testdata/guide.txtar")
	h.Info.Source = "root:/mnt"
	h.Live, h.Inside = nil, nil
	rep, err := Run(t.Context(), &h.Host, ruleset(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	missing := map[string]bool{}
	for _, g := range rep.Snapshot.Gaps {
		missing[g.Part] = true
	}
	for _, part := range []string{"detect/randomx-memory", "detect/hidden-process", "detect/stratum-exchange"} {
		if !missing[part] {
			t.Errorf("%s was not asked and the report does not say so", part)
		}
	}
	if len(rep.Snapshot.Processes) != 0 {
		t.Error("a sleeping host has no processes")
	}
}

func TestStopEndsTheScan(t *testing.T) {
	h := open(t, "testdata/guide.txtar")
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := Run(ctx, &h.Host, ruleset(t), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestFold(t *testing.T) {
	g := func(what string) deminer.Gap {
		return deminer.Gap{Part: "files", State: deminer.Failed, What: what, Why: "unreadable"}
	}
	got := fold([]deminer.Gap{g("a"), {Part: "x", Why: "y"}, g("b"), g("c")})
	if len(got) != 2 || got[0].Count != 3 || got[0].What != "a" {
		t.Errorf("%+v", got)
	}
}

// In a tree restored an hour ago every file is an hour old: that must not tie anything to anything.
func TestBirthOfARestoredTreeTellsNothing(t *testing.T) {
	h, err := hosttest.Parse([]byte(`
-- /etc/a --
-- /opt/old --
-- /opt/new --
-- @attr --
/etc btime=2026-03-10T03:00:00Z
/opt/old btime=2026-03-10T03:20:00Z
/opt/new btime=2026-03-11T00:00:00Z
`))
	if err != nil {
		t.Fatal(err)
	}
	b := knownBirths(h.FS)
	old, _ := b.Lstat("/opt/old")
	fresh, _ := b.Deep("/opt/new")
	if !old.Btime.IsZero() || fresh.Btime.IsZero() {
		t.Errorf("old %s, new %s", old.Btime, fresh.Btime)
	}
}
