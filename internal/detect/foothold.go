package detect

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// scriptLimit is how much of a started script is judged.
const scriptLimit = 256 << 10

// footholds lists the footholds that could be an intruder's: not those a package holds unchanged.
func (p *Pass) footholds() []*deminer.Foothold {
	var out []*deminer.Foothold
	for i := range p.Snapshot.Footholds {
		f := &p.Snapshot.Footholds[i]
		if f.Own.State == deminer.Intact || under(string(f.Path), StateDir) {
			continue
		}
		out = append(out, f)
	}
	return out
}

// foreignTargets gives the targets of a foothold that exist and that no package owns.
func (p *Pass) foreignTargets(f *deminer.Foothold) []string {
	var out []string
	for i, t := range f.Targets {
		var own deminer.Provenance
		if i < len(f.TargetOwn) {
			own = f.TargetOwn[i]
		} else {
			own = p.owner(t)
		}
		if !packaged(own) && t != string(f.Path) {
			out = append(out, t)
		}
	}
	return out
}

// finding starts a finding about a foothold.
func about(f *deminer.Foothold, tier deminer.Tier, class deminer.Class, title string, why ...string) deminer.Finding {
	when := f.Attr.Btime
	if when.IsZero() || f.Line != "" {
		when = f.Attr.Mtime
	}
	if f.Disabled {
		why = append(why, "as things are it would not run")
	}
	return deminer.Finding{
		Topic: deminer.TopicReturns, Tier: tier, Class: class, Technique: f.Technique, Catalogue: f.ID,
		Title: title, Why: why, Subject: f.Artifact(), Time: when,
	}
}

// where says in words what a foothold is.
func where(f *deminer.Foothold) string {
	s := deminer.Safe(f.Path)
	if f.LineNo > 0 {
		s += fmt.Sprintf(" line %d", f.LineNo)
	}
	if f.Trigger != "" {
		s += " (" + deminer.Safe(f.Trigger) + ")"
	}
	return s
}

// script reads the head of a script; "" when the file is none.
func (p *Pass) script(name string) string {
	a, err := p.FS.Stat(name)
	if err != nil || !a.IsRegular() || a.Size < 3 {
		return ""
	}
	f, err := p.FS.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	head := make([]byte, 4)
	if n, _ := f.ReadAt(head, 0); n < 3 || strings.HasPrefix(string(head), "\x7fELF") {
		return ""
	}
	body := p.read("foothold", name, scriptLimit)
	if !textual(body) {
		return ""
	}
	return string(body)
}

// killsOnly reports commands that only end or remove things: the names in them are targets, not tools.
func killsOnly(command string) bool {
	switch path.Base(firstWord(strings.TrimSpace(command))) {
	case "pkill", "killall", "kill", "rm", "grep", "pgrep":
		return !strings.ContainsAny(command, "|;&")
	}
	return false
}

// footholdTarget speaks of entries that start what no package owns from a temporary or hidden place.
func footholdTarget(_ context.Context, p *Pass) error {
	for _, f := range p.footholds() {
		for _, t := range p.foreignTargets(f) {
			pl := placeOf(t)
			if !pl.odd() || starterOnly[f.ID] {
				continue
			}
			a, err := p.FS.Stat(t)
			g := about(f, deminer.Strong, deminer.ByPersist, "an entry in "+where(f)+" starts a program "+pl.words(),
				"it starts "+q(t)+", which no package owns")
			switch {
			case err != nil:
				g.Tier = deminer.Weak
				g.Why = append(g.Why, "that file does not exist now")
			case a.IsRegular() && a.Size <= 2:
				g.Tier = deminer.Weak
				g.Cleared = []string{fmt.Sprintf("the file holds %d bytes: an inert place-holder", a.Size)}
			case a.IsRegular():
				g.Also = []deminer.Artifact{file(t)}
			default:
				continue
			}
			if f.Every > 0 && f.Every <= 5*time.Minute {
				g.Why = append(g.Why, "it does so every "+f.Every.String())
			}
			p.Report(g)
			break
		}
	}
	return nil
}

// starterOnly are mechanisms whose targets are read or written rather than run.
var starterOnly = map[string]bool{"PL-18": true, "PL-21": true, "PL-19": true}

// footholdImmutable speaks of entries somebody made unchangeable that start what no package owns.
func footholdImmutable(_ context.Context, p *Pass) error {
	for _, f := range p.footholds() {
		if f.Attr.Flags == 0 || len(f.Targets) == 0 || f.ID == "PL-18" || f.ID == "PL-21" {
			continue
		}
		foreign := p.foreignTargets(f)
		if len(foreign) == 0 {
			continue
		}
		g := about(f, deminer.Strong, deminer.ByTamper, deminer.Safe(f.Path)+" was made unchangeable and starts a program no package owns",
			"inode flags: "+f.Attr.Flags.String()+" (chattr +"+f.Attr.Flags.String()+")", "it starts "+q(foreign[0]))
		g.Technique, g.Catalogue = "T1222.002", "DE-01"
		g.Cleared = []string{"an owner's protection of a configuration file: those do not start unpackaged programs"}
		p.Report(g)
	}
	return nil
}

// footholdOdd speaks of entries written to be overlooked.
func footholdOdd(_ context.Context, p *Pass) error {
	for _, f := range p.footholds() {
		var why []string
		for _, o := range f.Odd {
			for _, mark := range oddMarks {
				if strings.Contains(o, mark) {
					why = append(why, deminer.Safe(o))
					break
				}
			}
		}
		if dir := pathPrefix(string(f.Line)); dir != "" {
			why = append(why, "it puts "+q(dir)+" before the directories of the system's commands, so that what lies there runs in their place")
		}
		why = append(why, p.brokenWords(f)...)
		base := path.Base(string(f.Path))
		if (f.ID == "PL-01" || f.ID == "PL-06") && f.Command != "" && (strangeName(base) || strings.HasPrefix(base, ".")) && f.Own.State != deminer.Owned && len(p.foreignTargets(f)) > 0 {
			why = append(why, "the name of the file hides it: "+q(base))
		}
		if len(why) > 0 {
			g := about(f, deminer.Strong, deminer.ByHiding, "an entry in "+where(f)+" is written to be overlooked", why...)
			g.Technique = "T1564"
			p.Report(p.settle(g))
		}
	}
	return nil
}

// brokenWords tells of commands whose names are broken up, in an entry, or a script it starts, that fetches and runs code.
func (p *Pass) brokenWords(f *deminer.Foothold) (why []string) {
	say := func(text, who string) {
		if plain, broken := plainly(text); len(broken) > 0 && len(cradlesIn(plain)) > 0 {
			why = append(why, who+"the name of a command is broken up so that a search does not find it: "+q(strings.Join(broken[:min(len(broken), 4)], " ")))
		}
	}
	say(entryText(f), "")
	for _, t := range p.foreignTargets(f) {
		if body := p.script(t); body != "" {
			say(body, "in the script "+q(t)+" it starts ")
		}
	}
	return why
}

var pathSetting = regexp.MustCompile(`\bPATH=["']?(/[^\s:"']+):`)

// pathPrefix gives the odd directory that a line puts first into PATH, or "".
func pathPrefix(l string) string {
	m := pathSetting.FindStringSubmatch(l)
	if m == nil || !placeOf(path.Join(m[1], "x")).odd() {
		return ""
	}
	return m[1]
}

// oddMarks are the formal oddities that no editor or tool of an owner produces.
var oddMarks = []string{"carriage return", "REDIS", "escape", "control character", "blank run", "off the screen", "off screen", "pads", "padded"}
