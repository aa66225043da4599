//go:build linux

package live

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"golang.org/x/sys/unix"
)

var errEnded = errors.New("the process has ended and its number may be another's")

// hold opens the directory of exactly this process.
func (l *Live) hold(id deminer.ProcID) (task, error) {
	if l.proc == nil {
		return task{}, l.err
	}
	t, err := l.proc.open(id.PID)
	if err != nil {
		if gone(err) {
			err = errEnded
		}
		return task{}, err
	}
	r := newReader(l.proc, bootTime())
	s, err := r.stat(t)
	if err == nil && s.start != id.Start {
		err = errEnded
	}
	if err != nil {
		t.close()
		return task{}, err
	}
	return t, nil
}

// program is an open program file.
type program struct{ *os.File }

// Attr is of the open file.
func (p program) Attr() (deminer.Attr, error) { return statAt(int(p.Fd()), "", unix.AT_EMPTY_PATH) }

// Exe opens the running content of a process, even if its file is deleted or a memfd. Only regular files are opened.
func (l *Live) Exe(id deminer.ProcID) (host.File, error) {
	t, err := l.hold(id)
	if err != nil {
		return nil, fmt.Errorf("open the program of process %s: %w", id, err)
	}
	defer t.close()
	attr, err := statAt(t.fd, "exe", 0)
	if err == nil && attr.Type != deminer.Regular {
		err = host.ErrNotRegular
	}
	if err != nil {
		return nil, fmt.Errorf("open the program of process %s: %w", id, err)
	}
	fd, err := openRetry(t.fd, "exe", unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return nil, fmt.Errorf("open the program of process %s: %w", id, err)
	}
	return program{os.NewFile(uintptr(fd), "program of process "+strconv.Itoa(id.PID))}, nil
}

// piece is how much memory is handed out at once.
const piece = 4 << 20

// Memory hands out readable private memory, region by region: heaps, stacks and other anonymous mappings, and the written
// pages of private file mappings' data. Pages that were never touched, or that are all in a file, are not read, so a
// large empty mapping costs nothing.
func (l *Live) Memory(ctx context.Context, id deminer.ProcID, limit int64, see func(r deminer.Region, off uint64, buf []byte) bool) error {
	t, err := l.hold(id)
	if err != nil {
		return fmt.Errorf("read the memory of process %s: %w", id, err)
	}
	defer t.close()
	m := memory{task: t, left: limit, see: see, page: uint64(os.Getpagesize())}
	if err := m.run(ctx); err != nil {
		return fmt.Errorf("read the memory of process %s: %w", id, err)
	}
	return nil
}

type memory struct {
	task      task
	mem, maps int // open files; pagemap is -1 where it cannot be had
	page      uint64
	left      int64
	buf       []byte
	see       func(r deminer.Region, off uint64, buf []byte) bool
	stop      bool
}

func (m *memory) run(ctx context.Context) error {
	text, err := m.task.read("maps", nil, maxMaps)
	if err != nil {
		return err
	}
	if m.mem, err = openRetry(m.task.fd, "mem", unix.O_RDONLY|unix.O_CLOEXEC); err != nil {
		return err
	}
	defer unix.Close(m.mem)
	if m.maps, err = openRetry(m.task.fd, "pagemap", unix.O_RDONLY|unix.O_CLOEXEC); err != nil {
		m.maps = -1
	} else {
		defer unix.Close(m.maps)
	}
	m.buf = make([]byte, piece)
	for _, r := range readable(text) {
		if err := m.region(ctx, r); err != nil || m.stop {
			return err
		}
	}
	return nil
}

// region hands out the touched runs of one region.
func (m *memory) region(ctx context.Context, r mapping) error {
	region := deminer.Region{Start: r.start, Size: r.size(), Perms: r.perms, Path: r.path, Huge: r.huge()}
	for at := r.start; at < r.end && !m.stop; {
		if err := ctx.Err(); err != nil {
			return err
		}
		span := min(r.end-at, pageSpan*m.page)
		if !r.paged() || m.maps < 0 {
			m.copy(region, at, at+span)
		} else if err := m.touched(region, r, at, span); err != nil {
			return err
		}
		at += span
	}
	return nil
}

// pageSpan is how many pages are looked up at once, 512 MiB of the usual ones.
const pageSpan = 128 << 10

// touched reads the page map of a span and copies the runs of pages that hold something of the process's own.
func (m *memory) touched(region deminer.Region, r mapping, at, span uint64) error {
	entries := make([]byte, span/m.page*8)
	n, err := unix.Pread(m.maps, entries, int64(at/m.page*8))
	if err != nil || n == 0 {
		m.copy(region, at, at+span)
		return nil
	}
	for from, to := range runs(entries[:n&^7], r.inode != 0) {
		if m.copy(region, at+from*m.page, at+to*m.page); m.stop {
			break
		}
	}
	return nil
}

// copy reads from one address to another in pieces. A page that cannot be read ends the run.
func (m *memory) copy(region deminer.Region, at, end uint64) {
	for at < end && !m.stop {
		want := min(end-at, piece, uint64(m.left))
		n, err := unix.Pread(m.mem, m.buf[:want], int64(at))
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return
		}
		m.left -= int64(n)
		m.stop = !m.see(region, at-region.Start, m.buf[:n]) || m.left <= 0
		at += uint64(n)
	}
}
