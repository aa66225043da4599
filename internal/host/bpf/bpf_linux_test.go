//go:build linux

package bpf

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLoadedPrograms asks about every loaded program, and about one that there is not.
func TestLoadedPrograms(t *testing.T) {
	seen := 0
	for at := (ID{}); ; at.ID = at.Next {
		_, err := Call(unix.BPF_PROG_GET_NEXT_ID, &at)
		if errors.Is(err, unix.ENOENT) {
			break
		}
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
			t.Skipf("needs bpf(2), which asks for root and a kernel with CONFIG_BPF_SYSCALL: %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		info, err := Info(at.Next)
		if err != nil && !errors.Is(err, unix.ENOENT) { // it may have ended meanwhile
			t.Errorf("program %d: %v", at.Next, err)
		}
		if id := uint32(info[4]) | uint32(info[5])<<8; err == nil && at.Next < 1<<16 && id != at.Next {
			t.Errorf("asked for program %d, told of %d", at.Next, id)
		}
		seen++
	}
	t.Logf("%d programs", seen)
	if _, err := Info(1<<32 - 1); !errors.Is(err, unix.ENOENT) {
		t.Errorf("a program that there is not: %v", err)
	}
}

func TestName(t *testing.T) {
	var info [InfoSize]byte
	copy(info[nameAt:], "deminer6b49d200\x00rest")
	if got := Name(info); got != "deminer6b49d200" {
		t.Errorf("name %q", got)
	}
	copy(info[nameAt:], "sixteen letters!")
	if got := Name(info); got != "sixteen letters!" {
		t.Errorf("a name without an end: %q", got)
	}
}
