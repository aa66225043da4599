package live

import (
	"slices"
	"testing"
)

const statusText = `Name:	a\nTgid: 1
Umask:	0022
State:	S (sleeping)
Tgid:	4242
Pid:	4242
PPid:	1
TracerPid:	99
Uid:	1000	0	0	0
Gid:	1001	1001	1001	1001
HugetlbPages:	 2129920 kB
CapEff:	000001ffffffffff
voluntary_ctxt_switches:	150
nonvoluntary_ctxt_switches:	545
`

func TestParseStatus(t *testing.T) {
	want := status{tgid: 4242, tracer: 99, uid: 1000, euid: 0, gid: 1001, hugetlb: 2129920 << 10, capEff: 0x1ffffffffff, voluntary: 150}
	if got := parseStatus([]byte(statusText)); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := parseStatus([]byte("Uid:\nGid\n:::\nTgid:\tx")); got != (status{}) {
		t.Errorf("got %+v of rubbish", got)
	}
}

func TestParseIO(t *testing.T) {
	text := "rchar: 4292\nwchar: 7\nsyscr: 13\nsyscw: 0\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 0\n"
	if got, want := parseIO([]byte(text)), (ioCounts{4292, 7, 4096, 8192}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestParseStrings(t *testing.T) {
	for text, want := range map[string][]string{
		"": nil, "\x00\x00": nil,
		"./xmrig\x00-o\x00pool:3333\x00":  {"./xmrig", "-o", "pool:3333"},
		"a\x00\x00b\x00":                  {"a", "", "b"},
		"[kworker/0:1]\x00\x00\x00\x00":   {"[kworker/0:1]"},
		"no end":                          {"no end"},
		"sh\x00-c\x00line\nand\tmore\xff": {"sh", "-c", "line\nand\tmore\xff"},
	} {
		if got := parseStrings([]byte(text)); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func FuzzStatus(f *testing.F) {
	f.Add([]byte(statusText))
	f.Add([]byte("rchar: 4292\nwchar: 7\na\x00b\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		parseStatus(b)
		parseIO(b)
		size := 0
		for _, s := range parseStrings(b) {
			size += len(s)
		}
		if size > len(b) {
			t.Errorf("%d bytes of strings out of %d", size, len(b))
		}
	})
}
