//go:build linux

package live

import (
	"context"
	"fmt"
	"strconv"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// owners finds the processes that hold the sockets, by the links in /proc/PID/fd.
func (s *netLook) owners(ctx context.Context, procs []deminer.Process) {
	byInode := make(map[uint64][]int, len(s.sockets))
	for i := range s.sockets {
		if n := s.sockets[i].Inode; n != 0 {
			byInode[n] = append(byInode[n], i)
		}
	}
	left, failed := maxFDs, 0
	h := holder{buf: make([]byte, 16<<10), link: make([]byte, 64)}
	for i := range procs {
		p := &procs[i]
		if p.Kernel || p.Gone {
			continue
		}
		if left <= 0 || ctx.Err() != nil {
			s.gap(deminer.Partial, "owners of sockets", fmt.Errorf("looked at %d of %d processes", i, len(procs)))
			return
		}
		held, err := h.sockets(s.proc, p.ID.PID, &left)
		if err != nil && !gone(err) {
			failed++
		}
		for _, inode := range held {
			for _, at := range byInode[inode] {
				s.own(at, p.ID)
			}
		}
	}
	if failed > 0 {
		s.gaps = append(s.gaps, deminer.Gap{Part: partSockets, State: deminer.Partial, What: "owners of sockets",
			Why: "the open files of some processes could not be listed", Count: failed})
	}
}

// own adds an owner once; processes come one after the other, so only the last one can be the same.
func (s *netLook) own(at int, id deminer.ProcID) {
	owners := s.sockets[at].Owners
	if len(owners) < maxThreads && (len(owners) == 0 || owners[len(owners)-1] != id) {
		s.sockets[at].Owners = append(owners, id)
	}
}

type holder struct{ buf, link []byte }

// sockets lists the inode numbers of the sockets a process holds; a process that shares one does so under the same number.
func (h holder) sockets(p *procfs, pid int, left *int) ([]uint64, error) {
	t, err := p.open(pid)
	if err != nil {
		return nil, err
	}
	defer t.close()
	dir, err := openRetry(t.fd, "fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC)
	if err != nil {
		return nil, err
	}
	defer unix.Close(dir)
	// Descriptor 0 is no process number, so it is asked for by itself.
	fds, err := pids(dir, h.buf, max(1, *left))
	*left -= len(fds)
	var out []uint64
	for i := -1; i < len(fds); i++ {
		fd := 0
		if i >= 0 {
			fd = fds[i]
		}
		n, err := unix.Readlinkat(dir, strconv.Itoa(fd), h.link)
		if err != nil {
			continue
		}
		if inode := socketInode(h.link[:n]); inode != 0 {
			out = append(out, inode)
		}
	}
	return out, err
}
