package persist

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// listCron reads every cron table: the system's, with a user in each line, and the users', each named after its user.
// Places: crontab(5) of Debian, RHEL (cronie), SUSE (tabs), Alpine and busybox (/etc/crontabs).
func listCron(l *Lister) {
	cronTable(l, "/etc/crontab", "")
	for _, name := range l.Files("/etc/cron.d") {
		cronTable(l, name, "")
	}
	for _, name := range l.Files("/var/spool/cron", "/var/spool/cron/crontabs", "/var/spool/cron/tabs", "/etc/crontabs", "/var/cron/tabs") {
		if base := path.Base(name); base != "cron.update" && base != "cron.deny" && base != "cron.allow" {
			cronTable(l, name, base)
		}
	}
}

// table is one cron table while it is read.
type table struct {
	l    *Lister
	name string
	user string   // "" where each line names its own
	odd  []string // oddities of the whole table
	dump bool     // a database dump, written here by a server that was told to
	vars []string // lines that set variables for the jobs after them
}

// cronTable lists the jobs of one table, and the variables in it that make every job load something.
func cronTable(l *Lister, name, user string) {
	t := table{l: l, name: name, user: user, odd: oddName(path.Base(name))}
	lines := l.Lines(name)
	if len(lines) > 0 && strings.HasPrefix(lines[0].Text, "REDIS0") {
		t.dump = true
		t.odd = append(t.odd, "the table is a Redis dump: it was written through a Redis server")
	}
	if user != "" && len(l.Accounts) > 0 && !slices.ContainsFunc(l.Accounts, func(a deminer.Account) bool { return a.Name == user }) {
		t.odd = append(t.odd, "no account has the table's name")
	}
	if a, err := l.Host.FS.Stat(name); err == nil && a.Size > maxFile {
		l.Add(deminer.Foothold{Path: deminer.Raw(name), User: user, Trigger: "not known: too large to be read whole",
			Odd: append(slices.Clone(t.odd), "the table is larger than 1 MiB"), Remove: []deminer.Action{drop(name)}})
	}
	for _, line := range lines {
		text := strings.TrimLeft(line.Text, " \t\x00")
		switch {
		case text == "" || text[0] == '#':
		case isAssignment(text):
			t.variable(line)
		default:
			t.job(line)
		}
	}
}

// variable lists a line that makes the jobs after it load or run something.
func (t *table) variable(line Line) {
	name, value, _ := strings.Cut(line.Text, "=")
	name, value = strings.Trim(strings.TrimSpace(name), `"'`), strings.Trim(strings.TrimSpace(value), `"'`)
	t.vars = append(t.vars, name+"="+value)
	switch {
	case loads(name):
	case name == "SHELL" && !isPlain(value) && value != "/sbin/nologin":
	case name == "PATH" && oddPath(value):
	default:
		return
	}
	targets := loaded(name, value)
	if name == "PATH" {
		targets = append(targets, t.l.shadows("PATH="+value, t.l.HomeOf(t.user))...)
	}
	t.l.Add(deminer.Foothold{Path: deminer.Raw(t.name), Line: deminer.Raw(line.Text), LineNo: line.No, Name: name, User: t.user,
		Trigger: "with every job of the table", Command: deminer.Raw(name + "=" + value), Targets: targets,
		Odd: append(slices.Clone(t.odd), oddLine(line.Text)...), Remove: t.recipe(line)})
}

// job lists one job. A line that is none is passed over unless the table is a dump, where jobs stand among other bytes.
func (t *table) job(line Line) {
	text := strings.TrimLeft(line.Text, " \t\x00")
	odd := append(slices.Clone(t.odd), oddLine(line.Text)...)
	text = strings.TrimPrefix(text, "-") // cronie, SUSE: do not log
	n := 5
	if text[:min(1, len(text))] == "@" {
		n = 1
	}
	fields, command := fieldsThen(text, n)
	if len(fields) < n || command == "" {
		return
	}
	user := t.user
	if user == "" {
		var rest []string
		rest, command = fieldsThen(command, 1)
		user = rest[0]
	}
	when := strings.Join(fields, " ")
	if n == 1 {
		when = nickname(when)
	}
	d, words := period(when)
	never := strings.HasPrefix(words, "never")
	if command == "" || never && (t.dump || !looksTimed(fields[0])) {
		return
	}
	run, stdin := percent(command)
	f := deminer.Foothold{Path: deminer.Raw(t.name), Line: deminer.Raw(line.Text), LineNo: line.No, User: user, Trigger: words, Every: d,
		Command: deminer.Raw(strings.TrimRight(command, "\r")), Disabled: never, Odd: odd, Remove: t.recipe(line)}
	f.Targets = t.l.Targets(strings.Join(append(t.exports(), run), "; ")+"\n"+stdin, user)
	t.l.Add(f)
}

// exports are the table's variables as shell text, so that commands which use them can be followed.
func (t *table) exports() []string {
	var out []string
	for _, v := range t.vars[:min(len(t.vars), maxVars)] {
		if !strings.ContainsAny(v, " \t'\"`$;&|()<>\\") && !loads(strings.SplitN(v, "=", 2)[0]) {
			out = append(out, v)
		}
	}
	return out
}

// recipe cuts the line; the file goes with its last line, except the one that belongs to the system. A dump goes whole:
// what it overwrote is lost already, and nothing in it was written by the owner.
func (t *table) recipe(line Line) []deminer.Action {
	if t.dump {
		return []deminer.Action{drop(t.name)}
	}
	return []deminer.Action{t.l.Cut(t.name, line.Text, line.No, t.name != "/etc/crontab")}
}

// looksTimed reports whether the first field of a line that cannot be read was at least meant as a time.
func looksTimed(s string) bool { return s[0] == '@' || s[0] == '*' || s[0] >= '0' && s[0] <= '9' }

// percent splits a command at its first unescaped percent sign: what follows is the standard input, percents are newlines.
func percent(s string) (run, stdin string) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '%':
			return s[:i], strings.ReplaceAll(s[i+1:], "%", "\n")
		}
	}
	return s, ""
}

// oddPath reports whether a search path begins anywhere but in a directory of the system.
func oddPath(value string) bool {
	head, _, _ := strings.Cut(value, ":")
	return !slices.Contains(systemDirs(), path.Clean(head)) && !strings.HasPrefix(head, "$") && head != ""
}

// pathsIn gives the absolute paths in a value that lists them with colons, blanks or commas.
func pathsIn(value string) []string {
	var out []string
	for _, p := range strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(": \t,=\"'", r) }) {
		if strings.HasPrefix(p, "/") && len(out) < maxTarget {
			out = append(out, path.Clean(p))
		}
	}
	return out
}

// loaded gives the files that a variable makes programs load or run; a search path names none.
func loaded(name, value string) []string {
	if strings.HasSuffix(name, "PATH") {
		return []string{}
	}
	return pathsIn(value)
}

// listCronScripts lists the scripts that cron or anacron runs by directory.
func listCronScripts(l *Lister) {
	day := 24 * time.Hour
	for _, d := range []struct {
		dir   string
		every time.Duration
	}{{"/etc/cron.hourly", time.Hour}, {"/etc/cron.daily", day}, {"/etc/cron.weekly", 7 * day}, {"/etc/cron.monthly", 31 * day},
		{"/etc/periodic/15min", 15 * time.Minute}, {"/etc/periodic/hourly", time.Hour}, {"/etc/periodic/daily", day},
		{"/etc/periodic/weekly", 7 * day}, {"/etc/periodic/monthly", 31 * day}} {
		words := every(d.every)
		if d.every == 31*day {
			words = "every month"
		}
		for _, name := range l.Files(d.dir) {
			if base := path.Base(name); base != ".placeholder" && base != "README" {
				a, err := l.Host.FS.Stat(name)
				l.hookOf(deminer.Foothold{Path: deminer.Raw(name), User: "root", Trigger: words, Every: d.every, Disabled: err != nil || !a.Executable()})
			}
		}
	}
}

// script lists a file that is run as a whole: it is its own target, or what it links to; without an execute bit it does
// not run. Files that packages leave to keep a directory are passed over.
func (l *Lister) script(f deminer.Foothold) {
	name := string(f.Path)
	base := path.Base(name)
	if base == ".placeholder" || base == "README" || base == ".keep" {
		return
	}
	a, err := l.Host.FS.Stat(name)
	f.Disabled = f.Disabled || err != nil || !a.Executable()
	f.Name, f.Command, f.Targets = base, f.Path, []string{name}
	if real, err := host.Resolve(l.Host.FS, name); err == nil && real != name {
		f.Targets = append(f.Targets, real)
	}
	f.Odd = append(f.Odd, oddName(base)...)
	l.Add(f)
}
