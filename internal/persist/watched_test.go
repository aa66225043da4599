package persist

import (
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/deminer/deminer/internal/host/hosttest"
)

// TestWatchedHoldsEveryFoothold lists each fixture: whatever is found must lie at a place that was noted, or be found by a
// search, of which there are few.
func TestWatchedHoldsEveryFoothold(t *testing.T) {
	searched := []string{"set-id", "sshd-copies", "kernel-modules", "pinned-bpf", "php"}
	found := 0
	for _, m := range All() {
		text, err := os.ReadFile("testdata/" + m.Name + ".txtar")
		if err != nil {
			t.Fatal(err)
		}
		h, err := hosttest.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		env := Env{Host: &h.Host, Accounts: passwd(h)}
		list, _ := Run(t.Context(), env, []Mechanism{m})
		at, _ := Watched(t.Context(), env)
		if !slices.IsSorted(at.Files) || !slices.IsSorted(at.Dirs) {
			t.Errorf("%s: the places are not sorted", m.Name)
		}
		for _, f := range list {
			name := string(f.Path)
			_, exact := slices.BinarySearch(at.Files, name)
			_, listed := slices.BinarySearch(at.Dirs, path.Dir(name))
			made := strings.HasPrefix(name, "/proc/") || strings.HasPrefix(name, "/sys/") // settings of the kernel are no files
			if found++; !exact && !listed && !made && !slices.Contains(searched, m.Name) {
				t.Errorf("%s: %s is found but would not be watched", m.Name, name)
			}
		}
	}
	if found < 100 {
		t.Errorf("only %d footholds", found)
	}
}

// TestWatchedNamesWhatIsNotThereYet: an empty host still has the places where an intruder would put something.
func TestWatchedNamesWhatIsNotThereYet(t *testing.T) {
	h, err := hosttest.Parse([]byte("-- /etc/passwd --\nroot:x:0:0::/root:/bin/bash\n-- /root/.keep --\n-- /etc/.keep --\n"))
	if err != nil {
		t.Fatal(err)
	}
	at, _ := Watched(t.Context(), Env{Host: &h.Host, Accounts: passwd(h)})
	for _, want := range []string{"/etc/ld.so.preload", "/etc/crontab", "/etc/cron.d", "/root/.ssh/authorized_keys", "/root/.bashrc", "/etc/rc.local",
		"/etc/systemd/system", "/var/spool/cron/crontabs", "/etc/profile", "/etc/pam.d", "/etc/sudoers"} {
		if !slices.Contains(at.Files, want) && !slices.Contains(at.Dirs, want) {
			t.Errorf("%s is no place", want)
		}
	}
	for _, no := range append(at.Files, at.Dirs...) {
		if no == "/" || path.Dir(no) == "/proc" {
			t.Errorf("%s is a place", no)
		}
	}
}

// TestMechanismsOfAName: what changes in a directory where much else lies concerns those who look for such names there.
func TestMechanismsOfAName(t *testing.T) {
	h, err := hosttest.Parse([]byte("-- /etc/passwd --\nroot:x:0:0::/root:/bin/bash\n-- /tmp/.keep --\n-- /opt/app/.keep --\n-- /root/.keep --\n-- /etc/cron.d/.keep --\n"))
	if err != nil {
		t.Fatal(err)
	}
	at, _ := Watched(t.Context(), Env{Host: &h.Host, Accounts: passwd(h)})
	for name, want := range map[string]bool{"/tmp/go-build1": false, "/tmp/docker-compose.yml": true, "/opt/app/docker-compose.prod.yaml": true, "/opt/app/compose.yaml": true, "/opt/app/x.yaml": false} {
		if got := at.Mechanisms(name); slices.Contains(got, "compose") != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := at.Mechanisms("/etc/cron.d/any"); !slices.Contains(got, "cron") {
		t.Errorf("/etc/cron.d/any: %q", got)
	}
}
