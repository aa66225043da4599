package detect

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/hosttest"
	"github.com/deminer/deminer/internal/match"
	"github.com/deminer/deminer/rules"
)

// run gives the findings of all detectors on a fixture.
func run(t *testing.T, name string) ([]deminer.Finding, *hosttest.Host) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	h, err := hosttest.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var out []deminer.Finding
	p := newPass(t, h, func(f deminer.Finding) { out = append(out, f) })
	for _, d := range All() {
		if d.Needs == "a running system" && h.Info.Asleep() {
			continue
		}
		if err := d.Run(context.Background(), p); err != nil {
			t.Errorf("%s: %s: %v", name, d.Name, err)
		}
	}
	return out, h
}

func say(f deminer.Finding) string {
	ref := f.Subject.Ref()
	if f.Subject.Kind == deminer.KindProcess {
		ref = fmt.Sprintf("process:%d", f.Subject.Proc.PID)
	}
	return fmt.Sprintf("%s %s %s %s", f.Detector, f.Tier, f.Class, strings.ReplaceAll(ref, "\n", `\n`))
}

// TestFixtures: every line of @want is said; in a clean fixture nothing above weak is said; with "only" as the first line
// of @want nothing else than the wanted lines is said above note.
func TestFixtures(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			found, h := run(t, name)
			var said []string
			for _, f := range found {
				said = append(said, say(f))
				if f.Title == "" || len(f.Why) == 0 || f.Detector == "" || f.Topic == "" || f.Class == "" {
					t.Errorf("incomplete finding: %+v", f)
				}
				loud := f.Tier == deminer.Proof || f.Tier == deminer.Strong
				if strings.HasPrefix(filepath.Base(name), "clean-") && loud {
					t.Errorf("a clean host, but: %s\n\t%s\n\t%s", say(f), f.Title, strings.Join(f.Why, "\n\t"))
				}
			}
			only := false
			for want := range strings.Lines(h.Extra["@want"]) {
				switch want = strings.TrimSpace(want); {
				case want == "only":
					only = true
				case strings.HasPrefix(want, "! "):
					if slices.ContainsFunc(said, func(s string) bool { return strings.HasPrefix(s, want[2:]) }) {
						t.Errorf("said, but must not be: %s", want[2:])
					}
				case want != "" && !strings.HasPrefix(want, "#") && !slices.Contains(said, want):
					t.Errorf("not said: %s\nsaid:\n\t%s", want, strings.Join(said, "\n\t"))
				}
			}
			for i, s := range said {
				if only && found[i].Tier != deminer.Note && !strings.Contains(h.Extra["@want"], s+"\n") {
					t.Errorf("said too much: %s", s)
				}
			}
		})
	}
}

// TestEveryDetectorSpeaks: each detector is named by a @want line of a fixture that is not clean, or by a weak one.
func TestEveryDetectorSpeaks(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var all string
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, want, _ := strings.Cut(string(text), "-- @want --\n")
		want, _, _ = strings.Cut(want, "\n-- ")
		all += "\n" + want
	}
	seen := map[string]bool{}
	for _, d := range All() {
		if seen[d.Name] {
			t.Errorf("two detectors are called %s", d.Name)
		}
		seen[d.Name] = true
		if !strings.Contains(all, "\n"+d.Name+" ") {
			t.Errorf("detector %s has no fixture on which it speaks", d.Name)
		}
		if d.Doc == "" || d.Needs == "" {
			t.Errorf("detector %s: no doc or needs", d.Name)
		}
	}
}

// shippedRules compiles the rules once for all tests.
var shippedRules = sync.OnceValues(func() (*match.Set, error) { return match.Load(rules.FS) })

func newPass(t *testing.T, h *hosttest.Host, report func(deminer.Finding)) *Pass {
	t.Helper()
	set, err := shippedRules()
	if err != nil {
		t.Fatalf("load the shipped rules: %v", err)
	}
	p := &Pass{
		Snapshot: &h.Snapshot, FS: h.FS, Packages: h.Packages, Report: report, Rules: set, Full: h.Extra["@full"] != "",
		Gap: func(g deminer.Gap) { t.Logf("gap: %+v", g) },
	}
	if text := h.Extra["@events"]; text != "" {
		if err := json.Unmarshal([]byte(text), &p.Events); err != nil {
			t.Fatalf("read @events: %v", err)
		}
	}
	if !h.Info.Asleep() {
		p.Inside = inside{h}
	}
	p.Prepare()
	p.Files = Sweep(context.Background(), p, SweepOptions{})
	return p
}

// inside gives the memory and programs of fixtures: sections "@memory PID" and "@exe PID".
type inside struct{ h *hosttest.Host }

func (i inside) Exe(id deminer.ProcID) (host.File, error) {
	text, ok := i.h.Extra[fmt.Sprintf("@exe %d", id.PID)]
	if pr := i.h.Snapshot.Proc(id.PID); !ok && pr != nil && !pr.Deleted {
		return i.h.FS.Open(pr.Exe)
	}
	if !ok {
		return nil, fs.ErrNotExist
	}
	i.h.FS.Put("/proc/exe", []byte(text))
	return i.h.FS.Open("/proc/exe")
}

func (i inside) Memory(_ context.Context, id deminer.ProcID, limit int64, see func(deminer.Region, uint64, []byte) bool) error {
	text := i.h.Extra[fmt.Sprintf("@memory %d", id.PID)]
	see(deminer.Region{Size: uint64(len(text))}, 0, []byte(text[:min(int64(len(text)), limit)]))
	return nil
}
