package persist

import (
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// listSupervise lists services of runit, daemontools and s6: directories with a run script, started by links to them.
func listSupervise(l *Lister) {
	links := map[string][]string{}
	var dirs []string
	for _, scan := range []string{"/etc/service", "/var/service", "/service", "/run/service", "/run/runit/service", "/etc/runit/runsvdir/default", "/etc/runit/runsvdir/current", "/etc/s6/adminsv/default", "/etc/s6.d",
		"/etc/services.d", "/etc/s6-overlay/s6-rc.d", "/etc/s6-rc/source", "/etc/s6/sv", "/etc/sv", "/usr/lib/sv"} {
		for _, e := range l.Dir(scan) {
			name := path.Join(l.Real(scan), e.Name)
			real, err := l.resolve(name)
			if err != nil || !isDir(l.Host.FS, real) {
				continue
			}
			if e.Type == deminer.Symlink {
				links[real] = append(links[real], name)
			}
			if !slices.Contains(dirs, real) {
				dirs = append(dirs, real)
			}
		}
	}
	for _, dir := range dirs {
		for _, n := range []string{"run", "up", "finish", "check", "log/run"} {
			superviseScript(l, dir, n, links[dir])
		}
	}
	for _, name := range append(l.Files("/etc/cont-init.d", "/etc/cont-finish.d"), "/etc/runit/1", "/etc/runit/2", "/etc/runit/3", "/etc/rc.init") {
		if l.IsFile(name) {
			l.hook(name, "root", "at boot")
		}
	}
}

// superviseScript lists one script of a service directory. With the run script go the links that start the service.
func superviseScript(l *Lister, dir, n string, links []string) {
	name := dir + "/" + n
	text, ok := "", false
	if l.IsFile(name) {
		text, ok = l.Read(name)
	}
	if !ok {
		return
	}
	a, err := l.Host.FS.Stat(name)
	started := len(links) > 0 || !below(dir, []string{"/etc/sv", "/usr/lib/sv", "/etc/s6/sv"})
	f := deminer.Foothold{Path: deminer.Raw(name), Name: path.Base(dir), User: "root", Trigger: "at boot, started again whenever it ends", Disabled: !started || n != "up" && (err != nil || !a.Executable()),
		Command: deminer.Raw(name), Targets: append([]string{name}, l.Targets("cd "+dir+"\n"+text, "root")...), Odd: oddName(path.Base(dir)), Remove: []deminer.Action{drop(name)}}
	if n == "run" || n == "up" {
		f.Remove = append(drops(links...), drop(name))
		for _, other := range append(l.Files(dir), l.Files(dir+"/log")...) {
			if other != l.Real(name) && len(f.Remove) < maxTarget {
				f.Remove = append(f.Remove, drop(other))
			}
		}
	} else {
		f.Trigger = "with the service " + deminer.Cut(path.Base(dir), 60)
	}
	l.Add(f)
}

// listDinit lists services of dinit (dinit-service(5)).
func listDinit(l *Lister) {
	see := func(name, user string) {
		var run []string
		f := deminer.Foothold{Path: deminer.Raw(name), Name: path.Base(name), User: user, Trigger: "at boot, where a started service depends on it", Odd: oddName(path.Base(name))}
		for _, line := range l.Lines(name) {
			key, value, _ := strings.Cut(line.Text, "=")
			value = strings.TrimSpace(value)
			switch strings.TrimSpace(key) {
			case "command", "stop-command":
				run = append(run, value)
			case "run-as":
				f.User = value
			}
		}
		if len(run) == 0 {
			return
		}
		f.Command = deminer.Raw(strings.Join(run, "; "))
		for _, link := range l.Files("/etc/dinit.d/boot.d", "/usr/lib/dinit.d/boot.d") {
			if l.Real(link) == l.Real(name) && link != name {
				f.Remove = append(f.Remove, drop(link))
			}
		}
		f.Remove = append(f.Remove, drop(name))
		l.Add(f)
	}
	for _, name := range l.Files("/etc/dinit.d", "/run/dinit.d", "/usr/local/lib/dinit.d", "/usr/lib/dinit.d", "/lib/dinit.d") {
		see(name, "root")
	}
	for _, h := range l.Homes {
		for _, name := range l.Files(h.Dir + "/.config/dinit.d") {
			see(name, h.User)
		}
	}
}
