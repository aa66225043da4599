package persist

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/deminer/deminer/internal/host/hosttest"
)

func FuzzApt(f *testing.F) {
	f.Add("DPkg::Post-Invoke {\"a\"; \"b\"; };\nA { B::Pre-Invoke { \"x\"; }; }; // c\n/* x */ Dir::Bin::gpg y;")
	f.Add("{{{{\"\n}};}\n/*")
	f.Fuzz(func(t *testing.T, text string) {
		lines, _ := split(text)
		for _, v := range parseApt(lines) {
			if v.top < 1 || v.from < v.top || v.end < v.from || v.end > len(lines) {
				t.Errorf("value %+v outside the %d lines", v, len(lines))
			}
		}
	})
}

func FuzzUdev(f *testing.F) {
	f.Add(`ACTION=="add", ENV{MAJOR}=="1", RUN+="/x \"y\"", IMPORT{program}="z", ENV{SYSTEMD_WANTS}+="u"`)
	f.Add(`A{=="`)
	f.Fuzz(func(t *testing.T, rule string) {
		for _, c := range udevCommands(rule) {
			if c == "" || !strings.Contains(rule, strings.TrimPrefix(c, "systemctl start ")) {
				t.Errorf("command %q is not in the rule %q", c, rule)
			}
		}
	})
}

// FuzzJSONEdit checks that taking a member out of an object leaves an object without it.
func FuzzJSONEdit(f *testing.F) {
	f.Add(`{"hosts": ["tcp://0.0.0.0:1"], "a": {"b": 1}, "c": "}"}`, uint8(1))
	f.Add(`{}`, uint8(0))
	f.Add(`[1]`, uint8(0))
	f.Fuzz(func(t *testing.T, text string, n uint8) {
		members, err := jsonMembers(text)
		if err != nil || len(members) == 0 || !json.Valid([]byte(text)) {
			return
		}
		i := int(n) % len(members)
		daemonMeaning(members[i])
		by := withoutMember(text, members, i)
		left, err := jsonMembers(by)
		if err != nil || len(left) != len(members)-1 || !json.Valid([]byte(by)) {
			t.Errorf("without member %d of %q: %q (%v)", i, text, by, err)
		}
	})
}

// fuzzPlaces are files that some mechanism reads.
func fuzzPlaces() []string {
	return []string{"/etc/gitconfig", "/opt/a/compose.yaml", "/etc/cloud/cloud.cfg", "/etc/hosts.allow", "/etc/inetd.conf", "/etc/rsyslog.conf", "/root/.forward", "/root/.procmailrc",
		"/etc/aliases", "/etc/network/interfaces", "/etc/default/grub", "/etc/modprobe.d/a.conf", "/etc/modules", "/etc/sysctl.conf", "/etc/dracut.conf", "/etc/php.ini", "/var/www/.htaccess",
		"/etc/apache2/a.conf", "/etc/nginx/nginx.conf", "/etc/redis.conf", "/root/.vimrc", "/etc/nsswitch.conf", "/etc/doas.conf", "/etc/sudo.conf", "/etc/frp/a", "/etc/kubernetes/manifests/a.yaml",
		"/var/lib/kubelet/config.yaml", "/etc/containers/systemd/a.container", "/usr/share/dbus-1/services/a.service", "/etc/xinetd.d/a", "/etc/zabbix_agentd.conf", "/etc/nagios/nrpe.cfg",
		"/var/lib/docker/containers/a/config.v2.json", "/var/lib/docker/containers/a/hostconfig.json", "/etc/docker/daemon.json", "/etc/sysconfig/network-scripts/ifcfg-a", "/etc/ld.so.conf",
		"/etc/environment", "/etc/group", "/etc/gshadow", "/etc/passwd", "/etc/shadow", "/root/.ssh/config", "/root/.ssh/authorized_keys", "/etc/pam.d/a", "/etc/apt/apt.conf", "/etc/sudoers"}
}

// FuzzTables feeds one text to every mechanism that reads lines, as each of the files they read.
func FuzzTables(f *testing.F) {
	f.Add("[core] fsmonitor = x\n  restart: always\nruncmd:\n- a\n  b\nALL: ALL: spawn (x) : y\nimport os\n|x\nup /x \\\n y\n$ModLoad /x\n")
	f.Add("\x00\n\r\n[\n- \n=\n:\n{\n\"\n'\n`")
	mechanisms := All()
	f.Fuzz(func(t *testing.T, text string) {
		h, err := hosttest.Parse(nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range fuzzPlaces() {
			h.FS.Put(p, []byte(text))
		}
		found, gaps := Run(t.Context(), Env{Host: &h.Host}, mechanisms)
		for _, g := range gaps {
			if strings.Contains(g.Why, "fault in the parser") {
				t.Errorf("%s: %s", g.Part, g.Why)
			}
		}
		recipes(t, h, found)
	})
}
