package main

import (
	"testing"

	"github.com/deminer/deminer/internal/host/hosttest"
)

// TestRootOnly: the service runs as root, so nobody else may be able to put another program in the place of its own.
func TestRootOnly(t *testing.T) {
	h, err := hosttest.Parse([]byte(`
-- /opt/good/deminer --
-- /opt/hers/deminer --
-- /opt/open/deminer --
-- /opt/worn/deminer --
-- /home/eve/dir/deminer --
-- /tmp/deminer --
-- @attr --
/opt/good/deminer mode=755
/opt/hers/deminer mode=755 uid=1000
/opt/open/deminer mode=775
/opt/worn/deminer mode=1777
/home/eve uid=1000
/tmp mode=1777
/opt/link type=dir link=/home/eve/dir
`))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"/opt/good/deminer": true, "/tmp/deminer": true,
		"/opt/hers/deminer":     false, // she owns it
		"/opt/open/deminer":     false, // its group may write
		"/opt/worn/deminer":     false, // everybody may write; of a file the sticky bit says nothing
		"/home/eve/dir/deminer": false, // she may rename the directory
		"/opt/link/deminer":     false, // the same, behind a link
		"/opt/none":             false,
	} {
		if err := rootOnly(h.FS, name); (err == nil) != want {
			t.Errorf("%s: taken %v, want %v: %v", name, err == nil, want, err)
		}
	}
}
