package accounts

import (
	"strings"
	"testing"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/hosttest"
	"github.com/google/go-cmp/cmp"
)

const fixture = `
-- /etc/passwd --
root:x:0:0:root:/root:/bin/bash
# a comment
daemon:x:1:1::/usr/sbin:/usr/sbin/nologin
ann:x:1000:1000:Ann,,,:/home/ann:/bin/zsh
toor:x:0:0::/root:/bin/sh
inline:$1$abc$def:1001:1001::/srv/inline:
broken line
short:x:12
huge:x:4294967296:0::/:/bin/sh
nobodyknows:x:65534:65534::/nonexistent:/bin/false
open::1002:1002::/home/open:/bin/sh
+nis::::::
-- /etc/shadow --
root:$y$j9T$secret$hash:19000:0:99999:7:::
daemon:*:18000:0:99999:7:::
ann:!$6$locked$hash:19500:0:99999:7:::
toor::19999:0:99999:7:::
-- /etc/group --
root:x:0:
sudo:x:27:ann,toor
ann:x:1000:
docker:x:999:ann
bad:x
-- /etc/gshadow --
sudo:*::ann
adm:!:toor:ghost
-- /home/ann/.profile --
-- /home/left/.ssh/authorized_keys --
-- /root/x --
-- /srv/inline/x --
-- @attr --
/home/left uid=1007
`

func open(t *testing.T, text string) *hosttest.FS {
	t.Helper()
	h, err := hosttest.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return h.FS
}

func TestRead(t *testing.T) {
	list, gaps := Read(open(t, fixture))
	want := []deminer.Account{
		{Name: "root", Home: "/root", Shell: "/bin/bash", Gecos: "root", Groups: []string{"root"}, Secret: "set", Changed: 19000, Login: true},
		{Name: "daemon", UID: 1, GID: 1, Home: "/usr/sbin", Shell: "/usr/sbin/nologin", Secret: "locked", Changed: 18000},
		{Name: "ann", UID: 1000, GID: 1000, Gecos: "Ann,,,", Home: "/home/ann", Shell: "/bin/zsh",
			Groups: []string{"ann", "sudo", "docker"}, Secret: "locked", Changed: 19500, Login: true},
		{Name: "toor", Home: "/root", Shell: "/bin/sh", Groups: []string{"root", "sudo", "adm"}, Secret: "empty", Changed: 19999, Login: true},
		{Name: "inline", UID: 1001, GID: 1001, Home: "/srv/inline", Secret: "set", Login: true},
		{Name: "nobodyknows", UID: 65534, GID: 65534, Home: "/nonexistent", Shell: "/bin/false", Secret: "none"},
		{Name: "open", UID: 1002, GID: 1002, Home: "/home/open", Shell: "/bin/sh", Secret: "empty", Login: true},
	}
	for i := range list {
		if !strings.HasPrefix(string(list[i].Line), list[i].Name+":") {
			t.Errorf("line of %s = %q", list[i].Name, list[i].Line)
		}
		list[i].Line = ""
	}
	if d := cmp.Diff(want, list); d != "" {
		t.Error(d)
	}
	wantGaps := []deminer.Gap{
		{Part: "accounts", State: deminer.Partial, What: "/etc/passwd", Why: "broken lines, the first is line 7", Count: 3},
		{Part: "accounts", State: deminer.Partial, What: "/etc/group", Why: "broken lines, the first is line 5", Count: 1},
	}
	if d := cmp.Diff(wantGaps, gaps); d != "" {
		t.Error(d)
	}
}

func TestReadWithoutFiles(t *testing.T) {
	list, gaps := Read(open(t, "-- /etc/hostname --\nx\n"))
	if len(list) != 0 || len(gaps) != 1 || gaps[0].What != "/etc/passwd" || gaps[0].State != deminer.Failed {
		t.Errorf("got %v, %v; want one failed gap for passwd", list, gaps)
	}
	list, gaps = Read(open(t, "-- /etc/passwd --\na:x:1:1::/:/bin/sh\n"))
	if len(gaps) != 0 || list[0].Secret != "unknown" {
		t.Errorf("without shadow: %+v, %v; want state unknown", list, gaps)
	}
}

func TestHomes(t *testing.T) {
	want := []Home{{"/home/ann", "ann", 1000}, {"/home/left", "", 1007}, {"/root", "root", 0}, {"/srv/inline", "inline", 1001}}
	if d := cmp.Diff(want, Homes(open(t, fixture))); d != "" {
		t.Error(d)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("root:x:0:0:root:/root:/bin/bash\n"))
	f.Add([]byte("sudo:x:27:ann,toor\nx:::\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, n := range must2(parsePasswd(text)) {
			if n < 1 {
				t.Errorf("line number %d", n)
			}
		}
		all, _ := parseShadow(text)
		for _, s := range all {
			if s.state != "set" && s.state != "locked" && s.state != "empty" {
				t.Errorf("state %q", s.state)
			}
		}
		g := newGroups()
		g.parse(text)
		g.parseShadow(text)
		g.of("root", 0)
	})
}

func must2[A, B any](_ A, b B) B { return b }
