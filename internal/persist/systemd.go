package persist

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// listUnits lists the system manager's services, sockets, path and mount units: systemd.unit(5), all load paths.
func listUnits(l *Lister) {
	s := l.systemUnits()
	for _, u := range s.units {
		if _, kind := splitUnit(u.name); kind != "timer" && kind != "target" {
			l.addUnit(s, u, "", true)
		}
	}
	environmentFiles(l, s)
}

// systemUnits reads the system manager's units once for all mechanisms of a run.
func (l *Lister) systemUnits() *unitSet {
	if *l.units == nil {
		*l.units = l.loadUnits(systemUnitDirs())
	}
	return *l.units
}

// addUnit lists one unit. owner is the user whose manager runs it; "" is the system's.
func (l *Lister) addUnit(s *unitSet, u unit, owner string, system bool) {
	runs := u
	_, kind := splitUnit(u.name)
	if kind == "socket" || kind == "path" || kind == "timer" {
		runs = s.service(u)
	}
	user := value(runs.list, "User")
	switch {
	case !system:
		user = owner
	case user == "":
		user = "root"
	}
	own := append(slices.Clone(u.list), runs.list...)
	if runs.path == u.path {
		own = u.list
	}
	f := deminer.Foothold{Path: deminer.Raw(u.path), Name: u.name, User: user, Command: deminer.Raw(strings.Join(execs(own), "; ")),
		Targets: l.unitTargets(own, user), Remove: s.recipe(u), Odd: oddName(u.name)}
	f.Trigger, f.Every = unitTrigger(kind, u.list)
	if by := s.enabled(u); by != "" {
		if strings.HasSuffix(by, ".target") && strings.HasPrefix(f.Trigger, "when started") {
			f.Trigger = "at boot" + strings.TrimPrefix(f.Trigger, "when started")
		}
		f.Trigger += ", pulled in by " + by
	} else {
		f.Disabled = !strings.Contains(u.path, "/systemd/transient/")
	}
	if u.real != u.path {
		f.Targets = append(f.Targets, u.real)
		f.Odd = append(f.Odd, "the unit is a link to "+deminer.Cut(u.real, 200))
	}
	f.Odd = append(f.Odd, oddUnit(u.list)...)
	mount := kind == "mount" || kind == "automount" || kind == "swap" || kind == "target"
	nothing := kind == "service" && f.Command == "" && len(f.Targets) == 0
	if (mount || nothing) && !oddMount(u.list) && u.real == u.path {
		return // starts no program
	}
	l.Add(f)
}

// oddMount reports whether a mount unit covers a directory where that hides things.
func oddMount(list []setLine) bool {
	where := value(list, "Where")
	return strings.HasPrefix(where, "/proc/") && !strings.HasPrefix(where, "/proc/sys/fs/") && where != "/proc/fs/nfsd" || where == "/etc" || where == "/root"
}

// unitTargets are the files that the settings of a unit run or load.
func (l *Lister) unitTargets(list []setLine, user string) []string {
	home := l.HomeOf(user)
	var text []string
	if dir := value(list, "WorkingDirectory"); strings.HasPrefix(strings.TrimLeft(dir, "-"), "/") {
		text = append(text, "cd "+strings.TrimLeft(dir, "-"))
	} else {
		text = append(text, "cd /")
	}
	var env []string
	for _, e := range append(values(list, "Environment"), values(list, "DefaultEnvironment")...) {
		env = append(env, "export "+e)
	}
	text = append(text, env...)
	for _, e := range execs(list) {
		text = append(text, runnable(e, home))
	}
	if len(text) == 1 {
		return []string{}
	}
	return append([]string{}, l.Targets(strings.Join(text, "\n"), user)...)
}

// unitTrigger says when a unit of this kind starts.
func unitTrigger(kind string, list []setLine) (string, time.Duration) {
	switch kind {
	case "timer":
		return timerTrigger(list)
	case "socket":
		for _, d := range list {
			if strings.HasPrefix(d.key, "Listen") && d.value != "" {
				return "on a connection to " + deminer.Cut(d.value, 100), 0
			}
		}
		return "on a connection", 0
	case "path":
		for _, d := range list {
			if strings.HasPrefix(d.key, "Path") || d.key == "DirectoryNotEmpty" {
				return "when " + deminer.Cut(d.value, 100) + " exists or changes", 0
			}
		}
	}
	t := "when started"
	if at := value(list, "WantedBy") + value(list, "RequiredBy"); strings.Contains(at, "target") {
		t = "at boot"
	}
	if r := value(list, "Restart"); r == "always" || r == "on-failure" || r == "on-success" || r == "on-abnormal" || r == "on-abort" {
		wait := value(list, "RestartSec")
		if wait == "" {
			wait = "100ms"
		}
		if strings.Trim(wait, "0123456789") == "" { // a bare number counts seconds, systemd.time(7)
			wait += " s"
		}
		t += ", started again (" + r + ") after " + deminer.Cut(wait, 20)
	}
	return t, 0
}

// oddUnit says what is formally odd about the lines of a unit.
func oddUnit(list []setLine) []string {
	var odd []string
	for _, d := range list {
		for _, o := range oddLine(d.line.Text) {
			if o = d.key + ": " + o; !slices.Contains(odd, o) && len(odd) < 8 {
				odd = append(odd, deminer.Cut(o, 200))
			}
		}
		if d.key == "RootDirectory" || d.key == "RootImage" {
			odd = append(odd, "runs inside "+deminer.Cut(d.value, 200))
		}
	}
	return odd
}

// environmentFiles lists the lines of files named by EnvironmentFile= that make a service load code.
func environmentFiles(l *Lister, s *unitSet) {
	done := map[string]bool{}
	for _, u := range append(slices.Clone(s.units), s.dropins...) {
		for _, name := range values(u.list, "EnvironmentFile") {
			name = path.Clean(strings.TrimPrefix(name, "-"))
			if done[name] || !strings.HasPrefix(name, "/") || strings.ContainsAny(name, "%*?") {
				continue
			}
			done[name] = true
			for _, line := range l.Lines(name) {
				text := strings.TrimPrefix(strings.TrimSpace(line.Text), "export ")
				key, v, ok := assignment(text)
				if ok && loads(key) {
					l.Add(deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(line.Text), LineNo: line.No, Name: u.name, Trigger: "when " + u.name + " starts",
						User: value(u.list, "User"), Command: deminer.Raw(text), Targets: loaded(key, v), Odd: oddLine(line.Text)})
				}
			}
		}
	}
}

// listDropIns lists the files that change units of the system: NAME.d/*.conf.
func listDropIns(l *Lister) {
	s := l.systemUnits()
	for _, d := range s.dropins {
		l.addDropIn(d, "", true)
	}
}

// addDropIn lists one drop-in.
func (l *Lister) addDropIn(d unit, owner string, system bool) {
	user := value(d.list, "User")
	if !system {
		user = owner
	} else if user == "" {
		user = "root"
	}
	// The name is not the unit's: what runs in the unit is not what the drop-in started.
	name := d.name + ".d/" + path.Base(d.path)
	f := deminer.Foothold{Path: deminer.Raw(d.path), Name: name, User: user, Trigger: "with " + d.name, Command: deminer.Raw(strings.Join(execs(d.list), "; ")),
		Targets: l.unitTargets(d.list, user), Odd: append(oddName(path.Base(d.path)), oddUnit(d.list)...), Remove: []deminer.Action{drop(d.path)}}
	if d.real != d.path {
		f.Targets = append(f.Targets, d.real)
	}
	f.Remove = append(f.Remove, reload(d.name))
	l.Add(f)
}
