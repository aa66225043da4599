package persist

import (
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// listNSSwitch lists the name services that libc loads beyond its own (nsswitch.conf(5)): each is a library in every
// program that looks up a user or a host.
func listNSSwitch(l *Lister) {
	own := strings.Fields("files compat db dns hesiod nis nisplus")
	for _, name := range []string{"/etc/nsswitch.conf", "/usr/etc/nsswitch.conf"} {
		for _, line := range l.Lines(name) {
			text, _, _ := strings.Cut(line.Text, "#")
			what, rest, ok := strings.Cut(text, ":")
			if !ok {
				continue
			}
			services := strings.Fields(rest)
			for i, s := range services[:l.share(name, line.Text, len(services))] {
				if slices.Contains(own, s) || strings.HasPrefix(s, "[") || strings.HasSuffix(s, "]") || slices.Index(services, s) != i {
					continue
				}
				var names []string
				for _, d := range l.libDirs() {
					names = append(names, escapeGlob(path.Join(d, "libnss_"+s+".so.2")))
				}
				f := deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(line.Text), LineNo: line.No, Part: s, Name: s, User: "every user",
					Trigger: "look-up of " + strings.TrimSpace(what), Targets: l.firstReal(l.Glob(names...)), Odd: oddLine(line.Text),
					Remove: []deminer.Action{l.Edit(l.Real(name), line.Text, withoutWord(line.Text, s), line.No)}}
				f.Disabled = len(f.Targets) == 0
				if strings.Contains(s, "/") {
					f.Odd = append(f.Odd, "a path in place of a name")
				}
				l.Add(f)
			}
		}
	}
}

// listAlternatives lists the links of update-alternatives(1) that lead to a file no package owns or that lies in an odd place.
func listAlternatives(l *Lister) {
	for _, name := range l.Files("/etc/alternatives", "/var/lib/alternatives") {
		if !l.IsLink(name) {
			continue
		}
		to, err := host.Resolve(l.Host.FS, name)
		if err != nil {
			continue // it leads nowhere
		}
		owned, known := l.Owned(to)
		if owned || !known && oddPlace(to) == "" {
			continue
		}
		f := deminer.Foothold{Path: deminer.Raw(name), Name: path.Base(name), User: "every user", Trigger: "somebody calls " + path.Base(name), Targets: []string{to}}
		if why := oddPlace(to); why != "" {
			f.Odd = append(f.Odd, "leads to a file "+why)
		}
		l.Add(f)
	}
}
