// Package service says what makes the agent a service of a host: the texts of its units, and the steps that put them there.
// It touches nothing; remedy does the steps, so that each of them is journaled and can be taken back.
package service

import (
	"fmt"
	"path"
	"strings"

	"github.com/deminer/deminer"
)

// Where the service lives.
const (
	Unit     = "deminer-agent.service"
	Slice    = "deminer.slice"
	Binary   = "/usr/local/sbin/deminer"
	UnitPath = unitDir + "/" + Unit
	// SlicePath holds the limits, so that they hold for all that the agent may ever start.
	SlicePath = unitDir + "/" + Slice
	WantsPath = wantsDir + "/" + Unit
	// RunDir is the agent's directory in /run. It outlives a restart, not a boot.
	RunDir = "/run/deminer"

	unitDir  = "/etc/systemd/system"
	wantsDir = unitDir + "/multi-user.target.wants"
)

// Limits are what the agent may take from its host, at most.
type Limits struct {
	CPU       int // percent of one core, over 100 ms
	MemoryMax int // MiB; the kernel ends what takes more
	Memory    int // MiB; above it the kernel takes memory back, and slows the agent down
	Tasks     int
}

// Usual are the limits unless others are given: they hold with a quick scan of a host of 10,000 processes (140 MiB).
func Usual() Limits { return Limits{CPU: 50, MemoryMax: 384, Memory: 256, Tasks: 64} }

// Check refuses limits with which the agent could not do its work.
func (l Limits) Check() error {
	switch {
	case l.CPU < 5 || l.CPU > 6400:
		return fmt.Errorf("a limit of %d %% of a core: between 5 and 6400", l.CPU)
	case l.Memory < 96 || l.MemoryMax < l.Memory || l.MemoryMax > 1<<20:
		return fmt.Errorf("limits of %d and %d MiB: the first at least 96, the second not below it", l.Memory, l.MemoryMax)
	case l.Tasks < 16 || l.Tasks > 1<<15:
		return fmt.Errorf("a limit of %d tasks: between 16 and 32768", l.Tasks)
	}
	return nil
}

// Config is what the texts are made of.
type Config struct {
	Binary string // path of the program on the host
	Args   []string
	Limits Limits
}

// Check refuses what does not fit into the texts.
func (c Config) Check() error {
	for _, w := range append([]string{c.Binary}, c.Args...) {
		if w == "" || strings.Trim(w, letters) != "" {
			return fmt.Errorf("%q cannot stand in a unit: letters, digits and %q only", deminer.Safe(w), "/._-=:,@+")
		}
	}
	if !path.IsAbs(c.Binary) || path.Clean(c.Binary) != c.Binary {
		return fmt.Errorf("%q is no full path of a program", c.Binary)
	}
	return c.Limits.Check()
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-=:,@+"

func (c Config) command() string { return strings.Join(append([]string{c.Binary}, c.Args...), " ") }

// Source is the program that is to be installed: a file of the host with this content.
type Source struct {
	Path, SHA256 string
}

// Found is what stands on the host already.
type Found struct {
	Binary, Unit, Slice string // contents: SHA-256 of the program, texts of the others; "" where there is nothing
	Wanted              bool   // the unit is wanted at boot
	Runs                bool   // it runs
}

// Steps gives what is left to do, none where all is as it should be.
func Steps(c Config, src Source, f Found) []deminer.Step {
	b := &builder{}
	if src.Path != c.Binary && src.SHA256 != f.Binary {
		b.add(deminer.VerbMakeDir, path.Dir(c.Binary), "the program is put there", nil)
		b.add(deminer.VerbWriteFile, c.Binary, "the program of the agent", map[string]deminer.Raw{"from": deminer.Raw(src.Path), "sha256": deminer.Raw(src.SHA256), "mode": "0755"})
	}
	b.text(UnitPath, f.Unit, c.Unit(), "the unit of the agent")
	b.text(SlicePath, f.Slice, c.Slice(), "the limits of the agent")
	changed := len(b.steps) > 0
	if !f.Wanted {
		b.add(deminer.VerbMakeDir, wantsDir, "units that start at boot are listed there", nil)
		b.add(deminer.VerbMakeLink, WantsPath, "the agent starts at boot", map[string]deminer.Raw{"to": UnitPath})
	}
	switch {
	case f.Runs && changed:
		b.unit(deminer.VerbRestartUnit, "the running agent is the old one")
	case !f.Runs:
		b.steps = append(b.steps, deminer.Step{Action: deminer.Action{Verb: deminer.VerbReload, Target: deminer.Artifact{Kind: deminer.KindHost},
			Args: map[string]deminer.Raw{"units": deminer.Raw(Unit)}}, Why: []string{"systemd knows the unit only then"}})
		b.unit(deminer.VerbStartUnit, "the agent is to watch from now on")
	}
	return b.named()
}

type builder struct{ steps []deminer.Step }

func (b *builder) add(v deminer.Verb, name, why string, args map[string]deminer.Raw) {
	b.steps = append(b.steps, deminer.Step{Action: deminer.Action{Verb: v, Target: deminer.Artifact{Kind: deminer.KindFile, Path: deminer.Raw(name)}, Args: args}, Why: []string{why}})
}

func (b *builder) text(name, now, want, why string) {
	if now != want {
		b.add(deminer.VerbWriteFile, name, why, map[string]deminer.Raw{"text": deminer.Raw(want), "mode": "0644"})
	}
}

func (b *builder) unit(v deminer.Verb, why string) {
	b.steps = append(b.steps, deminer.Step{Action: deminer.Action{Verb: v, Target: deminer.Artifact{Kind: deminer.KindUnit, Name: Unit}}, Why: []string{why}})
}

// named gives the steps their names; each waits for the one before it, so that nothing starts half installed.
func (b *builder) named() []deminer.Step {
	for i := range b.steps {
		b.steps[i].ID, b.steps[i].Undo, b.steps[i].Phase = fmt.Sprintf("s%02d", i+1), true, deminer.PhaseRepair
		if i > 0 {
			b.steps[i].After = []string{b.steps[i-1].ID}
		}
	}
	return b.steps
}
