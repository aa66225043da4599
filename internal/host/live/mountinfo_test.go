package live

import (
	"testing"

	"github.com/deminer/deminer"
	"github.com/google/go-cmp/cmp"
)

const mountText = `22 27 0:21 / /proc rw,relatime - proc proc rw
40 22 0:50 / /proc/4242 ro shared:7 master:2 - tmpfs none rw,size=4k
41 27 0:51 /sub\040dir /mnt/a\040b\134c rw - ext4 /dev/vda rw
short line - x
nonsense
42 27 0:52 / /no/end rw shared:1
`

func TestParseMountinfo(t *testing.T) {
	want := []deminer.Mount{
		{ID: 22, Root: "/", Point: "/proc", Type: "proc", Source: "proc", Opts: "rw,relatime;rw"},
		{ID: 40, Root: "/", Point: "/proc/4242", Type: "tmpfs", Source: "none", Opts: "ro;rw,size=4k"},
		{ID: 41, Root: "/sub dir", Point: `/mnt/a b\c`, Type: "ext4", Source: "/dev/vda", Opts: "rw;rw"},
	}
	if diff := cmp.Diff(want, parseMountinfo([]byte(mountText))); diff != "" {
		t.Error(diff)
	}
}

func FuzzMountinfo(f *testing.F) {
	f.Add([]byte(mountText))
	f.Add([]byte(`1 1 0:1 / /\04 \777 - a b c`))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, m := range parseMountinfo(b) {
			if len(m.Point) > len(b) || m.Type == "" {
				t.Errorf("got %+v", m)
			}
		}
	})
}
