package live

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/deminer/deminer"
)

// A program with RandomX's dataset in huge pages, four scratchpads in a row, code made at run time, and a library.
const mapsText = `00400000-00600000 r-xp 00000000 fe:00 328640                             /opt/app/prog (deleted)
00600000-00610000 rw-p 00200000 fe:00 328640                             /opt/app/prog (deleted)
01000000-01200000 rw-p 00000000 00:00 0                                  [heap]
7f0000000000-7f0082100000 rw-p 00000000 00:10 1234                       /anon_hugepage (deleted)
7f0090000000-7f0090200000 rw-p 00000000 00:10 1235                       /anon_hugepage (deleted)
7f00a0000000-7f00a0800000 rw-p 00000000 00:00 0 
7f00b0000000-7f00b0c00000 rw-p 00000000 00:00 0 
7f00c0000000-7f00c0010000 r-xp 00000000 00:00 0 
7f00d0000000-7f00d0100000 r-xp 00000000 fe:00 77                         /usr/lib/x y/libc.so.6
7f00d0100000-7f00d0200000 r-xp 00000000 fe:00 77                         /usr/lib/x y/libc.so.6
7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
`

func TestParseMaps(t *testing.T) {
	got := parseMaps([]byte(mapsText), "/opt/app/prog", 8)
	want := &deminer.Memory{
		Large:     []deminer.Region{{Start: 0x7f0000000000, Size: 0x82100000, Perms: "rw-p", Path: "/anon_hugepage (deleted)", Huge: true}},
		Scratch2M: 8, // the heap of 2 MiB, the huge page, and a row of six; 8 MiB is a thread's stack
		AnonExec:  1, AnonExecBytes: 0x10000, Mappings: 12, FileBytes: 0x200000 + 0x10000 + 0x200000,
		Libs: []string{"/usr/lib/x y/libc.so.6"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if !likeRandomX(got) {
		t.Error("a dataset with scratchpads is not thought to be like RandomX")
	}
}

func TestLikeRandomXSilent(t *testing.T) {
	for name, m := range map[string]deminer.Memory{
		"empty":            {},
		"a database":       {Large: []deminer.Region{{Size: 128 << 20, Perms: "rw-p"}, {Size: 16 << 30, Perms: "rw-s"}}},
		"set aside by Go":  {Large: []deminer.Region{{Size: randomXCache, Perms: "---p"}}},
		"one 2 MiB buffer": {Scratch2M: 1},
	} {
		if likeRandomX(&m) {
			t.Errorf("%s is thought to be like RandomX", name)
		}
	}
}

func TestParseMapsLimits(t *testing.T) {
	var b strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&b, "%x-%x rw-p 00000000 00:00 0 \n", i<<32, i<<32+largeSize)
		fmt.Fprintf(&b, "%x-%x r-xp 00000000 fe:00 9 /lib/%d\n", i<<33, i<<33+4096, i)
	}
	m := parseMaps([]byte(b.String()), "", 1)
	if len(m.Large) != maxLarge || len(m.Libs) != maxLibs || m.Mappings != 4000 {
		t.Errorf("got %d large, %d libraries, %d mappings", len(m.Large), len(m.Libs), m.Mappings)
	}
}

func TestParseSmaps(t *testing.T) {
	m := &deminer.Memory{Large: []deminer.Region{{Start: 0x7f0000000000, Size: 0x82100000}, {Start: 0x7f1000000000, Size: 1 << 30}}}
	parseSmaps([]byte(`01000000-01200000 rw-p 00000000 00:00 0                          [heap]
Size:               2048 kB
Rss:                1000 kB
7f0000000000-7f0082100000 rw-p 00000000 00:10 1234 /anon_hugepage (deleted)
Rss:                   0 kB
Private_Hugetlb: 2129920 kB
VmFlags: rd wr mr mw me de ht sd
7f1000000000-7f1040000000 rw-p 00000000 00:00 0 
Rss:              524288 kB
Private_Hugetlb:       0 kB
`), m)
	if a, b := m.Large[0], m.Large[1]; a.Rss != 2129920<<10 || !a.Huge || b.Rss != 512<<20 || b.Huge {
		t.Errorf("got %+v", m.Large)
	}
}

func TestReadable(t *testing.T) {
	var got []string
	for _, m := range readable([]byte(mapsText + "7f0-7f1 rw-s 0 00:06 5 /dev/nvidia0\n7f2-7f3 ---p 0 00:00 0 \n7f4-7f5 r--p 0 fe:00 5 /lib/z\n")) {
		got = append(got, fmt.Sprintf("%x", m.start))
	}
	want := []string{"600000", "7f00c0000000", "7ffc00000000", "1000000", "7f0090000000", "7f00a0000000", "7f00b0000000", "7f0000000000"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestRuns(t *testing.T) {
	le := func(v ...uint64) (out []byte) {
		for _, e := range v {
			out = append(out, byte(e), 0, 0, 0, 0, 0, 0, byte(e>>56))
		}
		return out
	}
	pages := le(0, pagePresent, pagePresent|pageFile, 0, pageSwapped, pagePresent)
	for filed, want := range map[bool]string{false: "1-3 4-6 ", true: "1-2 4-6 "} {
		got := ""
		for from, to := range runs(pages, filed) {
			got += fmt.Sprintf("%d-%d ", from, to)
		}
		if got != want {
			t.Errorf("filed %v: got %q, want %q", filed, got, want)
		}
	}
}

func FuzzMaps(f *testing.F) {
	f.Add([]byte(mapsText), 8)
	f.Add([]byte("0-ffffffffffffffff rw-p 0 0 0\n"), -1)
	f.Fuzz(func(t *testing.T, b []byte, threads int) {
		m := parseMaps(b, "/x", threads)
		if len(m.Large) > maxLarge || len(m.Libs) > maxLibs {
			t.Errorf("got %d large, %d libraries", len(m.Large), len(m.Libs))
		}
		likeRandomX(m)
		parseSmaps(b, m)
		for range runs(b, threads < 0) {
		}
		readable(b)
	})
}

func BenchmarkParseMaps(b *testing.B) {
	text := []byte(strings.Repeat(mapsText, 20))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		parseMaps(text, "/opt/app/prog", 8)
	}
}
