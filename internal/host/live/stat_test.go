package live

import (
	"strings"
	"testing"
)

const statTail = " S 1 4242 77 34816 -1 4194560 1 2 3 4 150 50 7 8 39 19 5 0 123456 1000000 2048 18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 1 0 5 0 0 0 0 0 0 0 0 0 0 0\n"

func TestParseStat(t *testing.T) {
	for _, name := range []string{"xmrig", "a) R 1 (b", "", " ", "with\nnewline", "((((", "))))", "kworker/u8:1-events_unbound", strings.Repeat("n", 4096)} {
		s, err := parseStat([]byte("4242 (" + name + ")" + statTail))
		if err != nil {
			t.Errorf("%.20q: %v", name, err)
			continue
		}
		want := stat{pid: 4242, comm: name, state: 'S', ppid: 1, session: 77, tty: 34816, flags: 4194560, cpu: 200, reaped: 15,
			nice: 19, threads: 5, start: 123456, pages: 2048, policy: 5}
		if s != want {
			t.Errorf("%.20q:\ngot  %+v\nwant %+v", name, s, want)
		}
	}
}

func TestParseStatNegative(t *testing.T) {
	s, err := parseStat([]byte(strings.Replace("7 (x)"+statTail, " 39 19 ", " -2 -20 ", 1)))
	if err != nil || s.nice != -20 {
		t.Errorf("got nice %d, %v", s.nice, err)
	}
}

func TestParseStatBad(t *testing.T) {
	for _, text := range []string{"", "1", "1 (", "(x) S 1", "x (y)" + statTail, "1 )x(" + statTail, "1 (x) S 1 2 3", "1 (x) SS" + statTail[2:],
		strings.Replace("1 (x)"+statTail, "123456", "12a456", 1), "99999999999999999999999 (x)" + statTail} {
		if s, err := parseStat([]byte(text)); err == nil {
			t.Errorf("%.40q: got %+v without an error", text, s)
		}
	}
}

func TestParseStatOldKernel(t *testing.T) {
	short := strings.Join(strings.Fields(statTail)[:22], " ")
	s, err := parseStat([]byte("1 (init) " + short))
	if err != nil || s.pages != 2048 || s.policy != 0 {
		t.Errorf("got %+v, %v", s, err)
	}
}

func FuzzStat(f *testing.F) {
	f.Add([]byte("4242 (a) R 1 (b)" + statTail))
	f.Add([]byte("1 (x) S 1 2 3"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseStat(b)
		if err == nil && len(s.comm) > len(b) {
			t.Errorf("name of %d bytes out of %d", len(s.comm), len(b))
		}
	})
}

func BenchmarkParseStat(b *testing.B) {
	line := []byte("4242 (xmrig)" + statTail)
	for b.Loop() {
		if _, err := parseStat(line); err != nil {
			b.Fatal(err)
		}
	}
}
