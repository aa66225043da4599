package logins

import (
	"bytes"
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

// Limits of text logs: how much of the end of one is read, and to how much a compressed one may grow.
const (
	maxLog = 32 << 20
	maxGz  = 128 << 20
)

// missing reports whether an error only says that a file is not there.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// tail reads the end of a file of at most limit bytes, unpacked where its name ends in .gz. What was left out is a gap.
func tail(fsys host.FS, name string, limit int64, c *collector) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	a, err := f.Attr()
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(name, ".gz") {
		return gunzip(f, name, c)
	}
	skip := max(0, a.Size-limit)
	if skip > 0 {
		c.gap(deminer.Partial, name, "only its end was read")
		skip -= skip % 384 // keeps the records of utmp whole; text loses a part of one line
	}
	out, err := io.ReadAll(io.NewSectionReader(f, skip, a.Size-skip))
	return out, err
}

func gunzip(r io.Reader, name string, c *collector) ([]byte, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(z, maxGz))
	if err != nil || len(out) == maxGz {
		c.gap(deminer.Partial, name, "only its beginning could be unpacked")
	}
	return out, nil
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
		data, err := tail(fsys, name, maxLog, c)
		if err != nil {
			c.gap(deminer.Failed, name, err.Error())
			continue
		}
		parseText(ctx, data, name, a.Mtime, loc, c)
	}
}

// parseText reads lines of syslog; written is when the last of them was, which tells the year where lines have none.
func parseText(ctx context.Context, data []byte, name string, written time.Time, loc *time.Location, c *collector) {
	n := 0
	for line := range bytes.Lines(data) {
		if n++; n%4096 == 0 && ctx.Err() != nil {
			return
		}
		if len(line) > 16<<10 {
			continue
		}
		l, ok := splitLine(strings.TrimRight(string(line), "\r\n"))
		if !ok || !interesting(l.ident) {
			continue
		}
		if at, ok := l.at(written, loc); ok {
			c.message("text", name, at, l.ident, l.text)
		}
	}
}

// sysline is one line of syslog: "TIME HOST IDENT[PID]: TEXT".
type sysline struct{ time, ident, text string }

func splitLine(line string) (sysline, bool) {
	var l sysline
	var rest string
	if len(line) > 16 && line[3] == ' ' && line[15] == ' ' { // "Jan  2 15:04:05 " (RFC 3164)
		l.time, rest = line[:15], line[16:]
	} else {
		l.time, rest, _ = strings.Cut(line, " ") // RFC 3339
	}
	_, rest, ok := strings.Cut(rest, " ") // the host
	if !ok {
		return l, false
	}
	head, msg, ok := strings.Cut(rest, ": ")
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
