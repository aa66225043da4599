package detect

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// change is what somebody did to a file at a time.
type change struct {
	path, line string
	uid        uint32 // who the file belongs to
	at         time.Time
}

// changeOf is the change that a finding about a file or a line speaks of.
func (p *Pass) changeOf(f deminer.Finding) change {
	c := change{path: string(f.Subject.Path), line: string(f.Subject.Line), at: f.Time}
	if a, err := p.FS.Stat(c.path); err == nil {
		c.uid = a.UID
	}
	return c
}

// nobodyElse says why nobody but the intruder can have made a change, or who else can have: nobody of the owner's was
// logged in, and nothing that was on the host before makes such changes by itself. What came in the same minutes is no
// other: somebody had to bring it.
func (p *Pass) nobodyElse(c change) (why, doubt string) { return p.excluded(c, p.selfActor) }

// noOwner is nobodyElse for what no program of a business does by itself: only people, and programs that change hosts on
// somebody's order, count.
func (p *Pass) noOwner(c change) (why, doubt string) { return p.excluded(c, p.ordered) }

func (p *Pass) excluded(c change, actor func(change) string) (why, doubt string) {
	if p.memo.weighed++; p.memo.weighed > maxWeighed {
		return "", tooMuch
	}
	why, doubt = p.nobodyIn(c.at)
	if doubt == "" {
		doubt = actor(c)
	}
	if doubt != "" {
		return "", doubt
	}
	return why + ", and nothing was found on this host that makes such changes by itself", ""
}

// selfActor names something on the host that makes such changes without a login, or "".
func (p *Pass) selfActor(c change) string {
	mine := p.guilty()
	for _, pr := range p.subjects() {
		if s := p.processMay(pr, c); s != "" && !mine[process(pr).Ref()] {
			return s
		}
	}
	for i := range p.Snapshot.Containers {
		d := &p.Snapshot.Containers[i]
		if s := containerMay(d, c); s != "" && !mine["container:"+d.ID] {
			return s
		}
	}
	if s := p.ordered(c); s != "" {
		return s
	}
	return p.entries(c, p.unknownTarget)
}

// ordered names something on the host that changes it on somebody's order without a login, or "".
func (p *Pass) ordered(c change) string {
	if s := p.keeperHere(); s != "" {
		return s + " is on this host, which makes such changes without a login"
	}
	return p.entries(c, p.orderedEntry)
}

// entries asks of every entry that runs with the right to make a change whether it may have made it, until one says so.
func (p *Pass) entries(c change, may func(*deminer.Foothold, change, map[string]bool) string) string {
	mine := p.guilty()
	for _, f := range p.footholds() {
		if string(f.Path) == c.path && string(f.Line) == c.line || string(f.Path) != c.path && newborn(f.Attr, c.at) || !p.runsAs(f, c.uid) {
			continue
		}
		if s := may(f, c, mine); s != "" && !mine[f.Artifact().Ref()] {
			return s
		}
	}
	return ""
}

// keeperHere names a keeper on this host, or "". It is looked for once.
func (p *Pass) keeperHere() string {
	if p.memo.keeper == nil {
		name := ""
		for _, a := range keepers {
			for _, n := range a.paths {
				if name == "" && host.Exists(p.FS, n) {
					name = a.name + " (" + n + ")"
				}
			}
		}
		p.memo.keeper = &name
	}
	return *p.memo.keeper
}

// guilty are the refs of what is proven: of the subjects, and of the files that the same evidence names by a proof.
func (p *Pass) guilty() map[string]bool {
	if m := p.memo; m.guiltyAt != len(m.found)+1 {
		m.guiltyBy, m.guiltyAt = p.findGuilty(), len(m.found)+1
	}
	return p.memo.guiltyBy
}

func (p *Pass) findGuilty() map[string]bool {
	classes := map[string]deminer.Class{}
	out := map[string]bool{}
	for _, f := range p.memo.found {
		if f.Topic == deminer.TopicDoor || f.Topic == deminer.TopicHygiene {
			continue
		}
		ref := f.Subject.Ref()
		switch first, ok := classes[ref]; {
		case f.Tier == deminer.Proof, f.Tier == deminer.Strong && ok && first != f.Class:
			out[ref] = true
		case f.Tier == deminer.Strong && !ok:
			classes[ref] = f.Class
		}
	}
	return out
}

// newborn reports whether a file came to be in the minutes before a time, or after it.
func newborn(a deminer.Attr, t time.Time) bool {
	return !a.Btime.IsZero() && a.Btime.After(t.Add(-minutes))
}

// processMay says that a process may have made a change by itself, or "": root's that no package brought, or any other
// of the user to whom the file belongs. What packages bring does what it is told, which the table of keepers covers.
func (p *Pass) processMay(pr *deminer.Process, c change) string {
	runs := pr.Exe
	own := pr.Own
	if s := pr.Script(); s != "" {
		runs, own = s, p.owner(s)
	} else if deminer.RunsScripts(pr.Name()) {
		return ""
	}
	known := packaged(own) || pr.Deleted && packaged(p.owner(pr.Exe))
	if runs == c.path || pr.UID != 0 && pr.UID != c.uid || pr.UID == 0 && known || pr.UID != 0 && (sessions[pr.Comm] || pr.Started.After(c.at)) || pr.Container != "" {
		return ""
	}
	if a, err := p.FS.Stat(runs); err == nil && !known && newborn(a, c.at) {
		return ""
	}
	return called(pr) + " runs " + q(runs) + " with the right to make it, and nothing proves that it is the intruder's"
}

// containerMay says that a container may have made a change: the file, the host's root or its engine's socket is handed
// into it.
func containerMay(d *deminer.Container, c change) string {
	for _, b := range d.Binds {
		from, _, _ := strings.Cut(b, ":")
		if from == "/" || from == c.path || under(c.path, from) || path.Base(from) == "docker.sock" {
			return "container " + q(d.Name) + " has " + q(from) + " of the host"
		}
	}
	return ""
}

// runsAs reports whether an entry that starts programs does so as root or as the user.
func (p *Pass) runsAs(f *deminer.Foothold, uid uint32) bool {
	if f.ID < "PL-01" || f.ID > "PL-14" {
		return false
	}
	if f.User == "" || f.User == "root" {
		return true
	}
	for i := range p.Snapshot.Accounts {
		if a := &p.Snapshot.Accounts[i]; a.Name == f.User {
			return a.UID == 0 || a.UID == uid
		}
	}
	return true
}

// orderedEntry says that an entry may have made a change, by its words or those of a script it starts, or "".
func (p *Pass) orderedEntry(f *deminer.Foothold, c change, mine map[string]bool) string {
	if s := actsBy(string(f.Command), c); s != "" {
		return "an entry in " + where(f) + " " + s
	}
	for _, t := range p.older(f, c, mine) {
		if s := actsBy(p.script(t), c); s != "" {
			return "an entry in " + where(f) + " starts " + q(t) + ", which " + s
		}
	}
	return ""
}

// unknownTarget says that an entry starts a program of which nothing is known, or "".
func (p *Pass) unknownTarget(f *deminer.Foothold, c change, mine map[string]bool) string {
	for _, t := range p.older(f, c, mine) {
		if p.script(t) == "" {
			return "an entry in " + where(f) + " starts " + q(t) + ", of which nothing is known"
		}
	}
	return ""
}

// older lists the files an entry starts that no package brought, that were there before a change, and that are not the
// intruder's.
func (p *Pass) older(f *deminer.Foothold, c change, mine map[string]bool) (out []string) {
	for _, t := range p.foreignTargets(f) {
		a, err := p.FS.Stat(t)
		if err == nil && a.IsRegular() && a.Size > inert && t != c.path && !newborn(a, c.at) && !mine[file(t).Ref()] {
			out = append(out, t)
		}
	}
	return out
}

// actsBy says what of a text may make a change, or "".
func actsBy(text string, c change) string {
	if strings.Contains(text, c.path) && c.path != "" {
		return "names " + q(c.path)
	}
	if hit := selfActing.FindString(text); hit != "" {
		return fmt.Sprintf("may change this host by itself (%s)", q(hit))
	}
	return ""
}

// halfDay is how long before a change a login may lie whose session made it; slack is how late a log may write a login down.
const (
	halfDay = 12 * time.Hour
	slack   = 5 * time.Second
)

// brought reports whether the intrusion began with a login: by password, from an address that never logged in before, and
// the first of the intruder's files were made in the minute after it. A login by key is never counted so.
func (p *Pass) brought(l deminer.Login) bool {
	if l.Kind != "login" || l.Method != "password" || l.From == "" {
		return false
	}
	for _, o := range p.Snapshot.Logins {
		if o.Kind == "login" && o.From == l.From && o.Time.Before(l.Time) {
			return false
		}
	}
	began := false
	for _, f := range p.anchors() {
		switch gap := f.Time.Sub(l.Time); {
		case gap < -slack && gap > -halfDay:
			return false // the intruder was at work before
		case gap >= -slack && gap <= time.Minute:
			began = true
		}
	}
	return began
}

// nobodyIn says why nobody but an intruder can have been at work in a session at that time, or what speaks against it: the
// records of logins reach back before it and show nobody. Somebody whose password was guessed is no owner. Where records
// are missing, nothing can be said.
func (p *Pass) nobodyIn(t time.Time) (why, doubt string) {
	guesser := map[string]bool{}
	for _, f := range p.memo.found {
		if f.Detector == "guessed-password" && f.Tier != deminer.Weak {
			guesser[f.Subject.Addr] = true
		}
	}
	source := ""
	for _, l := range p.Snapshot.Logins {
		switch {
		case l.Time.After(t.Add(time.Minute)):
		case (l.Kind == "login" || l.Kind == "sudo" || l.Kind == "su") && l.Time.After(t.Add(-halfDay)) && !guesser[l.From] && !p.brought(l):
			return "", fmt.Sprintf("%s came in at %s (%s) and may have made it", deminer.Cut(l.User, 32), l.Time.UTC().Format(time.RFC3339), deminer.Safe(l.Source))
		case l.Time.Before(t):
			source = l.Source
		}
	}
	if source == "" {
		return "", "no record of logins reaches back to it"
	}
	return fmt.Sprintf("%s was kept at that time and shows no login of an owner in the %d hours before", deminer.Safe(source), int(halfDay.Hours())), ""
}
