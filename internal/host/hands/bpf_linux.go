//go:build linux

package hands

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/deminer/deminer/internal/host/bpf"
	"golang.org/x/sys/unix"
)

// hook is a place in a control group where a program decides on what the group sends, see bpf_attach_type of linux/bpf.h.
type hook struct{ program, attach uint32 }

// hooks cut everything: connects and datagrams fail at once with EPERM, and what an open connection or a raw socket still
// sends is dropped. Packet sockets (AF_PACKET) pass by the hooks.
func hooks() []hook {
	return []hook{
		{unix.BPF_PROG_TYPE_CGROUP_SKB, unix.BPF_CGROUP_INET_EGRESS},
		{unix.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, unix.BPF_CGROUP_INET4_CONNECT},
		{unix.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, unix.BPF_CGROUP_INET6_CONNECT},
		{unix.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, unix.BPF_CGROUP_UDP4_SENDMSG},
		{unix.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, unix.BPF_CGROUP_UDP6_SENDMSG},
	}
}

// The parts of union bpf_attr (linux/bpf.h) for the commands that are used here; fields that stay zero have no name.
type (
	bpfLoad struct {
		kind, count uint32
		insns       uint64
		license     uint64
		_, _        uint32 // log_level, log_size
		_           uint64 // log_buf
		_, _        uint32 // kern_version, prog_flags
		name        [16]byte
		_           uint32 // prog_ifindex
		attach      uint32
	}
	bpfAttach struct{ target, program, kind, flags, _ uint32 } // the last: replace_bpf_fd
	bpfQuery  struct {
		target, kind, _, _ uint32 // query_flags, attach_flags
		ids                uint64
		count, _           uint32
	}
)

// blockName begins the name of our programs; the end of their time, in hexadecimal seconds since 1970, follows it. With it
// they fill the 15 bytes that the kernel keeps, so that a block can be listed without any file or map.
const blockName = "deminer"

func nameOf(until time.Time) string { return fmt.Sprintf("%s%08x", blockName, uint32(until.Unix())) }

func untilOf(name string) (time.Time, bool) {
	rest, ok := strings.CutPrefix(name, blockName)
	if !ok || len(rest) != 8 {
		return time.Time{}, false
	}
	n, err := strconv.ParseUint(rest, 16, 32)
	return time.Unix(int64(n), 0).UTC(), err == nil
}

// program says no until the monotonic clock has come to end, in nanoseconds, and yes from then on: the block runs out in
// the kernel, whether or not deminer is there. In the words of bpf(2):
//
//	r0 = ktime_get_ns()
//	r1 = end
//	if r0 >= r1 goto yes
//	r0 = 0; exit
//	yes: r0 = 1; exit
func program(end uint64) []byte {
	type insn struct {
		code, regs byte
		off        int16
		imm        uint32
	}
	const r1 = 0x1
	var out []byte
	for _, i := range []insn{
		{unix.BPF_JMP | unix.BPF_CALL, 0, 0, 5}, // 5 is BPF_FUNC_ktime_get_ns
		{unix.BPF_LD | unix.BPF_DW | unix.BPF_IMM, r1, 0, uint32(end)}, {0, 0, 0, uint32(end >> 32)},
		{unix.BPF_JMP | unix.BPF_JGE | unix.BPF_X, r1 << 4, 2, 0},
		{unix.BPF_ALU64 | unix.BPF_MOV | unix.BPF_K, 0, 0, 0}, {unix.BPF_JMP | unix.BPF_EXIT, 0, 0, 0},
		{unix.BPF_ALU64 | unix.BPF_MOV | unix.BPF_K, 0, 0, 1}, {unix.BPF_JMP | unix.BPF_EXIT, 0, 0, 0},
	} {
		out = append(out, i.code, i.regs)
		out = binary.NativeEndian.AppendUint16(out, uint16(i.off))
		out = binary.NativeEndian.AppendUint32(out, i.imm)
	}
	return out
}

// load brings a program into the kernel. The licence is what it says for the program alone: the clock is for those that
// name the GPL.
func load(h hook, code []byte, name string) (int, error) {
	license := []byte("Dual MIT/GPL\x00")
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&code[0])
	pin.Pin(&license[0])
	attr := bpfLoad{kind: h.program, count: uint32(len(code) / 8), insns: uint64(uintptr(unsafe.Pointer(&code[0]))),
		license: uint64(uintptr(unsafe.Pointer(&license[0]))), attach: h.attach}
	copy(attr.name[:15], name)
	fd, err := bpf.Call(unix.BPF_PROG_LOAD, &attr)
	if errors.Is(err, unix.EPERM) {
		// Before Linux 5.11 programs count as locked memory.
		var old unix.Rlimit
		if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &old) == nil && unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}) == nil {
			defer func() { _ = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &old) }()
			fd, err = bpf.Call(unix.BPF_PROG_LOAD, &attr)
		}
	}
	return fd, err
}

// maxHooked bounds how many programs of one hook of a group are looked at; the kernel allows 64.
const maxHooked = 64

// hooked gives the programs at a hook of a group that are ours, with the end of their time.
func hooked(group int, h hook) (map[uint32]time.Time, error) {
	var ids [maxHooked]uint32
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&ids[0])
	ask := bpfQuery{target: uint32(group), kind: h.attach, ids: uint64(uintptr(unsafe.Pointer(&ids[0]))), count: maxHooked}
	if _, err := bpf.Call(unix.BPF_PROG_QUERY, &ask); err != nil {
		return nil, err
	}
	return ours(ids[:min(int(ask.count), maxHooked)], programName)
}

// ours gives those of the programs whose names are ours. One that has ended since it was listed is none: that it is gone must
// not read as if the group were.
func ours(ids []uint32, named func(uint32) (string, error)) (map[uint32]time.Time, error) {
	out := map[uint32]time.Time{}
	for _, id := range ids {
		name, err := named(id)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if until, ok := untilOf(name); ok {
			out[id] = until
		}
	}
	return out, nil
}

func programName(id uint32) (string, error) {
	info, err := bpf.Info(id)
	return bpf.Name(info), err
}

// attach puts a program at a hook, beside those of others, and takes away our earlier ones.
func attach(group int, h hook, code []byte, name string) error {
	old, err := hooked(group, h)
	if err != nil {
		return err
	}
	fd, err := load(h, code, name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if _, err := bpf.Call(unix.BPF_PROG_ATTACH, &bpfAttach{target: uint32(group), program: uint32(fd), kind: h.attach, flags: unix.BPF_F_ALLOW_MULTI}); err != nil {
		return err
	}
	return detach(group, h, old)
}

// detach takes programs off a hook; what is off already is fine.
func detach(group int, h hook, ids map[uint32]time.Time) error {
	for id := range ids {
		fd, err := bpf.Open(id)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return err
		}
		_, err = bpf.Call(unix.BPF_PROG_DETACH, &bpfAttach{target: uint32(group), program: uint32(fd), kind: h.attach})
		unix.Close(fd)
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}
