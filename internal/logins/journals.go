package logins

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// Limits of journals: files, entries of one program in one file, entries in all.
const (
	maxJournals = 64
	maxOfOne    = 20_000
	maxEntries  = 200_000
)

// unitStarted is the MESSAGE_ID of PID 1's "unit was started" (systemd's sd-messages.h).
const unitStarted = "39f53479d3a045ac8e11786248231fbf"

// readJournals reads systemd's journals, the newest files first.
func readJournals(ctx context.Context, fsys host.FS, c *collector) {
	budget := maxEntries
	for i, name := range journalFiles(fsys) {
		if ctx.Err() != nil {
			return
		}
		if i >= maxJournals || budget <= 0 {
			c.gap(deminer.Partial, path.Dir(name), "too many journals; the oldest were left out")
			return
		}
		if err := readJournal(ctx, fsys, name, c, &budget); err != nil {
			c.gap(deminer.Partial, name, err.Error())
		}
	}
}

func journalFiles(fsys host.FS) []string {
	type aged struct {
		name string
		at   int64
	}
	var list []aged
	for _, root := range []string{"/var/log/journal", "/run/log/journal"} {
		dirs, _ := fsys.ReadDir(root) // none is usual
		for _, d := range dirs[:min(len(dirs), 64)] {
			if d.Name == "remote" { // what other hosts sent, see systemd-journal-remote(8)
				continue
			}
			files, _ := fsys.ReadDir(path.Join(root, d.Name))
			for _, f := range files {
				name := path.Join(root, d.Name, f.Name)
				if !strings.HasSuffix(f.Name, ".journal") && !strings.HasSuffix(f.Name, ".journal~") {
					continue
				}
				if a, err := fsys.Stat(name); err == nil && a.IsRegular() {
					list = append(list, aged{name, a.Mtime.UnixNano()})
				}
			}
		}
	}
	slices.SortFunc(list, func(a, b aged) int { return int(max(-1, min(1, b.at-a.at))) })
	var out []string
	for _, a := range list {
		out = append(out, a.name)
	}
	return out
}

// readJournal reads the entries of the programs that matter, found through the journal's own lists of values.
func readJournal(ctx context.Context, fsys host.FS, name string, c *collector, budget *int) error {
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	a, err := f.Attr()
	if err != nil {
		return err
	}
	j, err := openJournal(f, a.Size)
	if err != nil {
		return err
	}
	if !j.newest.IsZero() && j.newest.Unix() > 0 && j.newest.Before(c.since) {
		return nil
	}
	var found []data
	err = j.values("SYSLOG_IDENTIFIER", func(v string, d data) {
		if interesting(v) && v != "systemd" && len(found) < 100 {
			found = append(found, d)
		}
	})
	err2 := j.values("MESSAGE_ID", func(v string, d data) {
		if v == unitStarted {
			found = append(found, d)
		}
	})
	for _, d := range found {
		places, err3 := j.entries(d, maxOfOne)
		err = errors.Join(err, err3)
		all, err4 := j.collect(ctx, places, name, c, budget)
		if d.n > maxOfOne && !all {
			c.gap(deminer.Partial, name, "only the newest 20,000 entries of one program were read")
		}
		err = errors.Join(err, err4)
	}
	return errors.Join(err, err2)
}

// collect reads entries from the newest back. all: it came to one that is older than what is asked for.
func (j *journal) collect(ctx context.Context, places []int64, name string, c *collector, budget *int) (all bool, first error) {
	bad := 0
	for _, off := range slices.Backward(places) {
		if *budget--; *budget < 0 || ctx.Err() != nil {
			break
		}
		want := map[string]string{"MESSAGE": "", "SYSLOG_IDENTIFIER": "", "UNIT": "", "MESSAGE_ID": "", "_UID": ""}
		at, err := j.entry(off, want)
		if err != nil {
			if bad++; first == nil {
				first = err
			}
			if bad > 1000 {
				break
			}
			continue
		}
		if at.Before(c.since) {
			return true, first
		}
		if forged(want["SYSLOG_IDENTIFIER"], want["_UID"]) {
			continue
		}
		if want["MESSAGE_ID"] == unitStarted {
			if u := want["UNIT"]; u != "" && !strings.HasSuffix(u, ".scope") {
				c.event("journal", Event{Time: at, Kind: "unit", Text: u, Source: name})
			}
			continue
		}
		c.message("journal", name, at, want["SYSLOG_IDENTIFIER"], want["MESSAGE"])
	}
	return false, first
}

// forged reports whether somebody but root gave himself a name that root's programs have. journald notes the real uid
// of each sender, which for the set-uid programs is that of the person.
func forged(ident, uid string) bool {
	switch path.Base(ident) {
	case "sudo", "su", "crontab", "passwd":
		return false
	}
	return uid != "" && uid != "0"
}
