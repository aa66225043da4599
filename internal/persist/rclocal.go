package persist

import (
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// listRCLocal lists the local boot scripts and every statement in them: rc.local, OpenRC's local.d, SUSE's boot.local.
func listRCLocal(l *Lister) {
	links := map[string][]string{}
	var files []string
	for _, name := range []string{"/etc/rc.local", "/etc/rc.d/rc.local", "/etc/rc.common", "/etc/init.d/boot.local", "/etc/init.d/after.local", "/etc/init.d/halt.local", "/etc/rc.d/boot.local"} {
		real := l.Real(name)
		if real != name && l.IsLink(name) {
			links[real] = append(links[real], name)
		}
		if !slices.Contains(files, real) {
			files = append(files, real)
		}
	}
	for _, name := range files {
		l.bootScript(name, false, links[name])
	}
	for _, name := range l.Files("/etc/rc.local.d", "/etc/local.d") {
		l.bootScript(name, true, nil)
	}
}

// bootScript lists one script that root runs at boot.
func (l *Lister) bootScript(name string, whole bool, links []string) {
	a, err := l.Host.FS.Stat(name)
	base := path.Base(name)
	if err != nil || !a.IsRegular() || base == "README" {
		return
	}
	when := "at boot"
	if base == "halt.local" || strings.HasSuffix(base, ".stop") {
		when = "at shutdown"
	}
	owned, known := l.Owned(name)
	shellFile{l: l, all: true, drop: whole, sole: known && !owned, from: links, base: deminer.Foothold{Path: deminer.Raw(name), User: "root", Trigger: when, Disabled: !a.Executable()}}.list()
}

// listMotd lists the scripts that make the message of the day: root runs them at each login (pam_motd(8)).
func listMotd(l *Lister) {
	for _, name := range l.Files("/etc/update-motd.d", "/usr/lib/update-motd.d", "/usr/lib/update-notifier", "/etc/dynmotd.d") {
		l.hook(name, "root", "at every login")
	}
}

// hook lists a script of a directory whose scripts are run one by one, and what it starts.
func (l *Lister) hook(name, user, when string) {
	a, err := l.Host.FS.Stat(name)
	if base := path.Base(name); err != nil || !a.IsRegular() || base == ".placeholder" || base == "README" {
		return
	}
	f := deminer.Foothold{Path: deminer.Raw(name), User: user, Trigger: when, Disabled: !a.Executable()}
	l.hookOf(f)
}

// hookOf lists a script as its own target. If it is a shell script, what it starts is listed too.
func (l *Lister) hookOf(f deminer.Foothold) {
	name := string(f.Path)
	if text, ok := l.Read(name); !ok || !strings.HasPrefix(text, "#!") || !strings.Contains(strings.SplitN(text, "\n", 2)[0], "sh") {
		l.script(f)
		return
	}
	before := len(l.found)
	shellFile{l: l, drop: true, base: f}.list()
	if whole := &l.found[before]; whole.Line == "" {
		whole.Targets = append([]string{name}, whole.Targets...)
		if whole.Command == "" {
			whole.Command = whole.Path
		}
	}
}
