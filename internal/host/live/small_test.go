package live

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/bpf"
	"github.com/google/go-cmp/cmp"
)

func record(name string, kind byte) []byte {
	b := make([]byte, (19+len(name)+1+7)&^7)
	binary.NativeEndian.PutUint16(b[16:], uint16(len(b)))
	b[18] = kind
	copy(b[19:], name)
	return b
}

func TestDirents(t *testing.T) {
	const directory, file = 4, 8
	b := slices.Concat(record(".", directory), record("1", directory), record("4242", directory), record("self", file), record("12a", directory),
		record("99999999999", directory), record("0", directory))
	if got := appendPIDs(nil, b); !slices.Equal(got, []int{1, 4242}) {
		t.Errorf("got %v", got)
	}
	if got := parseDirents(b); len(got) != 7 || got[3] != (dirent{"self", file}) {
		t.Errorf("got %v", got)
	}
}

func FuzzDirents(f *testing.F) {
	f.Add(slices.Concat(record("1", 4), record("self", 8)))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, pid := range appendPIDs(nil, b) {
			if pid <= 0 {
				t.Errorf("number %d", pid)
			}
		}
		parseDirents(b)
	})
}

func TestExeName(t *testing.T) {
	for text, want := range map[string][3]any{
		"/usr/bin/x":              {"/usr/bin/x", false, false},
		"/tmp/.x (deleted)":       {"/tmp/.x", true, false},
		"/memfd:kernel (deleted)": {"/memfd:kernel", true, true},
	} {
		if name, deleted, memfd := exeName(text); [3]any{name, deleted, memfd} != want {
			t.Errorf("%q: got %q %v %v", text, name, deleted, memfd)
		}
	}
	if namespaceID("net:[4026531840]") != 4026531840 || namespaceID("net:[x]") != 0 || namespaceID("") != 0 {
		t.Error("numbers of namespaces are misread")
	}
	if socketInode([]byte("socket:[77]")) != 77 || socketInode([]byte("pipe:[77]")) != 0 || socketInode([]byte("socket:[")) != 0 {
		t.Error("inode numbers of sockets are misread")
	}
}

func TestModules(t *testing.T) {
	set := make(moduleSet)
	set.parseModules([]byte("ext4 745472 1 - Live 0x0000000000000000\nevil 16384 0 - Live 0xffff (OE+)\n\n"))
	set.see("ext4", viewSysModule)
	tags := make(map[string]bool)
	addSymbols(tags, []byte("ffff t a\nffff t ext4_init\t[ext4]\nffff t hook\t[hider]\nffff t x\t["))
	for tag := range tags {
		set.see(tag, viewKallsyms)
	}
	want := []deminer.Module{
		{Name: "evil", Size: 16384, Taint: "OE", Views: []string{viewProcModules}},
		{Name: "ext4", Size: 745472, Views: []string{viewProcModules, viewSysModule, viewKallsyms}},
		{Name: "hider", Views: []string{viewKallsyms}},
	}
	if diff := cmp.Diff(want, set.sorted()); diff != "" {
		t.Error(diff)
	}
	files := parseModulesDep([]byte("kernel/fs/ext4/ext4.ko.xz: a.ko\n/opt/my-mod.ko:\nrubbish\n"), "/lib/modules/1")
	if files["ext4"] != "/lib/modules/1/kernel/fs/ext4/ext4.ko.xz" || files["my_mod"] != "/opt/my-mod.ko" || len(files) != 2 {
		t.Errorf("got %v", files)
	}
}

func FuzzModules(f *testing.F) {
	f.Add([]byte("evil 16384 0 - Live 0xffff (OE)\nffff t hook\t[hider]\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		set, tags := make(moduleSet), make(map[string]bool)
		set.parseModules(b)
		addSymbols(tags, b)
		parseModulesDep(b, "/d")
		if len(set) > maxModules || len(tags) > maxModules {
			t.Error("too many")
		}
	})
}

func TestParseProgInfo(t *testing.T) {
	var b [bpf.InfoSize]byte
	binary.NativeEndian.PutUint32(b[:], 2)
	binary.NativeEndian.PutUint32(b[4:], 42)
	copy(b[8:], "\x01\x02\x03\x04\x05\x06\x07\x08")
	binary.NativeEndian.PutUint64(b[40:], uint64(time.Minute))
	binary.NativeEndian.PutUint32(b[48:], 1000)
	copy(b[64:], "hide_pid")
	boot := time.Unix(1764000000, 0)
	got := parseProgInfo(b, boot)
	want := deminer.BPF{ID: 42, Type: "kprobe", Name: "hide_pid", Tag: "0102030405060708", UID: 1000, Loaded: boot.Add(time.Minute)}
	if got != want {
		t.Errorf("got %+v", got)
	}
	binary.NativeEndian.PutUint32(b[:], 999)
	if got := parseProgInfo(b, boot); got.Type != "type-999" {
		t.Errorf("got type %q", got.Type)
	}
}

func TestOSRelease(t *testing.T) {
	r := parseOSRelease([]byte("PRETTY_NAME=\"Debian \\\"12\\\"\"\nNAME=x\nID=ubuntu\nID_LIKE='debian  linux'\n#x\n"))
	if r.pretty != `Debian "12"` || !slices.Equal(r.like, []string{"ubuntu", "debian", "linux"}) {
		t.Errorf("got %+v", r)
	}
	if id := hostID([]byte("0123456789abcdef0123456789abcdef\n"), "n", "/"); id != "0123456789abcdef0123456789abcdef" {
		t.Errorf("got %q", id)
	}
	a, b := hostID(nil, "n", "/mnt"), hostID([]byte("uninitialized\n"), "n", "/mnt")
	if a != b || len(a) != 32 || a == hostID(nil, "m", "/mnt") {
		t.Errorf("got %q and %q", a, b)
	}
	if zoneName("/usr/share/zoneinfo/Europe/Berlin", nil) != "Europe/Berlin" || zoneName("", []byte("Etc/UTC\n")) != "Etc/UTC" {
		t.Error("time zones are misread")
	}
	if !isLab([]byte(deminer.Marker+"\nmore")) || isLab([]byte("x\n"+deminer.Marker)) {
		t.Error("the marker of lab hosts is misread")
	}
	if parseMemTotal([]byte("MemTotal:       24684096 kB\nMemFree: 1 kB\n")) != 24684096<<10 {
		t.Error("the size of memory is misread")
	}
}

func FuzzOSRelease(f *testing.F) {
	f.Add([]byte("PRETTY_NAME=\"Debian \\\"12\\\"\"\nID='a'\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		parseOSRelease(b)
		hostID(b, "n", "/")
	})
}

func TestGapListFolds(t *testing.T) {
	g := gapList{part: "x"}
	for range 3 * maxGaps {
		g.skip("a", "b")
	}
	if n := g.list[maxGaps-1].Count; len(g.list) != maxGaps || n != 2*maxGaps+1 {
		t.Errorf("got %d gaps, the last counts for %d", len(g.list), n)
	}
}
