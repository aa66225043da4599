package contract

import (
	"os"
	"strings"
	"testing"
)

// mapped gives the KiB of files that are mapped.
func mapped(t *testing.T) (kib int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "RssFile:"); ok {
			for _, c := range strings.TrimSpace(rest) {
				if c < '0' || c > '9' {
					break
				}
				kib = kib*10 + int(c-'0')
			}
		}
	}
	return kib
}

// TestGiveBack: pages of the program's file are given back, and the program goes on.
func TestGiveBack(t *testing.T) {
	before := mapped(t)
	if err := GiveBack(); err != nil {
		t.Fatal(err)
	}
	if after := mapped(t); before == 0 || after >= before {
		t.Errorf("%d KiB of files are mapped, %d were", after, before)
	}
}

// TestOwnText: only what cannot be written of the own file is given back.
func TestOwnText(t *testing.T) {
	const self = "/usr/bin/x y (deleted)"
	for line, want := range map[string]bool{
		"00400000-00c4f000 r-xp 00000000 fe:00 1234                              " + self:        true,
		"00c4f000-00d00000 r--p 0084f000 fe:00 1234                              " + self:        true,
		"01540000-01610000 rw-p 01140000 fe:00 1234                              " + self:        false,
		"00400000-00c4f000 r-xp 00000000 fe:00 1234                              /usr/bin/other": false,
		"7f0000000000-7f0000001000 r--s 00000000 00:0f 9                          " + self:       false,
		"c000000000-c000400000 rw-p 00000000 00:00 0 ":                                           false,
		"zz-yy r-xp 0 fe:00 1 " + self:                                                           false,
		"":                                                                                       false,
	} {
		from, to, ok := ownText(line, self)
		if ok != want || ok && (from == 0 || to <= from) {
			t.Errorf("%q: %x to %x, %v", line, from, to, ok)
		}
	}
}
