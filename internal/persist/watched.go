package persist

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// maxPlaces bounds the places of a host, files and directories each.
const maxPlaces = 20_000

// Places are where footholds live or could: exactly what the mechanisms asked for, so there is no second list that could fall
// behind. They are of one moment: a new user's home, or a directory that a configuration names from now on, is in the next ones.
type Places struct {
	Files []string            // names of files and directories, whether or not they exist; sorted
	Dirs  []string            // directories in which every name matters; sorted
	asked map[string][]string // name -> mechanisms
}

// lookedFor are the base names, as patterns of path.Match, of the files that a mechanism looks for in directories that hold much else:
// a change of another name there is none of its business.
var lookedFor = map[string][]string{"compose": composeNames}

// Mechanisms names those that look at a file, at its directory or at one above: what has to be asked anew after it changed.
// They are in the order of All.
func (p Places) Mechanisms(file string) []string {
	file = path.Clean("/" + file)
	for name := file; ; name = path.Dir(name) {
		if list := p.asked[name]; len(list) > 0 {
			return about(list, path.Base(file))
		}
		if name == "/" {
			return nil
		}
	}
}

// about leaves out those that look for other names than this one.
func about(list []string, base string) (out []string) {
	for _, m := range list {
		fits := func(pattern string) bool { ok, _ := path.Match(pattern, base); return ok }
		if names := lookedFor[m]; len(names) == 0 || slices.ContainsFunc(names, fits) {
			out = append(out, m)
		}
	}
	return out
}

// Watched lists all mechanisms and gives the places they looked at. What was found by searching whole trees for something
// that can be anywhere (set-uid programs, copies of sshd, kernel modules) is no place; nor is what the kernel makes up in
// /proc, /sys and /dev.
func Watched(ctx context.Context, env Env) (Places, []deminer.Gap) {
	if env.Homes == nil {
		env.Homes = homes(env)
	}
	var gaps []deminer.Gap
	out := Places{asked: map[string][]string{}}
	files, dirs, full := map[string]bool{}, map[string]bool{}, false
	for _, m := range All() {
		// Each alone: what an earlier one asked for would not be asked for again.
		rec := &recorder{FS: env.Host.FS, files: map[string]bool{}, dirs: map[string]bool{}}
		h, own := *env.Host, env
		h.FS, own.Host = rec, &h
		_, some := Run(ctx, own, []Mechanism{m})
		gaps = append(gaps, some...)
		for _, set := range [2]map[string]bool{rec.files, rec.dirs} {
			for name := range set {
				if len(files)+len(dirs) >= 2*maxPlaces {
					full = true
					break
				}
				if list := out.asked[name]; len(list) == 0 || list[len(list)-1] != m.Name {
					out.asked[name] = append(list, m.Name)
				}
			}
		}
		maps.Copy(files, rec.files)
		maps.Copy(dirs, rec.dirs)
		full = full || rec.full
	}
	out.Files, out.Dirs = slices.Sorted(maps.Keys(files)), slices.Sorted(maps.Keys(dirs))
	if full = full || len(out.Files) > maxPlaces || len(out.Dirs) > maxPlaces; full {
		out.Files, out.Dirs = out.Files[:min(len(out.Files), maxPlaces)], out.Dirs[:min(len(out.Dirs), maxPlaces)]
		gaps = append(gaps, deminer.Gap{Part: "persist", State: deminer.Partial, Why: fmt.Sprintf("more than %d places", maxPlaces)})
	}
	return out, gaps
}

// recorder is a file system that notes what is asked of it.
type recorder struct {
	host.FS
	files, dirs map[string]bool
	searching   int // a tree is searched: nothing is noted
	full        bool
}

func (r *recorder) note(set map[string]bool, name string) {
	name = path.Clean("/" + name)
	if r.searching > 0 || name == "/" {
		return
	}
	for _, made := range []string{"/proc", "/sys", "/dev"} {
		if name == made || strings.HasPrefix(name, made+"/") {
			return
		}
	}
	if !set[name] && len(set) >= maxPlaces {
		r.full = true
		return
	}
	set[name] = true
}

// asked notes a name that is there or not; one that cannot be reached at all is none.
func (r *recorder) asked(name string, err error) {
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, host.ErrNotRegular) {
		r.note(r.files, name)
	}
}

// Open notes the name.
func (r *recorder) Open(name string) (host.File, error) {
	f, err := r.FS.Open(name)
	r.asked(name, err)
	return f, err
}

// ReadDir notes the directory, or the name where there is none.
func (r *recorder) ReadDir(name string) ([]host.Entry, error) {
	list, err := r.FS.ReadDir(name)
	if err != nil {
		r.asked(name, err)
		return list, err
	}
	r.note(r.dirs, name)
	return list, nil
}

// Lstat notes the name.
func (r *recorder) Lstat(name string) (deminer.Attr, error) {
	a, err := r.FS.Lstat(name)
	r.asked(name, err)
	return a, err
}

// Stat notes the name.
func (r *recorder) Stat(name string) (deminer.Attr, error) {
	a, err := r.FS.Stat(name)
	r.asked(name, err)
	return a, err
}

// Deep notes the name.
func (r *recorder) Deep(name string) (deminer.Attr, error) {
	a, err := r.FS.Deep(name)
	r.asked(name, err)
	return a, err
}

// resolve is [host.Resolve]. Of a directory that is missing only the first missing part is asked of the file system, but the
// whole name is the place.
func (l *Lister) resolve(name string) (string, error) {
	real, err := host.Resolve(l.Host.FS, name)
	if rec, ok := l.Host.FS.(*recorder); ok && errors.Is(err, fs.ErrNotExist) {
		rec.note(rec.files, name)
	}
	return real, err
}
