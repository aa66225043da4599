package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/policy"
	kept "github.com/deminer/deminer/internal/state"
	"github.com/spf13/cobra"
)

// policyFile is where the policy of a host lies; allowFile, in the state directory, what deminer alerts allow keeps.
const (
	policyFile = "/etc/deminer/policy.yaml"
	allowFile  = "allow.yaml"
)

// policyOf is the policy in force: the file, read again when it changed, and the allow list.
type policyOf struct {
	file string
	dir  *os.Root
	mu   sync.Mutex
	seen string // what was read last
	sum  string // digest of the file's text that is in force
	now  *policy.Policy
	bad  string // why the last change was not taken
}

// residentPolicy reads the policy for an agent. One that is wrong changes nothing until it is right: watching goes on.
func residentPolicy(s *store, file string) *policyOf {
	p := &policyOf{file: file, dir: s.dir, now: &policy.Policy{}}
	if err := p.read(); err != nil {
		p.bad = err.Error()
	}
	return p
}

// wrong says what is wrong with the files as they are now; "": nothing. Safe text.
func (p *policyOf) wrong() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return deminer.Safe(p.bad)
}

// openPolicy reads the policy. One that is wrong is an error; none is one that changes nothing.
func openPolicy(s *store, file string) (*policyOf, error) {
	p := &policyOf{file: file, dir: s.dir, now: &policy.Policy{}}
	if err := p.read(); err != nil {
		return nil, fail(exitError, mendPolicy, "%w", err)
	}
	return p, nil
}

// get gives the policy in force. A file that became wrong leaves what was in force before.
func (p *policyOf) get() *policy.Policy {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.read(); err != nil && p.bad != err.Error() {
		p.bad = err.Error()
		fmt.Fprintf(os.Stderr, "deminer: the policy in force stays: %s\n", deminer.Safe(err.Error()))
	}
	return p.now
}

func (p *policyOf) read() error {
	text, err := readSmall(p.file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("policy %s: %w", p.file, plainly(err))
	}
	allowed, err := kept.Read(p.dir, allowFile, policy.MaxFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read allow list: %w", err)
	}
	if both := string(text) + "\x00" + string(allowed); both == p.seen {
		return nil
	} else {
		p.seen = both
	}
	next := &policy.Policy{}
	if text != nil {
		if next, err = policy.Parse(text, time.Now()); err != nil {
			return fmt.Errorf("%s: %w", p.file, err)
		}
	}
	list, err := policy.ParseAllow(allowed, time.Now())
	if err != nil {
		return err
	}
	next.Allow = append(next.Allow, list...)
	sum := sha256.Sum256(text)
	p.now, p.bad, p.sum = next, "", hex.EncodeToString(sum[:])
	return nil
}

// digest is the SHA-256 of the text of the policy in force.
func (p *policyOf) digest() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sum
}

func readSmall(name string) ([]byte, error) {
	st, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > policy.MaxFile {
		return nil, fmt.Errorf("not a regular file of at most %d bytes", policy.MaxFile)
	}
	return os.ReadFile(name)
}

// sectionOf reads a file from its beginning, whoever read it before.
func sectionOf(f io.ReaderAt, size int64) io.Reader { return io.NewSectionReader(f, 0, size) }

func trimNewline(s string) string { return strings.TrimRight(s, "\n") }

func newPolicy(f *flags) *cobra.Command {
	c := &cobra.Command{Use: "policy", Short: "What the agent may do by itself",
		Long: `The policy says from which grade of evidence on the agent freezes, blocks or cleans without asking,
what each class of findings leads to, when nothing is changed, and what is yours. Without one the
agent changes nothing.`}
	return group(c, policyShow(f), policyCheck(f), policyInit(f), policyTry(f))
}

func policyShow(f *flags) *cobra.Command {
	return &cobra.Command{Use: "show [FILE]", Short: "Say what the policy does", Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			p, err := policyAt(f, a)
			if err != nil {
				return err
			}
			if f.json {
				return f.write(cmd, p)
			}
			fmt.Fprintln(cmd.OutOrStdout(), deminer.Safe(p.String()))
			for _, t := range policy.Topics() {
				mode := p.Classes[policy.Class(t)]
				if mode == "" {
					mode = policy.Alert
				}
				fmt.Fprintf(cmd.OutOrStdout(), "  %-20s %s\n", policy.Class(t), mode)
			}
			refuse := p.Prevents(time.Now())
			for _, one := range []struct {
				name string
				mode policy.Mode
			}{{"program", refuse.Program}, {"login", refuse.Login}, {"like", refuse.Like}, {"pool", refuse.Pool}, {"return", refuse.Return}} {
				fmt.Fprintf(cmd.OutOrStdout(), "  prevent %-12s %s\n", one.name, one.mode)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "  %-20s %s\n", "guessing", p.Guesses(time.Now()))
			for _, e := range p.Allow {
				fmt.Fprintf(cmd.OutOrStdout(), "  allowed until %s: %s (%s)\n", e.Expires.Format(time.DateOnly), deminer.Cut(e.Path, 80), deminer.Cut(e.Reason, 80))
			}
			return nil
		}}
}

// policyAt reads the given policy, or the one of this host with its allow list.
func policyAt(f *flags, a []string) (*policy.Policy, error) {
	file := policyFile
	if len(a) > 0 {
		file = a[0]
		if _, err := os.Stat(file); err != nil {
			return nil, fail(exitUsage, noPolicy(err), "policy %s: %w", file, plainly(err))
		}
	}
	s, err := openStore(f, false)
	if errors.Is(err, fs.ErrNotExist) {
		text, err := readSmall(file)
		if errors.Is(err, fs.ErrNotExist) {
			return &policy.Policy{}, nil
		}
		if err != nil {
			return nil, fail(exitError, noPolicy(err), "policy %s: %w", file, plainly(err))
		}
		p, err := policy.Parse(text, time.Now())
		if err != nil {
			return nil, fail(exitError, mendPolicy, "%s: %w", file, err)
		}
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	defer s.close()
	p, err := openPolicy(s, file)
	if err != nil {
		return nil, err
	}
	return p.now, nil
}

// mendPolicy says what to do about a policy, or a list of what was allowed, that cannot be read.
const mendPolicy = "mend what is named; docs/agent.md explains each key"

// noPolicy says what to do where a policy cannot be opened.
func noPolicy(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "deminer policy init FILE writes the recommended one"
	case errors.Is(err, fs.ErrPermission):
		return "run deminer as root (sudo)"
	}
	return "give a file of YAML; deminer policy init FILE writes one"
}

// noPlace says what to do where a policy cannot be written.
func noPlace(err error) string {
	switch {
	case errors.Is(err, fs.ErrExist):
		return "it is left as it is: deminer policy show FILE says what it does"
	case errors.Is(err, fs.ErrPermission):
		return "run deminer as root (sudo)"
	}
	return "give a FILE in a directory that is there"
}

func policyCheck(f *flags) *cobra.Command {
	return &cobra.Command{Use: "check FILE", Short: "Check a policy; a fault is named with its line", Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			text, err := readSmall(a[0])
			if err != nil {
				return fail(exitUsage, noPolicy(err), "policy %s: %w", a[0], plainly(err))
			}
			p, err := policy.Parse(text, time.Now())
			if err != nil {
				return fail(exitError, mendPolicy, "%s: %w", a[0], err)
			}
			return f.told(cmd, []string{p.String()}, "%s")
		}}
}

func policyInit(f *flags) *cobra.Command {
	return &cobra.Command{Use: "init [FILE]", Short: "Write the recommended policy", Args: args(cobra.MaximumNArgs(1)),
		Long: `Writes the recommended policy to FILE (default: /etc/deminer/policy.yaml), never over another one.
It freezes and blocks what is proven, which deminer undo takes back, and cleans nothing.`,
		RunE: func(cmd *cobra.Command, a []string) error {
			file, told := policyFile, "wrote %s; deminer agent reads it"
			if len(a) > 0 {
				file, told = a[0], "wrote %s; deminer agent --policy FILE reads it"
			} else if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				return fail(exitError, "run it as root", "%w", err)
			}
			out, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return fail(exitError, noPlace(err), "write policy %s: %w", file, plainly(err))
			}
			if _, err = out.WriteString(policy.Recommended); err == nil {
				err = out.Sync()
			}
			if err = errors.Join(err, out.Close()); err != nil {
				return fail(exitError, "", "write policy: %w", errors.Join(err, os.Remove(file)))
			}
			return f.told(cmd, []string{file}, told)
		}}
}

// tried is what a policy would have done about one alert.
type tried struct {
	Alert string    `json:"alert"` // its id
	Title string    `json:"title"`
	Time  time.Time `json:"time"`
	Would []string  `json:"would"` // phases of a plan; none: nothing
	Why   string    `json:"why"`
}

func policyTry(f *flags) *cobra.Command {
	var since time.Duration
	c := &cobra.Command{Use: "try [FILE]", Short: "Say what a policy would have done with the alerts of the last day", Args: args(cobra.MaximumNArgs(1)),
		Long: `Asks the policy about each alert of the last day as of the time at which it was last seen. Nothing
is changed.`,
		RunE: func(cmd *cobra.Command, a []string) error {
			p, err := policyAt(f, a)
			if err != nil {
				return err
			}
			list, err := alertsOf(cmd, f)
			if err != nil {
				return err
			}
			out := tryAll(p, list, time.Now().Add(-since))
			if f.json {
				return f.write(cmd, out)
			}
			for _, t := range out {
				would := "would do nothing"
				if len(t.Would) > 0 {
					would = "would " + strings.Join(t.Would, ", ")
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s  %s  %s (%s)\n", t.Alert, deminer.Cut(t.Title, 70), would, deminer.Safe(t.Why))
			}
			if len(out) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "there was no alert in that time")
			}
			return nil
		}}
	spanVar(c, span{&since, time.Minute, 90 * 24 * time.Hour}, "since", 24*time.Hour, "ask about the alerts of this `TIME`")
	return c
}

func tryAll(p *policy.Policy, list []alert.Alert, from time.Time) []tried {
	out := []tried{}
	for _, one := range list {
		if one.Last.Before(from) {
			continue
		}
		v := p.Judge(one.Grade, one.Topics, one.Thing, one.Last)
		t := tried{Alert: one.ID, Title: one.Title, Time: one.Last, Would: []string{}, Why: v.Why}
		for _, phase := range v.Phases {
			t.Would = append(t.Would, string(phase))
		}
		out = append(out, t)
	}
	return out
}
