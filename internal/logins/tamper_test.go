package logins

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTampering(t *testing.T) {
	fs := hostOf(t, `
-- /etc/passwd --
root:x:0:0::/root:/bin/bash
ann:x:1:1::/home/ann:/bin/bash
-- /root/.bashrc --
# unset HISTFILE
export HISTSIZE=1000 HISTFILESIZE=2000
unset  HISTFILE; ls
-- /home/ann/.profile --
export HISTFILE=/dev/null HISTSIZE=0
-- /home/ann/.bash_history --
ls
-- /etc/profile.d/x.sh --
set +o history
-- /var/log/auth.log --
-- /var/log/secure --
-- /var/log/secure-20260101 --
-- /var/log/syslog --
-- @attr --
/root/.bash_history link=/dev/null
/home/ann/.bash_history flags=i
/var/log/auth.log btime=2026-01-05T00:00:00Z
/var/log/secure btime=2026-01-05T00:00:00Z
/var/log/syslog flags=a
/var/log/messages link=/dev/null
`)
	fs.Put("/var/log/wtmp", append(bytes.Join([][]byte{
		utmp(7, "pts/0", "ann", "", 1767434400), make([]byte, 384), utmp(7, "pts/1", "", "", 1767434500),
		utmp(7, "pts/1", "bob", "", 1767334500)}, nil), 1, 2, 3))
	hints, gaps := Tampering(context.Background(), fs, at("2026-01-01T00:00:00Z"))
	var got []string
	for _, h := range hints {
		got = append(got, h.Path+": "+h.What)
	}
	want := []string{
		"/var/log/auth.log: was created on 2026-01-05 00:00:00, after the host started, and there is no rotated copy",
		"/var/log/syslog: has the flag a set, which logs do not have",
		"/var/log/messages: is a link to /dev/null",
		"/var/log/wtmp: 1 of 4 records are all zero bytes",
		"/var/log/wtmp: 1 logins have no user",
		"/var/log/wtmp: time goes back by more than an hour at 1 records, first to 2026-01-02 06:15:00",
		"/var/log/wtmp: it ends with 3 bytes that are no whole record",
		"/home/ann/.bash_history: cannot be changed (flag i), so no history is kept",
		"/home/ann/.profile: sends the shell history nowhere",
		"/root/.bash_history: is a link to /dev/null",
		"/root/.bashrc: sends the shell history nowhere",
		"/etc/profile.d/x.sh: turns the shell history off",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if len(gaps) != 0 {
		t.Errorf("gaps: %v", gaps)
	}
}

func TestNoTampering(t *testing.T) {
	fs := hostOf(t, "-- /etc/passwd --\nroot:x:0:0::/root:/bin/bash\n-- /root/.bashrc --\nHISTCONTROL=ignoreboth\nHISTSIZE=1000\n"+
		"export HISTFILE=~/.hist\n-- /var/log/syslog --\nx\n")
	fs.Put("/var/log/wtmp", append(utmp(2, "~", "reboot", "", 1767434400), utmp(7, "pts/0", "ann", "", 1767434400)...))
	if hints, _ := Tampering(context.Background(), fs, time.Now()); len(hints) != 0 {
		t.Errorf("hints on a clean host: %v", hints)
	}
}

func FuzzUtmp(f *testing.F) {
	f.Add(utmp(7, "pts/0", "ann", "host", 1767434400, 1, 2, 3, 4))
	f.Add(make([]byte, 800))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, c := 0, newCollector()
		see := wtmp("wtmp", c)
		rest, err := parseUtmp(bytes.NewReader(b), func(r record) { n++; see(r) })
		if err != nil || rest >= 400 || n > len(b)/384 {
			t.Errorf("%d records and %d bytes left of %d, %v", n, rest, len(b), err)
		}
		if _, err := oddRecords(bytes.NewReader(b)); err != nil {
			t.Error(err)
		}
		c.sorted()
	})
}

func FuzzText(f *testing.F) {
	for line := range strings.Lines(authLog) {
		f.Add([]byte(line))
	}
	f.Add([]byte("Jan  3 10:01:00 web dropbear[2]: Bad password attempt for 'root' from 1.2.3.4:5\n"))
	f.Add([]byte("Jan  3 10:01:00 web su: FAILED su for root by ann\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := newCollector()
		if err := parseText(context.Background(), bytes.NewReader(b), "auth.log", at("2026-01-03T10:12:00Z"), time.UTC, c); err != nil {
			t.Error(err)
		}
		for _, l := range c.sorted() {
			if l.Kind == "" || l.Source == "" || len(l.User) > maxText {
				t.Errorf("%+v", l)
			}
		}
		c.folded()
		historyOff(string(b))
	})
}
