package scan

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// owners asks the package database once for each file.
type owners struct {
	host *host.Host
	// only are the paths below which contents are compared with their packages; none: all are.
	only  []string
	paths map[string]deminer.Provenance
	exes  map[inode]deminer.Provenance
}

type inode struct {
	dev, ino uint64
	name     string
}

func newOwners(h *host.Host, only []string) *owners {
	return &owners{host: h, only: only, paths: map[string]deminer.Provenance{}, exes: map[inode]deminer.Provenance{}}
}

// check gives the provenance of a file by path, its content compared where that is asked for.
func (o *owners) check(ctx context.Context, name string) deminer.Provenance {
	if o.host.Packages == nil {
		return deminer.Provenance{State: deminer.Unknown, Note: "no package database"}
	}
	if p, ok := o.paths[name]; ok {
		return p
	}
	p := o.ask(ctx, name)
	if p.State == deminer.Unowned {
		if real, err := host.Resolve(o.host.FS, name); err == nil && real != path.Clean(name) {
			p = o.ask(ctx, real)
		}
	}
	o.paths[name] = p
	return p
}

func (o *owners) ask(ctx context.Context, name string) deminer.Provenance {
	below := func(root string) bool { return under(name, path.Clean(root)) }
	if len(o.only) > 0 && !slices.ContainsFunc(o.only, below) {
		return o.host.Packages.Owner(name)
	}
	return o.host.Packages.Check(ctx, name)
}

func (o *owners) foothold(ctx context.Context, f *deminer.Foothold) {
	f.Own = o.check(ctx, string(f.Path))
	f.TargetOwn = make([]deminer.Provenance, len(f.Targets))
	for i, t := range f.Targets {
		f.TargetOwn[i] = o.check(ctx, t)
	}
}

// processes compares what runs, not what lies at its path now: a replaced file must not vouch for its predecessor.
func (o *owners) processes(ctx context.Context, in host.Inside, procs []deminer.Process) {
	for i := range procs {
		p := &procs[i]
		if p.Kernel || p.Exe == "" || in == nil || ctx.Err() != nil {
			continue
		}
		key := inode{p.ExeAttr.Dev, p.ExeAttr.Ino, p.Exe}
		if own, ok := o.exes[key]; ok && key.ino != 0 {
			p.Own = own
			continue
		}
		p.Own = o.running(in, p)
		o.exes[key] = p.Own
	}
}

func (o *owners) running(in host.Inside, p *deminer.Process) deminer.Provenance {
	if o.host.Packages == nil {
		return deminer.Provenance{State: deminer.Unknown, Note: "no package database"}
	}
	if p.Container != "" || p.Memfd {
		return deminer.Provenance{State: deminer.Unowned, Note: "not a file of the host"}
	}
	own := o.host.Packages.Owner(p.Exe)
	if own.State != deminer.Owned {
		return own
	}
	f, err := in.Exe(p.ID)
	if err != nil {
		own.Note = err.Error()
		return own
	}
	defer f.Close()
	return o.host.Packages.CheckContent(p.Exe, f)
}

// under reports whether a clean path is a directory or lies below it.
func under(name, dir string) bool {
	return dir == "/" || name == dir || strings.HasPrefix(name, dir) && name[len(dir)] == '/'
}
