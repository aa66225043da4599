package mountinfo

import (
	"bytes"
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
43 27 0:53 / /a` + "\u00a0b\u0085c\vd" + ` rw - tmpfs none rw
-1 27 0:54 / /x rw - tmpfs none rw
`

func parse(text []byte) (out []deminer.Mount) {
	for line := range bytes.Lines(text) {
		if m, ok := Parse(line); ok {
			out = append(out, m)
		}
	}
	return out
}

func TestParseMountinfo(t *testing.T) {
	want := []deminer.Mount{
		{ID: 22, Root: "/", Point: "/proc", Type: "proc", Source: "proc", Opts: "rw,relatime;rw"},
		{ID: 40, Root: "/", Point: "/proc/4242", Type: "tmpfs", Source: "none", Opts: "ro;rw,size=4k"},
		{ID: 41, Root: "/sub dir", Point: `/mnt/a b\c`, Type: "ext4", Source: "/dev/vda", Opts: "rw;rw"},
		{ID: 43, Root: "/", Point: "/a\u00a0b\u0085c\vd", Type: "tmpfs", Source: "none", Opts: "rw;rw"}, // no blanks of the kernel's
	}
	if diff := cmp.Diff(want, parse([]byte(mountText))); diff != "" {
		t.Error(diff)
	}
}

func TestLinesThatAreNone(t *testing.T) {
	for _, bad := range []string{"", " - ", "x 1 2 3 4 5 - a b", "1 2 3 - a b", "1 2 3 4 5 6", "1 2 3 4 5 6 -", "99999999999999999999 2 3 4 5 6 - a b c"} {
		if m, ok := Parse([]byte(bad)); ok {
			t.Errorf("%q is taken: %+v", bad, m)
		}
	}
}

func FuzzMountinfo(f *testing.F) {
	f.Add([]byte(mountText))
	f.Add([]byte(`1 1 0:1 / /\04 \777 - a b c`))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, m := range parse(b) {
			if len(m.Point) > len(b) || m.Type == "" {
				t.Errorf("got %+v", m)
			}
		}
	})
}
