//go:build linux

package hands

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"golang.org/x/sys/unix"
)

// maxProgram bounds the programs that are hashed: larger ones are no twins of anything.
const maxProgram = 256 << 20

// Digest implements host.Procs. The start time is compared after the program is open, so that it is of the process meant.
func (p *procs) Digest(id deminer.ProcID) (string, error) {
	fd, err := unix.Openat(p.proc, strconv.Itoa(id.PID)+"/exe", unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOATIME, 0)
	if err == unix.EPERM {
		fd, err = unix.Openat(p.proc, strconv.Itoa(id.PID)+"/exe", unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	}
	if err != nil {
		return "", fmt.Errorf("open program of process %d: %w", id.PID, gone(err))
	}
	f := os.NewFile(uintptr(fd), "exe")
	defer f.Close()
	if s, err := p.read(id.PID); err != nil || s.ID != id {
		return "", fmt.Errorf("read program of process %d: %w", id.PID, deminer.ErrChanged)
	}
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(f, maxProgram+1))
	if err != nil {
		return "", fmt.Errorf("read program of process %d: %w", id.PID, err)
	}
	if n > maxProgram {
		return "", fmt.Errorf("read program of process %d: %w", id.PID, host.ErrTooLarge)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
