package detect

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestWhoBroughtTheKey: a key that came with the intrusion is accused where nobody of the owner's was there to make it: not
// where he was logged in by key, came from that address before, or the intruder had been at work before the login.
func TestWhoBroughtTheKey(t *testing.T) {
	text, err := os.ReadFile("testdata/visit.txtar")
	if err != nil {
		t.Fatal(err)
	}
	const login = `{"time":"2026-03-10T02:59:50Z","kind":"login","user":"root","method":"password","from":"198.51.100.9","source":"/var/log/auth.log"}`
	for name, c := range map[string]struct {
		logins string
		want   bool
	}{
		"the login that brought the intrusion": {login, true},
		"records without a login":              {`{"time":"2026-03-10T00:00:00Z","kind":"boot","source":"/var/log/wtmp"}`, true},
		"no records":                           {``, false},
		"by key":                               {strings.Replace(login, "password", "publickey", 1), false},
		"a known address":                      {login + `,` + strings.Replace(login, "2026-03-10T02:59:50Z", "2026-03-01T08:00:00Z", 1), false},
		"hours before the intrusion":           {strings.Replace(login, "02:59:50", "00:10:00", 1), false},
		"an owner besides":                     {login + `,{"time":"2026-03-10T02:00:00Z","kind":"login","user":"alice","method":"publickey","from":"10.20.0.9","source":"/var/log/auth.log"}`, false},
	} {
		file := filepath.Join(t.TempDir(), "host.txtar")
		if err := os.WriteFile(file, []byte(strings.Replace(string(text), `"logins":[]`, `"logins":[`+c.logins+`]`, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		found, _ := run(t, file)
		var said []string
		for _, f := range found {
			said = append(said, say(f))
		}
		const key = "rogue-key strong access line:/root/.ssh/authorized_keys:ssh-ed25519 AAAAbad root@vps"
		if got := slices.Contains(said, key); got != c.want {
			t.Errorf("%s: accused %v, want %v\n\t%s", name, got, c.want, strings.Join(said, "\n\t"))
		}
	}
}
