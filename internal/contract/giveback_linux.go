//go:build linux

package contract

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// GiveBack gives the host what is not needed between two looks: garbage, and the mapped pages of the program's own file. What is needed
// of the latter comes back by itself, from the kernel's cache, a few hundred small faults in all; the rest, such as the code of most
// detectors, counts for nobody until then.
func GiveBack() error {
	debug.FreeOSMemory()
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("give back memory: %w", err)
	}
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return fmt.Errorf("give back memory: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		from, to, ok := ownText(lines.Text(), self)
		if !ok {
			continue
		}
		// Not madvise of a slice: the memory is none of Go's.
		if _, _, no := unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED); no != 0 {
			return fmt.Errorf("give back memory: %w", no)
		}
	}
	return lines.Err()
}

// ownText reads one line of proc_pid_maps(5) and reports whether it is of the program's own file and cannot be written: what can be
// would lose what was written.
func ownText(line, self string) (from, to uintptr, ok bool) {
	f := strings.SplitN(line, " ", 6)
	if len(f) < 6 || strings.TrimLeft(f[5], " ") != self || f[1] != "r-xp" && f[1] != "r--p" {
		return 0, 0, false
	}
	a, b, _ := strings.Cut(f[0], "-")
	x, e1 := strconv.ParseUint(a, 16, strconv.IntSize)
	y, e2 := strconv.ParseUint(b, 16, strconv.IntSize)
	return uintptr(x), uintptr(y), e1 == nil && e2 == nil && y > x
}
