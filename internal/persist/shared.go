package persist

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// Limits of looking into what an owner and an intruder may both have written.
const (
	maxScript  = 256 << 10 // bytes of a script
	maxScripts = 400
	maxParts   = 400 // commands of one script
	maxParted  = 8000
)

// Shared lists the commands of everything among the footholds that holds several: lines that join commands, units with several
// settings that run something, shell scripts, and the scripts those start in turn. Each command is a foothold of its own with the
// recipe that takes exactly it away and leaves the rest byte for byte; an empty recipe says that there is none. What a package
// owns unchanged is left out.
func Shared(ctx context.Context, env Env, found []deminer.Foothold) ([]deminer.Shared, []deminer.Gap) {
	l := &Lister{Env: env, ctx: ctx, mech: Mechanism{Name: "shared"}, attrs: map[string]deminer.Attr{}, index: map[string]int{}, known: map[string]string{}, units: new(*unitSet)}
	c := sharing{l: l, seen: map[string]bool{}}
	for i := range found {
		c.entry(&found[i])
	}
	for i := 0; i < len(c.todo) && i < maxScripts && ctx.Err() == nil; i++ {
		c.script(c.todo[i])
	}
	if len(c.todo) > maxScripts {
		l.gap(deminer.Partial, "", fmt.Sprintf("looked into %d scripts, no more", maxScripts))
	}
	return c.out, l.gaps
}

type sharing struct {
	l     *Lister
	seen  map[string]bool
	todo  []deminer.Foothold // scripts: Path, and who runs them when
	out   []deminer.Shared
	parts int
}

// entry takes one foothold: the commands in it, and the scripts it starts.
func (c *sharing) entry(f *deminer.Foothold) {
	switch ext := path.Ext(string(f.Path)); {
	case f.Line == "" && (ext == ".service" || ext == ".conf") && strings.Contains(string(f.Path), "/systemd/"):
		c.unit(f)
	case f.Line != "" && shellLine(f.Mechanism):
		c.line(*f, deminer.Artifact{})
	case f.Line == "":
		c.want(*f, string(f.Path))
	}
	for _, t := range f.Targets {
		c.want(*f, t)
	}
}

// shellLine reports whether the command of a line is read by a shell.
func shellLine(mechanism string) bool {
	return slices.Contains([]string{"cron", "anacron", "rc-local", "shell", "cron-scripts", "motd"}, mechanism)
}

// want notes a script to look into, once.
func (c *sharing) want(f deminer.Foothold, name string) {
	if name = path.Clean(name); !c.seen[name] && path.IsAbs(name) {
		c.seen[name] = true
		c.todo = append(c.todo, deminer.Foothold{Path: deminer.Raw(name), Mechanism: f.Mechanism, ID: f.ID, Technique: f.Technique, User: f.User, Trigger: f.Trigger})
	}
}

func (c *sharing) add(s deminer.Shared) {
	if len(s.Parts) > 1 && len(s.Parts) <= maxParts && c.parts+len(s.Parts) <= maxParted {
		c.parts += len(s.Parts)
		c.out = append(c.out, s)
	}
}

// line takes a line that joins commands. whole is what the line is a part of; the zero value where it is a foothold itself.
func (c *sharing) line(f deminer.Foothold, whole deminer.Artifact) (parts []deminer.Foothold) {
	line, command := string(f.Line), string(f.Command)
	at := strings.LastIndex(line, command)
	if strings.Contains(line, "\n") || command == "" || at < 0 || len(line) > maxCommand {
		return nil
	}
	if run, _ := percent(command); f.Mechanism == "cron" && run != command {
		return nil
	}
	list := elements(command)
	if len(list) < 2 {
		return nil
	}
	known := map[string]bool{}
	for i, e := range list {
		p := f
		p.Part, p.Command, p.Odd = fmt.Sprintf("command %d", i+1), deminer.Raw(command[e.from:e.to]), nil
		p.Name, p.Targets, p.Remove = firstProgram(command[e.from:e.to]), []string{}, noRecipe()
		for _, t := range c.l.Targets(command[:e.to], f.User) { // what stands before may change the directory
			if !known[t] {
				known[t] = true
				p.Targets = append(p.Targets, t)
			}
		}
		if rest, ok := withoutOne(command, list, i); ok {
			p.Remove = []deminer.Action{c.l.Edit(string(f.Path), line, line[:at]+rest+line[at+len(command):], f.LineNo)}
		}
		parts = append(parts, p)
	}
	if whole.Kind == "" {
		c.add(deminer.Shared{Whole: f.Artifact(), Parts: parts})
	}
	return parts
}

// firstProgram is the base name of the first program that a command runs, behind its assignments.
func firstProgram(command string) string {
	list, _ := words(command, map[string]string{})
	for _, w := range list {
		if _, _, set := assignment(w.text); !w.op && (!set || w.quoted) {
			return path.Base(w.text)
		}
	}
	return ""
}

// unit takes a unit or drop-in with several settings that run or load something.
func (c *sharing) unit(f *deminer.Foothold) {
	if c.trusted(string(f.Path)) {
		return
	}
	s := deminer.Shared{Whole: f.Artifact()}
	name := f.Name
	if dir := path.Base(path.Dir(string(f.Path))); strings.HasSuffix(dir, ".d") {
		name = strings.TrimSuffix(dir, ".d")
	}
	for _, d := range c.l.unitFile(string(f.Path)) {
		runs := strings.HasPrefix(d.key, "Exec") && d.key != "ExecPaths" && d.key != "ExecSearchPath"
		if d.value == "" || d.file != string(f.Path) || !runs && d.key != "Environment" && d.key != "EnvironmentFile" {
			continue
		}
		p := *f
		p.Line, p.LineNo, p.Name, p.Command, p.Odd, p.Targets = deminer.Raw(d.line.Text), d.line.No, d.key, deminer.Raw(d.value), oddLine(d.line.Text), []string{}
		if runs {
			p.Targets = append(p.Targets, c.l.Targets(runnable(d.value, c.l.HomeOf(f.User)), f.User)...)
		}
		p.Remove = []deminer.Action{c.l.Cut(string(f.Path), d.line.Text, d.line.No, false), reload(name)}
		s.Parts = append(s.Parts, p)
	}
	c.add(s)
}

func (c *sharing) trusted(name string) bool {
	return c.l.Host.Packages != nil && c.l.Host.Packages.Check(c.l.ctx, name).Trusted()
}

// script takes a shell script apart into the commands that can be taken out of it one by one.
func (c *sharing) script(f deminer.Foothold) {
	name := string(f.Path)
	a, err := c.l.Host.FS.Stat(name)
	if err != nil || !a.IsRegular() || a.Size > maxScript || a.Size < 4 || !shellScript(head(c.l, name, 128), name) || c.trusted(name) {
		return
	}
	f.Attr = c.l.Attr(name)
	list := logicals(c.l.Lines(name))
	lines := c.l.Lines(name)
	var parts []deminer.Foothold
	for i, g := range list {
		text := joined(lines[g.from:g.to])
		if blank(text) && !strings.Contains(text, "\n") {
			continue
		}
		p := f
		p.Line, p.LineNo, p.Name, p.Command = deminer.Raw(text), lines[g.from].No, firstProgram(text), deminer.Raw(strings.TrimSpace(text))
		p.Targets, p.Remove, p.Odd = append([]string{}, c.l.Targets(text, f.User)...), noRecipe(), oddLine(text)
		if whole := g.before == g.after && !g.keyword; whole {
			if in := c.line(p, deminer.Artifact{Kind: deminer.KindFile}); in != nil {
				parts = append(parts, in...)
				continue
			}
			p.Remove = []deminer.Action{c.takeOut(name, text, p.LineNo, list, i)}
		} else if g.before == g.after { // a compound in one line
			p.Remove = []deminer.Action{c.takeOut(name, text, p.LineNo, list, i)}
		}
		parts = append(parts, p)
	}
	for _, p := range parts {
		for _, t := range p.Targets {
			c.want(f, t)
		}
	}
	c.add(deminer.Shared{Whole: deminer.Artifact{Kind: deminer.KindFile, Path: f.Path, Name: path.Base(name)}, Parts: parts})
}

// takeOut cuts the lines of one command. Where it is all that a compound does, a colon takes its place.
func (c *sharing) takeOut(name, text string, no int, list []logical, at int) deminer.Action {
	g := list[at]
	beside := func(i int) bool {
		return i >= 0 && i < len(list) && !list[i].keyword && list[i].before == list[i].after && list[i].before == g.before
	}
	if g.before == 0 || beside(at-1) || beside(at+1) {
		return c.l.Cut(name, text, no, false)
	}
	return c.l.Edit(name, text, text[:len(text)-len(strings.TrimLeft(text, " \t"))]+":", no)
}

// shellScript reports whether a text of this beginning is read by a shell.
func shellScript(head, name string) bool {
	first, _, _ := strings.Cut(head, "\n")
	if rest, ok := strings.CutPrefix(first, "#!"); ok {
		for w := range strings.FieldsSeq(rest) {
			if isShell(path.Base(w)) {
				return true
			}
		}
		return false
	}
	return path.Ext(name) == ".sh"
}
