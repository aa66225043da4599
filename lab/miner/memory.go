//go:build linux

package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Sizes of RandomX, from its design document (section on configuration): dataset
// base + extra rounded up to MiB, cache, scratchpad L3, and the code buffer.
const (
	mib            = 1 << 20
	datasetSize    = 2080 * mib
	cacheSize      = 256 * mib
	scratchpadSize = 2 * mib
	codeSize       = 64 << 10
	pageSize       = 4096
)

// memory is the address space shape of one miner; almost none of it is resident.
type memory struct{ pads [][]byte }

func (m memory) pad(i int) []byte { return m.pads[i] }

// mapMemory makes the mappings of fast or light mode and touches a small part of them.
func mapMemory(o options) (memory, error) {
	var m memory
	if o.RandomX.Mode == "none" {
		for range o.threads() {
			m.pads = append(m.pads, make([]byte, pageSize))
		}
		return m, nil
	}
	if o.RandomX.Mode != "light" {
		if err := touched(datasetSize, o.Lab.TouchMiB*mib); err != nil {
			return m, fmt.Errorf("map dataset: %w", err)
		}
	}
	if err := touched(cacheSize, min(o.Lab.TouchMiB, 16)*mib); err != nil {
		return m, fmt.Errorf("map cache: %w", err)
	}
	for range o.threads() {
		pad, err := region(scratchpadSize)
		if err != nil {
			return m, fmt.Errorf("map scratchpad: %w", err)
		}
		touch(pad)
		m.pads = append(m.pads, pad)
		code, err := region(codeSize)
		if err != nil {
			return m, fmt.Errorf("map code: %w", err)
		}
		touch(code)
		if err := unix.Mprotect(code, unix.PROT_READ|unix.PROT_EXEC); err != nil {
			return m, fmt.Errorf("make code executable: %w", err)
		}
	}
	return m, nil
}

func touched(size, part int) error {
	r, err := region(size)
	if err == nil {
		touch(r[:part])
	}
	return err
}

// region maps size bytes, private and anonymous, between two pages without access,
// so that the kernel never merges it with a neighbor.
func region(size int) ([]byte, error) {
	all, err := unix.Mmap(-1, 0, size+2*pageSize, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, err
	}
	inner := all[pageSize : pageSize+size]
	// Huge pages would make a touched page cost 2 MiB of real memory.
	if err := unix.Madvise(inner, unix.MADV_NOHUGEPAGE); err != nil && err != unix.EINVAL {
		return nil, err
	}
	return inner, unix.Mprotect(inner, unix.PROT_READ|unix.PROT_WRITE)
}

func touch(b []byte) {
	for i := 0; i < len(b); i += pageSize {
		b[i] = 0xc3
	}
}
