package persist

import (
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// listSysV lists the start scripts of /etc/init.d with the links that start them: rc?.d of SysV (Debian, RHEL, SUSE) and
// OpenRC's runlevels. systemd turns them into services too (systemd-sysv-generator(8)).
func listSysV(l *Lister) {
	s := initLinks(l)
	for _, name := range l.Files("/etc/init.d", "/etc/rc.d/init.d") {
		base := path.Base(name)
		if strings.HasPrefix(base, ".depend") || base == "README" || base == "functions" || base == "skeleton" {
			continue
		}
		text, ok := l.Read(name)
		if !ok {
			continue
		}
		f := s.foothold(l, name, s.links[l.Real(name)])
		f.Targets = append([]string{name}, l.Targets(text, "root")...)
		for line := range strings.Lines(text) { // OpenRC: the program is in a variable
			if command, ok := strings.CutPrefix(strings.TrimSpace(line), "command="); ok {
				f.Targets = append(f.Targets, l.Targets(strings.Trim(command, `"'`), "root")...)
			}
		}
		l.Add(f)
	}
	for _, name := range s.stray {
		f := s.foothold(l, name, nil)
		f.Disabled, f.Trigger = false, "at boot or at a change of runlevel ("+path.Base(path.Dir(name))+")"
		f.Odd = append(f.Odd, "the start file is no link to /etc/init.d")
		f.Targets = []string{name}
		if real := l.Real(name); real != name {
			f.Targets = append(f.Targets, real)
		}
		l.Add(f)
	}
}

// rcLinks are the links that start scripts.
type rcLinks struct {
	links map[string][]string // real path of the script -> links to it
	stray []string            // start files that are no links to a script of /etc/init.d
}

func initLinks(l *Lister) *rcLinks {
	s := &rcLinks{links: map[string][]string{}}
	var dirs []string
	for _, root := range []string{"/etc", "/etc/rc.d", "/etc/init.d"} {
		for _, level := range strings.Split("0123456S", "") {
			dirs = append(dirs, root+"/rc"+level+".d")
		}
	}
	dirs = append(dirs, "/etc/init.d/boot.d")
	for _, e := range l.Dir("/etc/runlevels") {
		dirs = append(dirs, "/etc/runlevels/"+e.Name)
	}
	for _, name := range l.Files(dirs...) {
		base := path.Base(name)
		if base == "README" || strings.HasPrefix(base, ".depend") {
			continue
		}
		real, err := l.resolve(name)
		if err == nil && real != name && slices.Contains([]string{"/etc/init.d", "/etc/rc.d/init.d"}, path.Dir(real)) {
			s.links[real] = append(s.links[real], name)
		} else if err == nil {
			s.stray = append(s.stray, name)
		}
	}
	return s
}

// foothold makes the entry of one script: its links go first, so that none dangles.
func (s *rcLinks) foothold(l *Lister, name string, links []string) deminer.Foothold {
	base := path.Base(name)
	var levels []string
	for _, link := range links {
		dir := path.Base(path.Dir(link))
		if path.Base(path.Dir(path.Dir(link))) == "runlevels" || strings.HasPrefix(path.Base(link), "S") {
			levels = append(levels, strings.TrimSuffix(strings.TrimPrefix(dir, "rc"), ".d"))
		}
	}
	f := deminer.Foothold{Path: deminer.Raw(name), Name: base, User: "root", Command: deminer.Raw(name + " start"), Odd: oddName(base),
		Trigger: "at boot (runlevels " + strings.Join(levels, " ") + ")", Remove: append(append(drops(links...), drop(name)), reload(base+".service"))}
	a, err := l.Host.FS.Stat(name)
	if len(levels) == 0 {
		f.Trigger, f.Disabled = "when started", true
	}
	f.Disabled = f.Disabled || err != nil || !a.Executable()
	return f
}

// listInittab lists the processes that a SysV or busybox init starts and starts again (inittab(5)).
func listInittab(l *Lister) {
	const name = "/etc/inittab"
	for _, line := range l.Lines(name) {
		f := strings.SplitN(line.Text, ":", 4)
		if blank(line.Text) || len(f) < 4 || f[2] == "initdefault" || f[3] == "" {
			continue
		}
		when := map[string]string{"respawn": "always: started again whenever it ends", "askfirst": "at a key on the console", "ctrlaltdel": "at Ctrl-Alt-Del",
			"off": "never: off", "shutdown": "at shutdown", "powerfail": "when the power fails", "restart": "when init restarts"}[f[2]]
		if when == "" {
			when = "at boot (" + deminer.Cut(f[2], 20) + ")"
		}
		l.Add(deminer.Foothold{Path: name, Line: deminer.Raw(line.Text), LineNo: line.No, Name: f[0], User: "root", Trigger: when, Disabled: f[2] == "off" || l.Host.Info.Systemd,
			Command: deminer.Raw(strings.TrimLeft(f[3], "+-@")), Odd: oddLine(line.Text)})
	}
}

// listUpstart lists jobs of Upstart (init(5) of Upstart), the system's and those of homes.
func listUpstart(l *Lister) {
	for _, name := range l.Files("/etc/init", "/usr/share/upstart/sessions", "/etc/xdg/upstart") {
		upstart(l, name, "root")
	}
	for _, h := range l.Homes {
		for _, name := range l.Files(h.Dir+"/.config/upstart", h.Dir+"/.init") {
			upstart(l, name, h.User)
		}
	}
}

func upstart(l *Lister, name, user string) {
	if ext := path.Ext(name); ext != ".conf" && ext != ".override" {
		return
	}
	f := deminer.Foothold{Path: deminer.Raw(name), Name: path.Base(name), User: user, Trigger: "when started", Disabled: l.Host.Info.Systemd, Odd: oddName(path.Base(name)),
		Remove: []deminer.Action{drop(name)}}
	var run []string
	script := false
	for _, line := range l.Lines(name) {
		text := strings.TrimSpace(line.Text)
		switch {
		case script && text == "end script":
			script = false
		case script:
			run = append(run, text)
		case strings.HasSuffix(text, "script") && !strings.HasPrefix(text, "#"):
			script = true
		case strings.HasPrefix(text, "start on "):
			f.Trigger = deminer.Cut(text, 100)
		case strings.HasPrefix(text, "setuid "):
			f.User = strings.TrimSpace(strings.TrimPrefix(text, "setuid "))
		case strings.HasPrefix(text, "env "):
			run = append(run, "export "+strings.TrimPrefix(text, "env "))
		default:
			if _, command, ok := strings.Cut(" "+text, "exec "); ok && !strings.HasPrefix(text, "#") {
				run = append(run, command)
			}
		}
	}
	f.Command = deminer.Raw(strings.Join(run, "\n"))
	l.Add(f)
}
