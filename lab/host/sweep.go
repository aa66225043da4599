//go:build linux

package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// workDir is where running hosts have their directories.
func workDir() (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "work")
	return dir, os.MkdirAll(dir, 0o700)
}

// remove takes away mount, namespaces and directory of a host whose processes are gone.
func remove(dir, name string) error {
	ctx := context.Background()
	var errs []error
	const tries = 200 // of 50 ms: a machine under load takes its time to let go
	root := filepath.Join(dir, "root")
	for i := 0; mounted(root) && i < tries; i++ {
		err := run(ctx, "umount", root)
		if err == nil {
			continue
		}
		if i == tries-1 {
			errs = append(errs, err)
		}
		time.Sleep(poll)
	}
	errs = append(errs, removeCgroups(name))
	for _, ns := range []string{name + "-h", name + "-p"} {
		if _, err := os.Stat("/run/netns/" + ns); err == nil {
			errs = append(errs, run(ctx, "ip", "netns", "del", ns))
		}
	}
	if !mounted(root) {
		errs = append(errs, os.RemoveAll(dir))
	}
	return errors.Join(errs...)
}

// Sweep removes what hosts of a dead harness left behind, and returns their names.
func Sweep() ([]string, error) {
	work, err := workDir()
	if err != nil {
		return nil, err
	}
	var swept []string
	var errs []error
	for _, name := range abandoned(work) {
		dir := filepath.Join(work, name)
		for _, p := range processesUnder(filepath.Join(dir, "root")) {
			_ = syscall.Kill(p, syscall.SIGKILL)
		}
		swept = append(swept, name)
		errs = append(errs, remove(dir, "lab"+name))
	}
	return swept, errors.Join(errs...)
}

// abandoned lists the hosts, "PID-NUMBER", whose harness PID is gone, and of which
// anything is left: a directory, a control group or a network namespace.
func abandoned(work string) []string {
	var found []string
	patterns := []string{filepath.Join(work, "*-*"), "/run/netns/lab*-*-[hp]"}
	for _, r := range cgroupRoots() {
		patterns = append(patterns, filepath.Join(r, "lab*-*"))
	}
	for _, p := range patterns {
		list, _ := filepath.Glob(p)
		for _, name := range list {
			name = strings.TrimPrefix(filepath.Base(name), "lab")
			owner, rest, _ := strings.Cut(name, "-")
			number, _, _ := strings.Cut(rest, "-")
			pid, err := strconv.Atoi(owner)
			if err != nil || syscall.Kill(pid, 0) == nil {
				continue
			}
			if host := owner + "-" + number; !slices.Contains(found, host) {
				found = append(found, host)
			}
		}
	}
	return found
}

// processesUnder finds systemd-nspawn for that root and every PID 1 below it.
func processesUnder(root string) []int {
	var pids []int
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		b, _ := os.ReadFile(d + "/cmdline")
		if !strings.Contains(string(b), "systemd-nspawn") || !strings.HasSuffix(strings.TrimRight(string(b), "\x00"), root) {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(d))
		if init := innerInit(pid); init > 0 {
			pids = append(pids, init)
		}
		pids = append(pids, pid)
	}
	return pids
}

// Left says what of a host is still there: for tests that prove Destroy.
func (h *Host) Left() []string {
	var left []string
	if mounted(h.Root) {
		left = append(left, "mount "+h.Root)
	}
	for _, ns := range []string{h.hostNS(), h.poolNS()} {
		if _, err := os.Stat("/run/netns/" + ns); err == nil {
			left = append(left, "namespace "+ns)
		}
	}
	if _, err := os.Stat(h.Dir); err == nil {
		left = append(left, "directory "+h.Dir)
	}
	for _, r := range cgroupRoots() {
		if _, err := os.Stat(filepath.Join(r, h.Name)); err == nil {
			left = append(left, "control group "+filepath.Join(r, h.Name))
		}
	}
	if b, err := exec.Command("losetup", "-a").Output(); err == nil && strings.Contains(string(b), h.Dir+"/") {
		left = append(left, "loop device of "+h.Dir)
	}
	for _, pid := range processesUnder(h.Root) {
		left = append(left, fmt.Sprintf("process %d", pid))
	}
	return left
}
