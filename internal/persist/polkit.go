package persist

import (
	"path"
	"strings"

	"github.com/deminer/deminer"
)

// listPolkit lists the rules that decide who may do privileged things over D-Bus (polkit(8)); each file is one foothold.
func listPolkit(l *Lister) {
	for _, name := range l.Files("/etc/polkit-1/rules.d", "/run/polkit-1/rules.d", "/usr/local/share/polkit-1/rules.d", "/usr/share/polkit-1/rules.d") {
		if strings.HasSuffix(name, ".rules") {
			polkitFile(l, name, "polkit.Result.YES", "polkit.spawn")
		}
	}
	for _, dir := range []string{"/etc/polkit-1/localauthority", "/var/lib/polkit-1/localauthority"} {
		for _, name := range l.Tree(dir, 4) {
			if strings.HasSuffix(name, ".pkla") {
				polkitFile(l, name, "ResultAny=yes", "")
			}
		}
	}
	for _, name := range l.Files("/usr/share/polkit-1/actions", "/etc/polkit-1/actions", "/run/polkit-1/actions", "/usr/local/share/polkit-1/actions") {
		if owned, known := l.Owned(name); strings.HasSuffix(name, ".policy") && known && !owned {
			polkitFile(l, name, "<allow_any>yes<", "")
		}
	}
}

func polkitFile(l *Lister, name, grant, spawn string) {
	text, ok := l.Read(name)
	if !ok {
		return
	}
	f := deminer.Foothold{Path: deminer.Raw(name), Name: path.Base(name), User: "root", Trigger: "a program asks polkit for a right", Targets: []string{}}
	if strings.Contains(strings.ReplaceAll(text, " ", ""), strings.ReplaceAll(grant, " ", "")) {
		f.Odd = append(f.Odd, "grants a right without asking")
	}
	if spawn != "" && strings.Contains(text, spawn) {
		f.Odd = append(f.Odd, "runs a program")
	}
	l.Add(f)
}
