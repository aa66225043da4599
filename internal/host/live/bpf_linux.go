//go:build linux

package live

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// maxPrograms bounds the list of eBPF programs.
const maxPrograms = 4096

// bpfID is the part of union bpf_attr for commands that take an id.
type bpfID struct{ id, next, flags uint32 }

// bpfInfo is the part of union bpf_attr for BPF_OBJ_GET_INFO_BY_FD.
type bpfInfo struct {
	fd, size uint32
	info     uint64
}

func bpf(command int, attr unsafe.Pointer, size uintptr) (int, error) {
	for {
		n, _, err := unix.Syscall(unix.SYS_BPF, uintptr(command), uintptr(attr), size)
		if err == unix.EINTR || err == unix.EAGAIN {
			continue
		}
		if err != 0 {
			return 0, err
		}
		return int(n), nil
	}
}

// programs lists the loaded eBPF programs.
func programs(g *gapList) []deminer.BPF {
	var out []deminer.BPF
	boot := bootTime()
	at := bpfID{}
	for {
		if _, err := bpf(unix.BPF_PROG_GET_NEXT_ID, unsafe.Pointer(&at), unsafe.Sizeof(at)); err != nil {
			if !errors.Is(err, unix.ENOENT) {
				g.fail("eBPF programs", fmt.Errorf("list them: %w", err))
			}
			return out
		}
		if len(out) >= maxPrograms {
			g.fail("eBPF programs", errTooMany)
			return out
		}
		b, err := programInfo(at.next)
		if err == nil {
			if p, ok := parseProgInfo(b, boot); ok {
				out = append(out, p)
			}
		} else if !errors.Is(err, unix.ENOENT) {
			g.fail(fmt.Sprintf("eBPF program %d", at.next), err)
		}
		at.id = at.next
	}
}

func programInfo(id uint32) ([]byte, error) {
	ask := bpfID{id: id}
	fd, err := bpf(unix.BPF_PROG_GET_FD_BY_ID, unsafe.Pointer(&ask), unsafe.Sizeof(ask))
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	b := make([]byte, progInfoSize)
	var pin runtime.Pinner
	pin.Pin(&b[0])
	defer pin.Unpin()
	info := bpfInfo{fd: uint32(fd), size: progInfoSize, info: uint64(uintptr(unsafe.Pointer(&b[0])))}
	_, err = bpf(unix.BPF_OBJ_GET_INFO_BY_FD, unsafe.Pointer(&info), unsafe.Sizeof(info))
	return b, err
}
