package detect

import (
	"testing"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/hosttest"
)

// TestSecrets: credentials are listed by where they lie and who could read them; public keys and empty files are not.
func TestSecrets(t *testing.T) {
	h, err := hosttest.Parse([]byte(`-- /root/.ssh/id_ed25519 --
-----BEGIN OPENSSH PRIVATE KEY-----
-- /root/.ssh/id_ed25519.pub --
ssh-ed25519 AAAA x
-- /root/.ssh/known_hosts --
host ssh-ed25519 AAAA
-- /home/u/.aws/credentials --
[default]
-- /opt/shop/.env --
DB_PASSWORD=x
-- /opt/shop/node_modules/x/.env --
A=1
-- @attr --
/opt/shop/.env mode=644
/root/.netrc size=0
-- @snapshot --
{"accounts":[{"name":"u","uid":1000,"home":"/home/u","shell":"/bin/bash"}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, s := range Secrets(&Pass{Snapshot: &h.Snapshot, FS: h.FS, Gap: func(deminer.Gap) {}}) {
		got[string(s.Path)] = s.Why
	}
	want := map[string]string{
		"/root/.ssh/id_ed25519": "root could read it", "/home/u/.aws/credentials": "root could read it", "/opt/shop/.env": "every user of the host could read it",
	}
	if len(got) != len(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for name, who := range want {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is missing", name)
		}
		if name == "/opt/shop/.env" && got[name] != who {
			t.Errorf("%s: %q, want %q", name, got[name], who)
		}
	}
}
