package persist

import "github.com/deminer/deminer"

// listGenerators lists systemd's generators: programs that PID 1, or a user's manager, runs at boot and at every reload,
// before anything else (systemd.generator(7), systemd.environment-generator(7)).
func listGenerators(l *Lister) {
	for _, d := range []struct{ dir, user, when string }{
		{"system-generators", "root", "at boot and at every reload of systemd"},
		{"system-environment-generators", "root", "at boot and at every reload of systemd"},
		{"user-generators", "every user", "at login and at every reload of the user's systemd"},
		{"user-environment-generators", "every user", "at login and at every reload of the user's systemd"},
	} {
		var dirs []string
		for _, root := range []string{"/run", "/etc", "/usr/local/lib", "/usr/lib", "/lib"} {
			dirs = append(dirs, root+"/systemd/"+d.dir)
		}
		for _, name := range l.Files(dirs...) {
			if l.Real(name) == "/dev/null" { // masked
				continue
			}
			l.script(deminer.Foothold{Path: deminer.Raw(name), User: d.user, Trigger: d.when, Remove: []deminer.Action{drop(name), reload()}})
		}
	}
}
