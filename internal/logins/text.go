package logins

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// Limits of text logs: how much of the end of one is read, and how much of all of them, unpacked.
const (
	maxLog      = 32 << 20
	maxUnpacked = 512 << 20
	maxLine     = 16 << 10
)

// missing reports whether an error only says that a file is not there.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// tail hands the end of a file, at most limit bytes, to use; unpacked where its name ends in .gz. What was left out is
// a gap.
func tail(fsys host.FS, name string, limit int64, c *collector, use func(r io.Reader) error) {
	f, err := fsys.Open(name)
	if err != nil {
		c.gap(deminer.Failed, name, err.Error())
		return
	}
	defer f.Close()
	a, err := f.Attr()
	if err != nil {
		c.gap(deminer.Failed, name, err.Error())
		return
	}
	var r io.Reader
	if strings.HasSuffix(name, ".gz") {
		z, err := gzip.NewReader(f)
		if err != nil {
			c.gap(deminer.Failed, name, err.Error())
			return
		}
		r = z
	} else {
		skip := max(0, a.Size-limit)
		if skip > 0 {
			c.gap(deminer.Partial, name, "only its end was read")
			skip -= skip % 9600 // keeps records of 384 and of 400 bytes whole; text loses a part of one line
		}
		r = io.NewSectionReader(f, skip, a.Size-skip)
	}
	m := &meter{r: r, left: maxUnpacked - c.read}
	err = use(m)
	c.read = maxUnpacked - m.left
	if err != nil {
		c.gap(deminer.Partial, name, "could not be read to its end: "+err.Error())
	}
}

// errEnough ends the reading of logs that are too large together.
var errEnough = errors.New("more than 512 MiB of logs")

// meter counts what is read.
type meter struct {
	r    io.Reader
	left int64
}

func (m *meter) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, errEnough
	}
	n, err := m.r.Read(p)
	m.left -= int64(n)
	return n, err
}

// location gives the zone that times without one are in.
func location(fsys host.FS, zone string, c *collector) *time.Location {
	name := "/etc/localtime"
	if zone != "" && !strings.Contains(zone, "..") {
		name = "/usr/share/zoneinfo/" + zone
	}
	data, err := host.ReadFile(fsys, name, 64<<10)
	if err == nil {
		loc, err := time.LoadLocationFromTZData(zone, data)
		if err == nil {
			return loc
		}
	}
	if zone != "UTC" && zone != "Etc/UTC" && !(zone == "" && missing(err)) {
		c.gap(deminer.Partial, name, "the time zone is not known; times of text logs are read as UTC")
	}
	return time.UTC
}

// readText reads the text logs that tell of logins, accounts, cron and units.
func readText(ctx context.Context, fsys host.FS, c *collector, loc *time.Location) {
	for _, name := range rotated(fsys, "/var/log", "auth.log", "secure", "cron", "cron.log", "syslog", "messages") {
		if ctx.Err() != nil {
			return
		}
		a, err := fsys.Stat(name)
		if err == nil && a.Mtime.Before(c.since) {
			continue
		}
		tail(fsys, name, maxLog, c, func(r io.Reader) error { return parseText(ctx, r, name, a.Mtime, loc, c) })
	}
}

// parseText reads lines of syslog; written is when the last of them was, which tells the year where lines have none.
func parseText(ctx context.Context, r io.Reader, name string, written time.Time, loc *time.Location, c *collector) error {
	b := bufio.NewReaderSize(r, maxLine)
	mine, other := false, ""
	for n := 1; ; n++ {
		if n%4096 == 0 && ctx.Err() != nil {
			return nil // Read tells it once
		}
		line, err := b.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) { // too long for any line that matters: pass over it
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = b.ReadSlice('\n')
			}
			line = nil
		}
		if l, ok := splitLine(strings.TrimRight(string(line), "\r\n")); ok && interesting(l.ident) {
			if !c.own.has(l.host) {
				other = l.host
			} else if at, ok := l.at(written, loc); ok {
				mine = true
				c.message("text", name, at, l.ident, l.text)
			}
		}
		if err == io.EOF {
			c.foreign(name, mine, other)
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// foreign tells once of a log in which no line is of this host: what it did may stand there under a name that it had.
func (c *collector) foreign(name string, mine bool, other string) {
	if other == "" || c.own.seen[name] {
		return
	}
	if c.own.seen[name] = true; mine {
		return
	}
	c.gap(deminer.Partial, name, "its lines are of another host ("+deminer.Cut(other, 64)+") and were not counted for this one")
}

// sysline is one line of syslog: "TIME HOST IDENT[PID]: TEXT".
type sysline struct{ time, host, ident, text string }

func splitLine(line string) (sysline, bool) {
	var l sysline
	var rest string
	if len(line) > 16 && line[3] == ' ' && line[15] == ' ' { // "Jan  2 15:04:05 " (RFC 3164)
		l.time, rest = line[:15], line[16:]
	} else {
		l.time, rest, _ = strings.Cut(line, " ") // RFC 3339
	}
	host, rest, ok := strings.Cut(rest, " ")
	if !ok {
		return l, false
	}
	head, msg, ok := strings.Cut(rest, ": ")
	l.host = host
	l.ident, _, _ = strings.Cut(head, "[")
	l.text = msg
	return l, ok && len(l.ident) <= 64 && !strings.Contains(l.ident, " ")
}

// at gives the time of a line. A line without a year is of the year that puts it before the file was last written.
func (l sysline) at(written time.Time, loc *time.Location) (time.Time, bool) {
	if len(l.time) != 15 {
		t, err := time.Parse(time.RFC3339Nano, l.time)
		return t.UTC(), err == nil
	}
	t, err := time.ParseInLocation(time.Stamp, l.time, loc)
	if err != nil {
		return t, false
	}
	year := written.In(loc).Year()
	t = time.Date(year, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, loc)
	if t.After(written.Add(25 * time.Hour)) {
		t = t.AddDate(-1, 0, 0)
	}
	return t.UTC(), true
}
