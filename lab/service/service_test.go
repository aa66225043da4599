//go:build linux && lab

package service

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer/lab/host"
	"github.com/deminer/deminer/lab/manifest"
)

// build makes a program for the lab host.
func build(t *testing.T, pkg, name string, flags ...string) string {
	t.Helper()
	out := t.TempDir() + "/" + name
	c := exec.Command("go", append(append([]string{"build", "-o", out}, flags...), pkg)...)
	c.Dir = "../.."
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := c.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, text)
	}
	return out
}

// boot gives a lab host with deminer and two versions of the stand-in.
func boot(t *testing.T) (*host.Host, string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("booting a host needs root")
	}
	first, second := build(t, "./lab/standin", "standin1"), build(t, "./lab/standin", "standin2", "-ldflags", "-X main.version=2")
	deminer := build(t, "./cmd/deminer", "deminer")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	t.Cleanup(cancel)
	h, err := host.Create(ctx, host.Base)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Destroy(); err != nil {
			t.Error(err)
		}
	})
	if err := h.Boot(ctx); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{deminer: "/root/deminer", first: "/run/standin1", second: "/run/standin2"} {
		if err := h.CopyFileIn(ctx, from, to, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return h, first
}

func sh(t *testing.T, h *host.Host, script string) string {
	t.Helper()
	r, err := h.Exec(t.Context(), strings.NewReader(script), "/bin/sh", "-s")
	if err != nil {
		t.Fatal(err)
	}
	return r.Stdout + r.Stderr
}

func wants(t *testing.T, what, got string, list ...string) {
	t.Helper()
	for _, w := range list {
		if !strings.Contains(got, w) {
			t.Errorf("%s: no %q in\n%s", what, w, got)
		}
	}
}

// waitFor asks until the answer holds a text.
func waitFor(t *testing.T, h *host.Host, script, want string) string {
	t.Helper()
	got := ""
	for range 120 {
		if got = sh(t, h, script); strings.Contains(got, want) {
			return got
		}
		time.Sleep(250 * time.Millisecond)
	}
	t.Fatalf("%s never gives %q but\n%s\nthe agent says\n%s\nand sshd\n%s", script, want, got, sh(t, h, log), sh(t, h, "journalctl -o short -t sshd --no-pager | tail -n 30"))
	return ""
}

const log = "journalctl -o cat -u deminer-agent --no-pager"

// TestServiceThereAndBack installs, renews, kills and uninstalls; in the end the host is as it was, byte for byte.
func TestServiceThereAndBack(t *testing.T) {
	h, _ := boot(t)
	before, err := h.Snapshot(nil)
	if err != nil {
		t.Fatal(err)
	}
	wants(t, "install", sh(t, h, "/root/deminer service install --from /run/standin1; echo code $?"), "the agent is installed and runs", "code 0")
	waitFor(t, h, log, "follows systemd's journal")
	wants(t, "first run", sh(t, h, log), "hardened; limits:", "absent: <nil>")
	status := sh(t, h, "/root/deminer service status; cat /proc/$(systemctl show -P MainPID deminer-agent)/status; systemctl show deminer-agent; systemctl is-enabled deminer-agent")
	wants(t, "status", status, "deminer-agent.service, active", "Seccomp:\t2", "NoNewPrivs:\t1", "enabled", "Slice=deminer.slice", "WatchdogUSec=3min")
	wants(t, "again", sh(t, h, "/root/deminer service install --from /run/standin1; echo code $?"), "nothing to do", "code 0")

	// A renewal: the old one is told that another takes over.
	wants(t, "renew", sh(t, h, "/root/deminer service install --from /run/standin2; echo code $?"), "restart deminer-agent.service", "code 0")
	waitFor(t, h, "systemctl show -P StatusText deminer-agent", "version 2")
	wants(t, "the old one", sh(t, h, log), "ends: upgrade", "Upgrade:true")
	if left := sh(t, h, "ls /run/deminer"); strings.TrimSpace(left) != "" {
		t.Errorf("left in /run/deminer: %s", left)
	}

	// Killed with -9: systemd starts it anew, and the new one knows.
	sh(t, h, "kill -9 $(systemctl show -P MainPID deminer-agent)")
	waitFor(t, h, log, "Killed:true")

	wants(t, "doctor", sh(t, h, "/root/deminer doctor"), "agent", "for the service")
	wants(t, "undo passes by", sh(t, h, "/root/deminer undo --yes; echo code $?"), "code 1")
	wants(t, "uninstall", sh(t, h, "/root/deminer service uninstall --yes; echo code $?"), "the host is as it was before", "code 0")
	wants(t, "gone", sh(t, h, "systemctl show -P LoadState deminer-agent; ls /sys/fs/cgroup/*/deminer.slice /sys/fs/cgroup/deminer.slice; systemctl --failed --no-legend | grep deminer; echo end"), "not-found", "end")
	after, err := h.Snapshot(before)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range manifest.Diff(before, after, manifest.Everything) {
		if c.Name != "/var/lib" { // its time: the state directory is kept in it
			t.Errorf("left: %v", c)
		}
	}
	wants(t, "again gone", sh(t, h, "/root/deminer service uninstall --yes; echo code $?"), "code 1")
	sh(t, h, "/root/deminer service uninstall --yes --purge")
	if left := sh(t, h, "ls -d /var/lib/deminer"); !strings.Contains(left, "No such file") {
		t.Errorf("purged: %s", left)
	}
}

// TestBruteForce guesses passwords of a lab host from the machine beside it.
func TestBruteForce(t *testing.T) {
	h, standin := boot(t)
	sh(t, h, "echo alice:right | chpasswd; sed -i '/^PasswordAuth/d; /^KbdInter/d; /^AuthenticationMethods/d' /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*; printf 'PasswordAuthentication yes\\nKbdInteractiveAuthentication no\\nMaxStartups 100\\n' > /etc/ssh/sshd_config.d/00-lab.conf; systemctl restart ssh")
	wants(t, "install", sh(t, h, "/root/deminer service install --from /run/standin1"), "the agent is installed and runs")
	from := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("ip", append([]string{"netns", "exec", h.PoolNamespace(), standin, "guess", host.HostAddr + ":22"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	wants(t, "guessing", from("alice", "11"), "unable to authenticate")
	waitFor(t, h, "/root/deminer block list", "from "+host.PoolAddr)
	wants(t, "who guesses", waitFor(t, h, "/root/deminer guesses", "blocked until"), host.PoolAddr, "alice")
	if out := from("alice", "0", "right"); strings.Contains(out, "in\n") {
		t.Errorf("blocked, and still: %s", out)
	}
	wants(t, "the host's own connections", sh(t, h, "/usr/local/sbin/deminer guess 127.0.0.1:22 alice 0 right"), "in")
	wants(t, "lift", sh(t, h, `/root/deminer block lift "from `+host.PoolAddr+`"`), "is not blocked any more")
	wants(t, "a guess that is right", from("alice", "0", "right"), "in\n")
	waitFor(t, h, log, "verdict: guessed "+host.PoolAddr+"/32 alice")

	// The logs go; what was guessed is still known.
	sh(t, h, "systemctl restart deminer-agent; journalctl --rotate; journalctl --vacuum-time=1s; : > /var/log/btmp; rm -f /var/log/auth.log*")
	wants(t, "uninstall lifts", sh(t, h, "/root/deminer service uninstall --yes; echo code $?; /root/deminer block list; /root/deminer guesses"), "code 0", "nothing is blocked", host.PoolAddr)
}
