//go:build linux && lab

package host

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer/lab/manifest"
)

// needRoot fails where a host cannot be booted: these tests are built only with -tags lab, by somebody who wants them.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("booting a host needs root")
	}
	for _, p := range []string{"systemd-nspawn", "mmdebstrap", "nsenter", "ip"} {
		if _, err := exec.LookPath(p); err != nil {
			t.Fatalf("%s is missing: run lab/setup.sh", p)
		}
	}
}

// TestHostLife boots a host, looks at it, reboots it, and proves that Destroy leaves nothing.
func TestHostLife(t *testing.T) {
	needRoot(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	if _, err := Sweep(); err != nil {
		t.Fatal(err)
	}
	if _, err := Image(ctx, Base); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	lap := func(what string) {
		t.Logf("%-28s %6.2f s", what, time.Since(start).Seconds())
		start = time.Now()
	}
	h, err := Create(ctx, Base)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Destroy()
	lap("create")
	if err := h.Boot(ctx); err != nil {
		t.Fatal(err)
	}
	lap("boot")
	r, err := h.Shell(ctx, `systemctl --failed --no-legend; systemctl is-active nginx redis-server postgresql ssh cron shop; curl -sf http://127.0.0.1/api/; cat /proc/self/cgroup; ip -br addr; ip route; ps axo pid,ppid,user,args`)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(r.Stdout)
	if strings.Count(r.Stdout, "active\n") < 6 || !strings.Contains(r.Stdout, "ok\n") || strings.Contains(r.Stdout, "default via") {
		t.Error("services or network are not as they should be")
	}
	lap("look inside")
	a, err := h.Snapshot(nil)
	if err != nil {
		t.Fatal(err)
	}
	lap("first snapshot")
	b, err := h.Snapshot(a)
	if err != nil {
		t.Fatal(err)
	}
	lap("second snapshot")
	for _, c := range manifest.Diff(a, b, manifest.Everything) {
		t.Errorf("changed by itself: %v", c)
	}
	if err := h.Reboot(ctx); err != nil {
		t.Fatal(err)
	}
	lap("reboot")
	if b, err = h.Snapshot(a); err != nil {
		t.Fatal(err)
	}
	for _, c := range manifest.Diff(a, b, manifest.Exact) {
		t.Errorf("changed by a reboot: %v", c)
	}
	lap("third snapshot")
	if err := h.Destroy(); err != nil {
		t.Error(err)
	}
	lap("destroy")
	if left := h.Left(); len(left) > 0 {
		t.Errorf("left after Destroy: %q", left)
	}
}
