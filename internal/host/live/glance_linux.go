//go:build linux

package live

import (
	"fmt"
	"sync"

	"github.com/deminer/deminer"
)

// glancers keeps the buffers of readers for the next event.
var glancers sync.Pool

// Glance reads of one process what an event needs: who it is, its program, the first arguments (one byte more than
// deminer.MaxEventArgv), users, unit and container; nothing that costs, like its memory. Gone is set where it ended meanwhile; an error means that nothing could be read.
func (l *Live) Glance(pid int) (deminer.Process, error) {
	if l.proc == nil {
		return deminer.Process{}, fmt.Errorf("look at process %d: %w", pid, l.err)
	}
	r, ok := glancers.Get().(*reader)
	if !ok {
		r = newReader(nil, bootTime())
	}
	defer glancers.Put(r)
	r.proc, r.boot = l.proc, bootTime()
	t, err := r.proc.open(pid)
	if err != nil {
		return deminer.Process{}, fmt.Errorf("look at process %d: %w", pid, err)
	}
	defer t.close()
	s, err := r.stat(t)
	if err != nil {
		return deminer.Process{}, fmt.Errorf("look at process %d: %w", pid, err)
	}
	p := r.basics(s)
	b, err := t.read("status", r.buf, 64<<10)
	if err != nil {
		p.Gone = gone(err)
		return p, nil
	}
	r.status(&p, parseStatus(b))
	if p.Kernel {
		return p, nil
	}
	if b, err := t.read("cmdline", r.buf, deminer.MaxEventArgv+1); err == nil {
		p.Argv = parseStrings(b)
	}
	if text, err := t.link("exe", r.link); err == nil {
		p.Exe, p.Deleted, p.Memfd = exeName(text)
		if attr, err := statAt(t.fd, "exe", 0); err == nil && attr.Links > 0 && p.Deleted {
			p.Exe, p.Deleted = text, false // a living file that is called so
		}
	} else {
		p.ExeErr = "read the link to the program: " + err.Error()
	}
	p.Cwd, _ = t.link("cwd", r.link)
	r.group(t, &p)
	return p, nil
}
