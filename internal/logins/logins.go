// Package logins reads who came to a host and what its logs say was done: wtmp, btmp and lastlog, the text logs of
// sshd, sudo, su, cron and the account tools, and systemd's journal, with readers of its own and within limits.
//
// Logs lie on the host; a root intruder can change them and sometimes leaves signs of it, which [Tampering] tells.
package logins

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// part is the name of this part in gaps.
const part = "logins"

// Limits. The newest records are kept where there are more.
const (
	maxLogins = 10_000
	maxFailed = 10_000 // different pairs of user and address
	maxEvents = 10_000 // different texts
	maxGaps   = 100
	maxText   = 1000 // bytes kept of one text
)

// Event is something a log says was done. Equal events are folded into one.
type Event struct {
	Time   time.Time // of the newest
	First  time.Time // of the oldest
	Kind   string    // "cron", "crontab", "user-added", "user-changed", "user-deleted", "password", "unit", "sudo", "log-cleared"
	User   string
	Text   string // the command, the unit, the words of the log; hostile
	Source string // file of the newest
	Count  int    // at least 1
}

// Read gives the logins and events since a time (all, where it is zero), newest first, and what could not be read.
// Log times without a zone are read in the named zone, else in that of the host's /etc/localtime, else as UTC. The same
// login told by several logs is one; failed logins are folded by user and address, with their number in Count.
func Read(ctx context.Context, fsys host.FS, since time.Time, zone string) ([]deminer.Login, []Event, []deminer.Gap) {
	c := newCollector()
	c.since, c.own = since, ownOf(fsys)
	readUtmp(fsys, c)
	readLastlog(fsys, c)
	readText(ctx, fsys, c, location(fsys, zone, c))
	readJournals(ctx, fsys, c)
	if err := ctx.Err(); err != nil {
		c.gap(deminer.Partial, "", "stopped: "+err.Error())
	}
	return c.sorted(), c.folded(), c.gaps
}

// loginKey makes one of what several logs say of the same login.
type loginKey struct {
	second           int64
	kind, user, from string
}

// Logs of one class do not tell the same failure twice; logs of different classes do.
type failKey struct{ class, user, from string }
type eventKey struct{ class, kind, user, text string }

type collector struct {
	since  time.Time
	logins []deminer.Login
	seen   map[loginKey]int
	failed map[failKey]*deminer.Login
	events map[eventKey]*Event
	gaps   []deminer.Gap
	over   map[string]bool     // limits that were told
	read   int64               // bytes of logs, unpacked
	own    *own                // names of this host in its logs
	each   func(deminer.Login) // gets each login by itself, as it was written; nil: they are folded and kept
}

func newCollector() *collector {
	return &collector{own: &own{}, seen: map[loginKey]int{}, failed: map[failKey]*deminer.Login{}, events: map[eventKey]*Event{}}
}

func (c *collector) gap(state deminer.GapState, what, why string) {
	if len(c.gaps) < maxGaps {
		c.gaps = append(c.gaps, deminer.Gap{Part: part, State: state, What: what, Why: why})
	}
}

// limit tells once that there were more than n of something.
func (c *collector) limit(what string, n int) {
	if c.over == nil {
		c.over = map[string]bool{}
	}
	if !c.over[what] {
		c.over[what] = true
		c.gap(deminer.Partial, "", fmt.Sprintf("more than %d different %s; the rest was left out", n, what))
	}
}

// cut gives the beginning of a text, as a string of its own: what it came from need not be kept.
func cut(s string) string { return strings.Clone(s[:min(len(s), maxText)]) }

// login takes one record; class names the kind of log.
func (c *collector) login(class string, l deminer.Login) {
	if l.Time.Before(c.since) || l.Time.Unix() <= 0 {
		return
	}
	l.User, l.From, l.TTY, l.Key = cut(l.User), cut(l.From), cut(l.TTY), cut(l.Key)
	if c.each != nil {
		c.each(l)
		return
	}
	if l.Kind == "failed" {
		c.fail(class, l)
		return
	}
	for d := int64(-1); d <= 1; d++ {
		i, ok := c.seen[loginKey{l.Time.Unix() + d, l.Kind, l.User, l.From}]
		if ok && (d == 0 || c.logins[i].Source != l.Source) {
			c.logins[i] = merge(c.logins[i], l)
			return
		}
	}
	c.seen[loginKey{l.Time.Unix(), l.Kind, l.User, l.From}] = len(c.logins)
	c.logins = append(c.logins, l)
	if len(c.logins) > 2*maxLogins {
		c.shrink()
	}
}

// merge adds what another log knows.
func merge(a, b deminer.Login) deminer.Login {
	a.TTY, a.Method, a.Key = cmp.Or(a.TTY, b.TTY), cmp.Or(a.Method, b.Method), cmp.Or(a.Key, b.Key)
	return a
}

// shrink keeps the newest.
func (c *collector) shrink() {
	c.limit("logins", maxLogins)
	newestFirst(c.logins)
	c.logins = c.logins[:maxLogins]
	clear(c.seen)
	for i, l := range c.logins {
		c.seen[loginKey{l.Time.Unix(), l.Kind, l.User, l.From}] = i
	}
}

func (c *collector) fail(class string, l deminer.Login) {
	l.Count = max(l.Count, 1)
	key := failKey{class, l.User, l.From}
	old := c.failed[key]
	switch {
	case old != nil:
		l.Count += old.Count
		if old.Time.After(l.Time) {
			l.Time, l.Source, l.Method, l.TTY = old.Time, old.Source, old.Method, old.TTY
		}
		*old = l
	case len(c.failed) >= 2*maxFailed:
		c.limit("failed logins", maxFailed)
	default:
		c.failed[key] = &l
	}
}

func (c *collector) event(class string, e Event) {
	if e.Time.Before(c.since) || c.each != nil {
		return
	}
	e.Text, e.User = cut(e.Text), cut(e.User)
	e.First, e.Count = e.Time, max(e.Count, 1)
	key := eventKey{class, e.Kind, e.User, e.Text}
	old := c.events[key]
	switch {
	case old != nil:
		old.Count += e.Count
		if e.Time.After(old.Time) {
			old.Time, old.Source = e.Time, e.Source
		}
		if e.Time.Before(old.First) {
			old.First = e.Time
		}
	case len(c.events) >= 2*maxEvents:
		c.limit("events", maxEvents)
	default:
		c.events[key] = &e
	}
}

// sorted gives the result: for a failure that several classes of logs tell, the one that counted most.
func (c *collector) sorted() []deminer.Login {
	best := map[failKey]*deminer.Login{}
	for k, l := range c.failed {
		k.class = ""
		if b := best[k]; b == nil || l.Count > b.Count || l.Count == b.Count && l.Source < b.Source {
			best[k] = l
		}
	}
	var failed []deminer.Login
	for _, l := range best {
		failed = append(failed, *l)
	}
	newestFirst(failed)
	if len(failed) > maxFailed {
		c.limit("failed logins", maxFailed)
		failed = failed[:maxFailed]
	}
	newestFirst(c.logins)
	if len(c.logins) > maxLogins {
		c.limit("logins", maxLogins)
		c.logins = c.logins[:maxLogins]
	}
	out := append(c.logins, failed...)
	newestFirst(out)
	return out
}

func newestFirst(list []deminer.Login) {
	slices.SortStableFunc(list, func(a, b deminer.Login) int {
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(a.User, b.User), cmp.Compare(a.From, b.From), cmp.Compare(a.Kind, b.Kind))
	})
}

func (c *collector) folded() []Event {
	best := map[eventKey]*Event{}
	for k, e := range c.events {
		k.class = ""
		if b := best[k]; b == nil || e.Count > b.Count || e.Count == b.Count && e.Source < b.Source {
			best[k] = e
		}
	}
	var out []Event
	for _, e := range best {
		out = append(out, *e)
	}
	slices.SortFunc(out, func(a, b Event) int {
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.User, b.User), cmp.Compare(a.Text, b.Text))
	})
	if len(out) > maxEvents {
		c.limit("events", maxEvents)
		out = out[:maxEvents]
	}
	return out
}
