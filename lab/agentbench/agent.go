//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The limits of the agent's contract (internal/service: Usual).
const (
	quota  = 50 // percent of one core
	memory = 384 << 20
)

// watcher is a program that watches: the agent, or what it is compared with.
type watcher struct {
	cmd   *exec.Cmd
	out   bytes.Buffer
	state string
	group []string // control groups of version 1 that it is in
}

// counts are the part of what the agent says at its end that is asked for here.
type counts struct {
	Events  map[string]uint64 `json:"events"`
	Dropped map[string]uint64 `json:"dropped"`
	Late    uint64            `json:"late"`
}

// agent starts one without a policy, under the limits of its contract, and waits until its first looks are over.
func (b *bench) agent(name string) (*watcher, error) {
	w := &watcher{state: filepath.Join(b.work, "state-"+name)}
	w.cmd = exec.Command(b.deminer, "agent", "--json", "--state", w.state, "--policy", filepath.Join(b.work, "none"), "--for", "1h")
	if err := w.start(); err != nil {
		return nil, err
	}
	if err := w.limit(); err != nil {
		return nil, errors.Join(err, w.kill())
	}
	// It is at rest when it used less than 1 % of a core more than its share of looks for five seconds.
	for from := time.Now(); time.Since(from) < time.Minute; {
		before := w.cpu()
		time.Sleep(5 * time.Second)
		if used := (w.cpu() - before).Seconds() / 5; used < 0.06 && time.Since(from) > 8*time.Second {
			return w, nil
		}
		if err := w.cmd.Process.Signal(syscall.Signal(0)); err != nil {
			return nil, fmt.Errorf("the agent ended: %w: %.1000s", err, w.out.String())
		}
	}
	fmt.Println("note: the agent was not at rest a minute after its start")
	return w, nil
}

func (w *watcher) start() error {
	w.cmd.Stdout = &w.out
	w.cmd.Stderr = &w.out
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	return w.cmd.Start()
}

// limit gives it the limits that a service manager would, where its own way (version 2) is not to be had.
func (w *watcher) limit() error {
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		return nil
	}
	for file, value := range map[string]int{"cpu/%s/cpu.cfs_quota_us": quota * 1000, "memory/%s/memory.limit_in_bytes": memory} {
		name := filepath.Join("/sys/fs/cgroup", fmt.Sprintf(file, fmt.Sprintf("agentbench-%d", w.cmd.Process.Pid)))
		dir := filepath.Dir(name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		w.group = append(w.group, dir)
		if err := errors.Join(os.WriteFile(name, []byte(strconv.Itoa(value)), 0), os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(w.cmd.Process.Pid)), 0)); err != nil {
			return err
		}
	}
	return nil
}

// cpu is the processor time that it used so far, in hundredths of a second as the kernel tells it.
func (w *watcher) cpu() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// sizes reads the KiB of some lines of a file of /proc.
func (w *watcher) sizes(file string, names ...string) (out []float64) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", w.cmd.Process.Pid, file)) // what is not there is 0
	for _, name := range names {
		kib := 0.0
		for line := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(line, name+":"); ok {
				kib, _ = strconv.ParseFloat(strings.Fields(rest)[0], 64)
			}
		}
		out = append(out, kib)
	}
	return out
}

// charged is what its memory control group is charged with: all, and of it what the kernel can take back at once (files).
func (w *watcher) charged() (all, files float64, ok bool) {
	for _, dir := range append(w.group, "/sys/fs/cgroup/deminer") {
		for _, at := range [][2]string{{"memory.usage_in_bytes", "total_cache "}, {"memory.current", "file "}} {
			text, err := os.ReadFile(filepath.Join(dir, at[0]))
			if err != nil {
				continue
			}
			all, _ = strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
			stat, _ := os.ReadFile(filepath.Join(dir, "memory.stat"))
			for line := range strings.Lines(string(stat)) {
				if rest, found := strings.CutPrefix(line, at[1]); found {
					files, _ = strconv.ParseFloat(strings.TrimSpace(rest), 64)
				}
			}
			return all / 1024, files / 1024, true
		}
	}
	return 0, 0, false
}

// stop ends it and gives what it counted.
func (w *watcher) stop() (c counts, err error) {
	_ = w.cmd.Process.Signal(syscall.SIGTERM) // it may have ended: Wait tells
	late := time.AfterFunc(30*time.Second, func() { _ = w.cmd.Process.Kill() })
	err = w.cmd.Wait()
	late.Stop()
	w.leave()
	if err != nil {
		return c, fmt.Errorf("%s: %w: %.2000s", filepath.Base(w.cmd.Path), err, w.out.String())
	}
	text := w.out.String()
	at := strings.Index(text, "\n{")
	if at < 0 {
		return c, nil
	}
	return c, json.Unmarshal([]byte(text[at:]), &c)
}

func (w *watcher) kill() error {
	err := w.cmd.Process.Kill()
	_ = w.cmd.Wait() // it was killed
	w.leave()
	return err
}

func (w *watcher) leave() {
	for _, dir := range w.group {
		_ = os.Remove(dir) // empty, now that it has ended
	}
}
