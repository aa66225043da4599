package persist

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// Limits of one mechanism; what lies beyond is a gap. They are far above what a real host has.
const (
	maxFile   = 1 << 20 // bytes read of one file
	maxFiles  = 20_000  // files read and directories listed
	maxLines  = 20_000  // lines of one file
	maxFound  = 20_000  // footholds
	maxGaps   = 50      // gaps of one mechanism
	maxHomes  = 5_000   // home directories
	maxTarget = 64      // targets of one command
	maxNames  = 20_000  // programs named without a path in one run
)

// Lister is handed to a mechanism: it reads with limits, turns failures into gaps and takes footholds.
type Lister struct {
	Env
	ctx   context.Context
	mech  Mechanism
	found []deminer.Foothold
	gaps  []deminer.Gap
	files int
	attrs map[string]deminer.Attr // Deep by path, shared by all mechanisms of a run
	index map[string]int          // foothold's Ref -> place in found
	known map[string]string       // programs named without a path -> where they are, shared by all mechanisms of a run
	units **unitSet               // the system manager's, read once in a run
}

// Line is one line of a file: its exact bytes without the newline, and its 1-based number.
type Line struct {
	Text string
	No   int
}

// Add takes a foothold. Mechanism, ID and Technique are filled in; so are Targets from Command where nil, Attr where not
// filled, and Remove where nil: cut the line if there is one, else drop the file. The same line twice is one foothold.
func (l *Lister) Add(f deminer.Foothold) {
	if len(l.found) >= maxFound {
		l.gap(deminer.Partial, "", fmt.Sprintf("more than %d entries", maxFound))
		return
	}
	f.Mechanism, f.ID = l.mech.Name, l.mech.ID
	if f.Technique == "" {
		f.Technique = l.mech.Technique
	}
	// Substrings would keep whole files in memory.
	f.Path, f.Line, f.Command = clone(f.Path), clone(f.Line), clone(f.Command)
	if f.Targets == nil && f.Command != "" {
		f.Targets = l.Targets(string(f.Command), f.User)
	}
	if !f.Attr.Deep {
		f.Attr = l.Attr(string(f.Path))
	}
	if f.Remove == nil {
		f.Remove = l.recipe(f)
	}
	a := f.Artifact()
	ref := a.Ref() + "\x00" + f.Name
	if at, twice := l.index[ref]; twice {
		if f.Line != "" {
			l.again(&l.found[at])
		}
		return
	}
	l.index[ref] = len(l.found)
	l.found = append(l.found, f)
}

// again notes that the same line stands in the file once more: cutting it takes every copy.
func (l *Lister) again(f *deminer.Foothold) {
	const odd = "the same line stands in the file more than once"
	if slices.Contains(f.Odd, odd) {
		return
	}
	f.Odd = append(f.Odd, odd)
}

func (l *Lister) recipe(f deminer.Foothold) []deminer.Action {
	if f.Line != "" {
		return []deminer.Action{l.Cut(string(f.Path), string(f.Line), f.LineNo, false)}
	}
	return []deminer.Action{drop(string(f.Path))}
}

func clone(r deminer.Raw) deminer.Raw { return deminer.Raw(strings.Clone(string(r))) }

// Attr is the deep look at a path, or as much as can be had.
func (l *Lister) Attr(name string) deminer.Attr {
	if a, ok := l.attrs[name]; ok {
		return a
	}
	a, err := l.Host.FS.Deep(name)
	if err != nil {
		a, _ = l.Host.FS.Lstat(name)
		if !errors.Is(err, fs.ErrNotExist) {
			l.Fail(name, err)
		}
	}
	l.attrs[name] = a
	return a
}

// gap notes what was not looked at.
func (l *Lister) gap(state deminer.GapState, what, why string) {
	for i := range l.gaps {
		if g := &l.gaps[i]; g.State == state && (g.What == what && g.Why == why || len(l.gaps) >= maxGaps) {
			g.Count = max(g.Count, 1) + 1
			return
		}
	}
	if len(l.gaps) <= maxGaps+3 {
		l.gaps = append(l.gaps, deminer.Gap{Part: "persist/" + l.mech.Name, State: state, What: what, Why: why})
	}
}

// Fail notes that a place could not be looked at. A name that does not exist is not worth a gap.
func (l *Lister) Fail(name string, err error) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, host.ErrTooLarge):
		l.gap(deminer.Partial, name, fmt.Sprintf("larger than %d bytes; only the beginning was read", maxFile))
	default:
		l.gap(deminer.Failed, name, err.Error())
	}
}

// room counts one more file or directory against the limit.
func (l *Lister) room(name string) bool {
	if l.ctx.Err() != nil {
		l.gap(deminer.Partial, "", "stopped: "+l.ctx.Err().Error())
		return false
	}
	if l.files++; l.files > maxFiles {
		l.gap(deminer.Partial, path.Dir(name), fmt.Sprintf("more than %d files", maxFiles))
		return false
	}
	return true
}

// Read gives the content of a regular file, following links, at most 1 MiB; ok is false where there is nothing to read.
// The text of a file that is too large ends with its last whole line.
func (l *Lister) Read(name string) (text string, ok bool) {
	if !l.room(name) {
		return "", false
	}
	b, err := host.ReadFile(l.Host.FS, name, maxFile)
	if err != nil {
		l.Fail(name, err)
		if !errors.Is(err, host.ErrTooLarge) {
			return "", false
		}
		b = b[:strings.LastIndexByte(string(b), '\n')+1]
	}
	return string(b), true
}

// Lines gives the lines of a file: split at newlines only, every other byte kept.
func (l *Lister) Lines(name string) []Line {
	text, _ := l.Read(name)
	lines, all := split(text)
	if !all {
		l.gap(deminer.Partial, name, fmt.Sprintf("more than %d lines", maxLines))
	}
	return lines
}

// split cuts a text into at most maxLines lines; all reports whether that was everything.
func split(text string) (lines []Line, all bool) {
	for no := 1; text != ""; no++ {
		if no > maxLines {
			return lines, false
		}
		line, rest, _ := strings.Cut(text, "\n")
		lines = append(lines, Line{line, no})
		text = rest
	}
	return lines, true
}

// Dir lists a directory; a missing one is empty. Types are always filled in.
func (l *Lister) Dir(dir string) []host.Entry {
	if !l.room(dir + "/") {
		return nil
	}
	list, err := l.Host.FS.ReadDir(dir)
	if err != nil {
		if a, e := l.Host.FS.Stat(dir); e != nil || a.IsDir() {
			l.Fail(dir, err)
		}
	}
	if len(list) > maxFiles {
		l.gap(deminer.Partial, dir, fmt.Sprintf("more than %d files", maxFiles))
		list = list[:maxFiles]
	}
	for i := range list {
		if list[i].Type == "" {
			if a, err := l.Host.FS.Lstat(path.Join(dir, list[i].Name)); err == nil {
				list[i].Type = a.Type
			}
		}
	}
	return list
}

// Files lists the paths of the regular files and of the links to anything but directories in these directories. The paths
// have the directories' links resolved, so a directory reached by two names is listed once.
func (l *Lister) Files(dirs ...string) []string {
	var out []string
	done := map[string]bool{}
	for _, dir := range dirs {
		real, err := l.resolve(dir)
		if err != nil {
			l.Fail(dir, err)
			continue
		}
		if done[real] {
			continue
		}
		done[real] = true
		for _, e := range l.Dir(real) {
			name := path.Join(real, e.Name)
			if e.Type == deminer.Regular || e.Type == deminer.Symlink && !isDir(l.Host.FS, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// Included shows each of these files once, by whatever names it is reached, and then those that see gives for each: what it
// includes.
func (l *Lister) Included(todo []string, see func(name string) (more []string)) {
	done := map[string]bool{}
	for len(todo) > 0 && len(done) < maxFiles {
		name := todo[0]
		todo = todo[1:]
		if real := l.Real(name); !done[real] && l.IsFile(name) {
			done[real] = true
			todo = append(todo, see(name)...)
		}
	}
}

// Tree is [Lister.Files] with the directories below, to the given depth (1 is dir itself).
func (l *Lister) Tree(dir string, depth int) []string {
	out := l.Files(dir)
	if depth <= 1 {
		return out
	}
	real, err := l.resolve(dir)
	if err != nil {
		return out
	}
	for _, e := range l.Dir(real) {
		if e.Type == deminer.Directory {
			out = append(out, l.Tree(path.Join(real, e.Name), depth-1)...)
		}
	}
	return out
}

// Exists reports whether the name exists; a dangling link does.
func (l *Lister) Exists(name string) bool { return host.Exists(l.Host.FS, name) }

// IsLink reports whether the name itself is a symbolic link.
func (l *Lister) IsLink(name string) bool {
	a, err := l.Host.FS.Lstat(name)
	return err == nil && a.Type == deminer.Symlink
}
