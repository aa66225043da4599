package persist

import (
	"path"
	"strings"

	"github.com/deminer/deminer"
)

// listLXC lists the containers of LXC that start at boot, and the hooks of their configuration, which run on the host
// (lxc.container.conf(5)).
func listLXC(l *Lister) {
	files := l.Glob("/var/lib/lxc/*/config")
	for _, h := range l.Homes {
		files = append(files, l.Glob(escapeGlob(h.Dir)+"/.local/share/lxc/*/config")...)
	}
	for _, name := range files {
		for _, line := range l.Lines(name) {
			key, value := keyEquals(line.Text)
			f := deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(line.Text), LineNo: line.No, Name: path.Base(path.Dir(name)) + " " + key, User: ownerOf(l, name), Odd: oddLine(line.Text)}
			if strings.HasPrefix(name, "/var/lib/") {
				f.User = "root"
			}
			switch {
			case key == "lxc.start.auto" && value == "1":
				f.Trigger = "every boot: the container starts"
			case strings.HasPrefix(key, "lxc.hook.") && value != "" && !strings.HasSuffix(key, ".version"):
				f.Trigger, f.Command = "the container starts or stops", deminer.Raw(value)
			default:
				continue
			}
			l.Add(f)
		}
	}
	for _, db := range []string{"/var/lib/lxd/database", "/var/snap/lxd/common/lxd/database", "/var/lib/incus/database"} {
		if l.Exists(db) {
			l.gap(deminer.Skipped, db, "the database of containers is not read")
		}
	}
}
