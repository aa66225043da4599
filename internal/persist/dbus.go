package persist

import (
	"path"
	"strings"

	"github.com/deminer/deminer"
)

// listDBus lists the services D-Bus starts when somebody calls their name.
func listDBus(l *Lister) {
	add := func(name, user string) {
		if !strings.HasSuffix(name, ".service") || !l.IsFile(name) {
			return
		}
		f := deminer.Foothold{Path: deminer.Raw(name), Name: strings.TrimSuffix(path.Base(name), ".service"), User: user, Targets: []string{}}
		unit := ""
		for _, line := range l.Lines(name) {
			switch key, value := keyEquals(line.Text); key {
			case "Name":
				f.Name = value
			case "Exec":
				f.Command, f.Targets = deminer.Raw(value), nil
			case "User":
				f.User = value
			case "SystemdService":
				unit = value
			}
		}
		f.Trigger = "somebody calls " + f.Name + " on D-Bus"
		if unit != "" {
			f.Trigger += ", which starts " + unit
		}
		l.Add(f)
	}
	for _, name := range l.Files("/etc/dbus-1/system-services", "/run/dbus-1/system-services", "/usr/local/share/dbus-1/system-services", "/usr/share/dbus-1/system-services", "/usr/lib/dbus-1/system-services") {
		add(name, "root")
	}
	for _, name := range l.Files("/etc/dbus-1/services", "/usr/local/share/dbus-1/services", "/usr/share/dbus-1/services") {
		add(name, "every user")
	}
	l.InHomes(func(h Home, name string) { add(name, h.User) }, ".local/share/dbus-1/services/*.service")
}

// keyEquals splits "Key=value" of a key file.
func keyEquals(line string) (key, value string) {
	key, value, _ = strings.Cut(strings.TrimSpace(line), "=")
	return strings.TrimSpace(key), strings.TrimSpace(value)
}
