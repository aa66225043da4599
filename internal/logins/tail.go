package logins

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// Place is how far a text log was followed. It is good for the log with that beginning, whatever its name is now, and for a copy of it.
type Place struct {
	Ino  uint64 `json:"ino"`
	At   int64  `json:"at"`   // bytes from its beginning
	Head string `json:"head"` // SHA-256 of the first bytes of it, at most 256 and no more than At
}

const maxHead = 256

// tailed is a text log that is open, so that its end can be read after it was rotated away.
type tailed struct {
	file  host.File
	attr  deminer.Attr
	at    int64
	since time.Time // of what was in it when it was opened, lines before it are not told
}

// is reports whether a place is one in this log. Numbers of inodes are used again, and logs of a few bytes are alike.
func (t *tailed) is(p Place) bool {
	return (p.Ino == t.attr.Ino || p.At >= maxHead) && p.At <= t.attr.Size && t.head(p.At) == p.Head
}

func (t *tailed) head(at int64) string {
	data := make([]byte, min(at, maxHead))
	if n, err := t.file.ReadAt(data, 0); n < len(data) && err != nil {
		return ""
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Places says how far each text log was followed, for a follower after this one.
func (f *Follower) Places() map[string]Place {
	out := map[string]Place{}
	for name, list := range f.text {
		if t := list[0]; t.head(t.at) != "" {
			out[name] = Place{Ino: t.attr.Ino, At: t.at, Head: t.head(t.at)}
		}
	}
	return out
}

// maxRotated is how many logs that were rotated away are looked at at the start.
const maxRotated = 8

// resume begins to follow a text log where another follower stopped.
func (f *Follower) resume(name string, since time.Time, places map[string]Place) {
	var list []*tailed
	for _, n := range slices.Backward(rotated(f.fsys, path.Dir(name), path.Base(name))) { // the oldest first
		if packed := path.Ext(n); n == name || slices.Contains([]string{".gz", ".xz", ".bz2", ".zst", ".lz4"}, packed) {
			continue
		}
		if t := f.open(n); t != nil && !t.attr.Mtime.Before(since) {
			list = append(list, t)
		} else if t != nil && t.is(places[name]) {
			list = []*tailed{t} // what was before it is known
		} else if t != nil {
			t.file.Close()
		}
	}
	if t := f.open(name); t != nil {
		list = append(list, t)
	}
	if over := len(list) - maxRotated; over > 0 {
		closeAll(list[:over])
		list = list[over:]
	}
	if len(list) == 0 {
		return
	}
	at, known := places[name]
	if i := slices.IndexFunc(list, func(t *tailed) bool { return t.is(at) }); known && i >= 0 {
		closeAll(list[:i])
		list = list[i:]
		list[0].at = at.At
	} else {
		for _, t := range list {
			t.since = since
		}
		if last := list[len(list)-1]; known && (last.attr.Ino != at.Ino || last.attr.Size >= at.At) { // else it was emptied
			f.gaps = append(f.gaps, deminer.Gap{Part: part, State: deminer.Partial, What: name, Why: "what it held was taken away or packed while nobody followed it; a part was passed over"})
		}
	}
	f.text[name] = list
}

func closeAll(list []*tailed) {
	for _, t := range list {
		t.file.Close()
	}
}

// open opens a text log; nil where it cannot.
func (f *Follower) open(name string) *tailed {
	file, err := f.fsys.Open(name)
	if err != nil {
		return nil
	}
	a, err := file.Attr()
	if err != nil {
		file.Close()
		return nil
	}
	return &tailed{file: file, attr: a}
}

// pollText reads what came to a log: first the rest of those that were rotated away, then the new one.
func (f *Follower) pollText(ctx context.Context, name string, c *collector) {
	for len(f.text[name]) > 0 {
		list := f.text[name]
		if f.piece(ctx, name, list[0], c) {
			return
		}
		if len(list) == 1 {
			a, err := f.fsys.Stat(name)
			if err != nil || a.Ino == list[0].attr.Ino && a.Dev == list[0].attr.Dev {
				return
			}
		}
		list[0].file.Close()
		if f.text[name] = list[1:]; len(list) == 1 {
			delete(f.text, name)
		}
	}
	t := f.open(name)
	if t == nil {
		c.gap(deminer.Failed, name, "cannot be opened")
		return
	}
	f.text[name] = []*tailed{t}
	f.piece(ctx, name, t, c)
}

// piece reads whole lines from where the last look ended, and reports whether there are more. A log that became shorter was emptied and
// begins anew.
func (f *Follower) piece(ctx context.Context, name string, t *tailed, c *collector) (more bool) {
	a, err := t.file.Attr()
	if err != nil {
		c.gap(deminer.Failed, name, err.Error())
		return false
	}
	if a.Size < t.at {
		t.at, t.attr.Size = 0, 0
	}
	if a.Size-t.at > maxBehind {
		c.gap(deminer.Partial, name, "more than 64 MiB of it wait to be read; a part was passed over")
		t.at = a.Size - maxBehind
	}
	more = a.Size-t.at > maxPiece
	data := make([]byte, min(a.Size-t.at, maxPiece))
	n, err := t.file.ReadAt(data, t.at)
	if err != nil && !errors.Is(err, io.EOF) {
		c.gap(deminer.Partial, name, err.Error())
		return false
	}
	data = data[:n]
	whole := bytes.LastIndexByte(data, '\n') + 1
	if whole == 0 && len(data) > maxUnended {
		whole = len(data)
	}
	if c.since = t.since; t.at >= t.attr.Size { // whatever the clock is set to
		c.since = time.Time{}
	}
	t.at += int64(whole)
	if err := parseText(ctx, bytes.NewReader(data[:whole]), name, a.Mtime, f.loc, c); err != nil {
		c.gap(deminer.Partial, name, err.Error())
	}
	return more && whole > 0
}

// own are the names of this host in its logs. A log server keeps those of others in the same files.
type own struct {
	names []string
	seen  map[string]bool // logs that hold lines of this host, or of which it was told that they hold none
}

// ownOf reads how a host is named; where nothing says so every line counts.
func ownOf(fsys host.FS) *own {
	o := &own{seen: map[string]bool{}}
	for _, name := range []string{"/etc/hostname", "/proc/sys/kernel/hostname"} {
		text, err := host.ReadFile(fsys, name, 4<<10)
		if one := strings.TrimSpace(string(text)); err == nil && one != "" && one != "(none)" {
			o.names = append(o.names, one)
		}
	}
	if len(o.names) > 0 {
		o.names = append(o.names, "localhost")
	}
	return o
}

// has reports whether a line with this name of a host is one of ours. A name with a domain and one without are the same.
func (o *own) has(name string) bool {
	return len(o.names) == 0 || slices.ContainsFunc(o.names, func(mine string) bool {
		a, _, dotted := strings.Cut(mine, ".")
		b, _, also := strings.Cut(name, ".")
		return strings.EqualFold(mine, name) || (!dotted || !also) && strings.EqualFold(a, b)
	})
}
