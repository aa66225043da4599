package logins

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/accounts"
	"github.com/deminer/deminer/internal/host"
)

// maxUtmp is how much of the end of a utmp file is read: about 170,000 records.
const maxUtmp = 64 << 20

// Types of utmp records (utmp(5)).
const (
	utBoot  = 2
	utLogin = 6
	utUser  = 7
	utDead  = 8
)

// record is one utmp record.
type record struct {
	typ              int
	pid              int32
	line, user, host string
	time             time.Time
	addr             netip.Addr
	zero             bool // every byte is zero
}

// layout is how a machine lays out struct utmp: 384 bytes on most, 400 where its times are 64 bits wide (arm64, riscv64).
type layout struct {
	size, sec, usec, addr int
	wide                  bool
	order                 binary.ByteOrder
}

func layouts() []layout {
	le, be := binary.LittleEndian, binary.BigEndian
	return []layout{{384, 340, 344, 348, false, le}, {400, 344, 352, 360, true, le}, {384, 340, 344, 348, false, be}}
}

// parseUtmp gives the records one by one, and how many bytes at the end are not a whole one.
func parseUtmp(r io.Reader, see func(record)) (rest int, err error) {
	in := bufio.NewReaderSize(r, 64*400)
	head, err := in.Peek(64 * 400)
	if err != nil && err != io.EOF {
		return 0, err
	}
	best, good := layouts()[0], -1
	for _, l := range layouts() {
		if n := l.score(head); n > good {
			best, good = l, n
		}
	}
	for buf := make([]byte, best.size); ; {
		n, err := io.ReadFull(in, buf)
		switch err {
		case nil:
			see(best.record(buf))
		case io.EOF, io.ErrUnexpectedEOF:
			return n, nil
		default:
			return n, err
		}
	}
}

// score counts the sensible records among the first 64.
func (l layout) score(data []byte) int {
	n := 0
	for i := 0; i < 64 && len(data) >= l.size; i++ {
		t := l.order.Uint16(data)
		if sec := l.seconds(data); t >= 1 && t <= 9 && sec > 0 && sec < 1<<32 {
			n++
		}
		data = data[l.size:]
	}
	return n
}

func (l layout) seconds(b []byte) int64 {
	if l.wide {
		return int64(l.order.Uint64(b[l.sec:]))
	}
	return int64(l.order.Uint32(b[l.sec:]))
}

func (l layout) record(b []byte) record {
	usec := int64(l.order.Uint32(b[l.usec:])) % 1e6
	r := record{typ: int(l.order.Uint16(b)), pid: int32(l.order.Uint32(b[4:])), line: text(b[8:40]), user: text(b[44:76]),
		host: text(b[76:332]), zero: len(bytes.Trim(b, "\x00")) == 0}
	r.time = time.Unix(l.seconds(b), usec*1000).UTC()
	a := b[l.addr : l.addr+16]
	switch {
	case bytes.Equal(a, make([]byte, 16)):
	case bytes.Equal(a[4:], make([]byte, 12)):
		r.addr, _ = netip.AddrFromSlice(a[:4])
	default:
		r.addr, _ = netip.AddrFromSlice(a)
		r.addr = r.addr.Unmap()
	}
	return r
}

func text(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}

func (r record) from() string {
	if r.addr.IsValid() {
		return r.addr.String()
	}
	return r.host
}

// readUtmp reads wtmp and btmp and what rotation left of them.
func readUtmp(fsys host.FS, c *collector) {
	for _, name := range rotated(fsys, "/var/log", "wtmp", "btmp") {
		see := wtmp(name, c)
		if strings.HasPrefix(path.Base(name), "btmp") {
			see = btmp(name, c)
		}
		tail(fsys, name, maxUtmp, c, func(r io.Reader) error {
			_, err := parseUtmp(r, see)
			return err
		})
	}
}

func btmp(name string, c *collector) func(record) {
	return func(r record) {
		if r.typ == utLogin || r.typ == utUser {
			c.login("btmp", deminer.Login{Time: r.time, Kind: "failed", User: r.user, From: r.from(), TTY: r.line, Source: name})
		}
	}
}

func wtmp(name string, c *collector) func(record) {
	who := map[string]record{} // by line
	return func(r record) {
		l := deminer.Login{Time: r.time, User: r.user, From: r.from(), TTY: r.line, Source: name}
		switch r.typ {
		case utBoot:
			l.Kind, l.User, l.From, l.TTY = "boot", "", "", ""
		case utUser:
			l.Kind = "login"
			if len(who) < 10_000 {
				who[r.line] = r
			}
		case utDead:
			in, ok := who[r.line]
			if !ok {
				return
			}
			delete(who, r.line)
			l.Kind, l.User, l.From = "logout", in.user, in.from()
		default:
			return
		}
		c.login("wtmp", l)
	}
}

// readLastlog reads the last login of each account; the file is sparse, one record of 292 bytes for each uid.
func readLastlog(fsys host.FS, c *collector) {
	const name, size = "/var/log/lastlog", 292
	f, err := fsys.Open(name)
	if err != nil {
		if !missing(err) {
			c.gap(deminer.Failed, name, err.Error())
		}
		return
	}
	defer f.Close()
	users, _ := accounts.Read(fsys) // its gaps are told by those who ask for accounts
	buf := make([]byte, size)
	for _, a := range users {
		if n, err := f.ReadAt(buf, int64(a.UID)*size); n < size {
			if err != nil && !errors.Is(err, io.EOF) {
				c.gap(deminer.Partial, name, err.Error())
			}
			continue
		}
		if sec := binary.LittleEndian.Uint32(buf); sec > 0 {
			c.login("lastlog", deminer.Login{Time: time.Unix(int64(sec), 0).UTC(), Kind: "login", User: a.Name,
				From: text(buf[36:]), TTY: text(buf[4:36]), Source: name})
		}
	}
}

// rotated gives the logs of these names with their rotated copies (NAME.1, NAME-20260101, NAME.2.gz), the newest first.
func rotated(fsys host.FS, dir string, names ...string) []string {
	type aged struct {
		name string
		at   time.Time
	}
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return nil
	}
	var list []aged
	for _, e := range entries {
		base, _, _ := strings.Cut(e.Name, "-")
		if !slices.ContainsFunc(names, func(n string) bool { return base == n || strings.HasPrefix(e.Name, n+".") }) {
			continue
		}
		a, err := fsys.Stat(path.Join(dir, e.Name))
		if err == nil && a.IsRegular() && a.Size > 0 {
			list = append(list, aged{path.Join(dir, e.Name), a.Mtime})
		}
	}
	slices.SortFunc(list, func(a, b aged) int { return b.at.Compare(a.at) })
	var out []string
	for _, a := range list[:min(len(list), 60)] {
		out = append(out, a.name)
	}
	return out
}
