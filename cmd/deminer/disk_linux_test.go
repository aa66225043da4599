package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/deminer/deminer/lab/manifest"
)

// inMounts runs a shell script with its own mounts, which vanish with it. $ROOT is an infected tree, $OUT a directory
// that stays.
func inMounts(t *testing.T, root, script string) result {
	t.Helper()
	cmd := exec.Command("sh", "-ec", script)
	cmd.Env = append(os.Environ(), "ROOT="+root, "OUT="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	return measured(t, cmd)
}

// A full disk: clean refuses before it changes anything, and says what is missing.
func TestFullDisk(t *testing.T) {
	root, disk := infected(t), t.TempDir()
	after := filepath.Join(t.TempDir(), "after")
	r := inMounts(t, root, `
		mount -t tmpfs -o size=2m,mode=755 none `+disk+`
		cp -a "$ROOT/." `+disk+`
		head -c 4m /dev/zero >`+disk+`/srv/filler 2>/dev/null || true
		code=0
		deminer clean --root `+disk+` --yes --watch 0 || code=$?
		rm -rf `+disk+`/srv/filler
		cp -a `+disk+` `+after+`
		exit $code`)
	if r.code != exitError && r.code != exitPartly && r.code != exitFound {
		t.Errorf("exit code %d\n%s\n%s", r.code, r.out, r.errs)
	}
	if !strings.Contains(r.out+r.errs, "no space left") {
		t.Errorf("the output does not speak of the full disk\n%s\n%s", r.out, r.errs)
	}
	same(t, root, after)
}

// A read-only root: nothing can be changed, and that is what is said; with a state directory elsewhere, too.
func TestReadOnlyRoot(t *testing.T) {
	root := infected(t)
	before := take(t, root)
	for _, state := range []string{"", `--state "$OUT/state"`} {
		r := inMounts(t, root, `mount --bind "$ROOT" "$ROOT"; mount -o remount,bind,ro "$ROOT"
			deminer clean --root "$ROOT" --yes --watch 0 `+state)
		if r.code != exitError && r.code != exitPartly && r.code != exitFound {
			t.Errorf("%s: exit code %d", state, r.code)
		}
		if !strings.Contains(r.out+r.errs, "read-only") {
			t.Errorf("%s: the output does not say that the root is read-only\n%s\n%s", state, r.out, r.errs)
		}
		r = inMounts(t, root, `mount --bind "$ROOT" "$ROOT"; mount -o remount,bind,ro "$ROOT"
			deminer scan --full --root "$ROOT"`)
		if r.code != exitFound {
			t.Errorf("scan: exit code %d\n%s\n%s", r.code, r.out, r.errs)
		}
		equal(t, "read-only root", before, take(t, root))
	}
}

func same(t *testing.T, a, b string) {
	t.Helper()
	x, y := take(t, a), take(t, b)
	for _, c := range manifest.Diff(x, y, manifest.Exact) {
		t.Errorf("changed: %s", c)
	}
}
