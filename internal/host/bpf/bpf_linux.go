//go:build linux

package bpf

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Call is bpf(2) with one of the commands BPF_*. attr is the part of union bpf_attr (linux/bpf.h) that the command reads, laid
// out as the kernel has it; what it points to must be pinned. An interrupted call is made again. Errors are unix.Errno.
func Call[T any](command int, attr *T) (int, error) {
	for {
		n, _, err := unix.Syscall(unix.SYS_BPF, uintptr(command), uintptr(unsafe.Pointer(attr)), unsafe.Sizeof(*attr))
		switch err {
		case 0:
			return int(n), nil
		case unix.EINTR, unix.EAGAIN:
			continue
		}
		return 0, err
	}
}

// ID is the part of union bpf_attr for commands that take the id of a program or give the next one.
type ID struct {
	ID, Next uint32
	_        uint32 // open_flags
}

// Open gives a descriptor of a loaded program; unix.ENOENT where there is none of this id. The caller closes it.
func Open(id uint32) (fd int, err error) { return Call(unix.BPF_PROG_GET_FD_BY_ID, &ID{ID: id}) }

// Info reads the head of struct bpf_prog_info of a loaded program; unix.ENOENT where there is none of this id.
func Info(id uint32) ([InfoSize]byte, error) {
	var info [InfoSize]byte
	fd, err := Open(id)
	if err != nil {
		return info, err
	}
	defer unix.Close(fd)
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&info[0])
	_, err = Call(unix.BPF_OBJ_GET_INFO_BY_FD, &struct {
		fd, size uint32
		info     uint64
	}{uint32(fd), InfoSize, uint64(uintptr(unsafe.Pointer(&info[0])))})
	return info, err
}
