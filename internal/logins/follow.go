package logins

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path"
	"slices"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// Limits of following.
const (
	maxPiece   = 4 << 20          // bytes of one log in one look; older ones are passed over, and told
	maxBatch   = 50_000           // logins of one look
	overlap    = 10 * time.Second // the journal is asked again for so much: its entries are not strictly in order
	maxUnended = 64 << 10         // bytes without an end of line that are waited for
)

// Follower tells of logins as they are logged. It asks systemd's journal where there is one, for what is there has the mark of who
// wrote it; else the text logs of sshd and PAM, across their rotation. It is not safe for several goroutines.
type Follower struct {
	fsys host.FS
	loc  *time.Location
	last time.Time              // of the newest login told from the journal
	seen map[deminer.Login]bool // told already, of the overlap
	text map[string]*tailed     // text logs by name
}

// tailed is a text log that is open, so that its end can be read after it was rotated away.
type tailed struct {
	file host.File
	attr deminer.Attr
	at   int64
}

// Follow begins to follow the logs of a running host. Logins after since that are logged already are told first; text logs are
// followed from their end.
func Follow(fsys host.FS, since time.Time, zone string) *Follower {
	f := &Follower{fsys: fsys, last: since, seen: map[deminer.Login]bool{}, text: map[string]*tailed{}}
	f.loc = location(fsys, zone, newCollector()) // a zone that is not known is told by Read
	if !f.journal() {
		for _, name := range f.names() {
			f.open(name, true)
		}
	}
	return f
}

// Close lets go of the logs.
func (f *Follower) Close() {
	for _, t := range f.text {
		t.file.Close()
	}
	clear(f.text)
}

// From names what is followed: the journal or the text logs; "" where there is neither.
func (f *Follower) From() string {
	if f.journal() {
		return "systemd's journal"
	}
	for _, name := range f.names() {
		return name
	}
	return ""
}

func (f *Follower) journal() bool {
	for _, name := range journalFiles(f.fsys) {
		if path.Base(name) == "system.journal" {
			return true
		}
	}
	return false
}

// names are the text logs that tell of logins: those made for it, else those of everything.
func (f *Follower) names() (out []string) {
	for _, names := range [][]string{{"/var/log/auth.log", "/var/log/secure"}, {"/var/log/messages", "/var/log/syslog"}} {
		for _, n := range names {
			if a, err := f.fsys.Stat(n); err == nil && a.IsRegular() {
				out = append(out, n)
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

// Poll gives the logins that were logged since it was last asked, each by itself, and what could not be read.
func (f *Follower) Poll(ctx context.Context) ([]deminer.Login, []deminer.Gap) {
	c := newCollector()
	var out []deminer.Login
	c.each = func(l deminer.Login) {
		if len(out) < maxBatch {
			out = append(out, l)
		} else {
			c.limit("logins in one look", maxBatch)
		}
	}
	if f.journal() {
		f.pollJournal(ctx, c)
		out = f.fresh(out)
	} else {
		for _, name := range f.names() {
			f.pollText(ctx, name, c)
		}
	}
	slices.SortStableFunc(out, func(a, b deminer.Login) int { return a.Time.Compare(b.Time) })
	return out, c.gaps
}

func (f *Follower) pollJournal(ctx context.Context, c *collector) {
	if now := time.Now(); f.last.After(now.Add(time.Minute)) {
		f.last = now // the clock was set back
	}
	c.since = f.last.Add(-overlap)
	readJournals(ctx, f.fsys, c)
}

// fresh leaves out what was told already, and remembers the rest for as long as it may be read again.
func (f *Follower) fresh(list []deminer.Login) (out []deminer.Login) {
	for _, l := range list {
		l.Source = "" // a journal that was rotated has another name
		if !f.seen[l] {
			f.seen[l] = true
			l.Source = "systemd's journal"
			out = append(out, l)
			if l.Time.After(f.last) {
				f.last = l.Time
			}
		}
	}
	for l := range f.seen {
		if l.Time.Before(f.last.Add(-2 * overlap)) {
			delete(f.seen, l)
		}
	}
	return out
}

// open begins to follow a text log, at its end or its beginning; nil where it cannot.
func (f *Follower) open(name string, end bool) *tailed {
	file, err := f.fsys.Open(name)
	if err != nil {
		return nil
	}
	a, err := file.Attr()
	if err != nil {
		file.Close()
		return nil
	}
	t := &tailed{file: file, attr: a}
	if end {
		t.at = a.Size
	}
	f.text[name] = t
	return t
}

// pollText reads what came to a log: first the rest of the one that was rotated away, then the new one.
func (f *Follower) pollText(ctx context.Context, name string, c *collector) {
	t := f.text[name]
	if t != nil {
		f.piece(ctx, name, t, c)
		a, err := f.fsys.Stat(name)
		if err != nil || a.Ino == t.attr.Ino && a.Dev == t.attr.Dev {
			return
		}
		t.file.Close()
		delete(f.text, name)
	}
	if t = f.open(name, false); t == nil {
		c.gap(deminer.Failed, name, "cannot be opened")
		return
	}
	f.piece(ctx, name, t, c)
}

// piece reads whole lines from where the last look ended. A log that became shorter was emptied and begins anew.
func (f *Follower) piece(ctx context.Context, name string, t *tailed, c *collector) {
	a, err := t.file.Attr()
	if err != nil {
		c.gap(deminer.Failed, name, err.Error())
		return
	}
	if a.Size < t.at {
		t.at = 0
	}
	if a.Size-t.at > maxPiece {
		c.gap(deminer.Partial, name, "it grew faster than it can be read; a part was passed over")
		t.at = a.Size - maxPiece
	}
	data := make([]byte, a.Size-t.at)
	n, err := t.file.ReadAt(data, t.at)
	if err != nil && !errors.Is(err, io.EOF) {
		c.gap(deminer.Partial, name, err.Error())
	}
	data = data[:n]
	whole := bytes.LastIndexByte(data, '\n') + 1
	if whole == 0 && len(data) > maxUnended {
		whole = len(data)
	}
	t.at += int64(whole)
	if err := parseText(ctx, bytes.NewReader(data[:whole]), name, a.Mtime, f.loc, c); err != nil {
		c.gap(deminer.Partial, name, err.Error())
	}
}
