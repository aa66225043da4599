package hosttest

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

const text = `
-- /etc/crontab --
* * * * * root x
-- /etc/real --
hello
-- @attr --
/etc/link link=real
/etc/out link=../../etc/real
/loop link=/loop
/etc/crontab mode=600 flags=i owner=modified mtime=2026-03-03T03:12:00Z
/dev/pipe type=fifo
/bin link=usr/bin
/usr/bin/ls owner=intact
-- @snapshot --
{"processes":[{"id":{"pid":7,"start":1},"comm":"x"}]}
-- @want --
anything
`

func TestParse(t *testing.T) {
	h, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"/etc/link": "hello\n", "/etc/out": "hello\n", "/etc/../etc/real": "hello\n"} {
		if b, err := host.ReadFile(h.FS, name, 100); err != nil || string(b) != want {
			t.Errorf("read %s: %q, %v", name, b, err)
		}
	}
	if _, err := h.FS.Open("/loop"); !errors.Is(err, host.ErrLoop) {
		t.Errorf("loop: %v", err)
	}
	if _, err := h.FS.Open("/dev/pipe"); !errors.Is(err, host.ErrNotRegular) {
		t.Errorf("pipe: %v", err)
	}
	if _, err := h.FS.Open("/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := host.ReadFile(h.FS, "/etc/real", 3); !errors.Is(err, host.ErrTooLarge) {
		t.Errorf("limit: %v", err)
	}
	a, err := h.FS.Deep("/etc/crontab")
	if err != nil || a.Flags != deminer.Immutable || a.Mode != 0o600 || a.Mtime.Hour() != 3 {
		t.Errorf("attr %+v %v", a, err)
	}
	if p := h.Packages.Owner("/bin/ls"); p.State != deminer.Owned {
		t.Errorf("owner through a link: %+v", p)
	}
	if len(h.Snapshot.Processes) != 1 || h.Extra["@want"] != "anything\n" {
		t.Errorf("snapshot %+v extra %v", h.Snapshot.Processes, h.Extra)
	}
	list, err := h.FS.ReadDir("/etc")
	if err != nil || len(list) != 4 || list[0].Name != "crontab" {
		t.Errorf("dir %v %v", list, err)
	}
}

func TestWalkIsBounded(t *testing.T) {
	h, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	see := func(name string, _ host.Entry) bool { seen = append(seen, name); return true }
	fail := func(string, error) {}
	if !host.Walk(h.FS, "/", 10, 1000, see, fail) || len(seen) != 12 {
		t.Errorf("walk saw %d names: %v", len(seen), seen)
	}
	if host.Walk(h.FS, "/", 10, 3, see, fail) || host.Walk(h.FS, "/", 1, 1000, see, fail) {
		t.Error("a walk that left something out said it was full")
	}
}
