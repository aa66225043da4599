package scan

import (
	"testing"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/rootfs"
)

// TestBirthsOpenDir: the view is walked over open directories, too, and hides the same birth times there.
func TestBirthsOpenDir(t *testing.T) {
	fsys, err := rootfs.Open(t.TempDir())
	if err != nil {
		t.Skipf("needs openat2(2), of Linux 5.6: %v", err)
	}
	defer fsys.Close()
	top, err := fsys.Lstat("/")
	if err != nil {
		t.Fatal(err)
	}
	view := births{FS: fsys}
	view.made = append(view.made, top.Btime)
	if _, ok := host.FS(view).(host.DirOpener); !ok {
		t.Fatal("the view goes to each name from the root")
	}
	for name, f := range map[string]host.FS{"bare": fsys, "view": view} {
		d, err := host.OpenDir(f, "/")
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		var a deminer.Attr
		if a, err = d.Lstat("."); err != nil {
			t.Fatal(err)
		}
		if hidden := a.Btime.IsZero(); hidden != (name == "view" || top.Btime.IsZero()) {
			t.Errorf("%s: birth time %v", name, a.Btime)
		}
	}
}
