package logins

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/rootfs"
)

// logged is a host with text logs in a directory.
type logged struct {
	t   *testing.T
	dir string
	f   *Follower
}

func (l *logged) write(name, text string) {
	l.t.Helper()
	full := filepath.Join(l.dir, name)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		l.t.Fatal(err)
	}
	f, err := os.OpenFile(full, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.WriteString(text)
	}
	if err != nil {
		l.t.Fatal(err)
	}
	f.Close()
}

func (l *logged) want(want string) {
	l.t.Helper()
	list, gaps := l.f.Poll(l.t.Context())
	var got []string
	for _, one := range list {
		got = append(got, fmt.Sprintf("%s %s %s", one.Kind, one.User, one.From))
	}
	if strings.Join(got, ", ") != want || len(gaps) > 0 {
		l.t.Errorf("got %q, want %q; gaps %v", strings.Join(got, ", "), want, gaps)
	}
}

func fail(user, from string) string {
	return time.Now().UTC().Format(time.RFC3339) + " shop sshd[7]: Failed password for " + user + " from " + from + " port 22 ssh2\n"
}

func TestFollowText(t *testing.T) {
	l := &logged{t: t, dir: t.TempDir()}
	l.write("var/log/auth.log", "2020-01-01T00:00:00Z shop sshd[7]: Failed password for old from 192.0.2.9 port 22 ssh2\n")
	fsys, err := rootfs.Open(l.dir)
	if err != nil {
		t.Fatal(err)
	}
	l.f = Follow(fsys, time.Now().Add(-time.Minute), "UTC", nil)
	defer l.f.Close()
	if l.f.From() != "/var/log/auth.log" {
		t.Errorf("follows %q", l.f.From())
	}
	l.want("")
	l.write("var/log/auth.log", fail("a", "192.0.2.1")+fail("invalid user b from 6.6.6.6 port 1 ssh2", "192.0.2.2"))
	l.want("failed a 192.0.2.1, failed b from 6.6.6.6 port 1 ssh2 192.0.2.2")
	l.want("")
	half := fail("c", "192.0.2.3")
	l.write("var/log/auth.log", half[:40])
	l.want("")
	l.write("var/log/auth.log", half[40:])
	l.want("failed c 192.0.2.3")
	// Rotated by renaming, with a line that came after the last look.
	l.write("var/log/auth.log", fail("d", "192.0.2.4"))
	if err := os.Rename(filepath.Join(l.dir, "var/log/auth.log"), filepath.Join(l.dir, "var/log/auth.log.1")); err != nil {
		t.Fatal(err)
	}
	l.write("var/log/auth.log", fail("e", "192.0.2.5"))
	l.want("failed d 192.0.2.4, failed e 192.0.2.5")
	// Rotated by copying and emptying.
	if err := os.Truncate(filepath.Join(l.dir, "var/log/auth.log"), 0); err != nil {
		t.Fatal(err)
	}
	l.want("")
	l.write("var/log/auth.log", fail("f", "192.0.2.6"))
	l.want("failed f 192.0.2.6")
}

func TestFollowMissesNothingButSaysWhat(t *testing.T) {
	l := &logged{t: t, dir: t.TempDir()}
	l.write("var/log/auth.log", "x\n")
	fsys, err := rootfs.Open(l.dir)
	if err != nil {
		t.Fatal(err)
	}
	l.f = Follow(fsys, time.Now().Add(-time.Minute), "UTC", nil)
	defer l.f.Close()
	full := filepath.Join(l.dir, "var/log/auth.log")
	if err := os.Truncate(full, maxBehind+5000); err != nil {
		t.Fatal(err)
	}
	l.write("var/log/auth.log", "\n"+fail("a", "192.0.2.1"))
	var list []deminer.Login
	var gaps []deminer.Gap
	for range maxBehind/maxPiece + 1 {
		one, more := l.f.Poll(t.Context())
		list, gaps = append(list, one...), append(gaps, more...)
	}
	if len(list) != 1 || len(gaps) != 1 {
		t.Errorf("%v, gaps %v", list, gaps)
	}
}

// again lets another follower go on where this one stopped; between is what happens while nobody follows.
func (l *logged) again(since time.Time, between func()) {
	l.t.Helper()
	places := map[string]Place{}
	if l.f != nil {
		places = l.f.Places()
		l.f.Close()
	}
	between()
	fsys, err := rootfs.Open(l.dir)
	if err != nil {
		l.t.Fatal(err)
	}
	l.f = Follow(fsys, since, "UTC", places)
	l.t.Cleanup(l.f.Close)
}

func (l *logged) rename(from, to string) {
	l.t.Helper()
	if err := os.Rename(filepath.Join(l.dir, from), filepath.Join(l.dir, to)); err != nil {
		l.t.Fatal(err)
	}
}

// TestFollowResumes: what was logged while nobody followed is told once, across rotations; where that is not known any more, what
// came within the window.
func TestFollowResumes(t *testing.T) {
	const log = "var/log/auth.log"
	l := &logged{t: t, dir: t.TempDir()}
	start := time.Now().Add(-time.Hour)
	old := "2020-01-01T00:00:00Z shop sshd[7]: Failed password for old from 192.0.2.9 port 22 ssh2\n"
	l.again(start, func() { l.write(log, old+fail("a", "192.0.2.1")) })
	l.want("failed a 192.0.2.1") // the first time
	l.again(start, func() {})
	l.want("")
	l.again(start, func() { l.write(log, fail("b", "192.0.2.2")) })
	l.want("failed b 192.0.2.2")
	l.again(start, func() {
		l.write(log, fail("c", "192.0.2.3"))
		l.rename(log, log+".1")
		l.write(log, fail("d", "192.0.2.4"))
	})
	l.want("failed c 192.0.2.3, failed d 192.0.2.4")
	l.again(start, func() { // twice
		l.write(log, fail("e", "192.0.2.5"))
		l.rename(log+".1", log+".2")
		l.rename(log, log+".1")
		l.write(log, fail("f", "192.0.2.6"))
		time.Sleep(10 * time.Millisecond) // their times tell their order
		l.rename(log+".2", log+".3")
		l.rename(log+".1", log+".2")
		l.rename(log, log+".1")
		l.write(log, fail("g", "192.0.2.7"))
	})
	l.want("failed e 192.0.2.5, failed f 192.0.2.6, failed g 192.0.2.7")
	l.again(start, func() { // by copying and emptying
		text, err := os.ReadFile(filepath.Join(l.dir, log+".1"))
		if err != nil {
			t.Fatal(err)
		}
		l.write(log, fail("i", "192.0.2.10")+string(text)+string(text)+string(text))
	})
	l.f.Poll(t.Context())
	l.again(start, func() {
		l.write(log, fail("j", "192.0.2.11"))
		text, err := os.ReadFile(filepath.Join(l.dir, log))
		if err != nil {
			t.Fatal(err)
		}
		l.write(log+".0", string(text))
		if err := os.Truncate(filepath.Join(l.dir, log), 0); err != nil {
			t.Fatal(err)
		}
		l.write(log, fail("k", "192.0.2.12"))
	})
	l.want("failed j 192.0.2.11, failed k 192.0.2.12")
	// Another log with the same number of inode, as far as one can tell.
	places := l.f.Places()
	p := places["/"+log]
	p.Head = strings.Repeat("0", 64)
	places["/"+log] = p
	fsys, err := rootfs.Open(l.dir)
	if err != nil {
		t.Fatal(err)
	}
	l.f.Close()
	l.f = Follow(fsys, time.Now().Add(2*time.Second), "UTC", places)
	l.write(log, strings.Replace(fail("h", "192.0.2.8"), time.Now().UTC().Format("2006"), "2099", 1))
	list, gaps := l.f.Poll(t.Context())
	if len(list) != 1 || list[0].User != "h" || len(gaps) != 1 || !strings.Contains(gaps[0].Why, "packed") {
		t.Errorf("a log that is not known: %v, gaps %v", list, gaps)
	}
	l.want("")
}

// TestOtherHosts: what a log server keeps of others is nothing that was done here; a log without one line of this host is told.
func TestOtherHosts(t *testing.T) {
	line := func(host, user string) string {
		return strings.Replace(fail(user, "192.0.2.1"), " shop ", " "+host+" ", 1)
	}
	for name, c := range map[string]struct {
		own, want string
		gaps      int
	}{
		"short":       {"shop", "a b c f", 0},
		"long":        {"SHOP.example", "a b c f", 0},
		"other":       {"till.other.example", "f", 0},
		"no name":     {"", "a b c d e f", 0},
		"was renamed": {"new", "f", 0},
	} {
		l := &logged{t: t, dir: t.TempDir()}
		if c.own != "" {
			l.write("etc/hostname", c.own+"\n")
		}
		l.write("var/log/auth.log", line("shop", "a")+line("shop.example", "b")+line("Shop", "c")+line("web", "d")+line("till.example", "e")+line("localhost", "f"))
		l.again(time.Now().Add(-time.Hour), func() {})
		list, gaps := l.f.Poll(t.Context())
		var got []string
		for _, one := range list {
			got = append(got, one.User)
		}
		if strings.Join(got, " ") != c.want || len(gaps) != c.gaps {
			t.Errorf("%s: %v, want %s; gaps %v", name, got, c.want, gaps)
		}
	}
	l := &logged{t: t, dir: t.TempDir()}
	l.write("etc/hostname", "new\n")
	l.write("var/log/auth.log", line("shop", "a"))
	l.again(time.Now().Add(-time.Hour), func() {})
	if list, gaps := l.f.Poll(t.Context()); len(list) > 0 || len(gaps) != 1 || !strings.Contains(gaps[0].Why, "shop") {
		t.Errorf("all of others: %v, gaps %v", list, gaps)
	}
	l.write("var/log/auth.log", line("shop", "b"))
	l.want("") // told once
	fsys, err := rootfs.Open(l.dir)
	if err != nil {
		t.Fatal(err)
	}
	if list, _, gaps := Read(t.Context(), fsys, time.Time{}, "UTC"); len(list) > 0 || len(gaps) != 1 {
		t.Errorf("a scan: %v, gaps %v", list, gaps)
	}
}

func TestPAMWords(t *testing.T) {
	for msg, want := range map[string]string{
		"pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser=bob rhost=192.0.2.7  user=bob":             "bob 192.0.2.7",
		"pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser=none rhost=192.0.2.7":                      "none 192.0.2.7",
		"pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser=x rhost=6.6.6.6 y rhost=192.0.2.7  user=x": "", // a name that holds an address
		"pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser= rhost=  user=bob":                         "",
		"pam_unix(vsftpd:session): session opened for user bob":                                                                        "",
	} {
		c := newCollector()
		got := ""
		c.each = func(l deminer.Login) { got = l.User + " " + l.From }
		c.message("text", "x", time.Now(), "vsftpd", msg)
		if got != want {
			t.Errorf("%s: %q, want %q", msg, got, want)
		}
	}
}

// TestSSHDWords: names and the ids of certificates are the words of who tries to log in; he must not have others taken for him.
func TestSSHDWords(t *testing.T) {
	const cert = " ssh2: ED25519-CERT SHA256:abc ID a from 6.6.6.6 port 22 ssh2 (serial 0) CA ED25519 SHA256:def"
	for msg, want := range map[string]string{
		"Failed password for invalid user b from 6.6.6.6 port 1 ssh2 from 192.0.2.2 port 22 ssh2":                            "failed 192.0.2.2",
		"Failed password for invalid user  from 6.6.6.6 port 1 ssh2: from  from 192.0.2.2 port 22 ssh2":                      "failed 192.0.2.2",
		"Failed publickey for root from 192.0.2.2 port 22" + cert:                                                            "failed ",
		"Failed publickey for invalid user from 6.6.6.6 port 1 ssh2: from 192.0.2.2 port 22" + cert:                          "failed ",
		"message repeated 9 times: [ Failed publickey for root from 192.0.2.2 port 22" + cert + "]":                          "failed ",
		"Failed publickey for root from 192.0.2.2 port 22 ssh2: ED25519 SHA256:abc":                                          "failed 192.0.2.2",
		"Failed publickey for root from 192.0.2.2 port 22 ssh2: RSA-CERT SHA256:abc ID ann (serial 0) CA x y":                "failed 192.0.2.2",
		"Accepted publickey for ann from 192.0.2.2 port 22" + cert:                                                           "login 192.0.2.2",
		"Failed none for invalid user from from 192.0.2.2 port 22 ssh2":                                                      "failed 192.0.2.2",
		"Failed hostbased for root from 192.0.2.2 port 1 ssh2: client user \" from 6.6.6.6 port 1 ssh2\", client host \"x\"": "failed ",
	} {
		c := newCollector()
		got := ""
		c.each = func(l deminer.Login) { got = l.Kind + " " + l.From }
		c.message("text", "x", time.Now(), "sshd", msg)
		if got != want {
			t.Errorf("%s: %q, want %q", msg, got, want)
		}
	}
}
