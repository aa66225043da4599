//go:build linux

package sense

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFarIsNotOpened: names on file systems that may never answer are told, also behind links, and nothing there is looked at.
func TestFarIsNotOpened(t *testing.T) {
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"net", "here/sub", "net2", "over"} {
		if err := os.MkdirAll(filepath.Join(top, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"home": "net/home", "abs": top + "/net", "round": "round", "up": "here/../net", "near": "here"} {
		if err := os.Symlink(to, filepath.Join(top, link)); err != nil {
			t.Fatal(err)
		}
	}
	var list strings.Builder
	for i, one := range []string{"/ nfs4", top + "/net nfs4", top + "/net/inside tmpfs", top + "/net2 fuse.sshfs", top + "/over nfs", top + "/over tmpfs", top + "/here ext4"} {
		point, kind, _ := strings.Cut(one, " ")
		fmt.Fprintf(&list, "%d 1 0:1 / %s rw - %s x rw\n", i+20, point, kind)
	}
	m, err := readMounts(strings.NewReader(list.String()))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"net": true, "net/a/b": true, "net/inside/x": true, "net2/x": true, "over/x": false, "here/sub": false, "home": true, "abs/x": true, "up": true, "near/sub": false,
		"round": false, "none/x": false} {
		if got := m.leadsFar(filepath.Join(top, name)); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	f := &fanotify{fd: -1, mounts: m, marked: map[string]string{}, dirs: map[string][]string{}}
	if err := f.mark(filepath.Join(top, "home/ann/.ssh")); err != errFar {
		t.Errorf("marked: %v", err)
	}
}
