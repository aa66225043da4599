package persist

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/deminer/deminer"
)

// listUserUnits lists the units of the users' managers: those for every user, those in each home, and lingering users,
// whose units start at boot without a login (systemd.unit(5), "Load path when running in user mode").
func listUserUnits(l *Lister) {
	lingers := map[string]bool{}
	for _, name := range l.Files("/var/lib/systemd/linger") {
		user := path.Base(name)
		lingers[user] = true
		l.Add(deminer.Foothold{Path: deminer.Raw(name), Name: user, User: user, Trigger: "at boot: the units of " + deminer.Cut(user, 60) + " start without a login",
			Remove: []deminer.Action{drop(name)}})
	}
	l.userUnits("every user", false, []string{"/etc/systemd/user", "/run/systemd/user", "/usr/local/lib/systemd/user", "/usr/lib/systemd/user",
		"/lib/systemd/user", "/usr/local/share/systemd/user", "/usr/share/systemd/user"})
	for _, h := range l.Homes {
		user := h.User
		if user == "" {
			user = path.Base(h.Dir)
		}
		dirs := []string{h.Dir + "/.config/systemd/user.control", h.Dir + "/.config/systemd/user", h.Dir + "/.local/share/systemd/user", h.Dir + "/.local/lib/systemd/user"}
		l.userUnits(user, lingers[user], dirs)
	}
	for _, e := range l.Dir("/run/user") {
		dir := "/run/user/" + e.Name + "/systemd/"
		user := e.Name
		for _, a := range l.Accounts {
			if e.Name == strconv.FormatUint(uint64(a.UID), 10) {
				user = a.Name
				break
			}
		}
		l.userUnits(user, lingers[user], []string{dir + "user.control", dir + "transient", dir + "user"})
	}
}

// userUnits lists the units and drop-ins of one manager.
func (l *Lister) userUnits(user string, lingers bool, dirs []string) {
	if !slices.ContainsFunc(dirs, l.IsDir) {
		return
	}
	from := len(l.found)
	s := l.loadUnits(dirs)
	for _, u := range s.units {
		l.addUnit(s, u, user, false)
	}
	for _, d := range s.dropins {
		l.addDropIn(d, user, false)
	}
	start := "at login of " + user
	if lingers {
		start = "at boot (user " + user + " lingers)"
	}
	for i := range l.found[from:] {
		f := &l.found[from+i]
		f.Trigger = strings.Replace(f.Trigger, "at boot", start, 1)
		for _, a := range f.Remove {
			if a.Verb == deminer.VerbReload {
				a.Args["users"] = "yes"
			}
		}
	}
}
