//go:build linux

// Package host boots throw-away Debian hosts with real systemd for tests and
// demos. A host is a copy of a cached ext4 image, mounted by loop, run by
// systemd-nspawn in a network namespace of its own that is tied by one veth to a
// second namespace, where the stub pool lives; no route leads out of the two.
// Everything needs root. Destroy takes away every trace, and Sweep does so for
// hosts whose harness died.
package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/deminer/deminer/lab/manifest"
)

// Addresses of the lab network (documentation blocks of RFC 5737).
const (
	PoolAddr  = "203.0.113.7"
	PoolAddr2 = "198.51.100.9"
	HostAddr  = "203.0.113.50"
	HostAddr2 = "198.51.100.50"
)

const (
	bootTimeout = 5 * time.Minute
	stopTimeout = 20 * time.Second
	poll        = 50 * time.Millisecond
)

// Host is one lab host.
type Host struct {
	Name string // also in the names of its namespaces
	Dir  string // work directory, gone after Destroy
	Root string // where its image is mounted

	nspawn *exec.Cmd
	done   chan struct{} // closed when nspawn has ended
	leader int           // PID 1 of the host, as seen from outside
	others []*exec.Cmd   // programs in the pool's namespace
}

func (h *Host) hostNS() string { return h.Name + "-h" }
func (h *Host) poolNS() string { return h.Name + "-p" }

// Create makes the root and the network of a host, not yet booted. The caller
// must call Destroy, also after an error of anything else.
func Create(ctx context.Context, f Flavor) (h *Host, err error) {
	image, err := Image(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("make image: %w", err)
	}
	work, err := workDir()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(work, fmt.Sprintf("%d-", os.Getpid()))
	if err != nil {
		return nil, fmt.Errorf("make work directory: %w", err)
	}
	h = &Host{Name: "lab" + filepath.Base(dir), Dir: dir, Root: filepath.Join(dir, "root")}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Destroy())
			h = nil
		}
	}()
	if err := os.Mkdir(h.Root, 0o755); err != nil {
		return h, err
	}
	disk := filepath.Join(dir, "disk")
	if err := run(ctx, "cp", "--sparse=always", "--reflink=auto", image, disk); err != nil {
		return h, err
	}
	if err := run(ctx, "mount", "-o", "loop,noatime", disk, h.Root); err != nil {
		return h, err
	}
	return h, h.network(ctx)
}

func (h *Host) network(ctx context.Context) error {
	a, b := h.hostNS(), h.poolNS()
	for _, c := range []string{
		"ip netns add " + a, "ip netns add " + b,
		"ip -n " + a + " link set lo up", "ip -n " + b + " link set lo up",
		"ip -n " + a + " link add host0 type veth peer name pool0 netns " + b,
		"ip -n " + a + " addr add " + HostAddr + "/24 dev host0", "ip -n " + a + " addr add " + HostAddr2 + "/24 dev host0",
		"ip -n " + b + " addr add " + PoolAddr + "/24 dev pool0", "ip -n " + b + " addr add " + PoolAddr2 + "/24 dev pool0",
		"ip -n " + a + " link set host0 up", "ip -n " + b + " link set pool0 up",
	} {
		if err := run(ctx, strings.Fields(c)...); err != nil {
			return err
		}
	}
	return nil
}

// Boot starts the host and waits until systemd says that it is up.
func (h *Host) Boot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	log, err := os.OpenFile(filepath.Join(h.Dir, "console.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	enter, err := cgroupWrapper(h.Name)
	if err != nil {
		return err
	}
	argv := append(enter, "systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit",
		"--network-namespace-path=/run/netns/"+h.hostNS(), "--resolv-conf=off", "--timezone=off", "--link-journal=no",
		"--capability=CAP_NET_ADMIN,CAP_NET_RAW,CAP_SYSLOG", "--hostname=shop-01", "--console=pipe", "-D", h.Root)
	c := exec.Command(argv[0], argv[1:]...)
	c.Stdout, c.Stderr = log, log
	c.Env = append(os.Environ(), "SYSTEMD_NSPAWN_TMPFS_TMP=0", "SYSTEMD_LOG_LEVEL=warning")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := c.Start(); err != nil {
		return fmt.Errorf("start systemd-nspawn: %w", err)
	}
	done := make(chan struct{})
	go func() { _ = c.Wait(); close(done) }()
	h.nspawn, h.done, h.leader = c, done, 0
	return h.await(ctx, log.Name())
}

// await waits for PID 1 and then for systemd's word that everything is up.
func (h *Host) await(ctx context.Context, log string) error {
	for h.leader == 0 {
		select {
		case <-h.done:
			return fmt.Errorf("systemd-nspawn ended at once: %s", tail(log))
		case <-ctx.Done():
			return fmt.Errorf("wait for PID 1: %w", ctx.Err())
		case <-time.After(poll):
			h.leader = innerInit(h.nspawn.Process.Pid)
		}
	}
	for {
		r, err := h.Exec(ctx, nil, "/usr/bin/systemctl", "is-system-running")
		switch state := strings.TrimSpace(r.Stdout); {
		case err == nil && (state == "running" || state == "degraded"):
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("wait for boot (state %q): %w: %s", state, ctx.Err(), tail(log))
		}
		time.Sleep(2 * poll)
	}
}

// Leader returns the host's PID 1 as the harness sees it; 0 when not booted.
func (h *Host) Leader() int { return h.leader }

// PoolNamespace names the network namespace where pools run, for ip netns exec.
func (h *Host) PoolNamespace() string { return h.poolNS() }

// innerInit finds the child of nspawn that is PID 1 of its own namespace.
func innerInit(nspawn int) int {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", nspawn, nspawn))
	for _, f := range strings.Fields(string(b)) {
		st, _ := os.ReadFile("/proc/" + f + "/status")
		for _, line := range strings.Split(string(st), "\n") {
			ns := strings.Fields(line)
			if len(ns) == 3 && ns[0] == "NSpid:" && ns[2] == "1" {
				pid, _ := strconv.Atoi(f)
				return pid
			}
		}
	}
	return 0
}

// Shutdown powers the host off and waits; after a while it is killed.
func (h *Host) Shutdown() error {
	if h.nspawn == nil {
		return nil
	}
	_ = h.nspawn.Process.Signal(syscall.SIGTERM) // nspawn asks systemd inside to power off
	select {
	case <-h.done:
	case <-time.After(stopTimeout):
		h.kill()
	}
	h.nspawn, h.leader = nil, 0
	return nil
}

// kill ends PID 1, and with it by the kernel's rule everything in its namespace.
func (h *Host) kill() {
	if h.leader > 0 {
		_ = syscall.Kill(h.leader, syscall.SIGKILL)
	}
	_ = h.nspawn.Process.Kill()
	<-h.done
}

// Reboot shuts the host down in order and boots it again.
func (h *Host) Reboot(ctx context.Context) error {
	if err := h.Shutdown(); err != nil {
		return err
	}
	return h.Boot(ctx)
}

// Snapshot takes the manifest of the host's files as it sees them itself, without
// manifest.Volatile. A snapshot taken before saves reading unchanged files again.
func (h *Host) Snapshot(before manifest.Tree) (manifest.Tree, error) {
	return manifest.Take(h.Root, manifest.Volatile(), before)
}

// InPoolNamespace starts a long-running program where the pool lives and waits for
// the line "ready" on its standard output. Destroy ends it.
func (h *Host) InPoolNamespace(log string, argv ...string) error {
	f, err := os.Create(filepath.Join(h.Dir, log))
	if err != nil {
		return err
	}
	defer f.Close()
	c := exec.Command("ip", append([]string{"netns", "exec", h.poolNS()}, argv...)...)
	c.Stdout, c.Stderr = f, f
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		return fmt.Errorf("start %s: %w", argv[0], err)
	}
	h.others = append(h.others, c)
	for range 200 {
		if b, _ := os.ReadFile(f.Name()); bytes.HasPrefix(b, []byte("ready\n")) {
			return nil
		}
		time.Sleep(poll)
	}
	return fmt.Errorf("%s did not get ready: %s", argv[0], tail(f.Name()))
}

// EndPool tells what runs in the pool's namespace to end, and gives what it said there. Who is not gone soon is killed: a connection
// whose other side is frozen may hold it.
func (h *Host) EndPool(log string) (string, error) {
	for _, c := range h.others {
		_ = c.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(2*time.Second, func() { _ = c.Process.Kill() })
		_ = c.Wait()
		late.Stop()
	}
	h.others = nil
	b, err := os.ReadFile(filepath.Join(h.Dir, log))
	return string(b), err
}

// Destroy ends the host at once and removes processes, mounts, namespaces and
// files. It may be called more than once and does not stop at the first error.
func (h *Host) Destroy() error {
	for _, c := range h.others {
		_ = c.Process.Kill()
		_ = c.Wait()
	}
	h.others = nil
	if h.nspawn != nil {
		h.kill()
		h.nspawn, h.leader = nil, 0
	}
	return remove(h.Dir, h.Name)
}
