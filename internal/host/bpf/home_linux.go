//go:build linux

package bpf

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// firstPIDs is the number of the first PID namespace, PROC_PID_INIT_INO of linux/proc_ns.h.
const firstPIDs = 0xEFFFFFFC

// Home is the number of this process's PID namespace as programs in the kernel see it, 0 for the first one. Whoever is in another,
// as in a container, knows processes by other numbers than the kernel.
func Home() (uint32, error) {
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &st); err != nil {
		return 0, fmt.Errorf("ask for the own PID namespace: %w", err)
	}
	if st.Ino == firstPIDs {
		return 0, nil
	}
	return uint32(st.Ino), nil
}
