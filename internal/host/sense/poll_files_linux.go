//go:build linux

package sense

import (
	"context"
	"errors"
	"io/fs"
	"path"

	"github.com/deminer/deminer"
)

// allFiles compares the places with what they were.
func (p *poller) allFiles(ctx context.Context) {
	for _, name := range p.opt.Files {
		if ctx.Err() != nil {
			return
		}
		p.file(path.Clean("/" + name))
	}
	for _, dir := range p.opt.Dirs {
		if ctx.Err() != nil {
			return
		}
		p.dir(path.Clean("/" + dir))
	}
}

// file tells how a name differs from what it was.
func (p *poller) file(name string) {
	now, err := p.opt.FS.Lstat(name)
	was, had := p.files[name]
	text, _ := limit(name, deminer.MaxEventPath)
	e := deminer.Event{Kind: deminer.EventFile, Path: text}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if had {
			delete(p.files, name)
			e.Op = deminer.FileRemoved
			p.tell(nil, e)
		}
		return
	case err != nil:
		return
	case !had || now.Ino != was.Ino || now.Dev != was.Dev:
		e.Op = deminer.FileCreated
	case now.Size != was.Size || !now.Mtime.Equal(was.Mtime):
		e.Op = deminer.FileWritten
	case !now.Ctime.Equal(was.Ctime):
		e.Op = deminer.FileAttr
	default:
		return
	}
	if len(p.files) >= maxWatched && !had {
		return
	}
	p.files[name] = now
	if now.Type != deminer.Directory || e.Op == deminer.FileCreated { // what lies in a directory is told by its own name
		p.tell(nil, e)
	}
}

// maxWatched bounds the names that are remembered.
const maxWatched = 100_000

// dir looks at each name in a directory, and at those that were in it.
func (p *poller) dir(name string) {
	list, err := p.opt.FS.ReadDir(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return
	}
	here := make(map[string]bool, len(list))
	for _, e := range list {
		here[e.Name] = true
		p.file(path.Join(name, e.Name))
	}
	for gone := range p.list[name] {
		if !here[gone] {
			p.file(path.Join(name, gone))
		}
	}
	p.list[name] = here
}
