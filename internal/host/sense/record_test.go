package sense

import (
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
