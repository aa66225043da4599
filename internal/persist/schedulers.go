package persist

import (
	"path"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// listSchedulers lists jobs of schedulers other than cron: fcron (fcrontab(5)), incron (incrontab(5)), jobber.
func listSchedulers(l *Lister) {
	for _, name := range l.Files("/var/spool/fcron", "/usr/local/var/spool/fcron") {
		if user, ok := strings.CutSuffix(path.Base(name), ".orig"); ok {
			fcron(l, name, user)
		}
	}
	fcron(l, "/etc/fcrontab", "root")
	for _, name := range l.Files("/etc/incron.d") {
		incron(l, name, "root")
	}
	for _, name := range l.Files("/var/spool/incron") {
		incron(l, name, path.Base(name))
	}
	for _, h := range l.Homes {
		jobber(l, h.Dir+"/.jobber", h.User)
	}
}

// fcron lists one table. What runs is the compiled file beside it, so a table with other jobs in it cannot be cut: the
// owner has to compile it again.
func fcron(l *Lister, name, user string) {
	if !l.IsFile(name) {
		return
	}
	var found []deminer.Foothold
	for _, line := range l.Lines(name) {
		text := strings.TrimSpace(line.Text)
		if blank(text) || text[0] == '!' || isAssignment(text) {
			continue
		}
		f := deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(line.Text), LineNo: line.No, User: user, Odd: oddLine(line.Text), Remove: noRecipe()}
		command := ""
		switch text[0] {
		case '@':
			var head []string
			head, command = fieldsThen(text, 2)
			if d, ok := timespan(fcronSpan(head[len(head)-1])); ok {
				f.Every, f.Trigger = d, every(d)
			}
		case '%':
			var head []string
			head, command = fieldsThen(text, 3)
			f.Trigger = "once in each period " + deminer.Cut(strings.Join(head, " "), 60)
		default:
			if text[0] == '&' {
				_, text = fieldsThen(text, 1)
			}
			var head []string
			head, command = fieldsThen(text, 5)
			f.Every, f.Trigger = period(strings.Join(head, " "))
		}
		if command == "" {
			continue
		}
		f.Command = deminer.Raw(command)
		found = append(found, f)
	}
	for _, f := range found {
		if len(found) == 1 {
			f.Remove = []deminer.Action{drop(name)}
			if compiled := strings.TrimSuffix(name, ".orig"); compiled != name && l.Exists(compiled) {
				f.Remove = append(f.Remove, drop(compiled))
			}
		}
		l.Add(f)
	}
}

// fcronSpan turns "30" (minutes), "2h" into a time span; m is months there.
func fcronSpan(s string) string {
	if strings.Trim(s, "0123456789") == "" {
		return s + "min"
	}
	return strings.NewReplacer("m", "M").Replace(s)
}

// incron lists a table of "path mask command".
func incron(l *Lister, name, user string) {
	for _, line := range l.Lines(name) {
		f, command := fieldsThen(line.Text, 2)
		if blank(line.Text) || command == "" {
			continue
		}
		l.Add(deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(line.Text), LineNo: line.No, User: user, Trigger: "when " + deminer.Cut(f[0], 80) + " changes",
			Command: deminer.Raw(strings.TrimRight(command, "\r")), Odd: oddLine(line.Text), Remove: []deminer.Action{l.Cut(name, line.Text, line.No, true)}})
	}
}

// jobber lists the jobs of a .jobber file (YAML). One job alone goes with its file.
func jobber(l *Lister, name, user string) {
	if !l.IsFile(name) {
		return
	}
	var found []deminer.Foothold
	for _, line := range l.Lines(name) {
		command, ok := strings.CutPrefix(strings.TrimLeft(line.Text, " \t-"), "cmd:")
		if command = strings.Trim(strings.TrimSpace(command), `"'`); !ok || command == "" {
			continue
		}
		found = append(found, deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(line.Text), LineNo: line.No, User: user, Trigger: "on the schedule of jobber",
			Command: deminer.Raw(command), Odd: oddLine(line.Text), Remove: noRecipe()})
	}
	for _, f := range found {
		if len(found) == 1 {
			f.Remove = []deminer.Action{drop(name)}
		}
		l.Add(f)
	}
}

// listLogrotate lists the scripts that logrotate runs (logrotate(8): prerotate, postrotate, firstaction, lastaction, preremove).
func listLogrotate(l *Lister) {
	for _, name := range append([]string{"/etc/logrotate.conf"}, l.Files("/etc/logrotate.d")...) {
		if !l.IsFile(name) {
			continue
		}
		lines := l.Lines(name)
		for i := 0; i < len(lines); i++ {
			if !isScriptWord(strings.TrimSpace(lines[i].Text)) {
				continue
			}
			end := i + 1
			for end < len(lines) && strings.TrimSpace(lines[end].Text) != "endscript" {
				end++
			}
			if end == len(lines) {
				break // never closed: logrotate refuses the file
			}
			logrotateScript(l, name, lines[i:end+1])
			i = end
		}
	}
}

// logrotateScript lists the statements of one script; a script of one statement goes as a whole.
func logrotateScript(l *Lister, name string, lines []Line) {
	word := strings.TrimSpace(lines[0].Text)
	base := deminer.Foothold{Path: deminer.Raw(name), Name: word, User: "root", Trigger: "when logs are rotated", Every: 24 * time.Hour}
	s := shellFile{l: l, base: base, all: true}
	var parts []shellPart
	for _, p := range shellParts(lines[1 : len(lines)-1]) {
		if !blank(p.text) && !trivial(p.text) && !p.frame {
			parts = append(parts, p)
		}
	}
	for _, p := range parts {
		if len(parts) == 1 {
			p.inside, p.text, p.no = false, joined(lines), lines[0].No
		}
		f := s.part(p, word)
		f.Command = deminer.Raw(strings.TrimSpace(p.text))
		l.Add(f)
	}
}

func isScriptWord(s string) bool {
	switch s {
	case "prerotate", "postrotate", "firstaction", "lastaction", "preremove":
		return true
	}
	return false
}

// listPower lists what runs when the machine sleeps, wakes, shuts down, or its power changes: systemd-sleep(8),
// systemd-shutdown(8), acpid, apmd, pm-utils.
func listPower(l *Lister) {
	for _, d := range []struct{ dir, when string }{
		{"/etc/systemd/system-sleep", "when the machine sleeps and wakes"}, {"/usr/lib/systemd/system-sleep", "when the machine sleeps and wakes"},
		{"/lib/systemd/system-sleep", "when the machine sleeps and wakes"}, {"/usr/lib/systemd/system-shutdown", "at shutdown"}, {"/etc/systemd/system-shutdown", "at shutdown"},
		{"/etc/pm/sleep.d", "when the machine sleeps and wakes"}, {"/usr/lib/pm-utils/sleep.d", "when the machine sleeps and wakes"}, {"/etc/pm/power.d", "when the power changes"},
		{"/usr/lib/pm-utils/power.d", "when the power changes"}, {"/etc/apm/event.d", "when the power changes"}, {"/etc/apm/resume.d", "when the machine wakes"}, {"/etc/apm/suspend.d", "when the machine sleeps"},
		{"/etc/acpi", "at an ACPI event"}, {"/etc/acpi/actions", "at an ACPI event"}} {
		if d.dir == "/lib/systemd/system-sleep" && l.Real(d.dir) != d.dir {
			continue // the same directory
		}
		for _, name := range l.Files(d.dir) {
			l.hook(name, "root", d.when)
		}
	}
	for _, name := range l.Files("/etc/acpi/events") {
		for _, line := range l.Lines(name) {
			command, ok := strings.CutPrefix(strings.TrimSpace(line.Text), "action=")
			if !ok || command == "" {
				continue
			}
			l.Add(deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(line.Text), LineNo: line.No, Name: path.Base(name), User: "root", Trigger: "at an ACPI event",
				Command: deminer.Raw(command), Odd: oddLine(line.Text), Remove: []deminer.Action{drop(name)}})
		}
	}
}
