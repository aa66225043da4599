package live

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"github.com/deminer/deminer"
	"github.com/google/go-cmp/cmp"
)

const (
	tcpHead = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	tcpText = tcpHead + `   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 123 1 0000000000000000 100 0 0 10 0
   1: 0500000A:9C40 097100CB:0D05 01 00000000:00000000 00:00000000 00000000     0        0 456 1 0000000000000000 20 4 30 10 -1
   2: 0500000A:9C41 097100CB:0D05 06 00000000:00000000 00:00000000 00000000     0        0 0 1 0000000000000000 20 4 30 10 -1
   3: rubbish
`
	udp6Text = tcpHead + "  10: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000   101        0 789 2 0000000000000000 0\n"
)

func TestParseNet(t *testing.T) {
	var got []deminer.Socket
	see := func(s deminer.Socket) { got = append(got, s) }
	parseNet([]byte(tcpText), "tcp", see)
	parseNet([]byte(udp6Text), "udp", see)
	parsePacket([]byte("sk       RefCnt Type Proto  Iface R Rmem   User   Inode\nffff8880 3      3    0003   2     1 0      0      555\n"), see)
	want := []deminer.Socket{
		{Proto: "tcp", State: "listen", Local: "127.0.0.1:8080", UID: 1000, Inode: 123, Reach: "loopback"},
		{Proto: "tcp", State: "established", Local: "10.0.0.5:40000", Remote: "203.0.113.9:3333", Inode: 456},
		{Proto: "udp", State: "open", Local: "[::1]:53", UID: 101, Inode: 789, Reach: "loopback"},
		{Proto: "packet", State: "open", Local: "interface 2", Inode: 555},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseUnix(t *testing.T) {
	text := "Num       RefCount Protocol Flags    Type St Inode Path\n" +
		"0000: 00000002 00000000 00010000 0001 01 41 /run/docker.sock\n" +
		"0000: 00000003 00000000 00000000 0001 03 42 /run/docker.sock\n" +
		"0000: 00000002 00000000 00010000 0001 01 43 /var/run/docker.sock\n" +
		"0000: 00000002 00000000 00010000 0001 01 44 /run/docker.sock.old\n"
	got := slices.Sorted(maps.Keys(parseUnix([]byte(text), "/run/docker.sock")))
	if !slices.Equal(got, []uint64{41, 43}) {
		t.Errorf("got %v", got)
	}
}

func FuzzNet(f *testing.F) {
	f.Add([]byte(tcpText))
	f.Add([]byte(udp6Text))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		see := func(deminer.Socket) { n++ }
		parseNet(b, "tcp", see)
		parsePacket(b, see)
		parseUnix(b, "/x")
		if n > 2*(bytes.Count(b, []byte("\n"))+1) {
			t.Errorf("%d sockets", n)
		}
	})
}

func BenchmarkNet50k(b *testing.B) {
	line := []byte(tcpText)[len(tcpHead) : len(tcpHead)+150]
	text := bytes.Repeat(line[:bytes.IndexByte(line, '\n')+1], 50000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		n := 0
		if parseNet(text, "tcp", func(deminer.Socket) { n++ }); n != 50000 {
			b.Fatalf("got %d sockets", n)
		}
	}
}
