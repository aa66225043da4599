package persist

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPeriod(t *testing.T) {
	for _, c := range []struct {
		fields string
		want   time.Duration
		words  string
	}{
		{"* * * * *", time.Minute, "every minute"},
		{"*/5 * * * *", 5 * time.Minute, "every 5 minutes"},
		{"*/7 * * * *", 7 * time.Minute, `at "*/7 * * * *", at most 7 minutes apart`},
		{"17 * * * *", time.Hour, "every hour"},
		{"0 3 * * *", 24 * time.Hour, "every day"},
		{"0 3 * * 7", 7 * 24 * time.Hour, "every week"},
		{"0 3 1 * *", 31 * 24 * time.Hour, `at "0 3 1 * *", at most 31 days apart`},
		{"0 0 29 2 *", 1461 * 24 * time.Hour, "every 1461 days"},
		{"0 0 31 2 *", 0, "never: the date does not come round"},
		{"0 0 13 * fri", 7 * 24 * time.Hour, `at "0 0 13 * fri", at most 1 week apart`},
		{"0 0 * * sat-sun", 6 * 24 * time.Hour, `at "0 0 * * sat-sun", at most 6 days apart`},
		{"5-59/10 * * * *", 10 * time.Minute, "every 10 minutes"},
		{"0~59 * * * *", time.Hour, "every hour"},
		{"60 * * * *", 0, "never: field 1 cannot be read"},
		{"*/0 * * * *", 0, "never: field 1 cannot be read"},
		{"1,2 3", 0, "never: not five fields"},
		{"@reboot", 0, "at boot"},
	} {
		if got, words := period(c.fields); got != c.want || words != c.words {
			t.Errorf("period(%q) = %v, %q, want %v, %q", c.fields, got, words, c.want, c.words)
		}
	}
}

func TestCalendar(t *testing.T) {
	for _, c := range []struct {
		event string
		want  time.Duration
		words string
	}{
		{"minutely", time.Minute, "every minute"},
		{"hourly", time.Hour, "every hour"},
		{"daily", 24 * time.Hour, "every day"},
		{"Weekly", 7 * 24 * time.Hour, "every week"},
		{"*:0/5", 5 * time.Minute, "every 5 minutes"},
		{"*-*-* *:*:00", time.Minute, "every minute"},
		{"*:*:0/10", 10 * time.Second, "every 10 seconds"},
		{"*-*-* 04:30:00 UTC", 24 * time.Hour, "every day"},
		{"Mon..Fri 10:00", 3 * 24 * time.Hour, `at "Mon..Fri 10:00", at most 3 days apart`},
		{"*-*-01 00:00", 31 * 24 * time.Hour, `at "*-*-01 00:00", at most 31 days apart`},
		{"Mon *-*-1..7 03:00", 0, `at "Mon *-*-1..7 03:00"`},
		{"::::", 0, `at "::::"`},
	} {
		if got, words := calendar(c.event); got != c.want || words != c.words {
			t.Errorf("calendar(%q) = %v, %q, want %v, %q", c.event, got, words, c.want, c.words)
		}
	}
}

func TestTimespan(t *testing.T) {
	for s, want := range map[string]time.Duration{"5min 20s": 320 * time.Second, "90": 90 * time.Second, "1h30m": 90 * time.Minute, "1.5h": 90 * time.Minute, "2 days": 48 * time.Hour, "x": 0, "5 parsecs": 0, "9999999999y": 0, "": 0} {
		if got, ok := timespan(s); got != want || ok != (want != 0) {
			t.Errorf("timespan(%q) = %v, %v, want %v", s, got, ok, want)
		}
	}
}

// FuzzSchedules: no schedule makes a parser panic, and a wait is never negative.
func FuzzSchedules(f *testing.F) {
	for _, s := range []string{"* * * * *", "*/5 1-2,3 ? JAN sun", "mon..fri *-*-* 1:2:3/4", "5min 20s", "0-0/0 - - - -", ":::", "- - - - -", "sat-sun 1:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, _ := period(s)
		b, _ := calendar(s)
		c, _ := timespan(s)
		if a < 0 || b < 0 || c < 0 {
			t.Errorf("%q gave %v %v %v", s, a, b, c)
		}
	})
}

// FuzzUnit: the lines of every setting stand in the file as they are given.
func FuzzUnit(f *testing.F) {
	for _, s := range []string{"[Service]\nExecStart=/x \\\n# c\n y\nA=", "=\n[\n\\\n\\\n\\", "a=b\\", "ExecStart=\\\n\\\n;\n\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		lines, _ := split(s)
		for _, d := range parseUnit("/x", lines) {
			if !strings.Contains("\n"+s+"\n", "\n"+d.line.Text+"\n") {
				t.Errorf("%q: setting %q is not whole lines", s, d.line.Text)
			}
		}
	})
}

func TestShellParts(t *testing.T) {
	script := "a\nif b; then\n c\nfi\nf() {\n d\n}\nfunction g {\n e\n}\nif h; then\n i\n j\nfi\nk \\\n l\nm 'x\ny'\ncat <<E\nfi\nE\ncase n in\n o) p;;\nesac\nq &&\nr\n(s\nt)\nu\n"
	lines, _ := split(script)
	var got []string
	for _, p := range shellParts(lines) {
		s := strings.ReplaceAll(p.text, "\n", "|")
		if p.inside {
			s = "inside " + s
		}
		if p.name != "" {
			s = "func " + p.name + " " + s
		}
		got = append(got, s)
	}
	want := []string{"a", "if b; then| c|fi", "func f f() {| d|}", "func g function g {| e|}", "inside if h; then", "inside  i", "inside  j", "inside fi",
		"k \\| l", "m 'x|y'", "cat <<E|fi|E", "case n in| o) p;;|esac", "q &&|r", "(s|t)", "u"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("parts (-want +got):\n%s", d)
	}
}

// FuzzShell: the parts of a script are whole lines of it.
func FuzzShell(f *testing.F) {
	for _, s := range []string{"if a; then\nb\nfi", "f() {\n", "cat <<A <<B\nA\n\nB\n", "'\n\"", "esac)\n))((", "<<", "case x in\na)b;;esac"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		lines, _ := split(s)
		for _, p := range shellParts(lines) {
			if !strings.Contains("\n"+s+"\n", "\n"+p.text+"\n") {
				t.Errorf("%q: part %q is not whole lines", s, p.text)
			}
			redefines(p.text, "/root")
		}
	})
}
