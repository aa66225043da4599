//go:build linux && lab

package service

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/deminer/deminer/lab/host"
)

// TestAgentAsService runs the agent itself as a service: hardened, it watches, blocks who guesses, tells who changed its unit and
// that it was killed, and goes away without a trace.
func TestAgentAsService(t *testing.T) {
	h, standin := boot(t)
	sh(t, h, "echo alice:right | chpasswd; printf 'PasswordAuthentication yes\nMaxStartups 100\n' > /etc/ssh/sshd_config.d/00-lab.conf; systemctl restart ssh; mkdir -p /etc/deminer; printf 'version: 1\nguessing: block\n' > /etc/deminer/policy.yaml")
	wants(t, "install", sh(t, h, "/root/deminer service install; echo code $?; "+log), "the agent is installed and runs", "code 0")
	wants(t, "hardened", sh(t, h, "cat /proc/$(systemctl show -P MainPID deminer-agent)/status"), "Seccomp:\t2", "NoNewPrivs:\t1")
	out, err := exec.Command("ip", "netns", "exec", h.PoolNamespace(), standin, "guess", host.HostAddr+":22", "alice", "11").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	waitFor(t, h, "/root/deminer block list", "from "+host.PoolAddr)
	sh(t, h, "echo '# mine' >> /etc/systemd/system/deminer-agent.service")
	waitFor(t, h, "/root/deminer alerts list", "a file of the agent's was changed")
	sh(t, h, "sed -i '/^# mine$/d' /etc/systemd/system/deminer-agent.service; kill -9 $(systemctl show -P MainPID deminer-agent)")
	waitFor(t, h, "/root/deminer alerts list", "killed, or it crashed")
	waitFor(t, h, "systemctl is-active deminer-agent", "active")
	got := sh(t, h, "/root/deminer service uninstall --yes; echo code $?; /root/deminer block list; ls /usr/local/sbin/deminer /etc/systemd/system/deminer* 2>&1")
	wants(t, "uninstall", got, "code 0", "nothing is blocked")
	if strings.Count(got, "No such file") != 2 {
		t.Errorf("left: %s", got)
	}
}
