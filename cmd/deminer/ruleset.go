package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/feed"
	"github.com/deminer/deminer/internal/match"
	"github.com/deminer/deminer/rules"
)

// loadRules compiles the rules inside the program, those of installed bundles and those of --rules.
func loadRules(f *flags) (*match.Sources, error) {
	installed, gaps := installedRules(f)
	sources := append([]match.Source{builtIn()}, installed...)
	for _, name := range f.rules {
		s, err := openRules(f, name)
		if err != nil {
			return nil, err
		}
		sources = append(sources, s)
	}
	defer thrifty()()
	set, err := compile(sources)
	if err != nil {
		return nil, err
	}
	for _, s := range set.Of {
		if s.Rules == 0 && s.Kind != match.Installed {
			return nil, fail(exitError, rulesHint, "rules %s: %s", s.Name, noRules)
		}
	}
	set.Gaps = append(gaps, set.Gaps...)
	return set, nil
}

// noRules is said of a source without a single rule: the wrong directory was named, and a scan would look calm for nothing.
const noRules = "there are no rules in it"

func compile(sources []match.Source) (*match.Sources, error) {
	set, err := match.Compile(sources)
	if err != nil {
		return nil, fail(exitError, "deminer rules check DIR lists every fault with its line", "load rules: %w", err)
	}
	return set, nil
}

// thrifty keeps the garbage of compiling small: thousands of rules leave twice of what they need behind, and the host may
// be starving already. The answer gives what was left back to the system.
func thrifty() func() {
	before := debug.SetGCPercent(compileGarbage)
	return func() {
		debug.SetGCPercent(before)
		var m runtime.MemStats
		if runtime.ReadMemStats(&m); m.HeapInuse > fewRules {
			debug.FreeOSMemory()
		}
	}
}

// fewRules is how much memory rules take, and the garbage they leave, when nothing is gained by giving it back: the look that
// follows uses it at once.
const fewRules = 24 << 20

// compileGarbage is how much garbage is kept for each 100 bytes in use while rules are compiled.
const compileGarbage = 20

func builtIn() match.Source {
	return match.Source{RuleSource: deminer.RuleSource{Name: match.BuiltIn, Kind: match.BuiltIn}, FS: rules.FS}
}

// openRules takes what --rules names: a directory, a signed directory, a bundle, or one file of rules.
func openRules(f *flags, name string) (match.Source, error) {
	st, err := os.Stat(name)
	if err != nil {
		return match.Source{}, fail(exitError, rulesHint, "rules %s: %w", name, plainly(err))
	}
	at := deminer.RuleSource{Name: filepath.Clean(name)}
	if fsys := os.DirFS(name); st.IsDir() && !feed.Signed(fsys) {
		at.Kind = "directory"
		return match.Source{RuleSource: at, FS: fsys}, nil
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".txt", ".yar", ".yara", ".yml", ".yaml":
		if st.IsDir() {
			break
		}
		if !st.Mode().IsRegular() {
			return match.Source{}, fail(exitError, "", "rules %s: not a file", name)
		}
		at.Kind = "file"
		return match.Source{RuleSource: at, FS: match.OneFile(os.DirFS(filepath.Dir(name)), filepath.Base(name))}, nil
	}
	b, err := feed.Open(name)
	if err != nil {
		return match.Source{}, fail(exitError, rulesHint, "rules %s: %w", name, err)
	}
	return bundleSource(f, name, b)
}

const rulesHint = "give a directory with .yar, .yml and list files, one such file, or a bundle"

// plainly takes the path off an error that names it anyhow.
func plainly(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// bundleSource takes a bundle that the operator names; it must be signed by a trusted key all the same.
func bundleSource(f *flags, name string, b *feed.Bundle) (match.Source, error) {
	keys, err := trustedKeys(f)
	if err != nil {
		return match.Source{}, err
	}
	if _, err := b.Trust(keys); err != nil {
		return match.Source{}, fail(exitError, "deminer rules key trust FILE adds a key whose owner you know", "rules %s: %w", name, err)
	}
	return sourceOf(b, "bundle"), nil
}

func sourceOf(b *feed.Bundle, kind string) match.Source {
	m := b.Manifest
	return match.Source{RuleSource: deminer.RuleSource{Name: m.ID, Kind: kind, Version: m.Version, Digest: b.Digest(), Key: m.Key, Created: m.Created, Expires: m.Expires, Expired: b.Expired(time.Now())}, FS: b.FS()}
}

// ruleStore opens the store of bundles and keys. With make it is made where it is missing; without, a missing one is
// fs.ErrNotExist.
func ruleStore(f *flags, make bool) (*store, *feed.Store, error) {
	if _, err := os.Stat(filepath.Join(f.stateDir(), "rules")); !make && err != nil {
		return nil, nil, err
	}
	s, err := openStore(f, make)
	if err != nil {
		return nil, nil, err
	}
	dir, err := part(s.dir, "rules")
	if err != nil {
		s.close()
		return nil, nil, err
	}
	return s, &feed.Store{Dir: dir}, nil
}

// ownState reports whether the state directory is the operator's: that of another system which is only looked at may have
// been prepared by whoever broke in there.
func (f *flags) ownState() bool { return f.state != "" || filepath.Clean(f.root) == "/" }

// trustedKeys lists the keys that are trusted here; none where there is no store yet.
func trustedKeys(f *flags) ([]feed.Key, error) {
	if !f.ownState() {
		return nil, nil
	}
	s, st, err := ruleStore(f, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fail(exitError, "run deminer as root", "read trusted keys: %w", err)
	}
	defer s.close()
	keys, err := st.Keys()
	if err != nil {
		return nil, fail(exitError, "remove that file and trust the key again", "read trusted keys: %w", err)
	}
	return keys, nil
}

// installedRules are those of the bundles installed here. One that is damaged, or whose key is not trusted any more, is
// left out and named as a gap: the others, and the rules inside the program, still work.
func installedRules(f *flags) (out []match.Source, gaps []deminer.Gap) {
	if !f.ownState() {
		return nil, nil
	}
	failed := func(what string, err error) {
		gaps = append(gaps, deminer.Gap{Part: "rules", State: deminer.Failed, What: what, Why: "not used: " + err.Error()})
	}
	s, st, err := ruleStore(f, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		failed("installed bundles", err)
		return nil, gaps
	}
	defer s.close()
	list, broken, err := st.All()
	if err != nil {
		failed("installed bundles", err)
	}
	for _, b := range broken {
		failed(b.ID, b.Err)
	}
	for _, in := range list {
		out = append(out, sourceOf(in.Bundle, match.Installed))
	}
	return out, gaps
}

// warn tells of rules that are not in force, or not as they should be, before anything else is said.
func warn(w io.Writer, set *match.Sources) {
	for _, g := range set.Gaps {
		fmt.Fprintf(w, "deminer: RULES: %s: %s\n", deminer.Safe(g.What), deminer.Cut(g.Why, 300))
	}
}
