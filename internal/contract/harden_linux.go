//go:build linux

package contract

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// never are system calls that neither eyes nor hands ask for. What is not here stays allowed: a list of what is allowed would
// have to follow every release of the Go runtime and of the libraries, and would end the agent on the day it did not.
func never() []string {
	return []string{"acct", "add_key", "adjtimex", "clock_adjtime", "clock_settime", "create_module", "delete_module", "execve", "execveat",
		"finit_module", "init_module", "io_uring_enter", "io_uring_register", "io_uring_setup", "ioperm", "iopl", "kexec_file_load", "kexec_load",
		"keyctl", "lookup_dcookie", "mbind", "migrate_pages", "move_pages", "nfsservctl", "personality", "pivot_root",
		"process_vm_writev", "ptrace", "quotactl", "reboot", "request_key", "set_mempolicy", "setdomainname", "setfsgid", "setfsuid", "setgid", "setgroups",
		"sethostname", "setregid", "setresgid", "setresuid", "setreuid", "settimeofday", "setuid", "swapoff", "swapon", "sysfs",
		"uselib", "userfaultfd", "vhangup"}
}

// known leaves out the calls that this processor's kernel never had.
func known(names []string) ([]string, error) {
	info, err := arch.GetInfo("")
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(names, func(n string) bool { _, ok := info.SyscallNames[n]; return !ok }), nil
}

// Harden gives up what the agent never needs: it cannot be traced or dumped by others than root, gets no new rights by a
// program (it starts none), and the system calls that it never makes are refused to it, in all its threads. Each part that
// cannot be had is in the error; the others hold all the same. It cannot be taken back.
func Harden() error {
	var failed []error
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		failed = append(failed, fmt.Errorf("forbid others to look into the agent: %w", err))
	}
	if err := filter(); err != nil {
		failed = append(failed, fmt.Errorf("give up system calls: %w", err))
	}
	return errors.Join(failed...)
}

// filter puts the list in force. The kernel gives it, and that there are no new rights, to all threads at once.
func filter() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	names, err := known(never())
	if err != nil {
		return err
	}
	err = seccomp.LoadFilter(seccomp.Filter{NoNewPrivs: true, Flag: seccomp.FilterFlagTSync, Policy: seccomp.Policy{
		DefaultAction: seccomp.ActionAllow,
		Syscalls:      []seccomp.SyscallGroup{{Action: seccomp.ActionErrno, Names: names}},
	}})
	if err != nil {
		return err
	}
	return everyThread()
}

// everyThread asks the kernel itself: a thread whose own filter is another one makes the call fail without an error code.
func everyThread() error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range tasks {
		text, err := readSmall("/proc/self/task/" + t.Name() + "/status")
		if err != nil {
			continue // it has ended
		}
		if !strings.Contains(text, "\nSeccomp:\t2\n") {
			return fmt.Errorf("thread %s has no filter", t.Name())
		}
	}
	return nil
}
