//go:build linux

package hands

import (
	"bufio"
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/deminer/deminer"
)

// listen plays a manager of user 0 that takes the greeting and then hangs up, and tells what it was greeted with.
func listen(t *testing.T, dir string) chan string {
	t.Helper()
	if err := os.MkdirAll(dir+"/systemd", 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", dir+"/systemd/private")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	said := make(chan string, 4)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			line, _ := bufio.NewReader(c).ReadString('\n')
			said <- line
			c.Close()
		}
	}()
	return said
}

// TestReloadUsersSaysWhoDidNotAnswer: a manager that hangs up is named, those that are not there are nothing.
func TestReloadUsersSaysWhoDidNotAnswer(t *testing.T) {
	dir := t.TempDir()
	if n, err := reloadUsers(dir+"/none", nil); n != 0 || err != nil {
		t.Errorf("no managers: %d %v", n, err)
	}
	said := listen(t, dir+"/0")
	for _, d := range []string{"/1000", "/nobody"} {
		if err := os.Mkdir(dir+d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	n, err := reloadUsers(dir, []string{"x.service"})
	if n != 0 || err == nil || !strings.Contains(err.Error(), "manager of user 0") {
		t.Errorf("%d %v", n, err)
	}
	if got := <-said; got != "\x00AUTH EXTERNAL 30\r\n" {
		t.Errorf("greeted with %q", got)
	}
}

// TestUserSocketIsTheUsersOwn: a user cannot lead us to the socket of somebody else.
func TestUserSocketIsTheUsersOwn(t *testing.T) {
	dir := t.TempDir()
	listen(t, dir+"/0")
	if err := os.MkdirAll(dir+"/1000/systemd", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir+"/0/systemd/private", dir+"/1000/systemd/private"); err != nil {
		t.Fatal(err)
	}
	if _, err := userSocket(dir, 1000); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a link: %v", err)
	}
	if err := os.Remove(dir + "/1000/systemd/private"); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(dir+"/0/systemd/private", dir+"/1000/systemd/private"); err != nil {
		t.Fatal(err)
	}
	if _, err := userSocket(dir, 1000); !errors.Is(err, deminer.ErrProtected) {
		t.Errorf("a socket of user 0: %v, want ErrProtected", err)
	}
}
