//go:build linux && lab

package service

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// packages builds the packages in a copy of the tree at dir and gives their digests by name.
func packages(t *testing.T, dir string) map[string]string {
	t.Helper()
	for _, c := range [][]string{{"git", "clone", "-q", "../..", dir}, {filepath.Join(dir, "packaging/build")}} {
		if text, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", c[0], err, text)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "dist/SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 2 {
			sums[f[1]] = f[0]
		}
	}
	if len(sums) != 6 { // two programs, two packages for each of two architectures
		t.Fatalf("built %v", sums)
	}
	return sums
}

// TestPackages builds the packages twice, at two places: every byte is the same. Then one is installed on a host: nothing runs until
// somebody starts it, a renewal takes the running agent over, and its removal leaves nothing but what clean-ups took away.
func TestPackages(t *testing.T) {
	one, two := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "another", "place")
	if err := os.MkdirAll(filepath.Dir(two), 0o755); err != nil {
		t.Fatal(err)
	}
	first, second := packages(t, one), packages(t, two)
	for name, sum := range first {
		if second[name] != sum {
			t.Errorf("%s: %s, and built elsewhere %s", name, sum, second[name])
		}
	}
	deb, _ := filepath.Glob(one + "/dist/*_amd64.deb")
	rpm, _ := filepath.Glob(one + "/dist/*.x86_64.rpm")
	if len(deb) != 1 || len(rpm) != 1 {
		t.Fatal(deb, rpm)
	}
	listed, err := exec.Command("rpm", "-qlp", rpm[0]).CombinedOutput()
	if err != nil {
		t.Fatal(err, string(listed))
	}
	wants(t, "rpm", string(listed), "/usr/sbin/deminer\n", "/usr/lib/systemd/system/deminer-agent.service\n", "/usr/share/man/man8/deminer-scan.8.gz\n")

	h, _ := boot(t)
	if err := h.CopyFileIn(t.Context(), deb[0], "/run/deminer.deb", 0o644); err != nil {
		t.Fatal(err)
	}
	wants(t, "install", sh(t, h, "dpkg -i /run/deminer.deb; systemctl is-active deminer-agent deminer-server; systemctl is-enabled deminer-agent; dpkg -V deminer | grep -v /usr/share/; echo code $?"), // the image leaves out manuals

		"nothing runs yet", "inactive\ninactive\ndisabled\ncode 1")
	wants(t, "scan", sh(t, h, "deminer scan; echo code $?"), "Nothing found in what was looked at", "code 0")
	sh(t, h, "systemctl enable --now deminer-agent")
	waitFor(t, h, log, " watches; ")
	before := sh(t, h, "systemctl show -P MainPID deminer-agent")
	wants(t, "renewal", sh(t, h, "dpkg -i /run/deminer.deb; systemctl is-active deminer-agent"), "active")
	if now := sh(t, h, "systemctl show -P MainPID deminer-agent"); now == before || now == "0\n" {
		t.Errorf("the agent of before still runs: %s, %s", before, now)
	}
	wants(t, "status", sh(t, h, "deminer service status"), "deminer-agent.service, active")
	wants(t, "purge", sh(t, h, "dpkg -P deminer; systemctl is-active deminer-agent; ls -d /usr/sbin/deminer /usr/lib/systemd/system/deminer* /etc/systemd/system/multi-user.target.wants/deminer* /var/lib/deminer 2>/dev/null; ls -A /sys/fs/bpf/deminer /sys/fs/cgroup/deminer* 2>/dev/null | head; echo done"),
		"/var/lib/deminer stays", "inactive\n/var/lib/deminer\ndone")
}
