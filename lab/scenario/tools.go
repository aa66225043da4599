//go:build linux

package scenario

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/deminer/deminer/lab/preload"
)

const module = "github.com/deminer/deminer"

// Build makes the tools in dir. It needs Go and a C compiler, and to be run
// inside the module.
func Build(ctx context.Context, dir string) (Tools, error) {
	t := Tools{Miner: filepath.Join(dir, "miner"), Pool: filepath.Join(dir, "pool"), Hide: filepath.Join(dir, "hide.so")}
	for out, pkg := range map[string]string{t.Miner: module + "/lab/miner", t.Pool: module + "/lab/pool"} {
		if err := GoBuild(ctx, out, pkg); err != nil {
			return t, err
		}
	}
	src := filepath.Join(dir, "hide.c")
	if err := os.WriteFile(src, []byte(preload.Source), 0o600); err != nil {
		return t, err
	}
	return t, runTool(ctx, "gcc", "-shared", "-fPIC", "-O2", "-s", "-o", t.Hide, src, "-ldl")
}

// GoBuild builds a small static program of the module.
func GoBuild(ctx context.Context, out, pkg string) error {
	return runTool(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, pkg)
}

func runTool(ctx context.Context, argv ...string) error {
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if b, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(string(b)))
	}
	return nil
}
