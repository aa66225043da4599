package sense

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

func TestUpside(t *testing.T) {
	for in, want := range map[string]deminer.Raw{"": "", "true\x00bin\x00usr\x00": "/usr/bin/true", "a\x00": "/a", "\x00": "/", "x": "/"} {
		if got := upside([]byte(in)); got != want {
			t.Errorf("upside(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestArguments(t *testing.T) {
	for in, want := range map[string][]deminer.Raw{"": nil, "a\x00": {"a"}, "a\x00\x00": {"a", ""}, "a\x00b": {"a", "b"}, "\x00": {""}} {
		if got := arguments([]byte(in)); !slices.Equal(got, want) {
			t.Errorf("arguments(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzRecord(f *testing.F) {
	b := make([]byte, longSize)
	for kind := range kinds {
		b[atKind], b[atPathLen], b[atDataLen], b[atFamily], b[atProto] = byte(kind), 12, 20, 4, 6
		copy(b[atPath:], "true\x00bin\x00usr\x00")
		copy(b[atData:], "/bin/true\x00argument\x00\xff")
		f.Add(slices.Clone(b))
		f.Add(slices.Clone(b[:recordSize]))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRecord(b)
		if err != nil {
			return
		}
		e := &r.event
		size := 0
		for _, a := range e.Argv {
			size += len(a)
		}
		if !e.Kind.Known() || len(e.Data) > deminer.MaxEventData || size > deminer.MaxEventArgv || len(e.Exe) > deminer.MaxEventPath || len(e.Path) > deminer.MaxEventPath {
			t.Errorf("%+v", e)
		}
	})
}

func FuzzConnector(f *testing.F) {
	f.Add(connectorRequest(true))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		parseConnector(b, func(e deminer.Event, _ time.Duration) {
			if n++; !e.Kind.Known() || n > len(b)/(16+cnHeader+cnEvent) {
				t.Errorf("%d: %+v", n, e)
			}
		})
	})
}

func FuzzFanotify(f *testing.F) {
	event := func(mask uint64, name string) []byte {
		b := make([]byte, fanMetadata+4+16+8)
		b = append(append(b, name...), 0)
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
		binary.NativeEndian.PutUint32(b, uint32(len(b)))
		b[4] = fanVersion
		binary.NativeEndian.PutUint16(b[6:], fanMetadata)
		binary.NativeEndian.PutUint64(b[8:], mask)
		binary.NativeEndian.PutUint32(b[20:], 42)
		b[fanMetadata] = fanDirName
		binary.NativeEndian.PutUint16(b[fanMetadata+2:], uint16(len(b)-fanMetadata))
		binary.NativeEndian.PutUint32(b[fanMetadata+4+8:], 8)
		return b
	}
	var got []change
	parseFanotify(append(event(fanCreate, "a"), event(fanDelete, "b")...), func(c change) { got = append(got, c) })
	if len(got) != 2 || got[0].name != "a" || got[1].name != "b" || got[0].pid != 42 || got[1].mask != fanDelete || len(got[0].dir) != 24 {
		f.Fatalf("got %+v", got)
	}
	f.Add(event(fanCreate, "name"))
	f.Add(append(event(fanModify, ""), event(fanOverflow, "x")...))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, size := 0, 0
		parseFanotify(b, func(c change) { n++; size += len(c.dir) + len(c.name) })
		if n > len(b)/fanMetadata || size > len(b) {
			t.Errorf("%d events of %d bytes from %d", n, size, len(b))
		}
	})
}

func TestPlaces(t *testing.T) {
	p := newPlaces([]string{"/etc/ld.so.preload", "/root/.ssh/authorized_keys"}, []string{"/etc/cron.d", "/opt/new/dir"})
	for name, want := range map[string]bool{"/etc/ld.so.preload": true, "/etc/passwd": false, "/etc/cron.d": true, "/etc/cron.d/x": true, "/etc/cron.d/x/y": false,
		"/root/.ssh": true, "/root/.ssh/authorized_keys": true, "/root/.ssh/id": false, "/root": true, "/opt": true, "/opt/new": true, "/opt/other": false} {
		if got := p.watched(name); got != want {
			t.Errorf("watched(%q) = %v", name, got)
		}
	}
	if got, want := p.marks(), []string{"/etc", "/etc/cron.d", "/opt/new", "/opt/new/dir", "/root/.ssh"}; !slices.Equal(got, want) {
		t.Errorf("marks %q, want %q", got, want)
	}
	for dir, want := range map[string][]string{"/opt/new": {"/opt/new", "/opt/new/dir"}, "/root": {"/root/.ssh"}, "/etc/cron.d": {"/etc/cron.d"}, "/var": nil} {
		if got := p.below(dir); !slices.Equal(got, want) {
			t.Errorf("below(%q) = %q, want %q", dir, got, want)
		}
	}
}
