//go:build linux && lab

package service

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/deminer/deminer"
)

// box runs a command in a container of the lab host as far as deminer can tell: mounts, network and name of its own, the program and
// nothing else in its root, the host's processes.
const box = `mkdir -p /run/box/proc && cp /root/deminer /run/box/deminer
unshare --mount --net --uts sh -c 'hostname box; mount --bind /run/box /run/box; mount --rbind /proc /run/box/proc; cd /run/box; exec chroot . /deminer "$@"' box `

// TestOnHost: from within a container deminer sees the host, leaves its state there, and says where there is no host to be seen.
func TestOnHost(t *testing.T) {
	h, _ := boot(t)
	wants(t, "on the host itself", sh(t, h, "/root/deminer on-host scan; echo code $?"), "leave out on-host", "code 2")
	var own, from deminer.Report
	for script, to := range map[string]*deminer.Report{"/root/deminer scan --json": &own, box + "on-host scan --json": &from} {
		text := sh(t, h, script)
		if err := json.Unmarshal([]byte(text[strings.IndexByte(text, '{'):]), to); err != nil {
			t.Fatalf("%s: %v\n%.2000s", script, err, text)
		}
	}
	a, b := own.Snapshot, from.Snapshot
	if a.Host.ID != b.Host.ID || a.Host.Name != b.Host.Name || a.Host.Distro != b.Host.Distro || len(a.Footholds) != len(b.Footholds) || len(b.Footholds) == 0 || from.Verdict != deminer.VerdictClean {
		t.Errorf("on the host %+v with %d footholds; from within a container %+v with %d footholds: %s", a.Host, len(a.Footholds), b.Host, len(b.Footholds), from.Verdict)
	}
	wants(t, "agent", sh(t, h, box+"on-host agent --for 5s; ls /var/lib/deminer; ls /run/box"), " watches; ", "alerts", "history")
	if got := sh(t, h, "ls /run/box"); strings.Contains(got, "var") {
		t.Errorf("left in the container: %s", got)
	}
	wants(t, "alerts", sh(t, h, "/root/deminer alerts list"), "no alerts")
}
