package detect

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// visit runs all detectors on the host of visit.txtar with files, attributes and parts of the snapshot added.
func visit(t *testing.T, files, attrs string, change ...string) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/visit.txtar")
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Replace(string(text), `"logins":[]`, `"logins":[{"time":"2026-03-01T00:00:00Z","kind":"boot","source":"/var/log/wtmp"}]`, 1)
	all = strings.Replace(all, "-- @attr --\n", files+"-- @attr --\n"+attrs, 1)
	for i := 0; i < len(change); i += 2 {
		if !strings.Contains(all, change[i]) {
			t.Fatalf("visit.txtar does not hold %q", change[i])
		}
		all = strings.Replace(all, change[i], change[i+1], 1)
	}
	file := filepath.Join(t.TempDir(), "host.txtar")
	if err := os.WriteFile(file, []byte(all), 0o600); err != nil {
		t.Fatal(err)
	}
	found, _ := run(t, file)
	var said []string
	for _, f := range found {
		said = append(said, say(f))
	}
	return said
}

const badKey = " line:/root/.ssh/authorized_keys:ssh-ed25519 AAAAbad root@vps"

// strongClasses gives the classes of the strong findings about the key; a proof counts as two.
func strongClasses(said []string) (out []string) {
	for _, s := range said {
		if rest, ok := strings.CutPrefix(s, "rogue-key strong "); ok && strings.HasSuffix(s, badKey) {
			out = append(out, strings.TrimSuffix(rest, badKey))
		}
		if strings.HasPrefix(s, "rogue-key proof ") && strings.HasSuffix(s, badKey) {
			out = append(out, "proof", "proof")
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TestKeysWrittenWithoutALogin: a key that came in the minutes of the intrusion while nobody was logged in is left to the
// owner where a program on the host hands out keys, and accused where there is none.
func TestKeysWrittenWithoutALogin(t *testing.T) {
	cron := func(command string) string {
		return `{"mechanism":"cron","id":"PL-01","path":"/etc/cron.d/own","line":"*/30 * * * * root ` + command + `","line_no":1,"user":"root","command":"` + command + `","attr":{"type":"file","mtime":"2024-01-01T00:00:00Z"}},`
	}
	const feet = `"footholds":[`
	starts := func(target string) string {
		return strings.Replace(cron(target), `"attr"`, `"targets":["`+target+`"],"target_own":[{"state":"unowned"}],"attr"`, 1)
	}
	if got := strongClasses(visit(t, "", "")); !slices.Equal(got, []string{"access", "provenance"}) {
		t.Errorf("nothing else can have written the key: strong signs of %v, want access and provenance", got)
	}
	for name, c := range map[string]struct {
		files, attrs string
		change       []string
	}{
		"Google guest agent":   {files: "-- /usr/bin/google_guest_agent --\nELF\n"},
		"Azure agent":          {files: "-- /usr/sbin/waagent --\n#!/usr/bin/python3\n"},
		"AWS Systems Manager":  {files: "-- /usr/bin/amazon-ssm-agent --\nELF\n"},
		"EC2 Instance Connect": {files: "-- /usr/share/ec2-instance-connect/eic_run_authorized_keys --\n#!/bin/sh\n"},
		"cloud-init":           {files: "-- /usr/bin/cloud-init --\n#!/usr/bin/python3\n"},
		"ansible-pull":         {change: []string{feet, feet + cron("/usr/bin/ansible-pull -U https://git.example.com/ops.git")}},
		"Puppet":               {files: "-- /opt/puppetlabs/bin/puppet --\nELF\n"},
		"Chef":                 {files: "-- /opt/chef/bin/chef-client --\nELF\n"},
		"Salt":                 {files: "-- /usr/bin/salt-minion --\n#!/usr/bin/python3\n"},
		"Plesk":                {files: "-- /usr/local/psa/version --\n18\n"},
		"git pull by cron":     {change: []string{feet, feet + cron("cd /srv/ops && git pull -q && make keys")}},
		"own script":           {files: "-- /usr/local/sbin/keys --\n#!/bin/sh\ncat /srv/keys/*.pub > /root/.ssh/authorized_keys\n", attrs: "/usr/local/sbin/keys mode=755\n", change: []string{feet, feet + starts("/usr/local/sbin/keys")}},
		"own bootstrap":        {change: []string{feet, feet + cron("curl -fsS https://ops.example.com/boot.sh | sh")}},
		"own program":          {files: "-- /usr/local/sbin/sync --\n\x7fELF\x01\x02\n", attrs: "/usr/local/sbin/sync mode=755\n", change: []string{feet, feet + starts("/usr/local/sbin/sync")}},
		"own daemon": {files: "-- /opt/ops/agentd --\nELF\n", attrs: "/opt/ops/agentd mode=755\n", change: []string{`"processes":[`,
			`"processes":[{"id":{"pid":70,"start":5},"ppid":1,"comm":"agentd","exe":"/opt/ops/agentd","argv":["/opt/ops/agentd"],"own":{"state":"unowned"},"started":"2026-03-01T00:00:00Z","login_uid":-1},`}},
		"own container": {change: []string{`"logins":[`, `"containers":[{"id":"c9","engine":"docker","name":"deployer","binds":["/root/.ssh:/keys"]}],"logins":[`}},
	} {
		if got := strongClasses(visit(t, c.files, c.attrs, c.change...)); !slices.Equal(got, []string{"provenance"}) {
			t.Errorf("%s: strong signs of %v, want one of provenance, which leaves the key to the owner", name, got)
		}
	}
}

// TestKeysTiedToTheIntruder: on a host with an agent that hands out keys, what else ties a key to the intruder accuses it.
func TestKeysTiedToTheIntruder(t *testing.T) {
	const agentd = "-- /usr/bin/cloud-init --\n#!/usr/bin/python3\n"
	long := []string{"AAAAbad root@vps", "AAAAC3NzaC1lZDI1NTE5AAAAIbad root@vps"}
	said := visit(t, agentd+"-- /tmp/.x/setup.sh --\n#!/bin/sh\necho ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIbad x >> ~/.ssh/authorized_keys\n",
		"/tmp/.x btime=2026-03-10T03:00:00Z type=dir\n/tmp/.x/setup.sh mode=755 btime=2026-03-10T03:00:02Z\n", long...)
	if !slices.Contains(said, "rogue-key strong identity"+strings.Replace(badKey, long[0], long[1], 1)) {
		t.Errorf("the intruder's script holds the key, but:\n\t%s", strings.Join(said, "\n\t"))
	}
	said = visit(t, agentd, "/root/.ssh/authorized_keys flags=i\n")
	if got := strongClasses(said); !slices.Equal(got, []string{"provenance", "tamper"}) {
		t.Errorf("made to stay: %v, want provenance and tamper", got)
	}
	said = visit(t, agentd, "", "AAAAbad root@vps", "AAAAbad shaojiang", `"logins":[`, `"accounts":[{"name":"shaojiang99","uid":1002,"gid":1002,"home":"/home/s","shell":"/bin/bash","secret":"set","login":true}],"logins":[`)
	if !slices.Contains(said, "rogue-key strong identity"+strings.Replace(badKey, "root@vps", "shaojiang", 1)) {
		t.Errorf("its comment names the intruder's account, but:\n\t%s", strings.Join(said, "\n\t"))
	}
	said = visit(t, agentd, "", `"footholds":[`, `"footholds":[{"mechanism":"ssh-keys","id":"PL-18","path":"/home/u/.ssh/authorized_keys","line":"ssh-ed25519 AAAAbad mdrfckr","line_no":1,"user":"u","key":"SHA256:bad","attr":{"type":"file","mtime":"2026-03-10T03:00:20Z"}},`)
	if got := strongClasses(said); !slices.Contains(got, "identity") {
		t.Errorf("the same key is proven elsewhere: %v, want identity among them", got)
	}
}

// TestDivertedIn: groups of three lines, and what is none.
func TestDivertedIn(t *testing.T) {
	const text = "/bin/rm\n/bin/rm.real\nsafe-rm\n/usr/bin/wget\n/usr/bin/wget.distrib\n:\n"
	for name, want := range map[string]string{"/bin/rm": "/bin/rm.real", "/usr/bin/rm": "/bin/rm.real", "/usr/bin/wget": "/usr/bin/wget.distrib", "/usr/bin/wget.distrib": "", "": ""} {
		if got := divertedIn(text, name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
	for _, broken := range []string{"", "\n\n\n", "/bin/rm", "/bin/rm\n/x", "/bin/rm\nnot a path\n:\n"} {
		if got := divertedIn(broken, "/bin/rm"); got != "" {
			t.Errorf("%q: got %q, want nothing", broken, got)
		}
	}
}

func FuzzWrapper(f *testing.F) {
	for _, s := range []string{"#!/bin/sh\nps.original \"$@\" | grep -v 'zzh\\|sysguard'", "sed '/x/d' | awk '!/kinsing/'", "/var/lib/dpkg\n/x\n:\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, m := range filter.FindAllStringSubmatch(s, 32) {
			if m[0] == "" {
				t.Error("a filter without words")
			}
		}
		if to := divertedIn(s, "/bin/rm"); to != "" && to[0] != '/' {
			t.Errorf("diverted to %q", to)
		}
	})
}

// TestOwnersDirectoriesStay: of the directories around a miner in a customer's site, only the intruder's own is his.
func TestOwnersDirectoriesStay(t *testing.T) {
	found, _ := run(t, "testdata/shared.txtar")
	var dirs []string
	for _, f := range found {
		if f.Detector == "kit-directory" {
			dirs = append(dirs, string(f.Subject.Path))
		}
	}
	if !slices.Equal(dirs, []string{"/home/site2/public_html/uploads/.sess"}) {
		t.Errorf("directories %q, want only the hidden one", dirs)
	}
}

// TestKeysHeldBefore: a key that lies in another file, unchanged since before the intrusion, was not brought by it, even where
// it is the last of a file the intruder wrote into. A file whose time was set back says nothing.
func TestKeysHeldBefore(t *testing.T) {
	other := func(ctime string) string {
		return `"footholds":[{"mechanism":"ssh-keys","id":"PL-18","path":"/home/u/.ssh/authorized_keys","line":"ssh-ed25519 AAAAbad x","line_no":1,"user":"u","key":"SHA256:bad","attr":{"type":"file","mtime":"2024-01-01T00:00:00Z","ctime":"` + ctime + `"}},`
	}
	if got := strongClasses(visit(t, "", "", `"footholds":[`, other("2024-01-01T00:00:00Z"))); len(got) != 0 {
		t.Errorf("held before: strong signs of %v, want none", got)
	}
	if got := strongClasses(visit(t, "", "", `"footholds":[`, other("2026-03-10T03:00:20Z"))); !slices.Contains(got, "provenance") {
		t.Errorf("held in a file whose time was set back: strong signs of %v, want provenance among them", got)
	}
}
