package deminer

import "testing"

func TestProgramsByName(t *testing.T) {
	for name, want := range map[string][2]bool{
		"/usr/bin/python3.11": {true, true}, "/www/server/php/74/sbin/php-fpm": {true, false}, "php-fpm7.4": {true, false}, "php-fpm74": {true, false},
		"/opt/x/gunicorn": {true, false}, "java": {true, true}, "node": {true, true}, "busybox": {true, true}, "/lib64/ld-linux-x86-64.so.2": {true, false},
		"qemu-aarch64": {true, false}, "nginx": {true, false}, "xmrig": {false, false}, "pythonic": {false, false}, "kinsing": {false, false}, "": {false, false},
	} {
		if Interprets(name) != want[0] || RunsScripts(name) != want[1] {
			t.Errorf("%s: interprets %v, runs scripts %v, want %v", name, Interprets(name), RunsScripts(name), want)
		}
	}
}

func TestScriptOfAProcess(t *testing.T) {
	for _, c := range []struct {
		exe, cwd, want string
		argv           []string
	}{
		{"/usr/bin/bash", "/srv", "/srv/a.sh", []string{"bash", "-x", "a.sh", "b"}},
		{"/usr/bin/bash", "", "", []string{"bash", "a.sh"}},
		{"/usr/bin/dash", "/", "", []string{"sh", "-c", "/opt/a.sh"}},
		{"/usr/bin/python3", "/", "", []string{"python3", "-m", "http.server"}},
		{"/opt/jdk/bin/java", "/opt/app", "/opt/app/app.jar", []string{"java", "-Xmx1g", "-jar", "app.jar", "--port=1"}},
		{"/opt/jdk/bin/java", "/opt/app", "", []string{"java", "-cp", "lib/a.jar", "com.example.Main"}},
		{"/usr/sbin/php-fpm", "/", "", []string{"php-fpm: pool www"}},
		{"/usr/bin/bash", "/", "", []string{"bash", "/dev/fd/63"}},
		{"/usr/bin/bash", "/dev", "", []string{"bash", "fd/3"}},
		{"/usr/bin/bash", "/", "", []string{"bash", "/proc/self/fd/3"}},
		{"/usr/bin/python3", "/", "", []string{"python3", "/dev/stdin"}},
		{"/usr/bin/bash", "/", "/dev/shm/fd/3", []string{"bash", "/dev/shm/fd/3"}},
	} {
		if got := (&Process{Exe: c.exe, Cwd: c.cwd, Argv: c.argv}).Script(); got != c.want {
			t.Errorf("%s %q in %q: %q, want %q", c.exe, c.argv, c.cwd, got, c.want)
		}
	}
}

func TestRuntimeIsAnOwnersProgram(t *testing.T) {
	for exe, want := range map[string]bool{"/www/server/php/74/sbin/php-fpm": true, "/opt/node/bin/node": true, "/tmp/node": false, "/home/x/.cache/python3": false, "/opt/x/miner": false, "/memfd:python3": false} {
		if (&Process{Exe: exe}).Runtime() != want {
			t.Errorf("%s: want %v", exe, want)
		}
	}
	if (&Process{Exe: "/opt/node/bin/node", Deleted: true}).Runtime() {
		t.Error("a deleted program is nobody's runtime")
	}
}

func TestPlaces(t *testing.T) {
	for name, want := range map[string][3]bool{ // temporary, the system's, shared
		"/tmp/x": {true, false, false}, "/tmp": {false, true, true}, "/dev/shm/x": {true, false, false}, "/opt": {false, true, true}, "/opt/app": {false, false, false},
		"/usr/lib/php": {false, false, true}, "/usr/bin/.x": {false, false, false}, "/home/bob": {false, false, true}, "/home/bob/x": {false, false, false}, "/etc/cron.d": {false, true, true},
	} {
		if got := [3]bool{Temporary(name), SystemDir(name), SharedDir(name)}; got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
