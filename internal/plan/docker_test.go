package plan

import (
	"slices"
	"testing"

	"github.com/deminer/deminer"
)

const container = "/var/lib/docker/containers/9b1c/"

func targets(p deminer.Plan, v deminer.Verb) (out []string) {
	for _, s := range p.Steps {
		if s.Action.Verb == v {
			out = append(out, string(s.Action.Target.Path))
		}
	}
	slices.Sort(out)
	return out
}

// TestContainerWithoutEngine: the files that define a convicted container go when no engine has them open, and stay when one runs.
func TestContainerWithoutEngine(t *testing.T) {
	m := member(file(container + "hostconfig.json"))
	m.Remove = []deminer.Action{{Verb: deminer.VerbStopContainer, Target: deminer.Artifact{Kind: deminer.KindContainer, Name: "9b1c"}}}
	r := report(m)
	want := []string{container + "config.v2.json", container + "hostconfig.json"}
	if got := targets(Make(r, Options{}, now), deminer.VerbQuarantine); !slices.Equal(got, want) {
		t.Errorf("without an engine: %q, want %q", got, want)
	}
	r.Snapshot.Processes = append(r.Snapshot.Processes, deminer.Process{ID: deminer.ProcID{PID: 70, Start: 70}, Exe: "/usr/bin/dockerd"})
	p := Make(r, Options{}, now)
	if got := targets(p, deminer.VerbQuarantine); len(got) != 0 || len(targets(p, deminer.VerbStopContainer)) != 1 {
		t.Errorf("with the engine running: %q", got)
	}
}

// TestDataOfContainersStays: without an engine, too, nothing but a definition or an empty directory is moved out of its store.
func TestDataOfContainersStays(t *testing.T) {
	p := Make(report(member(file("/var/lib/docker/volumes/shop/_data/hostconfig.json"), deminer.VerbQuarantine)), Options{}, now)
	if len(p.Steps) != 0 {
		t.Errorf("data of a volume is moved: %v", p.Steps)
	}
}

// TestPackagedContentReturns: the kept copy of a wrapped command goes back to its name and is not moved to the vault first.
func TestPackagedContentReturns(t *testing.T) {
	wrapped := member(file("/usr/bin/ps"))
	wrapped.Remove = []deminer.Action{{Verb: deminer.VerbQuarantine, Target: file("/usr/bin/ps"), Phase: deminer.PhaseRepair},
		{Verb: deminer.VerbRename, Target: file("/usr/bin/ps.original"), Args: map[string]deminer.Raw{"to": "/usr/bin/ps"}, Phase: deminer.PhaseRepair}}
	p := Make(report(wrapped, member(file("/usr/bin/ps.original"), deminer.VerbQuarantine)), Options{}, now)
	if got := targets(p, deminer.VerbQuarantine); !slices.Equal(got, []string{"/usr/bin/ps"}) {
		t.Errorf("moved away: %q", got)
	}
}

// TestProgramAtTheTop: a program in the root directory may go, a directory there may not.
func TestProgramAtTheTop(t *testing.T) {
	r := report(member(file("/.redtail"), deminer.VerbQuarantine), member(file("/srv"), deminer.VerbQuarantine))
	r.Snapshot.Processes = append(r.Snapshot.Processes, deminer.Process{ID: deminer.ProcID{PID: 71, Start: 71}, Exe: "/.redtail"})
	if got := targets(Make(r, Options{}, now), deminer.VerbQuarantine); !slices.Equal(got, []string{"/.redtail"}) {
		t.Errorf("moved away: %q", got)
	}
}
