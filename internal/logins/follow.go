package logins

import (
	"context"
	"path"
	"slices"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// Limits of following.
const (
	maxPiece   = 4 << 20          // bytes of one log in one look; the rest waits for the next one
	maxBehind  = 64 << 20         // bytes that wait; older ones are passed over, and told
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
	text map[string][]*tailed   // text logs by name: those that were rotated away and are not read to their end, then the log itself
	gaps []deminer.Gap          // of the start, told by the next look
	own  *own
}

// Follow begins to follow the logs of a running host. Logins that are logged already are told first: of text logs what came after
// the places where another follower stopped, also in those that were rotated meanwhile; of others, and of the journal, those after
// since.
func Follow(fsys host.FS, since time.Time, zone string, places map[string]Place) *Follower {
	f := &Follower{fsys: fsys, last: since, seen: map[deminer.Login]bool{}, text: map[string][]*tailed{}, own: ownOf(fsys)}
	f.loc = location(fsys, zone, newCollector()) // a zone that is not known is told by Read
	if !f.journal() {
		for _, name := range f.names() {
			f.resume(name, since, places)
		}
	}
	return f
}

// Close lets go of the logs.
func (f *Follower) Close() {
	for _, list := range f.text {
		for _, t := range list {
			t.file.Close()
		}
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
	c.gaps, f.gaps = f.gaps, nil
	c.own = f.own
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
