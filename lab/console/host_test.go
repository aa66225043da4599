//go:build linux && lab

package console

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer/lab/host"
	"github.com/deminer/deminer/lab/scenario"
)

// What the browser is told by the environment: it runs in the network namespace beside the host's, as a process of its own.
const (
	linkOf  = "DEMINER_TEST_LINK"  // where the first account is made
	rootOf  = "DEMINER_TEST_ROOT"  // the host's root directory, to see what became of its files
	shotsOf = "DEMINER_TEST_SHOTS" // where pictures go
)

const upLog = "/root/deminer-up.log"

var setupLink = regexp.MustCompile(`https://\S+/setup/\S+`)

// TestSolution boots a host that another one mines on, starts deminer up there, and has a browser find the intrusion, end it, prove it and
// take it back. DEMINER_TEST_SHOTS keeps a picture of every page, in both languages and themes, in that directory.
func TestSolution(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("booting a host needs root")
	}
	ctx, stop := context.WithTimeout(t.Context(), 12*time.Minute)
	t.Cleanup(stop)
	h := infected(ctx, t)
	shots := os.Getenv(shotsOf)
	if shots == "" {
		shots = t.TempDir()
	}
	link := up(ctx, t, h)
	browser := exec.CommandContext(ctx, "ip", "netns", "exec", h.PoolNamespace(), os.Args[0], "-test.run=^TestBrowser$", "-test.v", "-test.timeout=10m")
	browser.Env = append(os.Environ(), linkOf+"="+link, rootOf+"="+h.Root, shotsOf+"="+shots)
	browser.Stdout, browser.Stderr = os.Stdout, os.Stderr
	if err := browser.Run(); err != nil {
		t.Fatalf("%v\nthe server and the agent say\n%s", err, said(h))
	}
}

// infected gives a booted host that mines.
func infected(ctx context.Context, t *testing.T) *host.Host {
	t.Helper()
	tools, err := scenario.Build(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "deminer")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", program, "../../cmd/deminer")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
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
	if err := h.CopyFileIn(ctx, program, "/root/deminer", 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := scenario.Load("aliyunduns")
	if err != nil {
		t.Fatal(err)
	}
	if err := scenario.Infect(ctx, h, s, tools); err != nil {
		t.Fatal(err)
	}
	return h
}

// up starts server, console and agent on the host and gives the link for the first account. The person comes from another address than
// the pool has, so that the pool can be blocked.
func up(ctx context.Context, t *testing.T, h *host.Host) string {
	t.Helper()
	script := "setsid /root/deminer up --data /var/lib/deminer-server --name " + host.HostAddr2 + " --listen :8443 >" + upLog + " 2>&1 </dev/null &\n"
	if r, err := h.Exec(ctx, strings.NewReader(script), "/bin/sh", "-es"); err != nil || r.Code != 0 {
		t.Fatal(err, r.Stderr)
	}
	for range 600 {
		if link := setupLink.FindString(said(h)); link != "" {
			return link
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("no link for the first account:\n%s", said(h))
	return ""
}

func said(h *host.Host) string {
	b, _ := os.ReadFile(filepath.Join(h.Root, upLog))
	return string(b)
}
