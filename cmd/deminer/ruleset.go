package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/feed"
	"github.com/deminer/deminer/internal/match"
	"github.com/deminer/deminer/internal/show"
	"github.com/deminer/deminer/rules"
)

// source is one set of rules before it is compiled.
type source struct {
	deminer.RuleSource
	fs fs.FS
}

// ruleset is the rules in force and where they are from.
type ruleset struct {
	*match.Set
	sources []source
	gaps    []deminer.Gap
}

// from lists where the rules are from.
func (r *ruleset) from() (out []deminer.RuleSource) {
	for _, s := range r.sources {
		out = append(out, s.RuleSource)
	}
	return out
}

// names are the names of the sources.
func (r *ruleset) names() (out []string) {
	for _, s := range r.sources {
		out = append(out, s.Name)
	}
	return out
}

// named is List with the name of the source and, for files, their names in it.
func (r *ruleset) named() []match.Rule {
	list := r.List()
	for i := range list {
		list[i].Source = r.sources[list[i].From].Name
		_, list[i].File = match.Origin(list[i].File)
	}
	return list
}

// loadRules compiles the rules inside the program, those of installed bundles and those of --rules.
func loadRules(f *flags) (*ruleset, error) {
	r := &ruleset{sources: []source{builtIn()}}
	installed, gaps := installedRules(f)
	r.sources, r.gaps = append(r.sources, installed...), gaps
	for _, name := range f.rules {
		s, err := openRules(f, name)
		if err != nil {
			return nil, err
		}
		r.sources = append(r.sources, s)
	}
	defer thrifty()()
	return r, r.compile()
}

// thrifty keeps the garbage of compiling small: thousands of rules leave twice of what they need behind, and the host may
// be starving already. The answer gives what was left back to the system.
func thrifty() func() {
	before := debug.SetGCPercent(compileGarbage)
	return func() {
		debug.SetGCPercent(before)
		debug.FreeOSMemory()
	}
}

// compileGarbage is how much garbage is kept for each 100 bytes in use while rules are compiled.
const compileGarbage = 20

func builtIn() source {
	return source{deminer.RuleSource{Name: "built-in", Kind: "built-in"}, rules.FS}
}

// compile fills the set. A bundle that was installed by another version of this program and does not compile with this
// one is left out; what the operator named must compile.
func (r *ruleset) compile() error {
	err := r.load()
	var probs match.Problems
	if errors.As(err, &probs) {
		kept := r.sources[:0:0]
		for n, s := range r.sources {
			if i := slices.IndexFunc(probs, func(p match.Problem) bool { from, _ := match.Origin(p.File); return from == n }); i >= 0 && s.Kind == "installed" {
				r.gaps = append(r.gaps, deminer.Gap{Part: "rules", State: deminer.Failed, What: s.Name, Why: "not used: its rules do not compile any more: " + probs[i].Text})
				continue
			}
			kept = append(kept, s)
		}
		if len(kept) < len(r.sources) {
			r.sources = kept
			return r.compile()
		}
		for i := range probs {
			if n, name := match.Origin(probs[i].File); n < len(r.sources) {
				probs[i].File = r.sources[n].Name + ": " + name
			}
		}
		err = probs
	}
	if err != nil {
		return fail(exitError, "deminer rules check DIR lists every fault with its line", "load rules: %w", err)
	}
	for i, from := range r.Set.From() {
		s := &r.sources[i]
		s.Rules = from.Rules
		if s.Digest == "" {
			s.Digest = from.Digest
		}
		if s.Expired {
			r.gaps = append(r.gaps, deminer.Gap{Part: "rules", State: deminer.Partial, What: s.Name + " " + s.Version,
				Why: "the bundle expired on " + s.Expires.Format(time.DateOnly) + "; it is used all the same, but knows nothing newer"})
		}
	}
	return nil
}

func (r *ruleset) load() (err error) {
	var all []fs.FS
	for _, s := range r.sources {
		all = append(all, s.fs)
	}
	r.Set, err = match.Load(all...)
	return err
}

// openRules takes what --rules names: a directory, a signed directory, a bundle, or one file of rules.
func openRules(f *flags, name string) (source, error) {
	st, err := os.Stat(name)
	if err != nil {
		return source{}, fail(exitError, "give a directory with .yar, .yml and list files, one such file, or a bundle", "rules %s: %w", name, plainly(err))
	}
	if st.IsDir() {
		fsys := os.DirFS(name)
		if !feed.Signed(fsys) {
			return source{deminer.RuleSource{Name: filepath.Clean(name), Kind: "directory"}, fsys}, nil
		}
		b, err := feed.ReadDir(fsys)
		return bundleSource(f, name, b, err)
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".txt", ".yar", ".yara", ".yml", ".yaml":
		if !st.Mode().IsRegular() {
			return source{}, fail(exitError, "", "rules %s: not a file", name)
		}
		return source{deminer.RuleSource{Name: filepath.Clean(name), Kind: "file"}, single{os.DirFS(filepath.Dir(name)), filepath.Base(name)}}, nil
	}
	b, err := readBundle(name)
	return bundleSource(f, name, b, err)
}

// plainly takes the path off an error that names it anyhow.
func plainly(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// bundleSource takes a bundle that the operator names; it must be signed by a trusted key all the same.
func bundleSource(f *flags, name string, b *feed.Bundle, err error) (source, error) {
	if err != nil {
		return source{}, fail(exitError, "give a directory with .yar, .yml and list files, one such file, or a bundle", "rules %s: %w", name, err)
	}
	keys, err := trustedKeys(f)
	if err != nil {
		return source{}, err
	}
	if _, err := b.Trust(keys); err != nil {
		return source{}, fail(exitError, "deminer rules key trust FILE adds a key whose owner you know", "rules %s: %w", name, err)
	}
	return sourceOf(b, "bundle"), nil
}

func sourceOf(b *feed.Bundle, kind string) source {
	m := b.Manifest
	return source{deminer.RuleSource{Name: m.ID, Kind: kind, Version: m.Version, Digest: b.Digest(), Key: m.Key, Created: m.Created, Expires: m.Expires, Expired: b.Expired(time.Now())}, b.FS()}
}

// readBundle reads an archive.
func readBundle(name string) (*feed.Bundle, error) {
	r, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if st, err := r.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, errors.Join(errors.New("not a regular file"), err)
	}
	return feed.Read(r)
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
func installedRules(f *flags) (out []source, gaps []deminer.Gap) {
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
		out = append(out, sourceOf(in.Bundle, "installed"))
	}
	return out, gaps
}

// warn tells of rules that are not in force, or not as they should be, before anything else is said.
func (r *ruleset) warn(w io.Writer) {
	for _, g := range r.gaps {
		fmt.Fprintf(w, "deminer: RULES: %s: %s\n", deminer.Safe(g.What), deminer.Cut(g.Why, 300))
	}
}

// single is a directory of which only one file is seen: for it, the rest of its directory does not exist.
type single struct {
	dir  fs.FS
	name string
}

// Open implements fs.FS.
func (s single) Open(name string) (fs.File, error) {
	switch name {
	case ".":
		f, err := s.dir.Open(s.name)
		if err != nil {
			return nil, err
		}
		st, err := f.Stat()
		return &oneDir{f, st}, err
	case s.name:
		return s.dir.Open(name)
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// oneDir is the directory that holds the file alone.
type oneDir struct {
	fs.File
	only fs.FileInfo
}

func (d *oneDir) Stat() (fs.FileInfo, error) { return dirInfo{d.only}, nil }
func (d *oneDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: ".", Err: fs.ErrInvalid}
}

// ReadDir implements fs.ReadDirFile.
func (d *oneDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if d.only == nil {
		if n > 0 {
			return nil, io.EOF
		}
		return nil, nil
	}
	e := fs.FileInfoToDirEntry(d.only)
	d.only = nil
	return []fs.DirEntry{e}, nil
}

type dirInfo struct{ fs.FileInfo }

func (dirInfo) Name() string      { return "." }
func (dirInfo) IsDir() bool       { return true }
func (dirInfo) Mode() fs.FileMode { return fs.ModeDir | 0o555 }

// ruleLine says of one set of rules which it is, how large and how old. The answer is safe.
func ruleLine(s deminer.RuleSource, now time.Time) string {
	text := fmt.Sprintf("%s: %d rules, %.12s", deminer.Safe(s.Name), s.Rules, s.Digest)
	if s.Version == "" {
		return text
	}
	text = fmt.Sprintf("%s %s (%s): %d rules, %.12s, made %s ago, key %s", deminer.Safe(s.Name), s.Version, s.Kind, s.Rules, s.Digest, show.Ago(s.Created, now), s.Key)
	if s.Expired {
		return text + "; EXPIRED on " + s.Expires.Format(time.DateOnly)
	}
	return text + "; good until " + s.Expires.Format(time.DateOnly)
}
