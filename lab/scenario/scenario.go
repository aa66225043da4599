//go:build linux

// Package scenario holds the infections of the lab as data: one YAML file each,
// modelled on what public reports say of a family, with every planted artefact
// named so that a score can ask for it. The imitations are harmless.
package scenario

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/deminer/deminer/lab/benign"
	"github.com/deminer/deminer/lab/wallet"
)

//go:embed *.yaml
var files embed.FS

// Kind is what a step plants.
type Kind string

// The kinds of steps.
const (
	File    Kind = "file"    // Path with Text, or From
	Line    Kind = "line"    // Line appended to Path
	Part    Kind = "part"    // Line put inside the owner's file Path, right before the text Before or right after the text After
	Key     Kind = "key"     // Line appended to an authorized_keys file
	Unit    Kind = "unit"    // a systemd unit: Path with Text, enabled and started as asked
	Account Kind = "account" // Name with passwd and shadow lines
	Preload Kind = "preload" // Line in /etc/ld.so.preload
	Link    Kind = "link"    // symbolic link at Path to To
	Process Kind = "process" // Start leaves a process called Comm running
	Flag    Kind = "flag"    // inode Flags on Path
	Mount   Kind = "mount"   // an empty directory mounted over /proc/PID of process Comm
	Setting Kind = "setting" // sysctl Name of the host's own namespaces set to Line
	Run     Kind = "run"     // Sh: a deed without an artefact to look for
)

// Step is one thing that the intruder does, in order.
type Step struct {
	Kind    Kind           `yaml:"kind"`
	Path    string         `yaml:"path"`
	Text    string         `yaml:"text"`
	Line    string         `yaml:"line"`
	Before  string         `yaml:"before"`  // of a line: put it before the first line that is this, not at the end
	After   string         `yaml:"after"`   // of a part
	From    string         `yaml:"from"`    // "miner", "hide" (the preload library), or a path on the host to copy
	Options map[string]any `yaml:"options"` // of a miner: its configuration, carried in the file
	Hide    []string       `yaml:"hide"`    // of the preload library: names to hide
	Mode    string         `yaml:"mode"`    // octal; default 0644
	Owner   string         `yaml:"owner"`   // default root
	Mtime   string         `yaml:"mtime"`   // as touch -d takes it
	To      string         `yaml:"to"`
	Name    string         `yaml:"name"`
	Passwd  string         `yaml:"passwd"` // of an account: the line
	Shadow  string         `yaml:"shadow"`
	Enable  bool           `yaml:"enable"`
	Started bool           `yaml:"start-unit"`
	Start   string         `yaml:"start"`
	User    string         `yaml:"user"` // who runs Start; default root
	Comm    string         `yaml:"comm"`
	Flags   string         `yaml:"flags"`
	Sh      string         `yaml:"sh"`
	Gone    bool           `yaml:"gone"` // the file is deleted by what runs: no artefact
}

// Scenario is one infection.
type Scenario struct {
	Name   string            `yaml:"name"`
	Family string            `yaml:"family"`
	Doc    string            `yaml:"doc"`
	Stage  map[string]string `yaml:"stage"`   // files that the pool's web server hands out, so that cradles work
	Before string            `yaml:"before"`  // shell: what the owner did in the minutes before; it must survive
	AtWork string            `yaml:"at-work"` // the same, from package benign: "shared" or "admins"
	// Alive are names of processes of the owner's: every one of that name that runs beside the infection must live through the clean-up.
	Alive []string `yaml:"alive"`
	// Planned: clean runs the plan that was saved before, as a careful owner does it, instead of making its own.
	Planned bool   `yaml:"planned"`
	Steps   []Step `yaml:"steps"`
}

// Miner says whether the step installs the imitation miner.
func (s Step) Miner() bool { return s.From == "miner" }

// Artefact reports whether the step leaves something that must be found and removed.
func (s Step) Artefact() bool { return s.Kind != Run && !s.Gone }

// String names the artefact in a table.
func (s Step) String() string {
	switch s.Kind {
	case Process, Mount:
		return string(s.Kind) + " " + s.Comm
	case Account, Setting:
		return string(s.Kind) + " " + s.Name
	case Line, Part, Key, Preload:
		return string(s.Kind) + " " + s.Path + ": " + s.Line
	case Flag:
		return "flag +" + s.Flags + " " + s.Path
	}
	return string(s.Kind) + " " + s.Path
}

// Names lists the scenarios.
func Names() []string {
	list, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil
	}
	sort.Strings(list)
	for i := range list {
		list[i] = strings.TrimSuffix(list[i], ".yaml")
	}
	return list
}

// Load reads the scenario of that name.
func Load(name string) (Scenario, error) {
	b, err := files.ReadFile(name + ".yaml")
	if err != nil {
		return Scenario{}, fmt.Errorf("no scenario %q; there are %s", name, strings.Join(Names(), ", "))
	}
	return Parse(b)
}

// Parse reads one scenario; unknown fields and steps that lack something are errors.
func Parse(b []byte) (Scenario, error) {
	var s Scenario
	dec := yaml.NewDecoder(bytes.NewReader(expand(b)))
	dec.KnownFields(true)
	if err := dec.Decode(&s); err != nil {
		return s, fmt.Errorf("read scenario: %w", err)
	}
	var errs []error
	if work := benign.Work(s.AtWork); work != "" {
		s.Before = work + s.Before
	} else if s.AtWork != "" {
		errs = append(errs, fmt.Errorf("%s: nobody is at work as %q", s.Name, s.AtWork))
	}
	for i := range s.Steps {
		s.Steps[i].defaults()
		if err := s.Steps[i].check(); err != nil {
			errs = append(errs, fmt.Errorf("%s: step %d: %w", s.Name, i+1, err))
		}
	}
	return s, errors.Join(errs...)
}

func (s *Step) defaults() {
	if s.Mode == "" {
		s.Mode = "0644"
		if s.Miner() {
			s.Mode = "0755"
		}
	}
	if s.Kind == Preload && s.Path == "" {
		s.Path = "/etc/ld.so.preload"
	}
}

func (s Step) check() error {
	need := map[Kind][]string{
		File: {s.Path}, Line: {s.Path, s.Line}, Part: {s.Path, s.Line, s.Before + s.After}, Key: {s.Path, s.Line}, Unit: {s.Path, s.Text},
		Account: {s.Name, s.Passwd, s.Shadow}, Preload: {s.Line}, Link: {s.Path, s.To},
		Process: {s.Comm}, Flag: {s.Path, s.Flags}, Mount: {s.Comm}, Setting: {s.Name, s.Line}, Run: {s.Sh},
	}
	fields, ok := need[s.Kind]
	if !ok {
		return fmt.Errorf("unknown kind %q", s.Kind)
	}
	for _, f := range fields {
		if f == "" {
			return fmt.Errorf("kind %s lacks a field", s.Kind)
		}
	}
	if len(s.Comm) > 15 {
		return fmt.Errorf("comm %q is longer than the kernel's 15 bytes", s.Comm)
	}
	if s.Path != "" && !strings.HasPrefix(s.Path, "/") {
		return fmt.Errorf("path %q is not absolute", s.Path)
	}
	return nil
}

// expand replaces the words that scenario files share. Wallets and keys are made
// from fixed texts and belong to nobody.
func expand(b []byte) []byte {
	r := []string{"@POOL@", "203.0.113.7", "@POOL2@", "198.51.100.9"}
	for i := range 10 {
		r = append(r, fmt.Sprintf("@WALLET%d@", i), wallet.Make(wallet.Mainnet, i), fmt.Sprintf("@KEY%d@", i), key(i))
	}
	return []byte(strings.NewReplacer(r...).Replace(string(b)))
}

// key makes a well-formed ssh-ed25519 public key whose private half nobody has.
func key(n int) string {
	const kind = "ssh-ed25519"
	sum := sha256.Sum256(fmt.Appendf(nil, "deminer lab key, generated, owned by nobody %d", n))
	var wire []byte
	for _, part := range [][]byte{[]byte(kind), sum[:]} {
		wire = binary.BigEndian.AppendUint32(wire, uint32(len(part)))
		wire = append(wire, part...)
	}
	return kind + " " + base64.StdEncoding.EncodeToString(wire)
}
