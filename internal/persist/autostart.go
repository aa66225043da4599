package persist

import (
	"fmt"
	"path"
	"strings"

	"github.com/deminer/deminer"
)

// listAutostart lists what desktops start at login: the XDG autostart specification, KDE's own directories. Servers rarely
// have any.
func listAutostart(l *Lister) {
	for _, name := range l.Files("/etc/xdg/autostart", "/usr/share/autostart", "/usr/share/gnome/autostart", "/etc/xdg/xfce4/autostart") {
		desktop(l, name, "every user")
	}
	for _, name := range l.Files("/etc/xdg/plasma-workspace/env", "/etc/xdg/plasma-workspace/shutdown") {
		l.shell(name, "every user", true)
	}
	for _, h := range l.Homes {
		for _, name := range l.Files(h.Dir+"/.config/autostart", h.Dir+"/.config/autostart-scripts", h.Dir+"/.kde/Autostart", h.Dir+"/.kde4/Autostart", h.Dir+"/.kde/share/autostart", h.Dir+"/.config/plasma-workspace/env",
			h.Dir+"/.config/plasma-workspace/shutdown", h.Dir+"/.kde/env") {
			if path.Base(path.Dir(name)) == "autostart" || strings.HasSuffix(name, ".desktop") {
				desktop(l, name, h.User)
			} else {
				l.script(deminer.Foothold{Path: deminer.Raw(name), User: h.User, Trigger: "at desktop login of " + h.User})
			}
		}
	}
}

// desktop lists one desktop entry.
func desktop(l *Lister, name, user string) {
	if !strings.HasSuffix(name, ".desktop") {
		return
	}
	lines := l.Lines(name)
	list := parseUnit(name, lines)
	command := value(list, "Exec")
	if command == "" {
		return
	}
	f := deminer.Foothold{Path: deminer.Raw(name), Name: path.Base(name), User: user, Trigger: "at desktop login of " + user, Command: deminer.Raw(command), Odd: oddName(path.Base(name)),
		Disabled: strings.EqualFold(value(list, "Hidden"), "true") || strings.EqualFold(value(list, "X-GNOME-Autostart-enabled"), "false"), Remove: []deminer.Action{drop(name)}}
	if strings.EqualFold(value(list, "NoDisplay"), "true") {
		f.Odd = append(f.Odd, "it hides itself from the list of programs")
	}
	padding := 0
	for _, line := range lines {
		if blank(line.Text) {
			padding++
		}
	}
	if padding > 50 && padding > 3*len(list) {
		f.Odd = append(f.Odd, fmt.Sprintf("the file is padded with %d blank or comment lines", padding))
	}
	l.Add(f)
}
