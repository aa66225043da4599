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
	l.write("var/log/auth.log", fail("old", "192.0.2.1"))
	fsys, err := rootfs.Open(l.dir)
	if err != nil {
		t.Fatal(err)
	}
	l.f = Follow(fsys, time.Now(), "UTC")
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
	l.f = Follow(fsys, time.Now(), "UTC")
	defer l.f.Close()
	l.write("var/log/auth.log", strings.Repeat(strings.Repeat("y", 1000)+"\n", maxPiece/1000)+fail("a", "192.0.2.1"))
	list, gaps := l.f.Poll(t.Context())
	if len(list) != 1 || len(gaps) != 1 {
		t.Errorf("%v, gaps %v", list, gaps)
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
